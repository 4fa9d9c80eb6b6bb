package netio

import (
	"cmp"
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/flow"
)

// CreateConnection connects to address and makes a transport of the connection, with the
// protocol that factory returns. The networks are "tcp", "tcp4", "tcp6" and "unix".
//
// It looks the address up and connects as net.Dialer does. If a name has addresses of both
// families, the first family gets a head start ("happy eyeballs"). With Config.TLS the
// handshake comes next. Then the loop calls factory and ConnectionMade, and CreateConnection
// returns. If it fails before, it makes no protocol.
//
// CreateConnection waits for the network and the loop, and ctx bounds the wait. While no
// goroutine runs the loop, the calling goroutine works in its place.
//
// Errors:
//   - zmqio.ErrInvalidArgument: an argument is nil, or cfg, network or address is impossible.
//   - zmqio.ErrLoopClosed: the loop is closed.
//   - zmqio.ErrWouldDeadlock: the caller is the loop goroutine. Call it in zmqio.Go there.
//   - The cause of ctx: ctx ended first.
//   - Those of net.Dialer and of package tls. If several attempts fail, their errors are
//     joined.
//   - A *zmqio.PanicError of factory.
//
// asyncio: create_connection, create_unix_connection
func CreateConnection[P Protocol](ctx context.Context, l *zmqio.EventLoop, factory func() P, network, address string, cfg Config) (*Transport, P, error) {
	return typed(factory, func(factory func() Protocol) (*Transport, error) {
		if err := checkAll(ctx, "CreateConnection", l, factory, cfg); err != nil {
			return nil, err
		}
		if l.InLoop() {
			return nil, refused("CreateConnection", zmqio.ErrWouldDeadlock)
		}
		cfg := cfg.forHost(network, address)
		if err := checkTLS(cfg.TLS, false); err != nil {
			return nil, err
		}
		conn, err := dial(ctx, l.Resolver(), cfg.Dialer, network, address)
		if err != nil {
			return nil, err
		}
		return adopt(ctx, l, factory, conn, cfg, false)
	})
}

// CreateTransport makes a transport of conn, which was made elsewhere. conn is a *net.TCPConn,
// a *net.UnixConn of a stream, or another value with such a descriptor behind its syscall.Conn.
// With Config.TLS the handshake comes first, as a server if serverSide is true, and as a client
// otherwise.
//
// The transport takes a duplicate of the descriptor and closes conn. If CreateTransport fails
// at its arguments, conn stays open; if it fails later, conn is closed. Options of the socket
// stay as they are.
//
// With TLS CreateTransport waits, with the errors of CreateConnection. Otherwise it may be
// called on the loop goroutine.
//
// asyncio: connect_accepted_socket, and sock= of create_connection
func CreateTransport[P Protocol](ctx context.Context, l *zmqio.EventLoop, factory func() P, conn net.Conn, cfg Config, serverSide bool) (*Transport, P, error) {
	return typed(factory, func(factory func() Protocol) (*Transport, error) {
		if err := checkAll(ctx, "CreateTransport", l, factory, cfg); err != nil {
			return nil, err
		}
		if err := cmp.Or(checkConn(conn), checkTLS(cfg.TLS, serverSide)); err != nil {
			return nil, err
		}
		if cfg.TLS != nil && l.InLoop() {
			return nil, refused("CreateTransport", zmqio.ErrWouldDeadlock)
		}
		return adopt(ctx, l, factory, conn, cfg, serverSide)
	})
}

// typed calls create with factory as a factory of Protocol, and returns the protocol with its own
// type.
func typed[P Protocol](factory func() P, create func(func() Protocol) (*Transport, error)) (*Transport, P, error) {
	var zero P
	var general func() Protocol
	p := new(P)
	if factory != nil {
		general = func() Protocol {
			*p = factory()
			return *p
		}
	}
	t, err := create(general)
	if err != nil {
		return nil, zero, err // p may still be in use
	}
	return t, *p, nil
}

// checkAll checks the arguments that all creators have.
func checkAll(ctx context.Context, call string, l *zmqio.EventLoop, factory func() Protocol, cfg Config) error {
	switch {
	case ctx == nil:
		return invalid("netio.%s: nil context", call)
	case l == nil:
		return invalid("netio.%s: nil event loop", call)
	case factory == nil:
		return invalid("netio.%s: nil protocol factory", call)
	case l.IsClosed():
		return refused(call, zmqio.ErrLoopClosed)
	}
	return cfg.check()
}

// checkConn returns an error unless conn is a stream socket.
func checkConn(conn net.Conn) error {
	sc, ok := conn.(syscall.Conn)
	switch {
	case conn == nil:
		return invalid("netio.CreateTransport: nil connection")
	case !ok || isNil(conn):
		return invalid("netio.CreateTransport: %T has no descriptor", conn)
	}
	return checkStream(sc)
}

func checkStream(sc syscall.Conn) error {
	typ := 0
	err := control(sc, func(fd int) (err error) {
		typ, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		return err
	})
	if err != nil || typ != unix.SOCK_STREAM {
		return invalid("netio: %T is no stream socket", sc)
	}
	return nil
}

// control calls fn with the descriptor of sc.
func control(sc syscall.Conn, fn func(fd int) error) error {
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	if failed := raw.Control(func(fd uintptr) { err = fn(int(fd)) }); failed != nil {
		return failed
	}
	return err
}

// duplicate returns a new descriptor for the socket of sc, which the runtime's poller does not
// watch.
func duplicate(sc syscall.Conn) (fd descriptor, err error) {
	err = control(sc, func(from int) error {
		to, err := unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return syscallError("fcntl", err)
		}
		fd = descriptor(to)
		_ = unix.SetNonblock(to, true) // File of a connection may have changed it
		return nil
	})
	return fd, err
}

// adopt makes a transport of conn, after a handshake if the configuration has TLS. It closes conn.
func adopt(ctx context.Context, l *zmqio.EventLoop, factory func() Protocol, conn net.Conn, cfg Config, serverSide bool) (*Transport, error) {
	defer conn.Close()
	m := &material{local: conn.LocalAddr(), remote: conn.RemoteAddr()}
	var secured *tlsStream
	var err error
	if cfg.TLS != nil {
		if secured, err = handshake(ctx, conn, cfg, serverSide); err != nil {
			return nil, err
		}
	}
	if m.fd, err = duplicate(conn.(syscall.Conn)); err != nil {
		return nil, err
	}
	m.setStream(secured)
	return m.launch(ctx, l, factory, cfg)
}

// launch makes a transport on the loop. After an error the descriptor is closed, or about to be.
func (m *material) launch(ctx context.Context, l *zmqio.EventLoop, factory func() Protocol, cfg Config) (t *Transport, err error) {
	var taken bool
	err = l.Do(ctx, func() error {
		taken = true
		var err error
		t, err = m.create(l, factory, cfg, nil)
		return err
	})
	if !taken {
		m.close()
	}
	return t, err
}

// material is what a transport is made of, without its configuration.
type material struct {
	fd            descriptor
	stream        stream
	local, remote net.Addr
	pipe          *pipe // nil: no pipe
}

func (m *material) close() {
	m.pipe.giveBack(m.fd)
	m.fd.close()
}

// setStream sets the stream to secured, or to the descriptor if secured is nil.
func (m *material) setStream(secured *tlsStream) {
	m.stream = m.fd
	if secured != nil {
		secured.wire.descriptor = m.fd
		m.stream = secured
	}
}

// came implements kind. A closed server refuses a client.
func (t *Transport) came() error {
	if t.server != nil && !t.server.attach(t) {
		return t.server.errClosed()
	}
	return nil
}

// create makes a transport, calls ConnectionMade and begins to read. After an error the descriptor
// is closed, or about to be. server may be nil. Loop goroutine only.
func (m *material) create(l *zmqio.EventLoop, factory func() Protocol, cfg Config, server *Server) (*Transport, error) {
	t := &Transport{
		socket: socket{loop: l, local: m.local, remote: m.remote, fd: m.fd, state: unmade, flow: flow.New(cfg.MaxWriteBuffer), pipe: m.pipe},
		server: server, stream: m.stream, shutdownTimeout: cfg.shutdownTimeout(), noCopying: cfg.NoCopying,
	}
	t.kind = t
	if t.pipe.is(toRead) {
		t.flow.Stop(t.refusalLocked())
	}
	err := t.live(func() error {
		p, err := produce(l, factory)
		if err == nil {
			t.protocol.Store(newCallee(p))
		}
		return err
	}, func() {
		p := t.Protocol()
		t.callback("ConnectionMade", p, func() { p.ConnectionMade(t) })
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// produce calls factory. A panic goes to the exception handler, and produce returns it as the
// error.
func produce[P any](l *zmqio.EventLoop, factory func() P) (p P, err error) {
	defer func() {
		if v := recover(); v != nil {
			p := zmqio.NewPanicError(v)
			err = p
			l.CallExceptionHandler(zmqio.ExceptionContext{Message: "protocol factory panicked", Err: p, Stack: p.Stack})
		}
	}()
	if p = factory(); isNil(p) {
		return p, invalid("netio: the protocol factory returned a nil %T", p)
	}
	return p, nil
}
