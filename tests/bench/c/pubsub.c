/*
 * A publisher, and many subscribers in one process.
 */
#include <errno.h>
#include <stdlib.h>

#include "bench.h"

/* Publishes as fast as the slowest subscriber receives. */
void op_pub(const struct job *job)
{
    struct meter m = {.job = job};
    void *pub = open_socket(context(job), ZMQ_PUB, job);
    int on = 1;
    char *payload = calloc(job->size ? job->size : 1, 1);
    if (!payload || zmq_setsockopt(pub, ZMQ_XPUB_NODROP, &on, sizeof on) != 0)
        die("ZMQ_XPUB_NODROP");
    bind_and_tell(pub, job->endpoint);
    for (;;) {
        send_message(pub, job, payload);
        meter_tick(&m);
    }
}

/* Receives every message that has arrived. */
static void drain(void *sub, zmq_msg_t *msg, volatile long *n)
{
    while (zmq_msg_recv(msg, sub, ZMQ_DONTWAIT) >= 0)
        ++*n;
    if (errno != EAGAIN && errno != EINTR)
        die("zmq_msg_recv");
}

void op_subs(const struct job *job)
{
    void *ctx = context(job);
    zmq_pollitem_t *items = calloc(job->sockets, sizeof *items);
    volatile long *counts = calloc(job->sockets, sizeof *counts);
    if (!items || !counts)
        die("calloc");
    tell_least(counts, job->sockets);
    for (int i = 0; i < job->sockets; i++) {
        items[i] = (zmq_pollitem_t){.socket = open_socket(ctx, ZMQ_SUB, job), .events = ZMQ_POLLIN};
        if (zmq_setsockopt(items[i].socket, ZMQ_SUBSCRIBE, "", 0) != 0)
            die("ZMQ_SUBSCRIBE");
        connect_to(items[i].socket, job->endpoint);
    }
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    for (;;) {
        if (zmq_poll(items, job->sockets, -1) < 0 && errno != EINTR)
            die("zmq_poll");
        for (int i = 0; i < job->sockets; i++)
            if (items[i].revents)
                drain(items[i].socket, &msg, &counts[i]);
    }
}
