/*
 * What the operations share.
 */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void histogram_add(struct histogram *h, int64_t ns)
{
    uint64_t v = ns < 0 ? 0 : (uint64_t)ns;
    int shift = v < 64 ? 0 : 58 - __builtin_clzll(v); /* leaves six bits */
    h->counts[shift * 32 + (int)(v >> shift)]++;
}

/* Returns the time that the share of all times does not exceed: the middle of a bucket, in µs. */
static double percentile(const struct histogram *h, double share)
{
    int n = sizeof h->counts / sizeof *h->counts, i = 0;
    long all = 0, seen = h->counts[0];
    for (int k = 0; k < n; k++)
        all += h->counts[k];
    while (seen < share * all)
        seen += h->counts[++i];
    if (i < 64)
        return i / 1e3;
    return (i % 32 + 32.5) * (double)(UINT64_C(1) << (i / 32 - 1)) / 1e3;
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
    if (from->times)
        printf("{\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,", percentile(from->times, 0.5), percentile(from->times, 0.99),
               percentile(from->times, 0.999));
    else
        printf("{");
    printf("\"messages\":%ld,\"seconds\":%.9f,\"cpu\":%.6f,\"voluntary\":%ld,\"involuntary\":%ld,\"instructions\":%lld}\n",
           to.n - from->n, to.time - from->time, to.cpu - from->cpu, to.voluntary - from->voluntary,
           to.involuntary - from->involuntary, to.instructions - from->instructions);
    _exit(0);
}

static void meter_begin(struct meter *m)
{
    if (m->times)
        memset(m->times, 0, sizeof *m->times);
    m->begin = mark(m->job, m->n);
    m->begin.times = m->times;
}

static void meter_look(struct meter *m)
{
    double t = now();
    if (m->start == 0 && m->n >= m->job->lead)
        m->start = t;
    if (m->begin.time == 0) {
        if (m->start != 0 && t - m->start >= m->job->warm)
            meter_begin(m);
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
