package zmqio

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// ConnectionConfig says what a transport is made of. Exactly one of Bind, Connect
// and Socket must be given.
type ConnectionConfig struct {
	// Bind and Connect are endpoints, bound or connected in order. An empty slice
	// is given, and does nothing; a nil one is not.
	Bind, Connect []string
	// Socket is a socket that was made elsewhere. The transport uses it as it is
	// and closes it in the end; nobody else may use it any more. If no transport
	// comes about, it stays the caller's, open.
	Socket *zmq4.Socket
	// Configure, if not nil, is called before the protocol's factory and before
	// any bind or connect, the time for high-water marks, routing ids and keys.
	// Its error fails the creation.
	Configure func(zmq.Sockopts) error
}

func (c ConnectionConfig) check() error {
	given := 0
	for _, is := range []bool{c.Bind != nil, c.Connect != nil, c.Socket != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		return invalid("exactly one of Bind, Connect and Socket must be given, not %d", given)
	}
	for _, endpoint := range c.Connect {
		if err := checkConnect(endpoint); err != nil {
			return err
		}
	}
	return nil
}

// CreateZmqConnection makes a socket of type typ and a transport for it, with the
// protocol that factory returns. It stands for create_zmq_connection.
//
// In this order it checks the arguments, makes the socket, calls Configure and
// factory, calls ConnectionMade, binds or connects, and returns. What fails leaves
// nothing open and is returned; when it fails after ConnectionMade, ConnectionLost
// gets it too. Among the errors are ErrInvalidArgument, ErrDNSEndpoint,
// ErrSocketType, ErrLoopClosed and libzmq's.
//
// On the loop's own goroutine all of this happens at once. Elsewhere it happens on
// the loop, and ctx bounds the wait for that; while nobody runs the loop, it happens
// on the calling goroutine, which takes the loop's place.
func (l *EventLoop) CreateZmqConnection(ctx context.Context, factory func() Protocol, typ zmq.SocketType,
	cfg ConnectionConfig,
) (*Transport, Protocol, error) {
	if factory == nil {
		return nil, nil, invalid("nil protocol factory")
	}
	if err := cfg.check(); err != nil {
		return nil, nil, err
	}
	type created struct {
		t   *Transport
		err error
	}
	c, err := await(ctx, l,
		func() created {
			t, err := l.create(factory, typ, cfg)
			return created{t, err}
		},
		func(c created, why error) { // made too late
			if c.t != nil {
				c.t.finish(why, refusing(cfg))
			}
		})
	if err == nil {
		err = c.err
	}
	if err != nil {
		return nil, nil, fmt.Errorf("create %v: %w", typ, err)
	}
	return c.t, c.t.Protocol(), nil
}

// CreateZmqConnection is the method of the same name for a factory that returns the
// protocol in its own type.
func CreateZmqConnection[P Protocol](ctx context.Context, l *EventLoop, factory func() P, typ zmq.SocketType,
	cfg ConnectionConfig,
) (*Transport, P, error) {
	var zero P
	if l == nil {
		return nil, zero, invalid("nil event loop")
	}
	if factory == nil {
		return nil, zero, invalid("nil protocol factory")
	}
	p := new(P)
	t, _, err := l.CreateZmqConnection(ctx, func() Protocol {
		*p = factory()
		return *p
	}, typ, cfg)
	if err != nil {
		return nil, zero, err // and p may be in use still
	}
	return t, *p, nil
}

// create is CreateZmqConnection on the loop.
func (l *EventLoop) create(factory func() Protocol, typ zmq.SocketType, cfg ConnectionConfig) (t *Transport, err error) {
	z := cfg.Socket
	if z == nil {
		if z, err = l.newSocket(typ); err != nil {
			return nil, err
		}
	}
	defer func() {
		if t == nil && cfg.Socket == nil {
			_ = z.Close()
		}
	}()
	s, err := l.checkSocket(z, typ)
	if err != nil {
		return nil, err
	}
	if cfg.Configure != nil {
		if err := l.configure(cfg, s); err != nil {
			return nil, err
		}
	}
	p, err := l.makeProtocol(factory)
	if err != nil {
		return nil, err
	}
	made, err := newTransport(l, typ, z, s, p)
	if err != nil {
		return nil, err
	}
	t = made // from here on the transport closes the socket
	l.protect(ExceptionContext{Message: "ConnectionMade panicked", Transport: t, Protocol: p}, func() { p.ConnectionMade(t) })
	if err := t.attachAll(cfg); err != nil {
		t.finish(err, refusing(cfg))
		return nil, err
	}
	return t, nil
}

// refusing returns how to end a transport that was made in vain: without closing a
// socket that is the caller's.
func refusing(cfg ConnectionConfig) ending {
	if cfg.Socket != nil {
		return leaveOpen
	}
	return closeSocket
}

// newSocket makes a socket of the loop's context.
func (l *EventLoop) newSocket(typ zmq.SocketType) (*zmq4.Socket, error) {
	if typ.ThreadSafe() {
		return nil, fmt.Errorf("%w: %v is thread-safe and has no ZMQ_FD to wait for: %w", ErrSocketType, typ, errors.ErrUnsupported)
	}
	z, err := l.context.NewSocket(zmq4.Type(typ))
	if err == nil {
		return z, nil
	}
	err = zmq.Translate("zmq_socket", err)
	if errors.Is(err, zmq.EINVAL) {
		if typ.Draft() {
			err = fmt.Errorf("%w: %w", err, errors.ErrUnsupported)
		}
		return nil, fmt.Errorf("%w: %v: %w", ErrSocketType, typ, err)
	}
	return nil, err
}

// checkSocket makes sure that z is a socket of type typ that a transport can have.
func (l *EventLoop) checkSocket(z *zmq4.Socket, typ zmq.SocketType) (*sock.Socket, error) {
	s, err := sock.New(z)
	if err != nil {
		return nil, err
	}
	is, err := zmq.Sockopts{RawSockopts: rawSocket{s}}.Type()
	switch {
	case err != nil:
		return nil, err
	case is != typ:
		return nil, fmt.Errorf("%w: the socket is a %v, not a %v", ErrSocketType, is, typ)
	case typ.ThreadSafe():
		return nil, fmt.Errorf("%w: %v is thread-safe and has no ZMQ_FD to wait for: %w", ErrSocketType, typ, errors.ErrUnsupported)
	}
	return s, nil
}

// configure calls Configure. A panic goes to the exception handler and fails the
// creation.
func (l *EventLoop) configure(cfg ConnectionConfig, s *sock.Socket) error {
	err := errPanicked
	l.protect(ExceptionContext{Message: "Configure panicked"}, func() {
		err = cfg.Configure(zmq.Sockopts{RawSockopts: rawSocket{s}})
	})
	return err
}

// makeProtocol calls the factory, as configure does Configure.
func (l *EventLoop) makeProtocol(factory func() Protocol) (p Protocol, err error) {
	err = errPanicked
	l.protect(ExceptionContext{Message: "protocol factory panicked"}, func() {
		p, err = factory(), nil
	})
	if err == nil && p == nil {
		err = invalid("the protocol factory returned nil")
	}
	return p, err
}

var errPanicked = errors.New("zmqio: the function panicked")

func (t *Transport) attachAll(cfg ConnectionConfig) error {
	for _, endpoint := range cfg.Bind {
		if _, err := t.Bind(endpoint); err != nil {
			return err
		}
	}
	for _, endpoint := range cfg.Connect {
		if _, err := t.Connect(endpoint); err != nil {
			return err
		}
	}
	return nil
}

// await calls fn as the loop does, never at the same time as a callback, and
// returns its result: on the loop's own goroutine at once, while nobody runs the
// loop in its place, else by the loop. If ctx ends while fn runs, tooLate gets what
// fn returns.
func await[T any](ctx context.Context, l *EventLoop, fn func() T, tooLate func(v T, why error)) (T, error) {
	var zero T
	if l.onLoop() {
		if l.IsClosed() {
			return zero, ErrLoopClosed
		}
		return fn(), nil
	}
	if err := context.Cause(ctx); err != nil {
		return zero, err
	}
	const (
		waiting int32 = iota
		started
		done
		abandoned
	)
	var (
		state  atomic.Int32
		result T
		err    error = errGoexit // unless fn returns
		end          = make(chan struct{})
	)
	run := func() {
		if !state.CompareAndSwap(waiting, started) {
			return
		}
		defer func() {
			if !state.CompareAndSwap(started, done) && err == nil {
				tooLate(result, context.Cause(ctx))
			}
			close(end)
		}()
		result, err = fn(), nil
	}
	for posted := false; ; {
		changed := l.change()
		switch acquired := l.acquire(ctx, forCreating); {
		case acquired == nil:
			func() {
				defer l.release()
				run()
			}()
		case !errors.Is(acquired, ErrLoopRunning):
			if state.CompareAndSwap(waiting, abandoned) {
				return zero, acquired
			}
		case !posted:
			if _, err := l.CallSoon(run); err != nil {
				return zero, err
			}
			posted = true
		}
		select {
		case <-end:
			return result, err
		case <-changed:
		case <-ctx.Done():
			if state.CompareAndSwap(waiting, abandoned) || state.CompareAndSwap(started, abandoned) {
				return zero, context.Cause(ctx)
			}
		}
	}
}
