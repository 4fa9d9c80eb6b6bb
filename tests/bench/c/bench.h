/*
 * What the C programs of the benchmark share: parameters, the meter and messages.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

/* The parameters of a process, from its name=value arguments. */
struct job {
    const char *endpoint;
    const char *how;
    size_t size;  /* bytes in a frame */
    int frames;   /* in a message */
    int hwm;      /* of all sockets */
    int keep;     /* how many messages a receiver keeps */
    long lead;    /* messages before the warm-up, more than a sender can queue */
    int stride;   /* messages between two looks at the clock */
    int inflight; /* requests without a reply */
    int sockets;
    int counter;  /* the descriptor that counts instructions; 0: none */
    double rate;         /* messages a second; 0: no limit */
    double warm, length; /* seconds before and in the measurement; length 0: for ever */
};

/* Counts times, 32 buckets for each power of two of a nanosecond. */
struct histogram {
    long counts[60 * 32];
};

void histogram_add(struct histogram *h, int64_t ns);

/* The beginning of a measurement: what the process had counted and used by then. */
struct mark {
    const struct job *job;
    long n, voluntary, involuntary; /* messages, context switches */
    long long instructions;
    double time, cpu; /* seconds */
    struct histogram *times; /* noted since; NULL: none */
};

struct mark mark(const struct job *job, long n);

/* Prints what was counted and used since a mark, with n messages by now. Ends the process. */
void tell_since(const struct mark *m, long n);

/* Counts messages, and measures after the warm-up. */
struct meter {
    const struct job *job;
    long n;
    double start;
    struct histogram *times; /* NULL: none are noted */
    struct mark begin;
};

/* Each counts a message, and ends the process with a result when time is up. */
void meter_tick(struct meter *m);

double now(void);
int64_t now_ns(void); /* of CLOCK_MONOTONIC, which all processes share */
void die(const char *what);
void *context(const struct job *job);
void *open_socket(void *ctx, int type, const struct job *job);
void bind_and_tell(void *socket, const char *endpoint);
void connect_to(void *socket, const char *endpoint);
void send_message(void *socket, const struct job *job, const char *payload);

/* Receives one message and sends all its frames to another socket, or nowhere if to is NULL. */
void pass_on(void *from, void *to);

void run_on_thread(void *(*fn)(void *), void *arg);

/* Makes print_least print the smallest of counts[0..n) when standard input ends. The benchmark
 * compares it with what the sender counted. */
void tell_least(const volatile long *counts, int n);
void print_least(void);

/* The operations. None returns before the measurement is done. */
void op_recv(const struct job *job);
void op_send(const struct job *job);
void op_sink(const struct job *job);
void op_echo(const struct job *job);
void op_roundtrip(const struct job *job);
void op_pub(const struct job *job);
void op_subs(const struct job *job);
void op_memory(const struct job *job);
void op_ends(const struct job *job);
void op_proxy(const struct job *job);
void op_pace(const struct job *job);
void op_pace_bind(const struct job *job);
void op_latency(const struct job *job);
void op_active(const struct job *job);
void op_senders(const struct job *job);
void op_threads(const struct job *job);

#endif
