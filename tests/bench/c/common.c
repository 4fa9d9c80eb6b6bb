/*
 * What the operations are made of.
 */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, zmq_strerror(errno));
    _exit(1);
}

double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

struct mark mark(const struct job *job, long n)
{
    struct mark m = {.job = job, .n = n, .time = now()};
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    m.cpu = u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    m.voluntary = u.ru_nvcsw;
    m.involuntary = u.ru_nivcsw;
    if (job->counter && read(job->counter, &m.instructions, sizeof m.instructions) != sizeof m.instructions)
        die("counter");
    return m;
}

void tell_since(const struct mark *from, long n)
{
    struct mark to = mark(from->job, n);
    printf("{\"messages\":%ld,\"seconds\":%.9f,\"cpu\":%.6f,\"voluntary\":%ld,\"involuntary\":%ld,\"instructions\":%lld}\n",
           to.n - from->n, to.time - from->time, to.cpu - from->cpu, to.voluntary - from->voluntary,
           to.involuntary - from->involuntary, to.instructions - from->instructions);
    _exit(0);
}

static void meter_look(struct meter *m)
{
    double t = now();
    if (m->start == 0 && m->n >= m->job->lead)
        m->start = t;
    if (m->begin.time == 0) {
        if (m->start != 0 && t - m->start >= m->job->warm)
            m->begin = mark(m->job, m->n);
        return;
    }
    if (t - m->begin.time >= m->job->length)
        tell_since(&m->begin, m->n);
}

void meter_tick(struct meter *m)
{
    if (m->job->length > 0 && ++m->n % m->job->stride == 0)
        meter_look(m);
}

static const volatile long *least_of;
static int least_n;

void tell_least(const volatile long *counts, int n)
{
    least_of = counts;
    least_n = n;
}

void print_least(void)
{
    if (!least_of)
        return;
    long least = least_of[0];
    for (int i = 1; i < least_n; i++)
        if (least_of[i] < least)
            least = least_of[i];
    printf("{\"messages\":%ld}\n", least);
}

void *context(const struct job *job)
{
    void *ctx = zmq_ctx_new();
    if (!ctx || zmq_ctx_set(ctx, ZMQ_MAX_SOCKETS, job->sockets + 100) != 0)
        die("zmq_ctx_new");
    return ctx;
}

void *open_socket(void *ctx, int type, const struct job *job)
{
    void *s = zmq_socket(ctx, type);
    if (!s || zmq_setsockopt(s, ZMQ_SNDHWM, &job->hwm, sizeof job->hwm) != 0 ||
        zmq_setsockopt(s, ZMQ_RCVHWM, &job->hwm, sizeof job->hwm) != 0)
        die("zmq_socket");
    return s;
}

void bind_and_tell(void *socket, const char *endpoint)
{
    char last[512];
    size_t n = sizeof last;
    if (zmq_bind(socket, endpoint) != 0 || zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, last, &n) != 0)
        die("zmq_bind");
    printf("{\"endpoint\":\"%s\"}\n", last);
}

void connect_to(void *socket, const char *endpoint)
{
    if (zmq_connect(socket, endpoint) != 0)
        die("zmq_connect");
}

void send_message(void *socket, const struct job *job, const char *payload)
{
    for (int i = 1; i <= job->frames; i++)
        while (zmq_send(socket, payload, job->size, i < job->frames ? ZMQ_SNDMORE : 0) < 0)
            if (errno != EINTR)
                die("zmq_send");
}

void run_on_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, fn, arg) != 0)
        die("pthread_create");
}

void pass_on(void *from, void *to)
{
    zmq_msg_t msg;
    int more;
    do {
        zmq_msg_init(&msg);
        while (zmq_msg_recv(&msg, from, 0) < 0)
            if (errno != EINTR)
                die("zmq_msg_recv");
        more = zmq_msg_more(&msg);
        while (to && zmq_msg_send(&msg, to, more ? ZMQ_SNDMORE : 0) < 0)
            if (errno != EINTR)
                die("zmq_msg_send");
        zmq_msg_close(&msg);
    } while (more);
}
