/* A header of a release that the spec does not know yet. */
#include <errno.h>
#define ZMQ_VERSION_MAJOR 4
#define ZMQ_VERSION_MINOR 9
#define ZMQ_VERSION_PATCH 0
#define ZMQ_HAUSNUMERO 156384712
#ifndef EADDRINUSE
#define EADDRINUSE (ZMQ_HAUSNUMERO + 5)
#endif
#define ETERM (ZMQ_HAUSNUMERO + 53)
#define ENEW (ZMQ_HAUSNUMERO + 60)
#define ZMQ_OLD 1
#define ZMQ_MOVED 20
#define ZMQ_GROWN 4
#define ZMQ_ALIAS ZMQ_OLD
#define ZMQ_NEW_OPTION 200
#define ZMQ_EVENT_A 0x1
#define ZMQ_EVENT_B 0x2
#define ZMQ_EVENT_C 0x4
#define ZMQ_EVENT_ALL (ZMQ_EVENT_A | ZMQ_EVENT_B | ZMQ_EVENT_C)
#define ZMQ_PROPERTY_ID "Identity"
#define ZMQ_PROPERTY_NAME "Name"
#define ZMQ_MARK
#define ZMQ_CALL(x) (x)
int zmq_send (void *s_);
int zmq_bind (void *s_);
int zmq_grown (void *s_);
int zmq_new (void *s_);
#ifdef ZMQ_BUILD_DRAFT_API
#define ZMQ_NEW_DRAFT 201
#endif
