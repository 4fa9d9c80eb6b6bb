#ifndef ZMQIO_SOCK_H
#define ZMQIO_SOCK_H

#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

/*
 * A socket is passed as a number, so that cgo need not look whether it points
 * into Go memory. Functions that return int return an errno, 0 for success, and
 * retry EINTR.
 *
 * Frames are described by a table: each entry is the frame's size times two,
 * plus one when more frames of the same message follow. The payloads lie one
 * behind the other in one buffer, because an array of pointers to Go memory may
 * not be passed to C.
 */

int zmqio_getsockopt(uintptr_t sock, int option, void *value, size_t *len);
int zmqio_setsockopt(uintptr_t sock, int option, const void *value, size_t len);
int zmqio_events(uintptr_t sock, int *events);

/* Handles commands from other threads, as reading ZMQ_EVENTS does, but begins no message. */
int zmqio_process(uintptr_t sock);

/* Waits for such a command, at most timeout milliseconds, and handles it. */
int zmqio_await(uintptr_t sock, int timeout);

typedef struct {
    int64_t frames;     /* entries of the table that were filled */
    int64_t bytes;      /* bytes of the buffer that were filled */
    int64_t messages;   /* messages that were ended */
    int64_t payload;    /* bytes of all frames, those left in msg too, without properties */
    int64_t held_at;    /* which entry of the table is that of the frame left in msg, if is_held */
    int64_t held_size;  /* and its size */
    void *held_data;    /* and its payload, good until msg is used again */
    int32_t is_held;
    int32_t err;        /* what ended the batch; 0 when it is full */
} zmqio_received;

/* The first frame of a message, in the buffer of a receive. */
typedef struct {
    int64_t offset, size;
} zmqio_head;

/* Where messages came from that no message before them did. */
enum { ZMQIO_FRESH = 16 };

typedef struct {
    uint64_t fresh[ZMQIO_FRESH];    /* numbers of connections */
    zmq_msg_t pins[ZMQIO_FRESH];    /* copies of frames that came over them */
    zmqio_head heads[ZMQIO_FRESH];  /* of their messages */
    zmqio_head head;                /* of the message that is received */
    int64_t n;                      /* how many are fresh */
    enum { ZMQIO_REST, ZMQIO_FIRST, ZMQIO_SECOND } next; /* whether the next frame can tell */
} zmqio_origins;

/*
 * Adds a number to a set, and returns whether it was not there. The set is a hash table of
 * size numbers, a power of two, of which one at least must stay 0.
 */
int zmqio_see(uint64_t *seen, int64_t size, uint64_t origin);

/* Takes a number off the set. It must be there. */
void zmqio_forget(uint64_t *seen, int64_t size, uint64_t origin);

/* A longer property counts as one that is not there. */
enum { ZMQIO_MAX_PROPERTY = 1024 };

/*
 * Receives without waiting until the socket is empty; the table, the message count or the buffer is
 * full, in which there must be room for max_copy bytes; or a frame comes that is larger than
 * max_copy: that one stays in msg, which must have been initialised, and is left empty otherwise.
 * max_copy is above the size up to which libzmq keeps a payload inside the zmq_msg_t. So held_data
 * is never a pointer into msg, Go's memory. With single a frame of which more follow is dropped and
 * ends the batch with EPROTO. origins may be NULL. Otherwise messages from connections that are not
 * in seen are noticed there, and their connections in seen. A message whose frame that tells is
 * larger than max_copy is not noticed. A table that is full of them ends the batch.
 *
 * With names a frame of the values follows each message as its last one. names is NULL or
 * names of properties, each ended by a NUL and the last by two. Each value is the byte 1, the
 * text and a NUL, or a NUL alone where the message does not have the property. Only one such
 * frame can come behind a frame that stays in msg.
 */
void zmqio_recv(uintptr_t sock, zmq_msg_t *msg, char *buf, int64_t size, int64_t max_copy,
                uint64_t *table, int64_t max_frames, int64_t max_messages, int single, const char *names,
                zmqio_origins *origins, uint64_t *seen, int64_t seen_size, zmqio_received *r);

typedef struct {
    int64_t frames;     /* frames of the messages that libzmq took whole */
    int64_t bytes;      /* and their payload */
    int64_t messages;   /* and how many they are */
    int32_t err;        /* what ended the batch; 0 when all was taken */
    int32_t events;     /* ZMQ_EVENTS as the last thing done, or -1: not read */
    int32_t headless;   /* the next message must start with an empty frame */
    int32_t cut;        /* an error came amid a message, and libzmq waits for the rest */
} zmqio_sent;

/* What a socket does with the rest of a message after it refused a frame in the middle.
   It refuses one when the pipe to which the first frames went has died. */
enum {
    ZMQIO_FORGETS,      /* it waits for the message from its beginning */
    ZMQIO_DISCARDS,     /* it drops the frames that follow, up to the last */
    ZMQIO_REQ,          /* so does REQ, and takes the request for sent */
    ZMQIO_HEADLESS      /* REQ before 4.3.1: as ZMQIO_FORGETS, without the empty frame */
};

/* Makes msg, which must not be initialised, a frame that holds a copy of the payload. */
int zmqio_hold(zmq_msg_t *msg, const char *payload, size_t size);

/*
 * Sends the frames of the table, which are n and end with a whole message, without
 * waiting. Their payload is in buf, or in held, a message for each frame, which stays
 * what it is. With give the last frame in held of each message that is taken is libzmq's,
 * and empty, which spares a copy. A message that is refused in the middle is not taken, so that it can be
 * sent again from its beginning; a REQ must be left to take it for sent, and its
 * reply for lost, if frames were to follow the refused one. With headless the first
 * message starts with an empty frame that is not in the table. ZMQ_EVENTS is read
 * after EAGAIN, and at the end when want_events is set.
 */
void zmqio_send(uintptr_t sock, const char *buf, zmq_msg_t *held, int give, const uint64_t *table, int64_t n,
                int refusal, int headless, int want_events, zmqio_sent *r);

#endif
