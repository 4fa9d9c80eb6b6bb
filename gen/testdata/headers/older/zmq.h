/* A header of a release before the newest that the spec knows. */
#define ZMQ_VERSION_MAJOR 4
#define ZMQ_VERSION_MINOR 2
#define ZMQ_VERSION_PATCH 0
#define ZMQ_OLD 1
#define ZMQ_NAMED 3
#define ZMQ_EARLY 4
#define ZMQ_LENGTH 15
#ifdef ZMQ_BUILD_DRAFT_API
#define ZMQ_DRAFT 5
#define ZMQ_HASTY 6
#endif
