/*
 * Threads with a socket, a context and an I/O thread each.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* A thread and its socket, on cache lines of its own. */
struct worker {
    const struct job *job;
    void *socket;
    char endpoint[256];
    volatile long received;
    uint64_t hash;
    char apart[128];
};

static struct worker *workers_of(const struct job *job)
{
    struct worker *w = calloc(job->sockets, sizeof *w);
    if (!w)
        die("calloc");
    for (int i = 0; i < job->sockets; i++)
        w[i].job = job;
    return w;
}

static void *send_forever(void *arg)
{
    struct worker *w = arg;
    void *push = open_socket(context(w->job), ZMQ_PUSH, w->job);
    char *payload = calloc(w->job->size ? w->job->size : 1, 1);
    if (!payload)
        die("calloc");
    connect_to(push, w->endpoint);
    for (;;)
        send_message(push, w->job, payload);
    return NULL;
}

/* Sends to each of the endpoints, which commas separate. */
void op_senders(const struct job *job)
{
    struct worker *w = workers_of(job);
    const char *next = job->endpoint;
    for (int i = 0; i < job->sockets; i++) {
        size_t n = strcspn(next, ",");
        if (n == 0 || n >= sizeof w[i].endpoint)
            die(job->endpoint);
        memcpy(w[i].endpoint, next, n);
        next += n + (next[n] == ',');
        run_on_thread(send_forever, &w[i]);
    }
    pause();
}

/* FNV-1a. Each step needs the result of the one before, so it takes as long in any language. */
static uint64_t hash(uint64_t h, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(1099511628211);
    return h;
}

/* Keeps copies of the last messages. */
static void *receive_forever(void *arg)
{
    struct worker *w = arg;
    int hashes = strcmp(w->job->how, "hash") == 0 ? 16 : 0, slot = 0;
    void **kept = calloc(w->job->keep, sizeof *kept);
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    if (!kept)
        die("calloc");
    for (;;) {
        while (zmq_msg_recv(&msg, w->socket, 0) < 0)
            if (errno != EINTR)
                die("zmq_msg_recv");
        size_t n = zmq_msg_size(&msg);
        free(kept[slot]);
        if (!(kept[slot] = malloc(n ? n : 1)))
            die("malloc");
        memcpy(kept[slot], zmq_msg_data(&msg), n);
        for (int i = 0; i < hashes; i++)
            w->hash = hash(w->hash, kept[slot], n);
        slot = (slot + 1) % w->job->keep;
        w->received++;
    }
    return NULL;
}

static long received(const struct worker *w, int n)
{
    long all = 0;
    for (int i = 0; i < n; i++)
        all += w[i].received;
    return all;
}

void op_threads(const struct job *job)
{
    struct worker *w = workers_of(job);
    for (int i = 0; i < job->sockets; i++) {
        size_t n = sizeof w[i].endpoint;
        w[i].socket = open_socket(context(job), ZMQ_PULL, job);
        if (zmq_bind(w[i].socket, job->endpoint) != 0 || zmq_getsockopt(w[i].socket, ZMQ_LAST_ENDPOINT, w[i].endpoint, &n) != 0)
            die("zmq_bind");
        printf("%s%s", i == 0 ? "{\"endpoint\":\"" : ",", w[i].endpoint);
    }
    printf("\"}\n");
    for (int i = 0; i < job->sockets; i++)
        run_on_thread(receive_forever, &w[i]);
    while (received(w, job->sockets) == 0)
        usleep(1000);
    usleep(job->warm * 1e6);
    const struct mark begin = mark(job, received(w, job->sockets));
    usleep(job->length * 1e6);
    long n;
    while ((n = received(w, job->sockets)) == begin.n) /* on a busy machine */
        usleep(1000);
    tell_since(&begin, n);
}
