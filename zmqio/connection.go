package zmqio

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/flow"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// ConnectionConfig configures a transport. Exactly one of Bind, Connect and Socket must be
// given.
type ConnectionConfig struct {
	// Name is the transport's name in TransportTotals, in the figures of package zmqprom, and
	// in messages. It is valid UTF-8 of up to 64 bytes without control characters. Transports
	// may share a name. A program should have few names, all fixed: OtherName takes the place
	// of the 101st.
	Name string
	// Bind and Connect are endpoints to bind or to connect to, in order. A TCP port may be *:
	// Transport.Listeners returns the endpoints with real ports. With a
	// non-nil empty slice the transport starts without endpoints, for Transport.Bind and
	// Transport.Connect.
	//
	// aiozmq: bind, connect
	Bind, Connect []string
	// Socket is a socket that was made elsewhere. The transport uses it as it is, and closes it
	// at its end; the caller must not use it any more. If the creation fails, the socket stays
	// open and the caller's. If a transport owns the socket already, the error is
	// ErrInvalidArgument. zmqio identifies a socket by its pointer, so do not copy a
	// zmq4.Socket.
	//
	// aiozmq: zmq_sock
	Socket *zmq4.Socket
	// MaxWriteBuffer is the most that the write buffer holds, in bytes and also in frames; 0
	// means no limit. Beyond it Write returns ErrBufferFull for a message that libzmq does not
	// take now. Write accepts a message whole or not at all. An empty buffer takes a message
	// with any number of frames.
	MaxWriteBuffer int
	// BorrowFrames lends MsgReceived or MsgsReceived the frames until it returns, instead of
	// giving them away. The callback must not change frames, and must clone what it keeps. It
	// may give them to Write. Nothing is allocated, and a frame over 8 KiB that ends its
	// message is not copied. Frames of messages that wait while reading is paused, or that came
	// in parts, are copied.
	//
	// A frame that is used later holds bytes of other messages, or memory that libzmq has
	// freed: the process may end. To expose that, debug mode overwrites small frames after
	// their batch.
	BorrowFrames bool
	// Metadata names the properties of messages that a [MessageProtocol] gets. User-Id is what
	// the ZAP handler says of the peer. Peer-Address, Socket-Type and Routing-Id are others,
	// and so are those that the ZAP handler adds, and names with X- that the peer adds. Upper
	// and lower case differ. There may be up to MaxMetadata names. With nil nothing is read;
	// the first name costs some 80 ns a message, each further one 30 ns.
	//
	// Over inproc messages have no properties. A property of more than 1,024 bytes is missing,
	// and a value ends at a NUL.
	//
	// The peer itself sets each property that no ZAP handler sets, User-Id too. Believe User-Id
	// only with a ZAP handler, on a PLAIN or CURVE server or with ZAP_DOMAIN set. Reserve of
	// package zap protects other names.
	Metadata []string
	// AllowHostnames allows a name in a TCP endpoint to connect to, as in tcp://host:port.
	// Connect then does not return ErrDNSEndpoint. libzmq looks the name up whenever it
	// connects, with the C library's resolver in its I/O thread. A slow resolver therefore
	// delays every socket of the libzmq context. If the name is not found, libzmq tries again
	// in silence, as it does for an absent peer.
	AllowHostnames bool
	// Unroutable, if not nil, gets each message that libzmq refuses with EHOSTUNREACH after
	// Write has returned nil, and the error. That happens on a ROUTER with ROUTER_MANDATORY,
	// for a peer that is gone or unknown. The loop calls Unroutable in the order of the
	// messages; the frames are its own. It also calls it while Close and EventLoop.Close flush,
	// and not after ConnectionLost. A panic goes to the exception handler.
	//
	// If Unroutable is nil, the exception handler gets an error, at most once a second. It has
	// the number of such messages and the routing id of the last one.
	Unroutable func(msg [][]byte, err error)
	// Configure, if not nil, sets options of the new socket: high-water marks, routing ids and
	// keys, for example. The loop calls it before the protocol's factory and before any bind or
	// connect. The Sockopts may be kept; they equal Transport.Sockopts. After a failed creation
	// they return ErrTransportClosed.
	//
	// The creation fails with the error of Configure. It fails with ErrInvalidArgument if
	// Configure sets keys and leaves MECHANISM at NULL.
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
		return invalid("ConnectionConfig needs exactly one of Bind, Connect and Socket, not %d", given)
	}
	if c.MaxWriteBuffer < 0 {
		return invalid("ConnectionConfig.MaxWriteBuffer is negative: %d", c.MaxWriteBuffer)
	}
	return cmp.Or(checkName("ConnectionConfig", c.Name), checkMetadata("ConnectionConfig", c.Metadata))
}

// CreateZmqConnection makes a socket of type typ and a transport for it, with the protocol that
// factory returns.
//
// It checks the arguments, makes the socket, and calls Configure and factory. Then it calls
// ConnectionMade, binds or connects, and returns. A failure leaves nothing open. After
// ConnectionMade, ConnectionLost also gets the error, unless ConnectionMade closed the
// transport.
//
// All of that happens on the loop goroutine. On another goroutine CreateZmqConnection waits for
// the loop, and ctx bounds that wait. While no goroutine runs the loop, the calling goroutine
// works in its place and does not wait.
//
// Errors:
//   - [ErrInvalidArgument]: ctx or factory is nil, factory returns nil, or cfg has a value that
//     it cannot have.
//   - [ErrDNSEndpoint]: an endpoint to connect to has a name.
//   - [ErrSocketType]: libzmq or a transport does not have typ, or Socket is of another type.
//     CLIENT, SERVER and other thread-safe types are also errors.ErrUnsupported.
//   - [ErrLoopClosed]: the loop is closed.
//   - The cause of ctx: ctx ended first.
//   - The error of Configure, or a *PanicError from Configure or factory.
//   - Those of Transport.Bind and Transport.Connect.
//   - zmq.EMFILE: the libzmq context has MaxSockets sockets, or the process has too few
//     descriptors left. libzmq would end the process otherwise.
//   - Other errors of libzmq.
//
// aiozmq: create_zmq_connection
func (l *EventLoop) CreateZmqConnection(ctx context.Context, factory func() Protocol, typ zmq.SocketType,
	cfg ConnectionConfig,
) (*Transport, Protocol, error) {
	switch {
	case ctx == nil:
		return nil, nil, errNilContext("CreateZmqConnection")
	case factory == nil:
		return nil, nil, invalid("CreateZmqConnection: nil protocol factory")
	}
	if err := cfg.check(); err != nil {
		return nil, nil, err
	}
	t, err := l.connect(ctx, factory, typ, cfg)
	if err != nil {
		return nil, nil, err
	}
	return t, t.Protocol(), nil
}

// connect is CreateZmqConnection after the checks of its arguments. Bind and Connect may both be
// given.
func (l *EventLoop) connect(ctx context.Context, factory func() Protocol, typ zmq.SocketType, cfg ConnectionConfig) (t *Transport, err error) {
	if !cfg.AllowHostnames {
		for _, endpoint := range cfg.Connect {
			if err := checkConnect(endpoint); err != nil {
				return nil, fmt.Errorf("create %v: %w", typ, err)
			}
		}
	}
	var created *reactor.Trace
	if l.Debug() {
		created = reactor.NewTrace()
	}
	err = l.reactor.Do(ctx, func() error {
		var err error
		t, err = l.create(factory, typ, cfg, created)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("create %v: %w", typ, err)
	}
	return t, nil
}

// CreateZmqConnection is the method of the same name, for a factory that returns the protocol
// in its own type. A nil l is ErrInvalidArgument.
//
// aiozmq: create_zmq_connection
func CreateZmqConnection[P Protocol](ctx context.Context, l *EventLoop, factory func() P, typ zmq.SocketType,
	cfg ConnectionConfig,
) (*Transport, P, error) {
	var zero P
	if l == nil {
		return nil, zero, invalid("CreateZmqConnection: nil event loop")
	}
	if factory == nil {
		return nil, zero, invalid("CreateZmqConnection: nil protocol factory")
	}
	p := new(P)
	t, _, err := l.CreateZmqConnection(ctx, func() Protocol {
		*p = factory()
		return *p
	}, typ, cfg)
	if err != nil {
		return nil, zero, err // p may still be in use
	}
	return t, *p, nil
}

// create is CreateZmqConnection. Loop goroutine only.
func (l *EventLoop) create(factory func() Protocol, typ zmq.SocketType, cfg ConnectionConfig, created *reactor.Trace) (made *Transport, err error) {
	if typ.ThreadSafe() {
		return nil, fmt.Errorf("%w: %v is thread-safe and has no ZMQ_FD to wait for: %w", ErrSocketType, typ, errors.ErrUnsupported)
	}
	z, refused := cfg.Socket, giveBack
	if z == nil {
		if z, err = l.newSocket(typ); err != nil {
			return nil, err
		}
		refused = sendRest
	}
	if !sock.Claim(z) {
		return nil, invalid("ConnectionConfig.Socket has a transport already")
	}
	made = &Transport{
		label: cfg.Name, loop: l, typ: typ, zsock: z, guard: newGuard(), created: created,
		sender: sender{flow: flow.New(cfg.MaxWriteBuffer)}, unroutable: unroutable{call: cfg.Unroutable},
		receiver: l.receiver(cfg.BorrowFrames), metadata: newMetadata(cfg.Metadata),
		names: cfg.AllowHostnames,
	}
	err = ErrGoexit // setUp replaces it, unless it calls Goexit
	defer func() {
		if err != nil {
			made.end(err, refused)
		}
	}()
	err = made.setUp(factory, cfg)
	return made, err
}

// setUp makes a transport from its socket, up to the last bind or connect. Loop goroutine only.
func (t *Transport) setUp(factory func() Protocol, cfg ConnectionConfig) (err error) {
	if t.sock, err = checkSocket(t.zsock, t.typ); err != nil {
		return err
	}
	t.sock.AskProperties(cfg.Metadata)
	if t.context, err = t.zsock.Context(); err != nil {
		return zmq.Translate("zmq_socket", err)
	}
	if cfg.Socket != nil { // the socket may have been connected with CONFLATE
		t.guard = guardOf(t.zsock)
		_ = t.with(func(rawSocket) error { t.noteConflateLocked(); return nil })
	}
	p, err := t.prepare(factory, cfg)
	if err != nil {
		return err
	}
	if err := t.start(p); err != nil {
		return err
	}
	t.connectionMade(p)
	return t.attachAll(cfg)
}

// receiver returns the loop's Lender if borrows is set, and else its Copier. Loop goroutine only.
func (l *EventLoop) receiver(borrows bool) sock.Receiver {
	switch {
	case !borrows:
		return l.copier
	case l.lender == nil:
		l.lender = sock.NewLender()
	}
	return l.lender
}

// newSocket makes a socket in the loop's context.
func (l *EventLoop) newSocket(typ zmq.SocketType) (*zmq4.Socket, error) {
	z, err := l.openSocket(zmq4.Type(typ))
	if errors.Is(err, zmq.EINVAL) {
		err = fmt.Errorf("%w: %w", ErrSocketType, typ.Explain(err))
	}
	if errors.Is(err, zmq.EMFILE) {
		err = fmt.Errorf("%w (the context has MaxSockets sockets, or the process few descriptors left)", err)
	}
	return z, err
}

// checkSocket returns the sock.Socket of z, or an error if its type is not typ.
func checkSocket(z *zmq4.Socket, typ zmq.SocketType) (*sock.Socket, error) {
	s, err := sock.New(z)
	if err != nil {
		return nil, err
	}
	is, err := rawSockopts(s).Type()
	if errors.Is(err, zmq.ENOTSOCK) {
		return s, fmt.Errorf("ConnectionConfig.Socket is closed: %w", err)
	}
	if err == nil && is != typ {
		err = fmt.Errorf("%w: ConnectionConfig.Socket is a %v, not a %v", ErrSocketType, is, typ)
	}
	return s, err
}

// prepare calls Configure and the factory. A panic goes to the exception handler, and prepare
// returns it as a *PanicError.
func (t *Transport) prepare(factory func() Protocol, cfg ConnectionConfig) (p Protocol, err error) {
	defer func() {
		if v := recover(); v != nil {
			p := NewPanicError(v)
			err = p
			t.loop.CallExceptionHandler(ExceptionContext{Message: "Configure or protocol factory panicked", Err: p, Stack: p.Stack})
		}
	}()
	if cfg.Configure != nil {
		if err := cfg.Configure(t.Sockopts()); err != nil {
			return nil, err
		}
	}
	if err := t.with(func(r rawSocket) error { return r.guard.inTheClear(r.s) }); err != nil {
		return nil, err
	}
	switch p = factory(); {
	case p == nil:
		return nil, invalid("the protocol factory returned nil")
	case isNil(p):
		return nil, invalid("the protocol factory returned a nil %T", p)
	}
	return p, nil
}

func (t *Transport) connectionMade(p Protocol) {
	defer t.recovered("ConnectionMade panicked", p)
	p.ConnectionMade(t)
}

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
