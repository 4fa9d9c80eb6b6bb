#ifndef ZMQIO_SOCK_H
#define ZMQIO_SOCK_H

#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

/*
 * A socket is passed as a number, so that cgo does not check whether it points
 * into Go memory. zmqio_see returns a truth value. Every other function here
 * that returns int returns an errno, 0 for success, and retries EINTR.
 *
 * A table describes frames: each entry is the frame's size times two, plus one
 * if more frames of the same message follow. The payloads lie one behind the
 * other in one buffer, because Go may not pass C an array of pointers to Go
 * memory.
 */

int zmqio_getsockopt(uintptr_t sock, int option, void *value, size_t *len);
int zmqio_setsockopt(uintptr_t sock, int option, const void *value, size_t len);
int zmqio_events(uintptr_t sock, int *events);

/* Handles commands from other threads, as reading ZMQ_EVENTS does, but begins no message. */
int zmqio_process(uintptr_t sock);

/* Waits at most timeout milliseconds for a command from another thread, and handles it. */
int zmqio_await(uintptr_t sock, int timeout);

typedef struct {
    int64_t frames;     /* entries of the table that were filled */
    int64_t bytes;      /* bytes of the buffer that were filled */
    int64_t messages;   /* messages whose last frame was received */
    int64_t payload;    /* bytes of all frames, those left in msg too, without properties */
    int64_t held_at;    /* if is_held: the index in the table of the frame left in msg */
    int64_t held_size;  /* its size */
    void *held_data;    /* its payload, valid until msg is used again */
    int32_t is_held;
    int32_t err;        /* errno that ended the batch; 0: it is full */
} zmqio_received;

/* The first frame of a message, in the buffer of a receive. */
typedef struct {
    int64_t offset, size;
} zmqio_head;

/* Origins, which are connections, whose first message is in a receive. */
enum { ZMQIO_FRESH = 16 };

typedef struct {
    uint64_t fresh[ZMQIO_FRESH];    /* numbers of connections */
    zmq_msg_t pins[ZMQIO_FRESH];    /* copies of frames from these connections */
    zmqio_head heads[ZMQIO_FRESH];  /* first frames of their messages */
    zmqio_head head;                /* first frame of the message being received */
    int64_t n;                      /* used elements of fresh, pins and heads */
    enum { ZMQIO_REST, ZMQIO_FIRST, ZMQIO_SECOND } next; /* place of the next frame in its message */
} zmqio_origins;

/*
 * Adds origin to the set seen, and returns whether it is new. The set is a hash table of size
 * numbers. size is a power of two, and at least one number must stay 0.
 */
int zmqio_see(uint64_t *seen, int64_t size, uint64_t origin);

/* Removes origin from the set, which must have it. */
void zmqio_forget(uint64_t *seen, int64_t size, uint64_t origin);

/* A longer property counts as missing. */
enum { ZMQIO_MAX_PROPERTY = 1024 };

/*
 * Receives without waiting, until one of these ends the batch:
 *
 * - The socket is empty, or a receive fails.
 * - The table has max_frames, or max_messages have been received.
 * - The buffer has room for less than max_copy bytes.
 * - A frame is larger than max_copy. It stays in msg.
 * - single is set and a frame has SNDMORE: EPROTO, and the frame is dropped.
 * - origins is full.
 *
 * The caller initialises msg. It is empty afterwards, unless a frame stays in it. max_copy is
 * above the size up to which libzmq keeps a payload inside the zmq_msg_t. So held_data never
 * points into msg, which is Go's memory.
 *
 * origins may be NULL. Otherwise origins that are not in seen are added to seen and origins.
 * A message whose frame with the origin is larger than max_copy is skipped.
 *
 * names is NULL, or names of properties, each ended by a NUL and the last by two. With names
 * each message gets one more frame, the last, with the values. A value is the byte 1, the text
 * and a NUL, or only a NUL if the message lacks the property. At most one such frame can follow
 * a frame that stays in msg.
 */
void zmqio_recv(uintptr_t sock, zmq_msg_t *msg, char *buf, int64_t size, int64_t max_copy,
                uint64_t *table, int64_t max_frames, int64_t max_messages, int single, const char *names,
                zmqio_origins *origins, uint64_t *seen, int64_t seen_size, zmqio_received *r);

typedef struct {
    int64_t frames;     /* of messages that libzmq took whole */
    int64_t bytes;      /* payload of these frames */
    int64_t messages;   /* number of these messages */
    int32_t err;        /* errno that ended the batch; 0: all was taken */
    int32_t events;     /* ZMQ_EVENTS, read after the last send; -1: not read */
    int32_t headless;   /* the next message must start with an empty frame */
    int32_t cut;        /* err came amid a message, and libzmq waits for the rest */
} zmqio_sent;

/* What a socket does with the rest of a message after it has refused a frame in the middle.
   It refuses one if the pipe of the first frames has died. */
enum {
    ZMQIO_FORGETS,      /* waits for the message from its beginning */
    ZMQIO_DISCARDS,     /* drops the next frames up to the last */
    ZMQIO_REQ,          /* REQ: as ZMQIO_DISCARDS, and counts the request as sent */
    ZMQIO_HEADLESS      /* REQ before 4.3.1: as ZMQIO_FORGETS, without the empty frame */
};

/*
 * Sends the n frames of the table without waiting. The last one ends a message. The payload is
 * in buf, or in held, a zmq_msg_t for each frame, which keeps its content. With give libzmq
 * takes over the last frame of each message in held, which spares a copy and leaves it empty.
 *
 * A message that libzmq refuses in the middle is not taken, so the caller can send it again
 * from its beginning. The exception is a REQ, if more frames were to follow the refused one.
 * libzmq then counts the request as sent, and its reply is lost. With headless the first
 * message starts with an empty frame that is not in the table. ZMQ_EVENTS is read after EAGAIN,
 * and at the end if want_events is set.
 */
void zmqio_send(uintptr_t sock, const char *buf, zmq_msg_t *held, int give, const uint64_t *table, int64_t n,
                int refusal, int headless, int want_events, zmqio_sent *r);

#endif
