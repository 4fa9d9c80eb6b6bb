#ifndef ZMQIO_FORWARD_H
#define ZMQIO_FORWARD_H

#include "sock.h"

/* A socket that messages are forwarded to, and the result. */
typedef struct {
    uintptr_t sock;
    int32_t refusal;        /* as of zmqio_send */
    int32_t want_events;
    zmqio_sent sent;        /* sum for all messages; headless is an argument too */
    int32_t refused;        /* the socket refused the last message */
} zmqio_outlet;

/* The most that a call forwards, so that other sockets get their turn. */
enum { ZMQIO_FORWARD_MESSAGES = 256, ZMQIO_FORWARD_FRAMES = 1024 };

typedef struct {
    int64_t messages;       /* received whole */
    int64_t bytes;          /* their payload */
    int64_t begun;          /* frames in msgs, of a message that is incomplete or refused */
    int64_t used;           /* elements of msgs that may hold a frame, also of earlier messages */
    int32_t left;           /* an outlet has refused the message in msgs */
    int32_t err;            /* errno of the receive that ended the batch, or 0 */
} zmqio_forwarded;

/* Initialises n messages as empty ones. */
void zmqio_init(zmq_msg_t *msgs, int64_t n);

/* Drops the content of n messages, which are empty afterwards. */
void zmqio_drop(zmq_msg_t *msgs, int64_t n);

/* Initialises n messages as copies of those in from, with the same memory. */
void zmqio_share(zmq_msg_t *msgs, zmq_msg_t *from, int64_t n);

/*
 * Receives messages without waiting, and sends each to capture, which may be NULL, and to `to`.
 * It receives a message whole before it sends the first frame. The frames are in msgs, whose
 * messages are initialised, and in table. Both have room elements.
 *
 * The call ends when the source is empty or fails, or after the bounds above. It ends when an
 * outlet refuses a message, which stays in msgs. It also ends when a message has more than room
 * frames: the caller makes room, and calls again with the same r. In all other cases r has
 * nothing begun, and msgs are empty. r is zero at the first call.
 */
void zmqio_forward(uintptr_t from, zmqio_outlet *to, zmqio_outlet *capture, zmq_msg_t *msgs, uint64_t *table,
                   int64_t room, zmqio_forwarded *r);

#endif
