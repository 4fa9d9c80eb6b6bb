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

// An Origin is a connection that messages came over. It holds a frame of the first message that
// Recv saw, in libzmq's memory, and must be closed. Until then no other connection has the same
// number.
type Origin struct {
	Head   string // the first frame of that message: on a ROUTER the routing id of the peer
	number uint64
	pin    Held
}

// FD returns the descriptor that the connection had.
func (o Origin) FD() int { return int(C.zmq_msg_get(o.pin.first(), C.ZMQ_SRCFD)) }

// Close frees the frame.
func (o Origin) Close() { o.pin.Close() }

// origins has the connections that Recv has seen.
type origins struct {
	c     C.zmqio_origins
	seen  []uint64 // the hash table of C, with the numbers of all origins that are not closed
	known int      // how many numbers seen has
	fresh []Origin
}

// TrackOrigins makes Recv and Detach record the origins of messages, or stops them. It drops the
// origins that TakeOrigins has not returned. libzmq knows the origin for peers that speak ZMTP 3,
// except over inproc.
func (s *Socket) TrackOrigins(on bool) {
	for _, o := range s.TakeOrigins() {
		o.Close()
	}
	s.origins = nil
	if on {
		s.origins = new(origins)
	}
}

// TakeOrigins returns the origins that are new since the last call, in the order of their messages.
// An origin is new with its first message. Before 4.3.5 it may be new with its second message, if
// the frame behind the first has more than 8 KiB.
func (s *Socket) TakeOrigins() []Origin {
	if s.origins == nil {
		return nil
	}
	fresh := s.origins.fresh
	s.origins.fresh = nil
	return fresh
}

// CloseOrigin closes an origin of TakeOrigins. With its next message the origin is new again.
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

// begin prepares a receive. first says whether the next frame begins a message.
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

// grow doubles the size of the hash table.
func (o *origins) grow() {
	before := o.seen
	o.seen = make([]uint64, max(2*len(before), 4*C.ZMQIO_FRESH))
	for _, number := range before {
		if number != 0 {
			C.zmqio_see((*C.uint64_t)(unsafe.SliceData(o.seen)), C.int64_t(len(o.seen)), C.uint64_t(number))
		}
	}
}

// end records the new origins of a receive into scratch.
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
