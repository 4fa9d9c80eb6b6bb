#include "forward.h"

#include <errno.h>

void zmqio_init(zmq_msg_t *msgs, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        zmq_msg_init(&msgs[i]);
}

void zmqio_drop(zmq_msg_t *msgs, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        zmq_msg_close(&msgs[i]);
    zmqio_init(msgs, n);
}

void zmqio_share(zmq_msg_t *msgs, zmq_msg_t *from, int64_t n)
{
    zmqio_init(msgs, n);
    for (int64_t i = 0; i < n; i++)
        zmq_msg_copy(&msgs[i], &from[i]); /* fails only for an invalid message */
}

/* Sends the message to an outlet and returns whether it was taken. */
static int pass(zmqio_outlet *o, zmq_msg_t *msgs, int give, const uint64_t *table, int64_t n)
{
    zmqio_sent sent;
    zmqio_send(o->sock, NULL, msgs, give, table, n, o->refusal, o->sent.headless, 0, &sent);
    sent.messages += o->sent.messages;
    sent.frames += o->sent.frames;
    sent.bytes += o->sent.bytes;
    o->sent = sent;
    o->refused = sent.err != 0;
    return !o->refused;
}

/* Reads ZMQ_EVENTS of an outlet after its last send, if wanted and not yet read. */
static void look(zmqio_outlet *o, int touched)
{
    int events;
    if (!touched || !o->want_events || o->sent.events >= 0)
        return;
    const int err = zmqio_events(o->sock, &events);
    if (err == 0)
        o->sent.events = events;
    else if (o->sent.err == 0)
        o->sent.err = err;
}

void zmqio_forward(uintptr_t from, zmqio_outlet *to, zmqio_outlet *capture, zmq_msg_t *msgs, uint64_t *table,
                   int64_t room, zmqio_forwarded *r)
{
    int64_t frames = 0;
    while (r->messages < ZMQIO_FORWARD_MESSAGES && frames < ZMQIO_FORWARD_FRAMES) {
        if (r->begun == room)
            return;
        zmq_msg_t *const msg = &msgs[r->begun];
        /* A receive drops the old content of msg. */
        if (zmq_msg_recv(msg, (void *)from, ZMQ_DONTWAIT) < 0) {
            r->err = zmq_errno();
            if (r->err != EINTR)
                break;
            r->err = 0;
            continue;
        }
        const int more = zmq_msg_more(msg);
        table[r->begun++] = (uint64_t)zmq_msg_size(msg) << 1 | more;
        if (r->begun > r->used)
            r->used = r->begun;
        if (more)
            continue;
        const int64_t n = r->begun;
        for (int64_t i = 0; i < n; i++)
            r->bytes += (int64_t)(table[i] >> 1);
        r->messages++;
        frames += n;
        const int captured = !capture || pass(capture, msgs, 0, table, n);
        const int passed = pass(to, msgs, captured, table, n);
        r->left = !captured || !passed;
        if (r->left)
            break;
        r->begun = 0;
    }
    if (!r->left) {
        r->begun = 0; /* a failed receive may have torn a message */
        zmqio_drop(msgs, r->used);
        r->used = 0;
    }
    look(to, r->messages > 0);
    if (capture)
        look(capture, r->messages > 0);
}
