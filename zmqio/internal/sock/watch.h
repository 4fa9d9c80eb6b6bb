#ifndef ZMQIO_WATCH_H
#define ZMQIO_WATCH_H

#include <stdint.h>

/* What a monitor says. */
typedef struct {
    int32_t socket;     /* which of the PAIRs received it */
    int32_t event;      /* libzmq's number of the event */
    int32_t value;
    int32_t ipc;        /* 1 for an event of an ipc endpoint */
    int32_t copy;       /* if so, and CONNECTED: a duplicate of the descriptor in value, or -1 */
    int32_t err;        /* why the PAIR receives no more, or why there is no duplicate */
} zmqio_monitored;

/*
 * Waits until one of n PAIRs has an event or wake can be read, for timeout milliseconds at
 * most. wake is a descriptor, or negative; a signal ends the wait as well. Receives up to max
 * events without waiting, and returns how many.
 *
 * The duplicate is made here and not in Go: a goroutine that comes back from C may
 * wait milliseconds for a processor, and the connection may be over by then.
 */
int zmqio_watch(const uintptr_t *pairs, int n, int wake, long timeout, zmqio_monitored *events, int max);

#endif
