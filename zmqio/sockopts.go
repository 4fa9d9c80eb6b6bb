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

// Sockopts returns the typed accessors of the socket's options. They are safe for concurrent
// use. After the transport's end they return ErrTransportClosed.
func (t *Transport) Sockopts() zmq.Sockopts {
	return zmq.Sockopts{RawSockopts: transportSockopts{t}}
}

// Getsockopt returns the value of the option opt, in the type of the accessor with that name.
//
// Errors:
//   - [ErrTransportClosed]: the transport has ended.
//   - zmq.ErrUnknownName and zmq.EINVAL: no libzmq has such an option.
//   - Others of libzmq.
//
// aiozmq: getsockopt
func (t *Transport) Getsockopt(opt zmq.Option) (any, error) { return t.Sockopts().Get(opt) }

// Setsockopt sets the option opt to v, of the type that the accessor with that name takes. For
// a value of another type the error is zmq.ErrValue. The other errors are those of Getsockopt.
//
// aiozmq: setsockopt
func (t *Transport) Setsockopt(opt zmq.Option, v any) error { return t.Sockopts().Set(opt, v) }

// SocketOptions returns the typed accessors for a socket that no transport owns. They are not
// safe for concurrent use, and neither is the socket.
//
// The error is ErrInvalidArgument if z is nil or a transport owns it: use Transport.Sockopts.
// Each accessor checks that too.
//
// A transport that later gets the socket knows what was set here. Keys that leave MECHANISM at
// NULL make its creation fail, and a CONNECT_ROUTING_ID counts as used.
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

// unownedSockopts is the zmq.RawSockopts of a socket while no transport owns it.
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
		if err == nil && opt == zmq.CONNECT_ROUTING_ID { // zmqio does not see the connect that uses it
			r.guard.routed[string(value)] = struct{}{}
		}
		return err
	})
}

// do calls fn while no transport can claim the socket.
func (o unownedSockopts) do(fn func(rawSocket) error) (err error) {
	if !sock.IfUnowned(o.z, func() { err = fn(o.raw) }) {
		return invalid("a transport owns the socket; use Transport.Sockopts")
	}
	return err
}

// transportSockopts is the zmq.RawSockopts of a transport's socket.
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
		defer t.schedule() // fn may have consumed the signal on ZMQ_FD, for example by reading ZMQ_EVENTS
	}
	return fn(rawSocket{t.sock, t.guard})
}

// Subscribe subscribes a SUB to the messages that begin with topic; the empty topic means all
// messages. A SUB receives nothing before it subscribes. Subscribe may come before or after a
// connect, and equals setting the option SUBSCRIBE. A protocol can call it in ConnectionMade,
// which comes before the first connect. libzmq counts: a topic that was subscribed to twice
// must be unsubscribed twice.
//
// Errors:
//   - [ErrSocketType]: the type is not SUB. An XSUB writes a message instead: the byte 1 and
//     the topic.
//   - [ErrTransportClosed]: the transport has ended.
//
// aiozmq: subscribe
func (t *Transport) Subscribe(topic string) error { return t.subscription(zmq.SUBSCRIBE, topic) }

// Unsubscribe takes one Subscribe of topic back. The errors are those of Subscribe, and
// ErrInvalidArgument if the transport is not subscribed to topic.
//
// aiozmq: unsubscribe
func (t *Transport) Unsubscribe(topic string) error { return t.subscription(zmq.UNSUBSCRIBE, topic) }

// Subscriptions returns the topics that the transport is subscribed to, sorted, each once. It
// includes those that were set by options, in ConnectionConfig.Configure for example, and not
// what a socket made elsewhere had before. After the end it returns the last ones.
//
// aiozmq: subscriptions
func (t *Transport) Subscriptions() []string {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	return slices.Sorted(maps.Keys(t.guard.topics))
}

func (t *Transport) subscription(opt zmq.Option, topic string) error {
	if by := t.typ.Info().Subscribes; by != zmq.SubscribesByOption {
		err := fmt.Errorf("%s %q: %w: only a SUB can, not this %v", strings.ToLower(opt.String()), topic, ErrSocketType, t.typ)
		if by == zmq.SubscribesByMessage {
			err = fmt.Errorf("%w; it writes a message instead: the byte 1 (0 to unsubscribe) and the topic", err)
		}
		return err
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

// isSet reports whether the user has set opt to a value other than 0. It serves options that libzmq
// cannot return.
func (t *Transport) isSet(opt zmq.Option) bool {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	return t.guard.set[opt]
}

// isTouched reports whether the user has set opt.
func (t *Transport) isTouched(opt zmq.Option) bool {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	_, touched := t.guard.set[opt]
	return touched
}
