package sock

/*
#include "sock.h"

#cgo noescape zmqio_see
#cgo nocallback zmqio_see
#cgo noescape zmqio_forget
#cgo nocallback zmqio_forget
*/
import "C"

import "unsafe"

// An Origin is a connection that messages came over. It holds a frame of the first message
// that Recv has noticed, in memory of libzmq's, and must be closed. Until then no other
// connection has the same number.
type Origin struct {
	Head   string // the first frame of that message, on a ROUTER the routing id of the peer
	number uint64
	pin    Held
}

// FD returns the descriptor that the connection had.
func (o Origin) FD() int { return int(C.zmq_msg_get(o.pin.first(), C.ZMQ_SRCFD)) }

// Close lets the frame go.
func (o Origin) Close() { o.pin.Close() }

// origins are what Recv notices of where messages come from.
type origins struct {
	c     C.zmqio_origins
	seen  []uint64 // a set of C's, of the numbers that TakeOrigins has returned, or will
	known int      // how many it has
	fresh []Origin
}

// TrackOrigins has Recv and Detach notice from now on where messages come from, or no more.
// It drops what TakeOrigins has not returned. libzmq tells it of peers that speak ZMTP 3
// over anything but inproc.
func (s *Socket) TrackOrigins(on bool) {
	for _, o := range s.TakeOrigins() {
		o.Close()
	}
	s.origins = nil
	if on {
		s.origins = new(origins)
	}
}

// TakeOrigins returns the origins that have come up since the last call, in the order of
// their messages. Each comes up once, with its first message; before 4.3.5 it may be the
// next, if the frame behind the first has more than 8 KiB.
func (s *Socket) TakeOrigins() []Origin {
	if s.origins == nil {
		return nil
	}
	fresh := s.origins.fresh
	s.origins.fresh = nil
	return fresh
}

// CloseOrigin closes an origin that TakeOrigins has returned. The next message from it is
// noticed as if it were the first.
func (s *Socket) CloseOrigin(o Origin) {
	if s.origins != nil {
		s.origins.forget(o.number)
	}
	o.Close()
}

func (o *origins) forget(number uint64) {
	C.zmqio_forget((*C.uint64_t)(unsafe.SliceData(o.seen)), C.int64_t(len(o.seen)), C.uint64_t(number))
	o.known--
}

// begin prepares a receive, of which the next frame may be the first of a message.
func (o *origins) begin(first bool) (c *C.zmqio_origins, seen []uint64) {
	if o == nil {
		return nil, nil
	}
	if 2*(o.known+C.ZMQIO_FRESH) > len(o.seen) {
		o.grow()
	}
	o.c.n = 0
	o.c.next = C.ZMQIO_REST
	if first {
		o.c.next = C.ZMQIO_FIRST
	}
	return &o.c, o.seen
}

// grow doubles the set.
func (o *origins) grow() {
	before := o.seen
	o.seen = make([]uint64, max(2*len(before), 4*C.ZMQIO_FRESH))
	for _, number := range before {
		if number != 0 {
			C.zmqio_see((*C.uint64_t)(unsafe.SliceData(o.seen)), C.int64_t(len(o.seen)), C.uint64_t(number))
		}
	}
}

// end takes note of what a receive into scratch has found.
func (o *origins) end(scratch []byte) {
	if o == nil {
		return
	}
	for i := range o.c.n {
		pin := make(Held, 1)
		*pin.first() = o.c.pins[i]
		head := o.c.heads[i]
		o.fresh = append(o.fresh, Origin{string(scratch[head.offset:][:head.size]), uint64(o.c.fresh[i]), pin})
	}
	o.known += int(o.c.n)
}
