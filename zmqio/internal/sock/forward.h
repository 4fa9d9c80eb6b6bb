#ifndef ZMQIO_FORWARD_H
#define ZMQIO_FORWARD_H

#include "sock.h"

/* A socket that messages are forwarded to, and what it has done with them. */
typedef struct {
    uintptr_t sock;
    int32_t refusal;        /* as of zmqio_send */
    int32_t want_events;
    zmqio_sent sent;        /* of all messages together; headless goes in as well */
    int32_t refused;        /* it did not take the last one */
} zmqio_outlet;

/* What a call forwards at most: more would keep other sockets waiting. */
enum { ZMQIO_FORWARD_MESSAGES = 256, ZMQIO_FORWARD_FRAMES = 1024 };

typedef struct {
    int64_t messages;       /* that were received whole */
    int64_t bytes;          /* and their payload */
    int64_t begun;          /* frames in msgs, of a message that is incomplete or refused */
    int64_t used;           /* how many of msgs may hold something: those of earlier messages too */
    int32_t left;           /* an outlet has refused the message in msgs */
    int32_t err;            /* of the receive that ended the batch, or 0 */
} zmqio_forwarded;

/* Makes n messages empty ones. */
void zmqio_init(zmq_msg_t *msgs, int64_t n);

/* Makes n messages empty ones again, and drops what they hold. */
void zmqio_drop(zmq_msg_t *msgs, int64_t n);

/* Makes n messages, whatever they are, copies that share the memory of those in from. */
void zmqio_share(zmq_msg_t *msgs, zmq_msg_t *from, int64_t n);

/*
 * Receives messages without waiting and sends each to capture, which may be NULL, and to. A
 * message is received whole before its first frame is sent. Its frames are in msgs, which has
 * initialised messages, and table. Both have room for so many.
 *
 * It ends when the source is empty or fails, or when enough have been forwarded. It also ends
 * when an outlet does not take a message, which is then left in msgs. A message that has more
 * frames than there is room for ends it too: the caller makes room, and calls it again with
 * the same r. Otherwise r, which is zero at the first call, has nothing begun, and msgs are
 * empty.
 */
void zmqio_forward(uintptr_t from, zmqio_outlet *to, zmqio_outlet *capture, zmq_msg_t *msgs, uint64_t *table,
                   int64_t room, zmqio_forwarded *r);

#endif
