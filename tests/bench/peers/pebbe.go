package peers

import (
	"errors"

	"github.com/pebbe/zmq4"
)

func (j job) pebbeSocket(ctx *zmq4.Context, typ zmq4.Type) *zmq4.Socket {
	s, err := ctx.NewSocket(typ)
	must(err)
	must(s.SetSndhwm(j.hwm))
	must(s.SetRcvhwm(j.hwm))
	return s
}

func pebbeContext() *zmq4.Context {
	ctx, err := zmq4.NewContext()
	must(err)
	return ctx
}

// pebbePull binds a PULL. If the job is over inproc, it also starts the sender.
func (j job) pebbePull() *zmq4.Socket {
	ctx := pebbeContext()
	s := j.pebbeSocket(ctx, zmq4.PULL)
	must(s.Bind(j.endpoint))
	endpoint, err := s.GetLastEndpoint()
	must(err)
	must(tellEndpoint(endpoint))
	if j.inproc() {
		push := j.pebbeSocket(ctx, zmq4.PUSH)
		must(push.Connect(j.endpoint))
		go func() {
			for msg := j.message(); ; {
				must(pebbeSendMessage(push, msg))
			}
		}()
	}
	return s
}

// pebbeSendMessage sends frame by frame. SendMessage is slower, because it takes arguments of any
// type.
func pebbeSendMessage(s *zmq4.Socket, msg [][]byte) error {
	for i, frame := range msg {
		flag := zmq4.SNDMORE
		if i == len(msg)-1 {
			flag = 0
		}
		if _, err := s.SendBytes(frame, flag); err != nil {
			return err
		}
	}
	return nil
}

func pebbeRecv(j job) error {
	s := j.pebbePull()
	kept, m := newRing[[][]byte](j.keep), meter{job: j}
	for !m.tick() {
		msg, err := s.RecvMessageBytes(0)
		if err != nil {
			return err
		}
		kept.put(msg)
	}
	return tell(m.result)
}

func (j job) pebbeConnect(typ zmq4.Type) *zmq4.Socket {
	s := j.pebbeSocket(pebbeContext(), typ)
	must(s.Connect(j.endpoint))
	return s
}

// pebbeSendAll sends with s until the measurement is done.
func (j job) pebbeSendAll(s *zmq4.Socket) error {
	msg, m := j.message(), meter{job: j}
	for !m.tick() {
		if err := pebbeSendMessage(s, msg); err != nil {
			return err
		}
	}
	return tell(m.result)
}

func pebbeSend(j job) error { return j.pebbeSendAll(j.pebbeConnect(zmq4.PUSH)) }

func pebbePub(j job) error {
	s := j.pebbeSocket(pebbeContext(), zmq4.PUB)
	must(s.SetXpubNodrop(true))
	must(s.Bind(j.endpoint))
	endpoint, err := s.GetLastEndpoint()
	must(err)
	must(tellEndpoint(endpoint))
	return j.pebbeSendAll(s)
}

// pebbeDealer connects a DEALER and sends the first requests.
func (j job) pebbeDealer() *zmq4.Socket {
	s := j.pebbeConnect(zmq4.DEALER)
	for range j.inflight {
		must(pebbeSendMessage(s, j.message()))
	}
	return s
}

func pebbeRoundTrip(j job) error {
	s, m := j.pebbeDealer(), meter{job: j}
	for !m.tick() {
		msg, err := s.RecvMessageBytes(0)
		if err != nil {
			return err
		}
		if err := pebbeSendMessage(s, msg); err != nil {
			return err
		}
	}
	return tell(m.result)
}

// pebbeRPC has a REQ for every caller.
func pebbeRPC(j job) error {
	ctx := pebbeContext()
	must(ctx.SetMaxSockets(j.callers + 100))
	return j.fromGoroutines(j.callers, func() func([][]byte) error {
		s := j.pebbeSocket(ctx, zmq4.REQ)
		must(s.Connect(j.endpoint))
		return func(msg [][]byte) error {
			if err := pebbeSendMessage(s, msg); err != nil {
				return err
			}
			_, err := s.RecvMessageBytes(0)
			return err
		}
	})
}

var errDone = errors.New("time is up")

// react receives with a Reactor and calls handle with each message.
func react(s *zmq4.Socket, m *meter, handle func([][]byte) error) error {
	reactor := zmq4.NewReactor()
	reactor.AddSocket(s, zmq4.POLLIN, func(zmq4.State) error {
		msg, err := s.RecvMessageBytes(0)
		if err != nil {
			return err
		}
		if m.tick() {
			return errDone
		}
		return handle(msg)
	})
	if err := reactor.Run(-1); !errors.Is(err, errDone) {
		return err
	}
	return tell(m.result)
}

func reactorRecv(j job) error {
	kept, m := newRing[[][]byte](j.keep), meter{job: j}
	return react(j.pebbePull(), &m, func(msg [][]byte) error {
		kept.put(msg)
		return nil
	})
}

func reactorRoundTrip(j job) error {
	s, m := j.pebbeDealer(), meter{job: j}
	return react(s, &m, func(msg [][]byte) error { return pebbeSendMessage(s, msg) })
}
