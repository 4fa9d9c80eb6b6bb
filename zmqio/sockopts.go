package zmqio

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// Sockopts returns the typed accessors of the socket's options. Every one of them
// may be called from every goroutine; after the transport is closed they return
// ErrTransportClosed.
func (t *Transport) Sockopts() zmq.Sockopts {
	return zmq.Sockopts{RawSockopts: transportSockopts{t}}
}

// Getsockopt returns the value of an option by its number, in the type that the
// accessor of the same name has. The errors are ErrTransportClosed, zmq.ErrUnknownName
// with EINVAL for a number that no libzmq has, and libzmq's.
//
// aiozmq: getsockopt
func (t *Transport) Getsockopt(opt zmq.Option) (any, error) { return t.Sockopts().Get(opt) }

// Setsockopt sets an option by its number. The value must be of the type that the
// accessor of the same name takes, or the error is zmq.ErrValue. Others are those of
// Getsockopt.
//
// aiozmq: setsockopt
func (t *Transport) Setsockopt(opt zmq.Option, v any) error { return t.Sockopts().Set(opt, v) }

// SocketOptions returns the typed accessors for a socket that no transport owns.
// They are as little safe for use from several goroutines as the socket is.
//
// The error for a socket that a transport owns is ErrInvalidArgument, here and from each
// accessor that is called while it does: use Transport.Sockopts. What is set here, the
// transport that gets the socket knows: keys that leave MECHANISM at NULL fail its
// creation, and a CONNECT_ROUTING_ID counts as used at once.
func SocketOptions(z *zmq4.Socket) (zmq.Sockopts, error) {
	if z == nil {
		return zmq.Sockopts{}, invalid("SocketOptions: nil socket")
	}
	s, err := sock.New(z)
	if err != nil {
		return zmq.Sockopts{}, err
	}
	o := unownedSockopts{z, rawSocket{s, guardOf(z)}}
	if err := o.do(func(rawSocket) error { return nil }); err != nil {
		return zmq.Sockopts{}, err
	}
	return zmq.Sockopts{RawSockopts: o}, nil
}

// unownedSockopts is zmq.RawSockopts for a socket while no transport owns it.
type unownedSockopts struct {
	z   *zmq4.Socket
	raw rawSocket
}

func (o unownedSockopts) GetRaw(opt zmq.Option, buf []byte) (n int, err error) {
	err = o.do(func(r rawSocket) error {
		n, err = r.GetRaw(opt, buf)
		return err
	})
	return n, err
}

func (o unownedSockopts) SetRaw(opt zmq.Option, value []byte) error {
	return o.do(func(r rawSocket) error {
		err := r.SetRaw(opt, value)
		if err == nil && opt == zmq.CONNECT_ROUTING_ID { // the connect that takes it is not seen
			r.guard.routed[string(value)] = struct{}{}
		}
		return err
	})
}

// do calls fn while no transport can take the socket.
func (o unownedSockopts) do(fn func(rawSocket) error) (err error) {
	if !sock.IfUnowned(o.z, func() { err = fn(o.raw) }) {
		return invalid("a transport owns the socket; use Transport.Sockopts")
	}
	return err
}

// transportSockopts is zmq.RawSockopts for a transport's socket.
type transportSockopts struct{ t *Transport }

func (o transportSockopts) GetRaw(opt zmq.Option, buf []byte) (n int, err error) {
	err = o.t.with(func(r rawSocket) error {
		n, err = r.GetRaw(opt, buf)
		return err
	})
	return n, err
}

func (o transportSockopts) SetRaw(opt zmq.Option, value []byte) error {
	return o.t.with(func(r rawSocket) error { return r.SetRaw(opt, value) })
}

// with calls fn while no other goroutine uses the socket.
func (t *Transport) with(fn func(rawSocket) error) error {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	if t.sock == nil {
		return ErrTransportClosed
	}
	if t.started {
		defer t.schedule() // reading ZMQ_EVENTS, for one, consumes the signal on ZMQ_FD
	}
	return fn(rawSocket{t.sock, t.guard})
}

// Subscribe asks for the messages that begin with topic; empty means all. A SUB
// receives nothing before. A topic counts as often as it was subscribed to. It does
// what setting SUBSCRIBE does, before or after a connect. The error is ErrSocketType for
// any other type than SUB, for which an XSUB writes a message, and ErrTransportClosed.
//
// aiozmq: subscribe
func (t *Transport) Subscribe(topic string) error { return t.subscription(zmq.SUBSCRIBE, topic) }

// Unsubscribe takes one Subscribe of topic back. The errors are those of Subscribe,
// and ErrInvalidArgument if topic is not subscribed to, where libzmq says nothing.
//
// aiozmq: unsubscribe
func (t *Transport) Unsubscribe(topic string) error { return t.subscription(zmq.UNSUBSCRIBE, topic) }

// Subscriptions returns the topics that are subscribed to, sorted, each once: by
// Subscribe, by the options, also in ConnectionConfig.Configure, and not what a socket
// had from elsewhere. After Close it is what they were.
//
// aiozmq: subscriptions
func (t *Transport) Subscriptions() []string {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	return slices.Sorted(maps.Keys(t.guard.topics))
}

func (t *Transport) subscription(opt zmq.Option, topic string) error {
	if t.typ.Info().Subscribes != zmq.SubscribesByOption {
		return fmt.Errorf("%s %q: %w: only a SUB can, not this %v", strings.ToLower(opt.String()), topic, ErrSocketType, t.typ)
	}
	err := t.with(func(r rawSocket) error {
		if opt == zmq.UNSUBSCRIBE && t.guard.topics[topic] == 0 {
			return invalid("the socket has not subscribed to it")
		}
		return r.SetRaw(opt, []byte(topic))
	})
	if err != nil {
		return fmt.Errorf("%s %q: %w", strings.ToLower(opt.String()), topic, err)
	}
	return nil
}

// isSet reports whether opt has been set to a value other than 0. It is for options that
// libzmq does not tell.
func (t *Transport) isSet(opt zmq.Option) bool {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	return t.guard.set[opt]
}

// isTouched reports whether opt has been set.
func (t *Transport) isTouched(opt zmq.Option) bool {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	_, touched := t.guard.set[opt]
	return touched
}
