#include "spare.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The head of a large frame's memory. The payload follows. */
typedef struct spare {
    struct spare *newer, *older;
    size_t size; /* of the payload that has room */
} spare;

static const size_t most = ZMQIO_SPARE_BYTES;

/* The loops, writers and libzmq's I/O threads take turns. No other lock is taken meanwhile. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static spare ends = {&ends, &ends, 0}; /* ends.older is the newest spare, ends.newer the oldest */
static size_t kept;

static void remove_locked(spare *s)
{
    s->newer->older = s->older;
    s->older->newer = s->newer;
    kept -= s->size;
}

/* Takes a spare for size bytes, of which a fifth at most stays unused. Returns NULL if there is none. */
static spare *take(size_t size)
{
    enum { LOOK = 8 }; /* the newest ones, whose memory is most likely in the processor's caches */
    spare *found = NULL;
    pthread_mutex_lock(&mutex);
    spare *s = ends.older;
    for (int i = 0; i < LOOK && s != &ends; i++, s = s->older)
        if (s->size >= size && s->size - size <= s->size / 5) {
            remove_locked(found = s);
            break;
        }
    pthread_mutex_unlock(&mutex);
    return found;
}

/* Keeps the memory of a frame that libzmq drops, and frees the oldest spares that are too much. */
static void keep(void *payload, void *hint)
{
    (void)payload;
    spare *s = hint, *surplus = NULL;
    if (s->size > most) {
        free(s);
        return;
    }
    pthread_mutex_lock(&mutex);
    s->newer = &ends;
    s->older = ends.older;
    s->newer->older = s->older->newer = s;
    kept += s->size;
    while (kept > most) {
        spare *oldest = ends.newer;
        remove_locked(oldest);
        oldest->older = surplus;
        surplus = oldest;
    }
    pthread_mutex_unlock(&mutex);
    while (surplus) {
        spare *next = surplus->older;
        free(surplus);
        surplus = next;
    }
}

int zmqio_init_frame(zmq_msg_t *msg, const char *payload, size_t size)
{
    if (size < ZMQIO_SPARE_FRAME) {
        if (zmq_msg_init_size(msg, size) != 0)
            return zmq_errno();
        memcpy(zmq_msg_data(msg), payload, size);
        return 0;
    }
    spare *s = take(size);
    if (!s) {
        s = size <= SIZE_MAX - sizeof *s ? malloc(sizeof *s + size) : NULL;
        if (!s)
            return ENOMEM;
        s->size = size;
    }
    memcpy(s + 1, payload, size);
    if (zmq_msg_init_data(msg, s + 1, size, keep, s) != 0) {
        const int err = zmq_errno();
        free(s);
        return err;
    }
    return 0;
}

size_t zmqio_spare_bytes(void)
{
    pthread_mutex_lock(&mutex);
    const size_t bytes = kept;
    pthread_mutex_unlock(&mutex);
    return bytes;
}
