/*
 * Messages that are sent at fixed times, and how long each takes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "bench.h"

static void sleep_until(int64_t due)
{
    struct timespec t = {due / 1000000000, due % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

/* Returns how many messages are due together at a rate. A sender that sleeps more than 10,000 times
 * a second spends its time on that. A sender that never sleeps takes the receiver's processor. */
static long clump(double rate)
{
    return rate > 10000 ? (long)(rate / 10000) : 1;
}

/* Sends at the job's rate and does not wait for the receiver. Each message begins with the time at
 * which it is due, so the time that it waits for room counts. */
static void pace(void *push, const struct job *job)
{
    char *payload = calloc(job->size < sizeof(int64_t) ? sizeof(int64_t) : job->size, 1);
    if (!payload)
        die("calloc");
    while (job->rate == 0)
        send_message(push, job, payload);
    send_message(push, job, payload); /* returns when there is a receiver */
    prctl(PR_SET_TIMERSLACK, 1UL); /* the default delays it by 50 µs */
    int64_t begin = now_ns();
    long n = clump(job->rate);
    for (long i = 0;; i += n) {
        int64_t due = begin + (int64_t)(i * 1e9 / job->rate);
        if (now_ns() < due)
            sleep_until(due);
        memcpy(payload, &due, sizeof due);
        for (long k = 0; k < n; k++)
            send_message(push, job, payload);
    }
}

void op_pace(const struct job *job)
{
    void *push = open_socket(context(job), ZMQ_PUSH, job);
    connect_to(push, job->endpoint);
    pace(push, job);
}

void op_pace_bind(const struct job *job)
{
    void *push = open_socket(context(job), ZMQ_PUSH, job);
    int backlog = 4096;
    if (zmq_setsockopt(push, ZMQ_BACKLOG, &backlog, sizeof backlog) != 0)
        die("ZMQ_BACKLOG");
    bind_and_tell(push, job->endpoint);
    pace(push, job);
}

/* Takes a message if there is one, and notes how long it took. */
static int take(void *pull, zmq_msg_t *msg, int flags, struct histogram *times)
{
    while (zmq_msg_recv(msg, pull, flags) < 0) {
        if (errno == EAGAIN)
            return 0;
        if (errno != EINTR)
            die("zmq_msg_recv");
    }
    int64_t due;
    memcpy(&due, zmq_msg_data(msg), sizeof due);
    histogram_add(times, now_ns() - due);
    return 1;
}

void op_latency(const struct job *job)
{
    static struct histogram times;
    struct meter m = {.job = job, .times = &times};
    void *pull = open_socket(context(job), ZMQ_PULL, job);
    bind_and_tell(pull, job->endpoint);
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    for (;;) {
        take(pull, &msg, 0, &times);
        meter_tick(&m);
    }
}

/* Receives with many sockets. The warm-up begins when each has received a message. */
void op_active(const struct job *job)
{
    static struct histogram times;
    struct meter m = {.job = job, .times = &times};
    void *ctx = context(job);
    zmq_pollitem_t *items = calloc(job->sockets, sizeof *items);
    char *seen = calloc(job->sockets, 1);
    if (!items || !seen)
        die("calloc");
    for (int i = 0; i < job->sockets; i++) {
        items[i].socket = open_socket(ctx, ZMQ_PULL, job);
        items[i].events = ZMQ_POLLIN;
        connect_to(items[i].socket, job->endpoint);
    }
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    for (int left = job->sockets;;) {
        if (zmq_poll(items, job->sockets, -1) < 0 && errno != EINTR)
            die("zmq_poll");
        for (int i = 0; i < job->sockets; i++)
            while (items[i].revents && take(items[i].socket, &msg, ZMQ_DONTWAIT, &times)) {
                if (!seen[i]) {
                    seen[i] = 1;
                    left--;
                }
                if (left == 0)
                    meter_tick(&m);
            }
    }
}
