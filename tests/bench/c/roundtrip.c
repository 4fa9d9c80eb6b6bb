/*
 * Requests and replies.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* The server: a ROUTER that returns every message. */
void op_echo(const struct job *job)
{
    void *router = open_socket(context(job), ZMQ_ROUTER, job);
    bind_and_tell(router, job->endpoint);
    for (;;)
        pass_on(router, router);
}

/* The client: a DEALER with job->inflight requests in flight, or a REQ with how=req. */
void op_roundtrip(const struct job *job)
{
    struct meter m = {.job = job};
    int type = strcmp(job->how, "req") == 0 ? ZMQ_REQ : ZMQ_DEALER;
    void *client = open_socket(context(job), type, job);
    connect_to(client, job->endpoint);
    char *payload = calloc(job->size ? job->size : 1, 1);
    if (!payload)
        die("calloc");
    for (int i = 0; i < job->inflight; i++)
        send_message(client, job, payload);
    for (;;) {
        pass_on(client, client);
        meter_tick(&m);
    }
}
