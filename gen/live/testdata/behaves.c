/* behaves tries what options do, where that can be seen from outside: when a set counts, in
 * what unit a number is, and what -1 is. It prints a line for each option, which the tests
 * of package live compare with the spec. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

static void *ctx;

static double now (void)
{
    struct timespec t;
    clock_gettime (CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int set (void *s, int opt, int v) { return zmq_setsockopt (s, opt, &v, sizeof v); }

static void *make (int type)
{
    void *s = zmq_socket (ctx, type);
    set (s, ZMQ_LINGER, 0);
    return s;
}

/* A raw TCP listener, and where it is. */
static int listener (char *where)
{
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    if (bind (fd, (struct sockaddr *) &at, n) || listen (fd, 16) || getsockname (fd, (struct sockaddr *) &at, &n))
        exit (3);
    sprintf (where, "tcp://127.0.0.1:%d", ntohs (at.sin_port));
    return fd;
}

static int dial (const char *where)
{
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    at.sin_port = htons (atoi (strrchr (where, ':') + 1));
    return connect (fd, (struct sockaddr *) &at, sizeof at) ? -1 : fd;
}

static void endpoint (void *s, char *where)
{
    size_t n = 64;
    zmq_getsockopt (s, ZMQ_LAST_ENDPOINT, where, &n);
}

static void *monitor (void *s, int events)
{
    static int count;
    char name[32];
    sprintf (name, "inproc://m%d", count++);
    zmq_socket_monitor (s, name, events);
    void *m = make (ZMQ_PAIR);
    zmq_connect (m, name);
    return m;
}

/* The value of the next event, or -1 when none comes in time. */
static int event (void *m, int timeout)
{
    unsigned char frame[6];
    int32_t v;
    char where[256];
    set (m, ZMQ_RCVTIMEO, timeout);
    if (zmq_recv (m, frame, sizeof frame, 0) != 6)
        return -1;
    zmq_recv (m, where, sizeof where, 0);
    memcpy (&v, frame + 2, 4);
    return v;
}

static int kernel (int fd, int level, int name)
{
    int v = -1;
    socklen_t n = sizeof v;
    return getsockopt (fd, level, name, &v, &n) ? -1 : v;
}

/* Options that become options of the connection's descriptor. */
static void descriptors (void)
{
    static const struct {
        int opt, level, name, value, factor;
        const char *unit;
    } list[] = {
      {11, SOL_SOCKET, SO_SNDBUF, 20000, 2, "bytes"},        {12, SOL_SOCKET, SO_RCVBUF, 20000, 2, "bytes"},
      {34, SOL_SOCKET, SO_KEEPALIVE, 1, 1, ""},              {57, IPPROTO_IP, IP_TOS, 16, 1, ""},
      {80, IPPROTO_TCP, TCP_USER_TIMEOUT, 777, 1, "ms"},     {35, IPPROTO_TCP, TCP_KEEPCNT, 5, 1, "probes"},
      {36, IPPROTO_TCP, TCP_KEEPIDLE, 77, 1, "s"},           {37, IPPROTO_TCP, TCP_KEEPINTVL, 7, 1, "s"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char where[3][64];
        void *s = make (ZMQ_DEALER), *m = monitor (s, ZMQ_EVENT_CONNECTED);
        int opt = list[i].opt, fd, before, v[3];
        for (int k = 0; k < 3; k++)
            listener (where[k]);
        if (opt >= 35 && opt <= 37)
            set (s, 34, 1); /* these count with TCP_KEEPALIVE alone */
        zmq_connect (s, where[0]);
        fd = event (m, 5000);
        before = kernel (fd, list[i].level, list[i].name);
        set (s, opt, list[i].value);
        v[0] = kernel (fd, list[i].level, list[i].name);
        zmq_connect (s, where[1]);
        v[1] = kernel (event (m, 5000), list[i].level, list[i].name);
        int none = set (s, opt, -1);
        zmq_connect (s, where[2]);
        v[2] = kernel (event (m, 5000), list[i].level, list[i].name);
        int want = list[i].value * list[i].factor;
        printf ("behaves %d effect=%s", opt, v[0] == want ? "at_once" : v[1] == want ? "next_bind_or_connect" : "never");
        if (v[1] == want && *list[i].unit)
            printf (" unit=%s", list[i].unit);
        if (none == 0 && v[2] == before)
            printf (" minus_one=the_system");
        printf ("\n");
    }
}

static void timeouts (void)
{
    for (int opt = ZMQ_RCVTIMEO; opt <= ZMQ_SNDTIMEO; opt++) {
        char byte;
        void *s = make (ZMQ_DEALER);
        set (s, opt, 80);
        double begin = now ();
        int rc = opt == ZMQ_RCVTIMEO ? zmq_recv (s, &byte, 1, 0) : zmq_send (s, "", 0, 0);
        double took = now () - begin;
        printf ("behaves %d effect=at_once unit=%s\n", opt, rc < 0 && took >= 0.08 && took < 40 ? "ms" : "other");
    }
}

static void linger (void)
{
    char where[64];
    void *mine = zmq_ctx_new (), *s = zmq_socket (mine, ZMQ_DEALER);
    listener (where);
    zmq_connect (s, where);
    zmq_send (s, "x", 1, 0);
    set (s, ZMQ_LINGER, 80);
    zmq_close (s);
    double begin = now ();
    zmq_ctx_term (mine);
    double took = now () - begin;
    int ok = took >= 0.07 && took < 40;
    printf ("behaves %d effect=%s unit=%s\n", ZMQ_LINGER, ok ? "at_once" : "other", ok ? "ms" : "other");
}

static int fillable (void *s)
{
    int n = 0;
    for (int rest = 0; n < 50 && rest < 20; rest++, usleep (1000))
        while (n < 50 && zmq_send (s, "x", 1, ZMQ_DONTWAIT) >= 0)
            n++;
    return n;
}

/* settle has a socket take in what the other one has told it. */
static void settle (void *s)
{
    int events;
    size_t n = sizeof events;
    zmq_getsockopt (s, ZMQ_EVENTS, &events, &n);
}

/* What goes between two sockets with marks of 3 and 4, one of which is then set to 20. */
static int between (int opt, const char *where)
{
    void *out = make (ZMQ_PUSH), *in = make (ZMQ_PULL);
    set (out, ZMQ_SNDHWM, 3), set (in, ZMQ_RCVHWM, 4);
    zmq_bind (in, where), zmq_connect (out, where);
    settle (in);
    set (opt == ZMQ_SNDHWM ? out : in, opt, 20);
    settle (out);
    return fillable (out);
}

static void marks (void)
{
    int neither = between (ZMQ_LINGER, "inproc://neither");
    int sent = between (ZMQ_SNDHWM, "inproc://sent"), received = between (ZMQ_RCVHWM, "inproc://received");
    const char *unit = neither == 7 ? "messages" : "other";
    printf ("behaves %d effect=%s unit=%s\n", ZMQ_SNDHWM, sent > neither ? "at_once" : "next_bind_or_connect", unit);
    printf ("behaves %d effect=%s unit=%s\n", ZMQ_RCVHWM, received > neither ? "at_once" : "next_bind_or_connect", unit);
}

static int arrives (void *out, void *in, int size, int timeout)
{
    char frame[256];
    set (in, ZMQ_RCVTIMEO, timeout);
    zmq_send (out, frame, size, 0);
    return zmq_recv (in, frame, sizeof frame, 0) == size;
}

static void sizes (void)
{
    char where[64];
    int64_t most = 100;
    void *in = make (ZMQ_PULL), *first = make (ZMQ_PUSH), *second = make (ZMQ_PUSH);
    zmq_bind (in, "tcp://127.0.0.1:*");
    endpoint (in, where);
    zmq_connect (first, where);
    int ok = arrives (first, in, 101, 20000);
    zmq_setsockopt (in, ZMQ_MAXMSGSIZE, &most, sizeof most);
    int still = arrives (first, in, 101, 20000);
    zmq_bind (in, "tcp://127.0.0.1:*");
    endpoint (in, where);
    zmq_connect (second, where);
    int short_ = arrives (second, in, 100, 20000), long_ = arrives (second, in, 101, 300);
    printf ("behaves %d effect=%s unit=%s minus_one=%s\n", ZMQ_MAXMSGSIZE,
            !still ? "at_once" : "next_bind_or_connect", short_ && !long_ ? "bytes" : "other", ok ? "no_limit" : "other");
}

static void reconnect (void)
{
    char where[64];
    close (listener (where));
    void *s = make (ZMQ_DEALER), *m = monitor (s, ZMQ_EVENT_CONNECT_RETRIED);
    set (s, ZMQ_RECONNECT_IVL, 40);
    zmq_connect (s, where);
    int v = event (m, 5000);
    set (s, ZMQ_RECONNECT_IVL, 3000);
    event (m, 5000);
    int later = event (m, 5000);
    void *t = make (ZMQ_DEALER), *n = monitor (t, ZMQ_EVENT_CONNECT_RETRIED);
    set (t, ZMQ_RECONNECT_IVL, -1);
    zmq_connect (t, where);
    printf ("behaves %d effect=%s unit=%s minus_one=%s\n", ZMQ_RECONNECT_IVL,
            later >= 40 && later < 80 ? "next_bind_or_connect" : "at_once", v >= 40 && v < 80 ? "ms" : "other",
            event (n, 300) < 0 ? "never" : "other");
}

/* How long a silent peer of an endpoint is borne. */
static double patience (const char *where)
{
    char byte[64];
    int fd = dial (where);
    double begin = now ();
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll (&p, 1, 30000) > 0 && read (fd, byte, sizeof byte) > 0)
        ;
    close (fd);
    return now () - begin;
}

static void handshake (void)
{
    char where[64];
    void *s = make (ZMQ_DEALER);
    set (s, ZMQ_HANDSHAKE_IVL, 80);
    zmq_bind (s, "tcp://127.0.0.1:*");
    endpoint (s, where);
    set (s, ZMQ_HANDSHAKE_IVL, 60000);
    double took = patience (where);
    int ok = took >= 0.07 && took < 29;
    printf ("behaves %d effect=%s unit=%s\n", ZMQ_HANDSHAKE_IVL, ok ? "next_bind_or_connect" : "other", ok ? "ms" : "other");
}

/* The kernel tells a listener's backlog where it tells a connection's sacked segments. */
static int backlog (int fd)
{
    struct tcp_info info;
    socklen_t n = sizeof info;
    return getsockopt (fd, IPPROTO_TCP, TCP_INFO, &info, &n) ? -1 : (int) info.tcpi_sacked;
}

static void backlogs (void)
{
    void *s = make (ZMQ_DEALER), *m = monitor (s, ZMQ_EVENT_LISTENING);
    set (s, ZMQ_BACKLOG, 7);
    zmq_bind (s, "tcp://127.0.0.1:*");
    int fd = event (m, 5000), first = backlog (fd);
    set (s, ZMQ_BACKLOG, 9);
    int same = backlog (fd);
    zmq_bind (s, "tcp://127.0.0.1:*");
    int second = backlog (event (m, 5000));
    printf ("behaves %d effect=%s unit=%s\n", ZMQ_BACKLOG, same == 9 ? "at_once" : second == 9 ? "next_bind_or_connect" : "never",
            first == 7 ? "connections" : "other");
}

static void routes (void)
{
    void *r = make (ZMQ_ROUTER), *a = make (ZMQ_DEALER), *b = make (ZMQ_DEALER);
    char byte;
    zmq_bind (a, "inproc://a"), zmq_bind (b, "inproc://b");
    zmq_send (r, "y", 1, ZMQ_SNDMORE), zmq_send (r, "1", 1, 0); /* to no peer */
    set (r, ZMQ_ROUTER_MANDATORY, 1);
    int refused = zmq_send (r, "y", 1, ZMQ_SNDMORE) < 0 && zmq_errno () == EHOSTUNREACH;
    printf ("behaves %d effect=%s\n", ZMQ_ROUTER_MANDATORY, refused ? "at_once" : "next_bind_or_connect");
    /* libzmq ends the process if two connections get the id. */
    zmq_setsockopt (r, ZMQ_CONNECT_ROUTING_ID, "x", 1);
    zmq_connect (r, "inproc://a"), zmq_connect (r, "inproc://b");
    set (a, ZMQ_RCVTIMEO, 2000), set (b, ZMQ_RCVTIMEO, 100);
    int sent = zmq_send (r, "x", 1, ZMQ_SNDMORE) >= 0 && zmq_send (r, "1", 1, 0) >= 0;
    printf ("behaves %d effect=%s\n", ZMQ_CONNECT_ROUTING_ID,
            sent && zmq_recv (a, &byte, 1, 0) == 1 && zmq_recv (b, &byte, 1, 0) < 0 ? "next_connect,_once" : "other");
}

static void turns (void)
{
    void *r = make (ZMQ_REQ), *p = make (ZMQ_REP);
    zmq_bind (p, "inproc://p"), zmq_connect (r, "inproc://p");
    zmq_send (r, "1", 1, 0);
    int refused = zmq_send (r, "2", 1, 0) < 0;
    set (r, ZMQ_REQ_RELAXED, 1);
    printf ("behaves %d effect=%s\n", ZMQ_REQ_RELAXED, refused && zmq_send (r, "2", 1, 0) == 1 ? "at_once" : "other");
}

static void subscriptions (void)
{
    char byte;
    void *p = make (ZMQ_XPUB), *s = make (ZMQ_SUB);
    zmq_bind (p, "inproc://t"), zmq_connect (s, "inproc://t");
    set (p, ZMQ_RCVTIMEO, 2000);
    zmq_setsockopt (s, ZMQ_SUBSCRIBE, "a", 1);
    int on = zmq_recv (p, &byte, 1, 0) > 0 && byte == 1;
    zmq_setsockopt (s, ZMQ_UNSUBSCRIBE, "a", 1);
    int off = zmq_recv (p, &byte, 1, 0) > 0 && byte == 0;
    printf ("behaves %d effect=%s\n", ZMQ_SUBSCRIBE, on ? "at_once" : "other");
    printf ("behaves %d effect=%s\n", ZMQ_UNSUBSCRIBE, off ? "at_once" : "other");
}

int main (void)
{
    ctx = zmq_ctx_new ();
    descriptors ();
    timeouts ();
    linger ();
    marks ();
    sizes ();
    reconnect ();
    handshake ();
    backlogs ();
    routes ();
    turns ();
    subscriptions ();
    fflush (stdout);
    _exit (0);
}
