#ifndef ZMQIO_WATCH_H
#define ZMQIO_WATCH_H

#include <stdint.h>

/* An event of a monitor. */
typedef struct {
    int32_t socket;     /* index of the PAIR that received it */
    int32_t event;      /* libzmq's number of the event; 0: the PAIR receives no more */
    int32_t value;
    int32_t ipc;        /* 1 for an event of an ipc endpoint */
    int32_t copy;       /* on Linux, for CONNECTED over ipc: a duplicate of the descriptor value; else -1 */
    int32_t err;        /* errno: why event is 0, or why there is no duplicate */
} zmqio_monitored;

/*
 * Waits at most timeout milliseconds until one of n PAIRs has an event, or the descriptor wake
 * is readable. A negative wake is ignored. A signal ends the wait. Then receives up to max
 * events without waiting, and returns their number.
 *
 * C makes the duplicate, because a goroutine that returns from C may wait milliseconds for a
 * processor. The connection may be over by then.
 */
int zmqio_watch(const uintptr_t *pairs, int n, int wake, long timeout, zmqio_monitored *events, int max);

#endif
