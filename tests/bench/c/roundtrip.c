/*
 * Requests and replies.
 */
#include <errno.h>
#include <stdlib.h>

#include "bench.h"

/* Sends all frames of one message back to where they came from. */
static void bounce(void *from)
{
    zmq_msg_t msg;
    int more;
    do {
        zmq_msg_init(&msg);
        while (zmq_msg_recv(&msg, from, 0) < 0)
            if (errno != EINTR)
                die("zmq_msg_recv");
        more = zmq_msg_more(&msg);
        while (zmq_msg_send(&msg, from, more ? ZMQ_SNDMORE : 0) < 0)
            if (errno != EINTR)
                die("zmq_msg_send");
    } while (more);
}

/* The server: a ROUTER that returns every message. */
void op_echo(const struct job *job)
{
    void *router = open_socket(context(job), ZMQ_ROUTER, job);
    bind_and_tell(router, job->endpoint);
    for (;;)
        bounce(router);
}

/* The client: a DEALER with job->inflight requests under way. */
void op_roundtrip(const struct job *job)
{
    struct meter m = {.job = job};
    void *dealer = open_socket(context(job), ZMQ_DEALER, job);
    connect_to(dealer, job->endpoint);
    char *payload = calloc(job->size ? job->size : 1, 1);
    if (!payload)
        die("calloc");
    for (int i = 0; i < job->inflight; i++)
        send_message(dealer, job, payload);
    for (;;) {
        bounce(dealer);
        meter_tick(&m);
    }
}
