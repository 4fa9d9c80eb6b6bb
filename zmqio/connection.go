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

// ConnectionConfig says what a transport is made of. Exactly one of Bind, Connect
// and Socket must be given.
type ConnectionConfig struct {
	// Name tells the transport apart in TransportTotals, and so in the figures of package
	// zmqprom, and in messages. Transports may share a name. The names of a program should be few
	// and fixed: OtherName takes the place of the 101st. It is valid UTF-8 of up to 64 bytes
	// without control characters.
	Name string
	// Bind and Connect are endpoints, bound or connected in order. A non-nil
	// empty slice counts as given, and does nothing.
	Bind, Connect []string
	// Socket is a socket that was made elsewhere. The transport uses it as it is
	// and closes it in the end; the caller must not use it any more. If no transport
	// comes about, it stays the caller's, open. A socket that a transport of any loop
	// owns is ErrInvalidArgument. Sockets are told apart by their pointers: a zmq4.Socket
	// must not be copied.
	Socket *zmq4.Socket
	// MaxWriteBuffer is how many bytes of payload, and how many frames, the transport
	// buffers at most; 0 is no limit. Write returns ErrBufferFull for what libzmq does
	// not take and has no place here. What one Write sends is taken whole or not at all.
	MaxWriteBuffer int
	// BorrowFrames lends MsgReceived, or MsgsReceived, the frames until it returns, instead
	// of giving them away: nothing is allocated, and a frame over 8 KiB that ends its message
	// is not copied. (Messages that came in several pieces, or wait while reading is paused,
	// are.) The frames must not be changed, and what is to be kept must be cloned; Write may
	// be given them. A frame that is used later reads other messages, or memory that libzmq
	// has freed, and may end the process. In debug mode small frames are overwritten when
	// the batch that they came in has been delivered.
	BorrowFrames bool
	// Metadata names the properties of messages that are to be read: User-Id, which the ZAP
	// handler sets, Peer-Address, Socket-Type, Routing-Id, those that the ZAP handler adds, and
	// those that the peer adds, X-.... A [MessageProtocol] gets them with each message. Names
	// count in upper and lower case, and are 16 at most. Where it is nil none is read, which
	// costs nothing; the first name costs some 80 ns a message, and each other one 30.
	//
	// Over inproc messages have no properties. A property of more than 1,024 bytes counts as
	// one that is not there, and a value ends at a NUL. What no ZAP handler has set comes from
	// the peer, and so can User-Id where no handler is asked: believe it only on a PLAIN or
	// CURVE server, or with a ZAP_DOMAIN, and a handler. Reserve of package zap sets others.
	Metadata []string
	// AllowHostnames lets a TCP endpoint to connect to hold a name, tcp://host:port, instead
	// of an address; Connect then returns no ErrDNSEndpoint. libzmq looks the name up when it
	// connects, and anew whenever it connects again. It does so with the resolver of the C
	// library, in its I/O thread. A slow resolver therefore delays every socket of the
	// context. A name that is not found is tried again as a peer that is absent is, in silence.
	AllowHostnames bool
	// Unroutable, if not nil, gets each message that libzmq refuses with EHOSTUNREACH after
	// Write has returned nil, and the error: on a ROUTER with ROUTER_MANDATORY messages for a
	// peer that is gone or unknown. The loop calls it, with frames that are its own, in the
	// order of the messages. It is called for what is left while Close and EventLoop.Close
	// flush as well, and not after ConnectionLost. A panic in it goes to the exception
	// handler. Without Unroutable the exception handler gets an error, at most once a second.
	// It has the number of such messages and the routing id of the last one.
	Unroutable func(msg [][]byte, err error)
	// Configure, if not nil, is called before the protocol's factory and before
	// any bind or connect, the time for high-water marks, routing ids and keys.
	// Its error fails the creation, and so do keys that leave MECHANISM at NULL: that is
	// ErrInvalidArgument. The Sockopts may be kept; they are what Transport.Sockopts
	// returns, and after a creation that failed return ErrTransportClosed.
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

// CreateZmqConnection makes a socket of type typ and a transport for it, with the
// protocol that factory returns.
//
// In this order it checks the arguments, makes the socket, calls Configure and
// factory, calls ConnectionMade, binds or connects, and returns. What fails leaves
// nothing open and is returned; when it fails after ConnectionMade, ConnectionLost
// gets it too, unless ConnectionMade closed the transport. Among the errors are ErrInvalidArgument, ErrDNSEndpoint,
// ErrSocketType, ErrLoopClosed and libzmq's. EMFILE comes also where the first socket of a
// loop would leave libzmq's threads too few descriptors, at which it ends the process.
//
// On the loop's own goroutine all of this happens at once. Elsewhere it happens on
// the loop, and ctx bounds the wait for that; while no goroutine runs the loop, it happens
// on the calling goroutine, which takes the loop's place.
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

// connect is CreateZmqConnection with arguments that have been checked. Both Bind and Connect
// may be given.
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

// CreateZmqConnection is the method of the same name for a factory that returns the
// protocol in its own type.
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
		return nil, zero, err // and p may be in use still
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
	err = ErrGoexit // unless setUp returns
	defer func() {
		if err != nil {
			made.end(err, refused)
		}
	}()
	err = made.setUp(factory, cfg)
	return made, err
}

// setUp makes a transport of its socket, up to the last bind or connect. Loop goroutine only.
func (t *Transport) setUp(factory func() Protocol, cfg ConnectionConfig) (err error) {
	if t.sock, err = checkSocket(t.zsock, t.typ); err != nil {
		return err
	}
	t.sock.AskProperties(cfg.Metadata)
	if t.context, err = t.zsock.Context(); err != nil {
		return zmq.Translate("zmq_socket", err)
	}
	if cfg.Socket != nil { // it may have been connected with CONFLATE
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

// receiver returns the receiver of transports that borrow frames, or of the others. Loop
// goroutine only.
func (l *EventLoop) receiver(borrows bool) sock.Receiver {
	switch {
	case !borrows:
		return l.copier
	case l.lender == nil:
		l.lender = sock.NewLender()
	}
	return l.lender
}

// newSocket makes a socket of the loop's context.
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

// checkSocket makes sure that z is a socket of type typ.
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

// prepare calls Configure and the factory. A panic goes to the exception handler,
// and fails the creation with a *PanicError.
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
