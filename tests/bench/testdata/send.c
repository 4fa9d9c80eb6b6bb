/*
 * Sends messages to an endpoint as fast as libzmq takes them, until it is killed
 * or its standard input ends: the sender at the other end of the benchmarks, in C
 * so that it is never what they measure.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

static void *exit_at_end_of_input(void *unused)
{
    char c;
    while (read(STDIN_FILENO, &c, 1) > 0)
        ;
    exit(0);
    return unused;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: send ENDPOINT SIZE\n");
        return 2;
    }
    const size_t size = strtoul(argv[2], NULL, 10);
    char *payload = calloc(size ? size : 1, 1);
    void *ctx = zmq_ctx_new();
    void *push = ctx ? zmq_socket(ctx, ZMQ_PUSH) : NULL;
    pthread_t watcher;
    if (!payload || !push || zmq_connect(push, argv[1]) != 0 ||
        pthread_create(&watcher, NULL, exit_at_end_of_input, NULL) != 0) {
        perror("send");
        return 1;
    }
    for (;;)
        zmq_send(push, payload, size, 0);
}
