package zmqio

import (
	"fmt"

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
// with EINVAL for a number that no libzmq has, and libzmq's. It stands for getsockopt.
func (t *Transport) Getsockopt(opt zmq.Option) (any, error) { return t.Sockopts().Get(opt) }

// Setsockopt sets an option by its number. The value must be of the type that the
// accessor of the same name takes, or the error is zmq.ErrValue. Others are those of
// Getsockopt. It stands for setsockopt.
func (t *Transport) Setsockopt(opt zmq.Option, v any) error { return t.Sockopts().Set(opt, v) }

// SocketOptions returns the typed accessors for a socket that no transport owns.
// They are as little safe for use from several goroutines as the socket is.
func SocketOptions(z *zmq4.Socket) (zmq.Sockopts, error) {
	if z == nil {
		return zmq.Sockopts{}, invalid("nil socket")
	}
	s, err := sock.New(z)
	if err != nil {
		return zmq.Sockopts{}, err
	}
	return rawSockopts(s), nil
}

// rawSockopts returns the accessors for a socket that the caller alone uses.
func rawSockopts(s *sock.Socket) zmq.Sockopts { return zmq.Sockopts{RawSockopts: rawSocket{s, nil}} }

// rawSocket is zmq.RawSockopts for a socket that nobody else uses.
type rawSocket struct {
	s      *sock.Socket
	topics topics // to take note of; nil is fine
}

func (r rawSocket) GetRaw(opt zmq.Option, buf []byte) (int, error) {
	n, errno := r.s.GetRaw(int(opt), buf)
	return n, translate("zmq_getsockopt", errno)
}

func (r rawSocket) SetRaw(opt zmq.Option, value []byte) error {
	err := translate("zmq_setsockopt", r.s.SetRaw(int(opt), value))
	if err == nil && r.topics != nil {
		r.topics.follow(opt, value)
	}
	return err
}

// transportSockopts is zmq.RawSockopts for a transport's socket.
type transportSockopts struct{ t *Transport }

func (o transportSockopts) GetRaw(opt zmq.Option, buf []byte) (n int, err error) {
	err = o.t.with("zmq_getsockopt", func(r rawSocket) error {
		n, err = r.GetRaw(opt, buf)
		return err
	})
	return n, err
}

func (o transportSockopts) SetRaw(opt zmq.Option, value []byte) error {
	return o.t.with("zmq_setsockopt", func(r rawSocket) error { return r.SetRaw(opt, value) })
}

// with calls fn while nobody else uses the socket.
func (t *Transport) with(call string, fn func(rawSocket) error) error {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	if t.sock == nil {
		return fmt.Errorf("%s: %w", call, ErrTransportClosed)
	}
	defer t.schedule() // reading ZMQ_EVENTS, for one, consumes the signal on ZMQ_FD
	return fn(rawSocket{t.sock, t.topics})
}
