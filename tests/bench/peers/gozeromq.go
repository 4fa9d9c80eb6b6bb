package peers

import (
	"context"
	"fmt"

	"github.com/go-zeromq/zmq4"
)

// go-zeromq/zmq4 has no high-water marks on these types: it sends and receives
// without queues of its own.

func goZeromqRecv(j job) error {
	s := zmq4.NewPull(context.Background())
	if err := s.Listen(j.endpoint); err != nil {
		return err
	}
	endpoint := j.endpoint
	if addr := s.Addr(); addr.Network() == "tcp" {
		endpoint = fmt.Sprintf("tcp://%v", addr)
	}
	if err := tellEndpoint(endpoint); err != nil {
		return err
	}
	kept, m := newRing[zmq4.Msg](j.keep), meter{job: j}
	for !m.tick() {
		msg, err := s.Recv()
		if err != nil {
			return err
		}
		kept.put(msg)
	}
	return tell(m.result)
}

func goZeromqSend(j job) error {
	s := zmq4.NewPush(context.Background())
	if err := s.Dial(j.endpoint); err != nil {
		return err
	}
	msg, m := zmq4.NewMsgFrom(j.message()...), meter{job: j}
	for !m.tick() {
		if err := s.SendMulti(msg); err != nil {
			return err
		}
	}
	return tell(m.result)
}

func goZeromqRoundTrip(j job) error {
	s := zmq4.NewDealer(context.Background())
	if err := s.Dial(j.endpoint); err != nil {
		return err
	}
	for range j.inflight {
		if err := s.SendMulti(zmq4.NewMsgFrom(j.message()...)); err != nil {
			return err
		}
	}
	for m := (meter{job: j}); ; {
		msg, err := s.Recv()
		if err != nil {
			return err
		}
		if m.tick() {
			return tell(m.result)
		}
		if err := s.SendMulti(msg); err != nil {
			return err
		}
	}
}
