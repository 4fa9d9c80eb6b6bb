#include "sock.h"

#include <errno.h>
#include <string.h>

int zmqio_getsockopt(uintptr_t sock, int option, void *value, size_t *len)
{
    const size_t room = *len;
    int err;
    do {
        *len = room;
        err = zmq_getsockopt((void *)sock, option, value, len) == 0 ? 0 : zmq_errno();
    } while (err == EINTR);
    return err;
}

int zmqio_setsockopt(uintptr_t sock, int option, const void *value, size_t len)
{
    int err;
    do {
        err = zmq_setsockopt((void *)sock, option, value, len) == 0 ? 0 : zmq_errno();
    } while (err == EINTR);
    return err;
}

int zmqio_events(uintptr_t sock, int *events)
{
    size_t len = sizeof *events;
    return zmqio_getsockopt(sock, ZMQ_EVENTS, events, &len);
}

void zmqio_recv(uintptr_t sock, zmq_msg_t *msg, char *buf, int64_t size, int64_t max_copy,
                uint64_t *table, int64_t max_frames, int64_t max_messages, zmqio_received *r)
{
    memset(r, 0, sizeof *r);
    while (r->frames < max_frames && r->messages < max_messages && size - r->bytes >= max_copy) {
        /* Receiving into msg first drops what it held before. */
        if (zmq_msg_recv(msg, (void *)sock, ZMQ_DONTWAIT) < 0) {
            const int err = zmq_errno();
            if (err == EINTR)
                continue;
            r->err = err;
            return;
        }
        const int64_t len = (int64_t)zmq_msg_size(msg);
        const int more = zmq_msg_more(msg);
        const uint64_t entry = (uint64_t)len << 1 | (more != 0);
        if (len > max_copy) {
            r->held = entry;
            r->held_data = zmq_msg_data(msg);
            r->is_held = 1;
            return;
        }
        memcpy(buf + r->bytes, zmq_msg_data(msg), (size_t)len);
        table[r->frames++] = entry;
        r->bytes += len;
        r->messages += !more;
    }
}

int zmqio_send_frame(uintptr_t sock, const char *p, uint64_t entry)
{
    const int flags = ZMQ_DONTWAIT | (entry & 1 ? ZMQ_SNDMORE : 0);
    int err;
    do {
        err = zmq_send((void *)sock, p, (size_t)(entry >> 1), flags) >= 0 ? 0 : zmq_errno();
    } while (err == EINTR);
    return err;
}

void zmqio_send(uintptr_t sock, const char *buf, const uint64_t *table, int64_t from, int64_t n,
                int refusal, int want_events, zmqio_sent *r)
{
    int64_t i = 0;        /* the next frame, and where its payload is */
    const char *p = buf;
    int refused = 0;      /* EAGAINs since a message was last taken */
    memset(r, 0, sizeof *r);
    r->events = -1;
    while (i < from)
        p += table[i++] >> 1;

    while (i < n) {
        r->err = zmqio_send_frame(sock, p, table[i]);
        if (r->err == 0) {
            p += table[i] >> 1;
            if (!(table[i++] & 1)) {
                r->frames = i;
                r->bytes = p - buf;
                refused = 0;
            }
            continue;
        }
        if (r->err != EAGAIN)
            break;
        if (i > r->frames && refusal == ZMQIO_REQ && !(table[i] & 1)) {
            /* A REQ sends the empty frame that comes before a request only when
               it thinks that one starts, which it does not now. */
            r->headless = 1;
            break;
        }
        if (i > r->frames && refusal != ZMQIO_FORGETS && table[i] & 1) {
            do {
                p += table[i++] >> 1;
                zmqio_send_frame(sock, p, table[i]);
            } while (table[i] & 1);
            if (refusal == ZMQIO_REQ) {
                p += table[i++] >> 1;
                r->frames = i;
                r->bytes = p - buf;
                r->err = 0;
                continue;
            }
        }
        i = r->frames;
        p = buf + r->bytes;
        /* Reading the events handles what came meanwhile: what came may be room. */
        int events;
        const int err = zmqio_events(sock, &events);
        if (err != 0) {
            r->err = err;
            return;
        }
        r->events = events;
        if (!(events & ZMQ_POLLOUT) || ++refused > 1)
            break;
        r->events = -1;
    }
    if (want_events && r->events < 0) {
        int events;
        const int err = zmqio_events(sock, &events);
        if (err == 0)
            r->events = events;
        else if (r->err == 0)
            r->err = err;
    }
}
