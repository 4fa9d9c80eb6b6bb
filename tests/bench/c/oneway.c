/*
 * Messages in one direction.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct sender {
    void *ctx;
    const struct job *job;
};

/* Sends as fast as libzmq takes messages. */
static void send_all(void *socket, const struct job *job, struct meter *m)
{
    char *payload = calloc(job->size ? job->size : 1, 1);
    if (!payload)
        die("calloc");
    for (;;) {
        send_message(socket, job, payload);
        meter_tick(m);
    }
}

/* The sender over inproc. It counts nothing. */
static void *send_on_thread(void *arg)
{
    struct sender *s = arg;
    struct job forever = *s->job;
    forever.length = 0;
    struct meter m = {.job = &forever};
    void *push = open_socket(s->ctx, ZMQ_PUSH, &forever);
    connect_to(push, forever.endpoint);
    send_all(push, &forever, &m);
    return NULL;
}

void op_send(const struct job *job)
{
    struct meter m = {.job = job};
    void *push = open_socket(context(job), ZMQ_PUSH, job);
    connect_to(push, job->endpoint);
    send_all(push, job, &m);
}

static void receive(void *socket, zmq_msg_t *msg)
{
    while (zmq_msg_recv(msg, socket, 0) < 0)
        if (errno != EINTR)
            die("zmq_msg_recv");
}

/* Receives messages; how=copy keeps a copy of the last job->keep of them. */
void op_recv(const struct job *job)
{
    struct meter m = {.job = job};
    struct sender sender = {context(job), job};
    void *pull = open_socket(sender.ctx, ZMQ_PULL, job);
    bind_and_tell(pull, job->endpoint);
    if (strncmp(job->endpoint, "inproc:", 7) == 0)
        run_on_thread(send_on_thread, &sender);
    int copy = strcmp(job->how, "copy") == 0;
    size_t slots = (size_t)job->keep * job->frames, slot = 0;
    void **kept = calloc(slots, sizeof *kept);
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    if (!kept)
        die("calloc");
    for (;;) {
        do {
            receive(pull, &msg);
            if (!copy)
                continue;
            free(kept[slot]);
            size_t n = zmq_msg_size(&msg);
            if (!(kept[slot] = malloc(n ? n : 1)))
                die("malloc");
            memcpy(kept[slot], zmq_msg_data(&msg), n);
            slot = (slot + 1) % slots;
        } while (zmq_msg_more(&msg));
        meter_tick(&m);
    }
}

/* Receives and drops messages, for a sender that is measured. */
void op_sink(const struct job *job)
{
    void *pull = open_socket(context(job), ZMQ_PULL, job);
    bind_and_tell(pull, job->endpoint);
    static volatile long n;
    tell_least(&n, 1);
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    for (;;) {
        receive(pull, &msg);
        if (!zmq_msg_more(&msg))
            n++;
    }
}
