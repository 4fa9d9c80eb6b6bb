/*
 * The C program of the benchmark: bench OPERATION [NAME=VALUE]... It prints its
 * results as lines of JSON, and ends when its standard input ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"

static const struct {
    const char *name;
    void (*run)(const struct job *);
} operations[] = {
    {"recv", op_recv}, {"send", op_send}, {"sink", op_sink}, {"echo", op_echo}, {"roundtrip", op_roundtrip},
    {"pub", op_pub},   {"subs", op_subs}, {"memory", op_memory}, {"ends", op_ends}, {"proxy", op_proxy},
    {"pace", op_pace}, {"pace-bind", op_pace_bind}, {"latency", op_latency}, {"active", op_active},
    {"senders", op_senders}, {"threads", op_threads},
};

static void *exit_at_end_of_input(void *unused)
{
    char c;
    while (read(STDIN_FILENO, &c, 1) > 0)
        ;
    print_least();
    _exit(0);
    return unused;
}

/* The last of several values counts, as in the other programs. */
static const char *value(int argc, char **argv, const char *name, const char *otherwise)
{
    size_t n = strlen(name);
    for (int i = argc - 1; i > 1; i--)
        if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=')
            return argv[i] + n + 1;
    return otherwise;
}

int main(int argc, char **argv)
{
    struct job job = {
        .endpoint = value(argc, argv, "endpoint", ""),
        .how = value(argc, argv, "how", ""),
        .size = strtoul(value(argc, argv, "size", "0"), NULL, 10),
        .frames = atoi(value(argc, argv, "frames", "1")),
        .hwm = atoi(value(argc, argv, "hwm", "1000")),
        .keep = atoi(value(argc, argv, "keep", "1")),
        .lead = atol(value(argc, argv, "lead", "0")),
        .stride = atoi(value(argc, argv, "stride", "1")),
        .inflight = atoi(value(argc, argv, "inflight", "1")),
        .sockets = atoi(value(argc, argv, "sockets", "1")),
        .counter = atoi(value(argc, argv, "counter", "0")),
        .rate = atof(value(argc, argv, "rate", "0")),
        .warm = atof(value(argc, argv, "warm", "0")),
        .length = atof(value(argc, argv, "length", "0")),
    };
    struct rlimit files; /* Go programs raise theirs when they start */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    run_on_thread(exit_at_end_of_input, NULL);
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (argc > 1 && strcmp(argv[1], operations[i].name) == 0) {
            operations[i].run(&job);
            return 0;
        }
    fprintf(stderr, "usage: bench OPERATION [NAME=VALUE]...\n");
    return 2;
}
