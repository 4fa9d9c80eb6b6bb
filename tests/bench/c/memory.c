/*
 * The memory of a socket, measured with pairs of a PULL and a PUSH over inproc.
 */
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

static long resident(void)
{
    long total, pages;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld %ld", &total, &pages) != 2)
        die("/proc/self/statm");
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

void op_memory(const struct job *job)
{
    void *ctx = context(job);
    void *first = open_socket(ctx, ZMQ_PULL, job); /* allocates what all sockets share */
    long before = resident();
    for (int i = 0; i < job->sockets; i++) {
        char endpoint[64];
        snprintf(endpoint, sizeof endpoint, "inproc://%d", i / 2);
        void *s = open_socket(ctx, i % 2 ? ZMQ_PUSH : ZMQ_PULL, job);
        if ((i % 2 ? zmq_connect(s, endpoint) : zmq_bind(s, endpoint)) != 0)
            die(endpoint);
    }
    printf("{\"bytes\":%ld}\n", (resident() - before) / job->sockets);
    (void)first;
}
