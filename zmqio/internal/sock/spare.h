#ifndef ZMQIO_SPARE_H
#define ZMQIO_SPARE_H

#include <stddef.h>
#include <zmq.h>

/*
 * Spares: the memory of large frames that libzmq has sent, kept for the next large frames. malloc
 * would give it back to the system, which would have to clear it for the next frame.
 */

enum {
    ZMQIO_SPARE_FRAME = 16 << 10,   /* smaller frames get their memory from libzmq */
#ifdef ZMQIO_ASAN
    ZMQIO_SPARE_BYTES = 0           /* AddressSanitizer finds a use of freed memory alone */
#else
    ZMQIO_SPARE_BYTES = 8 << 20     /* the most that is kept, in the process */
#endif
};

/* Initialises msg as a frame with a copy of the payload. Returns an errno, 0 for success. */
int zmqio_init_frame(zmq_msg_t *msg, const char *payload, size_t size);

/* Returns the bytes that are kept. */
size_t zmqio_spare_bytes(void);

#endif
