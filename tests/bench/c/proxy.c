/*
 * A proxy, and the programs at its two ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* A proxy connects to three endpoints: its front, its back, and one that tells how many messages
 * have arrived. */
enum { FRONT, BACK, COUNT, ENDS };

struct ends {
    const struct job *job;
    void *sockets[ENDS];
    volatile long n; /* messages that have arrived; of requests, replies */
};

static int is_queue(const struct job *job) { return strcmp(job->how, "streamer") != 0; }

static char *payload(const struct job *job)
{
    char *p = calloc(job->size ? job->size : 1, 1);
    if (!p)
        die("calloc");
    return p;
}

/* Sends as fast as the proxy takes messages, or sends each reply as the next request. */
static void *feed(void *arg)
{
    struct ends *e = arg;
    char *p = payload(e->job);
    for (int i = 0; is_queue(e->job) && i < e->job->inflight; i++)
        send_message(e->sockets[FRONT], e->job, p);
    for (;;) {
        if (is_queue(e->job)) {
            pass_on(e->sockets[FRONT], e->sockets[FRONT]);
            e->n++;
        } else
            send_message(e->sockets[FRONT], e->job, p);
    }
    return NULL;
}

/* Receives messages from the proxy, or returns them. */
static void *drain(void *arg)
{
    struct ends *e = arg;
    for (;;) {
        pass_on(e->sockets[BACK], is_queue(e->job) ? e->sockets[BACK] : NULL);
        if (!is_queue(e->job))
            e->n++;
    }
    return NULL;
}

/* Both ends of a proxy: how=streamer, or any other for requests and replies. */
void op_ends(const struct job *job)
{
    static const int types[2][ENDS] = {{ZMQ_PUSH, ZMQ_PULL, ZMQ_REP}, {ZMQ_DEALER, ZMQ_DEALER, ZMQ_REP}};
    struct ends e = {.job = job};
    void *ctx = context(job);
    printf("{\"endpoint\":\"");
    for (int i = 0; i < ENDS; i++) {
        char last[512];
        size_t n = sizeof last;
        e.sockets[i] = open_socket(ctx, types[is_queue(job)][i], job);
        if (zmq_bind(e.sockets[i], job->endpoint) != 0 || zmq_getsockopt(e.sockets[i], ZMQ_LAST_ENDPOINT, last, &n) != 0)
            die("zmq_bind");
        printf("%s%s", i ? " " : "", last);
    }
    printf("\"}\n");
    run_on_thread(feed, &e);
    run_on_thread(drain, &e);
    for (char question; zmq_recv(e.sockets[COUNT], &question, 1, 0) >= 0;) {
        const long n = e.n;
        if (zmq_send(e.sockets[COUNT], &n, sizeof n, 0) < 0)
            break;
    }
    die("count");
}

static void *proxy(void *arg)
{
    void **ends = arg;
    zmq_proxy(ends[FRONT], ends[BACK], NULL);
    die("zmq_proxy");
    return NULL;
}

static long ask(void *count)
{
    long n;
    if (zmq_send(count, "", 1, 0) < 0 || zmq_recv(count, &n, sizeof n, 0) != sizeof n)
        die("count");
    return n;
}

/* The proxy, which is measured. */
void op_proxy(const struct job *job)
{
    static const int types[2][ENDS] = {{ZMQ_PULL, ZMQ_PUSH, ZMQ_REQ}, {ZMQ_ROUTER, ZMQ_DEALER, ZMQ_REQ}};
    void *ends[ENDS], *ctx = context(job), *asking = context(job);
    char *endpoints = strdup(job->endpoint);
    for (int i = 0; i < ENDS; i++) {
        const char *endpoint = strtok(i ? NULL : endpoints, " ");
        ends[i] = open_socket(i == COUNT ? asking : ctx, types[is_queue(job)][i], job);
        connect_to(ends[i], endpoint ? endpoint : "");
    }
    run_on_thread(proxy, ends);
    while (ask(ends[COUNT]) < job->lead)
        usleep(1000);
    usleep(job->warm * 1e6);
    const struct mark begin = mark(job, ask(ends[COUNT]));
    usleep(job->length * 1e6);
    long n;
    while ((n = ask(ends[COUNT])) == begin.n) /* on a busy machine */
        usleep(1000);
    tell_since(&begin, n);
}
