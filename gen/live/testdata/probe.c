/* probe measures what the libzmq that it is linked with does, and prints it for the tests
 * of package live. It knows nothing of the spec, and may crash where libzmq does: each line
 * is written out before the next thing is tried. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

/* Drafts that not every library has. */
extern int zmq_join (void *, const char *) __attribute__ ((weak));
extern int zmq_msg_set_group (zmq_msg_t *, const char *) __attribute__ ((weak));
extern int zmq_msg_set_routing_id (zmq_msg_t *, uint32_t) __attribute__ ((weak));
extern uint32_t zmq_msg_routing_id (zmq_msg_t *) __attribute__ ((weak));

enum { PAIR, PUB, SUB, REQ, REP, DEALER, ROUTER, PULL, PUSH, XPUB, XSUB, STREAM, SERVER,
       CLIENT, RADIO, DISH, GATHER, SCATTER, DGRAM, PEER, CHANNEL };

static void *ctx;

static void hex (const char *key, const void *p, size_t n)
{
    printf (" %s=", key);
    for (size_t i = 0; i < n; i++)
        printf ("%02x", ((const unsigned char *) p)[i]);
}

static int set_int (void *s, int opt, int v) { return zmq_setsockopt (s, opt, &v, sizeof v) == 0; }

static int get_int (void *s, int opt)
{
    int v = -1;
    size_t n = sizeof v;
    return zmq_getsockopt (s, opt, &v, &n) == 0 ? v : INT_MIN;
}

static double now (void)
{
    struct timespec t;
    clock_gettime (CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* The first and the last number of those that set takes, which are taken to be a range. */
typedef int setter (int opt, int v, void *arg);

static int range (setter *set, void *arg, int opt, int *lo, int *hi)
{
    static const int tries[] = {1, 0, -1, 2, 100, 1000, 100000, INT_MAX, INT_MIN};
    size_t i;
    for (i = 0; i < sizeof tries / sizeof *tries && !set (opt, tries[i], arg); i++)
        ;
    if (i == sizeof tries / sizeof *tries)
        return 0;
    int64_t good = tries[i], bad = INT_MIN;
    if (set (opt, INT_MIN, arg))
        good = INT_MIN;
    while (good - bad > 1) {
        int64_t middle = bad + (good - bad) / 2;
        if (set (opt, (int) middle, arg))
            good = middle;
        else
            bad = middle;
    }
    *lo = (int) good;
    good = tries[i], bad = INT_MAX;
    if (set (opt, INT_MAX, arg))
        good = INT_MAX;
    while (bad - good > 1) {
        int64_t middle = good + (bad - good) / 2;
        if (set (opt, (int) middle, arg))
            good = middle;
        else
            bad = middle;
    }
    *hi = (int) good;
    return 1;
}

static int set_option (int opt, int v, void *s) { return set_int (s, opt, v); }

/* Texts of n bytes: plain ones, properties and networks. */
static int fill (char shape, char *text, size_t n)
{
    switch (shape) {
        case 'p':
            if (n < 4)
                return 0;
            memset (text, 'b', n);
            memcpy (text, "X-:", 3);
            return 1;
        case 'n':
            if (n < 11)
                return 0;
            memset (text, '0', n);
            memcpy (text, "127.0.0.1/", 10);
            text[n - 1] = '8';
            return 1;
    }
    memset (text, 'a', n);
    return 1;
}

enum { LONGEST = 300 };

/* lengths prints the lengths of texts that are taken, as ranges, and returns one of them. */
static size_t lengths (void *s, int opt, char shape)
{
    char text[LONGEST + 1];
    size_t any = 0, from = 0;
    for (size_t n = 1; n <= LONGEST + 1; n++) {
        int ok = n <= LONGEST && fill (shape, text, n) && zmq_setsockopt (s, opt, text, n) == 0;
        if (ok && !from)
            from = n;
        if (!ok && from) {
            if (!any)
                printf (" %s=", shape == 'p' ? "property" : shape == 'n' ? "network" : "text");
            printf ("%s%zu-%zu", any ? "," : "", from, n - 1);
            any = from;
            from = 0;
        }
    }
    return any;
}

static int read_as (void *s, int opt, size_t size, char *buf, size_t *n)
{
    memset (buf, 0, 512);
    *n = size;
    return zmq_getsockopt (s, opt, buf, n) == 0;
}

static const size_t sizes[] = {4, 8, 32, 41, 256};

/* values prints what reading an option into buffers of several sizes gives; once, where it
 * is the same in all. The other socket tells descriptors, which no two have. */
static void values (void *s, void *other, int opt, const char *key)
{
    char first[512], buf[512], name[16];
    size_t n, n0 = 0, same = 0, count = sizeof sizes / sizeof *sizes;
    for (size_t i = 0; i < count; i++)
        if (read_as (s, opt, sizes[i], buf, &n)) {
            if (i == 0)
                memcpy (first, buf, n0 = n);
            same += n == n0 && memcmp (first, buf, n) == 0;
        }
    for (size_t i = 0; i < (same == count ? 1 : count); i++) {
        if (!read_as (s, opt, sizes[i], buf, &n))
            continue;
        int a, b = get_int (other, opt);
        memcpy (&a, buf, sizeof a);
        sprintf (name, same == count ? "%s" : "%s%zu", key, sizes[i]);
        if (n == 4 && a != b && fcntl (a, F_GETFD) >= 0 && fcntl (b, F_GETFD) >= 0)
            printf (" %s=fd", name);
        else
            hex (name, buf, n);
    }
}

/* measure prints what a socket of a type does with an option, if it does anything. */
static void measure (int type, int opt, int with)
{
    void *s = zmq_socket (ctx, type), *other = zmq_socket (ctx, type);
    char buf[512], text[LONGEST + 1];
    size_t n, len;
    int lo, hi, one = 1;
    size_t taken = 0;
    if (with)
        zmq_setsockopt (s, with, &one, sizeof one);
    printf ("%d", opt);
    values (s, other, opt, "get");
    if (range (set_option, s, opt, &lo, &hi)) {
        printf (" int=%d..%d", lo, hi);
        const int tries[] = {0, 1, 199, 200, lo, lo + (lo < hi), hi};
        for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
            if (set_int (s, opt, tries[i]) && get_int (s, opt) != INT_MIN && get_int (s, opt) != tries[i])
                printf (" back=%d:%d", tries[i], get_int (s, opt));
    }
    const int64_t longs[] = {0, 1, -1, 100, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof longs / sizeof *longs; i++)
        taken += zmq_setsockopt (s, opt, &longs[i], 8) == 0;
    if (taken > 0)
        printf (" long=%s", taken == sizeof longs / sizeof *longs ? "all" : "some");
    char shape = 't';
    if ((len = lengths (s, opt, 't')) == 0 && (shape = 'p', len = lengths (s, opt, 'p')) == 0)
        shape = 'n', len = lengths (s, opt, 'n');
    if (len) {
        fill (shape, text, len);
        zmq_setsockopt (s, opt, text, len);
        printf (" mechanism=%d", get_int (s, 43));
        if (read_as (s, opt, 256, buf, &n) && memcmp (buf, text, len) == 0)
            printf (" kept=256");
        if (read_as (s, opt, 32, buf, &n) && len >= 32 && memcmp (buf, text, 32) == 0)
            printf (" kept=32");
    }
    if (zmq_setsockopt (s, opt, "", 0) == 0)
        printf (" text=0-0");
    fflush (stdout);
    if (len && zmq_setsockopt (s, opt, text, len) == 0 && zmq_setsockopt (s, opt, NULL, 0) == 0) {
        printf (" null=%d", get_int (s, 43));
        values (s, s, opt, "void");
    } else if (zmq_setsockopt (s, opt, NULL, 0) == 0)
        printf (" null=%d", get_int (s, 43));
    printf ("\n");
    fflush (stdout);
    zmq_close (s);
    zmq_close (other);
}

static int set_context (int opt, int v, void *arg)
{
    (void) arg;
    void *c = zmq_ctx_new ();
    if (opt == 8) /* takes back what 7 has added */
        zmq_ctx_set (c, 7, v);
    int ok = zmq_ctx_set (c, opt, v) == 0;
    zmq_ctx_term (c);
    return ok;
}

/* contexts prints what context options there are, and whether a set tells in a new socket. */
static void contexts (void)
{
    for (int opt = 0; opt < 130; opt++) {
        void *c = zmq_ctx_new ();
        int lo, hi;
        printf ("context %d", opt);
        errno = 0;
        int v = zmq_ctx_get (c, opt);
        if (v != -1 || errno == 0)
            printf (" get=%d", v);
        if (range (set_context, NULL, opt, &lo, &hi)) {
            printf (" int=%d..%d", lo, hi);
            void *other = zmq_ctx_new ();
            if (zmq_ctx_set (other, opt, 199) == 0)
                printf (" back=%d", zmq_ctx_get (other, opt));
            zmq_ctx_term (other);
            void *before = zmq_socket (c, DEALER);
            zmq_ctx_set (c, opt, v == 0 ? 1 : 0);
            void *after = zmq_socket (c, DEALER);
            if (after && (get_int (before, 42) != get_int (after, 42) || get_int (before, 17) != get_int (after, 17)))
                printf (" new=1");
            zmq_close (before);
            if (after)
                zmq_close (after);
        }
        printf ("\n");
        fflush (stdout);
        zmq_ctx_term (c);
    }
}

static int failure (int rc) { return rc < 0 ? zmq_errno () : 0; }

/* traffic prints whether sockets of a type can send and receive at all, whether they take a
 * message of two frames, and whether a send fails that is not the socket's turn. */
static void traffic (int type)
{
    void *a = zmq_socket (ctx, type), *b = zmq_socket (ctx, type), *c = zmq_socket (ctx, type);
    char buf[16];
    int sent = failure (zmq_send (a, "\1", 1, ZMQ_DONTWAIT));
    int got = failure (zmq_recv (b, buf, sizeof buf, ZMQ_DONTWAIT));
    int more = failure (zmq_send (c, "\1", 1, ZMQ_DONTWAIT | ZMQ_SNDMORE));
    zmq_bind (c, "inproc://traffic"), zmq_connect (a, "inproc://traffic");
    int turn = 0;
    for (int i = 0; i < 2; i++)
        turn |= failure (zmq_send (a, "\1", 1, ZMQ_DONTWAIT)) == EFSM;
    printf ("traffic %d send=%d recv=%d more=%d turn=%d subscribe=%d\n", type, sent != ENOTSUP, got != ENOTSUP,
            more != EINVAL, turn, zmq_setsockopt (b, 6, "x", 1) == 0);
}

/* shake prints whether two types of sockets complete a handshake. */
static void shake (int a, int b)
{
    char where[256];
    size_t n = sizeof where;
    void *bound = zmq_socket (ctx, a), *made = zmq_socket (ctx, b);
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
                 | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_DISCONNECTED;
    set_int (bound, ZMQ_LINGER, 0), set_int (made, ZMQ_LINGER, 0);
    set_int (made, ZMQ_RECONNECT_IVL, -1);
    sprintf (where, "inproc://monitor-%d-%d", a, b);
    zmq_socket_monitor (made, where, events);
    void *monitor = zmq_socket (ctx, PAIR);
    zmq_connect (monitor, where);
    if (zmq_bind (bound, "tcp://127.0.0.1:*") || zmq_getsockopt (bound, ZMQ_LAST_ENDPOINT, where, &n)
        || zmq_connect (made, where)) {
        printf ("shake %d %d never\n", a, b);
        return;
    }
    unsigned char frame[8];
    /* A STREAM shakes no hands, so there is nothing to wait for. */
    set_int (monitor, ZMQ_RCVTIMEO, a == STREAM || b == STREAM ? 100 : 5000);
    int got = zmq_recv (monitor, frame, sizeof frame, 0);
    uint16_t event;
    memcpy (&event, frame, 2);
    printf ("shake %d %d %s\n", a, b, got < 2 ? "nothing" : event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? "yes" : "no");
    fflush (stdout);
    zmq_socket_monitor (made, NULL, 0);
    zmq_close (monitor), zmq_close (made), zmq_close (bound);
}

static int send_to (void *s, int type, const char *id, size_t id_size, uint32_t peer)
{
    zmq_msg_t m;
    if (type == ROUTER || type == STREAM)
        if (zmq_send (s, id, id_size, ZMQ_SNDMORE) < 0)
            return -1;
    size_t size = type == STREAM ? 100000 : 1;
    zmq_msg_init_size (&m, size);
    memset (zmq_msg_data (&m), 'x', size);
    if (type == SERVER || type == PEER)
        zmq_msg_set_routing_id (&m, peer);
    if (type == RADIO)
        zmq_msg_set_group (&m, "g");
    return zmq_msg_send (&m, s, 0);
}

/* mute prints what a send does to a peer that takes nothing more. */
static void mute (int type, int other)
{
    char id[256], buf[256];
    size_t n = sizeof buf, id_size = 1;
    uint32_t peer = 0;
    void *s = zmq_socket (ctx, type), *p = NULL;
    strcpy (id, "p");
    set_int (s, ZMQ_LINGER, 0), set_int (s, ZMQ_SNDHWM, 1), set_int (s, ZMQ_SNDTIMEO, 100);
    set_int (s, ZMQ_RCVTIMEO, 2000), set_int (s, ZMQ_SNDBUF, 4096);
    if (type == STREAM) {
        zmq_bind (s, "tcp://127.0.0.1:*");
        zmq_getsockopt (s, ZMQ_LAST_ENDPOINT, buf, &n);
        int fd = socket (AF_INET, SOCK_STREAM, 0), small = 4096;
        setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons (atoi (strrchr (buf, ':') + 1))};
        to.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
        if (connect (fd, (struct sockaddr *) &to, sizeof to) != 0)
            return;
        id_size = zmq_recv (s, id, sizeof id, 0);
        zmq_recv (s, buf, sizeof buf, 0);
    } else {
        p = zmq_socket (ctx, other);
        set_int (p, ZMQ_LINGER, 0), set_int (p, ZMQ_RCVHWM, 1);
        zmq_setsockopt (p, ZMQ_ROUTING_ID, "p", 1);
        if (other == SUB)
            zmq_setsockopt (p, ZMQ_SUBSCRIBE, "", 0);
        if (zmq_bind (p, "inproc://mute") != 0 || zmq_connect (s, "inproc://mute") != 0)
            return;
        if (other == DISH)
            zmq_join (p, "g");
        get_int (p, ZMQ_EVENTS), get_int (s, ZMQ_EVENTS);
        if (other == SUB || other == DISH)
            usleep (50000), get_int (s, ZMQ_EVENTS);
        if (type == REP) /* requests, whose replies the peer does not read */
            for (int i = 0; i < 8; i++)
                zmq_send (p, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT), zmq_send (p, "r", 1, ZMQ_DONTWAIT);
        if (type == SERVER || type == PEER) {
            zmq_msg_t m;
            zmq_msg_init_size (&m, 1);
            if (other == PEER)
                return;
            zmq_msg_send (&m, p, 0);
            zmq_msg_init (&m);
            zmq_msg_recv (&m, s, 0);
            peer = zmq_msg_routing_id (&m);
        }
    }
    const char *does = "drop";
    for (int i = 0; i < (type == STREAM ? 2000 : 8); i++) {
        if (type == REP && zmq_recv (s, buf, sizeof buf, ZMQ_DONTWAIT) < 0)
            break;
        double begin = now ();
        if (send_to (s, type, id, id_size, peer) < 0) {
            int e = zmq_errno ();
            does = e != EAGAIN ? zmq_strerror (e) : now () - begin < 0.05 ? "fail with EAGAIN" : "block";
            break;
        }
        if (type == REQ) { /* one request at a time: its pipe is never full, so have none */
            void *alone = zmq_socket (ctx, REQ);
            set_int (alone, ZMQ_SNDTIMEO, 100);
            begin = now ();
            does = zmq_send (alone, "x", 1, 0) >= 0 ? "drop" : now () - begin < 0.05 ? "fail with EAGAIN" : "block";
            break;
        }
    }
    printf ("mute %d %s\n", type, does);
}

int main (int argc, char **argv)
{
    if (argc < 2)
        return 2;
    const char *what = argv[1];
    ctx = zmq_ctx_new ();
    if (strcmp (what, "version") == 0) {
        int major, minor, patch;
        zmq_version (&major, &minor, &patch);
        printf ("version %d.%d.%d\n", major, minor, patch);
    } else if (strcmp (what, "has") == 0) {
        for (int i = 2; i < argc; i++)
            printf ("has %s %d\n", argv[i], zmq_has (argv[i]));
    } else if (strcmp (what, "errors") == 0) {
        for (int i = 1; i < 160; i++)
            printf ("error %d %s\n", i, zmq_strerror (i));
        for (int i = 1; i < 80; i++)
            printf ("error %d %s\n", ZMQ_HAUSNUMERO + i, zmq_strerror (ZMQ_HAUSNUMERO + i));
    } else if (strcmp (what, "contexts") == 0) {
        contexts ();
    } else if (strcmp (what, "types") == 0) {
        for (int i = 0; i < 40; i++)
            if (zmq_socket (ctx, i))
                printf ("type %d\n", i);
    } else if (strcmp (what, "options") == 0) {
        for (int opt = atoi (argv[3]); opt < 160; opt++)
            measure (atoi (argv[2]), opt, argc > 4 ? atoi (argv[4]) : 0);
    } else if (strcmp (what, "traffic") == 0) {
        traffic (atoi (argv[2]));
    } else if (strcmp (what, "shake") == 0) {
        for (int i = 3; i < argc; i++)
            shake (atoi (argv[2]), atoi (argv[i]));
    } else if (strcmp (what, "mute") == 0) {
        mute (atoi (argv[2]), atoi (argv[3]));
    } else
        return 2;
    fflush (stdout);
    _exit (0);
}
