#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

/* Receives a frame of a PAIR into buf, at most size bytes of it. */
static int frame(void *pair, void *buf, size_t size, int *more)
{
    zmq_msg_t msg;
    zmq_msg_init(&msg);
    int err = 0;
    while (zmq_msg_recv(&msg, pair, ZMQ_DONTWAIT) < 0 && (err = zmq_errno()) == EINTR)
        err = 0;
    if (err == 0) {
        const size_t got = zmq_msg_size(&msg);
        memcpy(buf, zmq_msg_data(&msg), got < size ? got : size);
        *more = zmq_msg_more(&msg);
    }
    zmq_msg_close(&msg);
    return err;
}

/* Receives an event: a frame with number and value, and a frame with the endpoint. */
static int monitored(void *pair, zmqio_monitored *m)
{
    static const char scheme[] = "ipc://";
    char head[6] = {0}, endpoint[sizeof scheme - 1] = {0};
    uint16_t event;
    int more = 0;
    int err = frame(pair, head, sizeof head, &more);
    while (err == 0 && more)
        err = frame(pair, endpoint, sizeof endpoint, &more);
    memcpy(&event, head, sizeof event);
    memcpy(&m->value, head + sizeof event, sizeof m->value);
    m->event = event;
    m->ipc = memcmp(endpoint, scheme, sizeof endpoint) == 0;
    m->copy = -1;
    m->err = 0;
#ifdef __linux__
    if (err == 0 && m->ipc && event == ZMQ_EVENT_CONNECTED) {
        m->copy = fcntl(m->value, F_DUPFD_CLOEXEC, 0);
        m->err = m->copy < 0 ? errno : 0;
    }
#endif
    return err;
}

int zmqio_watch(const uintptr_t *pairs, int n, int wake, long timeout, zmqio_monitored *events, int max)
{
    zmq_pollitem_t *items = calloc((size_t)n + 1, sizeof *items);
    int count = 0;
    if (items == NULL)
        return 0;
    for (int i = 0; i < n; i++) {
        items[i].socket = (void *)pairs[i];
        items[i].events = ZMQ_POLLIN;
    }
    items[n].fd = wake;
    items[n].events = ZMQ_POLLIN;
    /* zmq_poll does not tell which socket failed, so try each. */
    const int failed = zmq_poll(items, n + (wake >= 0), timeout) < 0;
    for (int i = 0; i < n; i++) {
        if (!failed && !(items[i].revents & ZMQ_POLLIN))
            continue;
        for (; count < max; count++) {
            zmqio_monitored *m = &events[count];
            const int err = monitored((void *)pairs[i], m);
            if (err == EAGAIN)
                break;
            m->socket = i;
            if (err != 0) {
                m->event = 0;
                m->err = err;
                count++;
                break;
            }
        }
    }
    free(items);
    return count;
}
