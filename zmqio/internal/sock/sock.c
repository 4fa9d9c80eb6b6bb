#include "sock.h"
#include "spare.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

int zmqio_process(uintptr_t sock)
{
    int err;
    do {
        /* zmq_disconnect handles commands before it refuses the endpoint. */
        err = zmq_disconnect((void *)sock, "") == 0 ? 0 : zmq_errno();
    } while (err == EINTR);
    return err == EINVAL ? 0 : err;
}

/* Milliseconds of a clock that never goes back. */
static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int zmqio_await(uintptr_t sock, int timeout)
{
    const int64_t deadline = now() + timeout;
    int fd;
    size_t len = sizeof fd;
    const int err = zmqio_getsockopt(sock, ZMQ_FD, &fd, &len);
    if (err != 0)
        return err;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, timeout) < 0 && errno == EINTR) {
        const int64_t left = deadline - now();
        timeout = left > 0 ? (int)left : 0;
    }
    return zmqio_process(sock);
}

/* Returns the index of origin in seen, or of the empty place where it belongs. */
static int64_t place(const uint64_t *seen, int64_t size, uint64_t origin)
{
    int64_t i = (int64_t)(origin * 0x9e3779b97f4a7c15 >> 32) & (size - 1);
    while (seen[i] != 0 && seen[i] != origin)
        i = (i + 1) & (size - 1);
    return i;
}

int zmqio_see(uint64_t *seen, int64_t size, uint64_t origin)
{
    const int64_t i = place(seen, size, origin);
    const int fresh = seen[i] == 0;
    seen[i] = origin;
    return fresh;
}

void zmqio_forget(uint64_t *seen, int64_t size, uint64_t origin)
{
    int64_t i = place(seen, size, origin);
    seen[i] = 0;
    /* The numbers behind it may belong in its place, or nearer to it. */
    while (seen[i = (i + 1) & (size - 1)] != 0) {
        const uint64_t displaced = seen[i];
        seen[i] = 0;
        seen[place(seen, size, displaced)] = displaced;
    }
}

/* Notes the origin of the message that msg is a frame of. Returns 0 if libzmq does not tell it. */
static int note_origin(zmqio_origins *o, uint64_t *seen, int64_t size, zmq_msg_t *msg)
{
    /* All frames of a connection share one address text. A copy of a frame keeps it allocated. */
    const uint64_t origin = (uint64_t)(uintptr_t)zmq_msg_gets(msg, "Peer-Address");
    if (origin == 0 || !zmqio_see(seen, size, origin))
        return origin != 0;
    zmq_msg_init(&o->pins[o->n]);
    zmq_msg_copy(&o->pins[o->n], msg); /* fails only for an invalid message */
    o->fresh[o->n] = origin;
    o->heads[o->n++] = o->head;
    return 1;
}

/* Returns the most bytes that the values of properties take. */
static int64_t room_for_properties(const char *names)
{
    int64_t room = 0;
    for (; *names; names += strlen(names) + 1)
        room += ZMQIO_MAX_PROPERTY + 2;
    return room;
}

/* Appends a frame with the properties of msg, the last frame of a message. Every frame has them,
   except before 4.3.5 the routing id that a ROUTER puts in front. */
static void append_properties(zmq_msg_t *msg, const char *names, char *buf, uint64_t *table, zmqio_received *r)
{
    char *at = buf + r->bytes;
    for (; *names; names += strlen(names) + 1) {
        const char *value = zmq_msg_gets(msg, names);
        const size_t len = value ? strnlen(value, ZMQIO_MAX_PROPERTY + 1) : 0;
        if (value && len <= ZMQIO_MAX_PROPERTY) {
            *at++ = 1;
            memcpy(at, value, len);
            at += len;
        }
        *at++ = 0;
    }
    const int64_t len = at - (buf + r->bytes);
    table[r->frames++] = (uint64_t)len << 1;
    r->bytes += len;
}

void zmqio_recv(uintptr_t sock, zmq_msg_t *msg, char *buf, int64_t size, int64_t max_copy,
                uint64_t *table, int64_t max_frames, int64_t max_messages, int single, const char *names,
                zmqio_origins *origins, uint64_t *seen, int64_t seen_size, zmqio_received *r)
{
    memset(r, 0, sizeof *r);
    if (names) {
        size -= room_for_properties(names);
        max_frames--;
    }
    while (r->frames < max_frames && r->messages < max_messages && size - r->bytes >= max_copy
           && !(origins && origins->n == ZMQIO_FRESH)) {
        /* Receiving into msg first drops what it held before. */
        if (zmq_msg_recv(msg, (void *)sock, ZMQ_DONTWAIT) < 0) {
            const int err = zmq_errno();
            if (err == EINTR)
                continue;
            r->err = err;
            break;
        }
        const int64_t len = (int64_t)zmq_msg_size(msg);
        const int more = zmq_msg_more(msg);
        const uint64_t entry = (uint64_t)len << 1 | (more || names);
        if (single && more) {
            r->err = EPROTO;
            break;
        }
        if (origins) {
            const int first = origins->next == ZMQIO_FIRST;
            if (first)
                origins->head = (zmqio_head){r->bytes, len};
            const int told = origins->next == ZMQIO_REST || len > max_copy
                || note_origin(origins, seen, seen_size, msg);
            /* Before 4.3.5 reading ZMQ_EVENTS removes the origin of a ROUTER's first frame. */
            origins->next = !more ? ZMQIO_FIRST : first && !told ? ZMQIO_SECOND : ZMQIO_REST;
        }
        if (len > max_copy) {
            r->held_at = r->frames;
            r->held_size = len;
            r->held_data = zmq_msg_data(msg);
            r->is_held = 1;
        } else {
            memcpy(buf + r->bytes, zmq_msg_data(msg), (size_t)len);
            r->bytes += len;
        }
        table[r->frames++] = entry;
        r->messages += !more;
        r->payload += len;
        if (names && !more)
            append_properties(msg, names, buf, table, r);
        if (r->is_held)
            return;
    }
    /* libzmq may have left the last frame in it, also when a receive has failed. */
    zmq_msg_close(msg);
    zmq_msg_init(msg);
}

/*
 * Sends a frame: payload if held is NULL, and else a copy of held, which shares its memory. With
 * give it sends held itself, which is empty afterwards.
 */
static int send_frame(void *sock, const char *payload, zmq_msg_t *held, int give, uint64_t entry)
{
    const int flags = ZMQ_DONTWAIT | (entry & 1 ? ZMQ_SNDMORE : 0);
    const size_t size = entry >> 1;
    zmq_msg_t copy, *msg = held;
    int err;
    if (held && !give) {
        msg = &copy;
        zmq_msg_init(msg);
        if (zmq_msg_copy(msg, held) != 0)
            return zmq_errno();
    } else if (!held && size >= ZMQIO_SPARE_FRAME) {
        msg = &copy;
        err = zmqio_init_frame(msg, payload, size);
        if (err != 0)
            return err;
    }
    do {
        const int sent = msg ? zmq_msg_send(msg, sock, flags) : zmq_send(sock, payload, size, flags);
        err = sent >= 0 ? 0 : zmq_errno();
    } while (err == EINTR);
    if (msg == &copy && err != 0)
        zmq_msg_close(msg);
    return err;
}

void zmqio_send(uintptr_t sock, const char *buf, zmq_msg_t *held, int give, const uint64_t *table, int64_t n,
                int refusal, int headless, int want_events, zmqio_sent *r)
{
    void *const s = (void *)sock;
    int64_t i = 0, at = 0; /* the next frame, and the place of its payload in buf */
    int begun = 0;         /* an earlier frame of the same message has been sent */
    int refused = 0;       /* EAGAINs since libzmq last took a message */
    memset(r, 0, sizeof *r);
    r->events = -1;
    r->headless = headless;

    while (i < n) {
        const int head = r->headless && !begun;
        if (head)
            r->err = send_frame(s, "", NULL, 0, 1);
        else
            r->err = send_frame(s, held ? NULL : buf + at, held ? held + i : NULL, give && !(table[i] & 1), table[i]);
        if (r->err == 0) {
            begun = 1;
            if (head)
                continue;
            at += table[i] >> 1;
            if (!(table[i++] & 1)) {
                r->frames = i;
                r->bytes = at;
                r->messages++;
                r->headless = begun = refused = 0;
            }
            continue;
        }
        if (r->err != EAGAIN) {
            r->cut = begun;
            break;
        }
        if (begun && (refusal == ZMQIO_HEADLESS || (refusal == ZMQIO_REQ && !(table[i] & 1)))) {
            /* The REQ takes the next frame for the rest of the request, and sends no empty
               frame before it. */
            r->headless = 1;
            break;
        }
        if (begun && refusal != ZMQIO_FORGETS && table[i] & 1) { /* DISCARDS or REQ */
            do {
                at += table[i++] >> 1;
                send_frame(s, held ? NULL : buf + at, held ? held + i : NULL, 0, table[i]);
            } while (table[i] & 1);
            if (refusal == ZMQIO_REQ) {
                at += table[i++] >> 1;
                r->frames = i;
                r->bytes = at;
                r->messages++;
                r->err = r->headless = begun = 0;
                continue;
            }
        }
        i = r->frames;
        at = r->bytes;
        begun = 0;
        /* Reading ZMQ_EVENTS handles commands, and a command may bring room. */
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
