package zmqio

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync/atomic"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

// DefaultReadBuffer, 1 MiB, is the StreamConfig.MaxReadBuffer that 0 stands for.
const DefaultReadBuffer = 1 << 20

// StreamConfig configures a Stream. Either endpoints or Socket must be given.
type StreamConfig struct {
	// Name is the name of the stream's transport: see ConnectionConfig.Name.
	Name string
	// Bind and Connect are endpoints. The stream first binds and then connects, in order. Both
	// may be given. With a non-nil empty slice the stream starts without endpoints.
	Bind, Connect []string
	// Socket is a socket that was made elsewhere: see ConnectionConfig.Socket.
	Socket *zmq4.Socket
	// Configure sets options before any bind or connect: see ConnectionConfig.Configure.
	Configure func(zmq.Sockopts) error
	// Loop is the loop of the stream; nil means DefaultLoop. Start may run the loop, or any
	// goroutine that does not call the stream's methods that wait.
	Loop *EventLoop
	// Subscribe lists the topics of a SUB, which subscribes before the first connect. A SUB
	// without topics receives nothing. The empty topic means all messages.
	Subscribe []string
	// MaxWriteBuffer bounds what Send and TrySend buffer: see ConnectionConfig.MaxWriteBuffer.
	// With 0 only the marks of the write buffer bound it: see Transport.SetWriteBufferLimits.
	MaxWriteBuffer int
	// MaxReadBuffer is how much the stream keeps for its readers, in bytes and also in frames,
	// before it stops receiving; 0 means DefaultReadBuffer. The stream still takes the whole
	// batch that reaches it. It receives again when a quarter is left. Meanwhile messages wait
	// in libzmq and, at its high-water marks, with the peers; a PUB drops them.
	MaxReadBuffer int
	// AllowHostnames allows a name in a TCP endpoint to connect to: see
	// ConnectionConfig.AllowHostnames.
	AllowHostnames bool
	// Metadata names the properties that RecvMessage returns: see ConnectionConfig.Metadata.
	Metadata []string
	// Unroutable gets messages for peers that are gone: see ConnectionConfig.Unroutable.
	Unroutable func(msg [][]byte, err error)
	// Liveness detects peers that are no longer there.
	Liveness Liveness
}

func (c StreamConfig) check() error {
	switch {
	case c.Socket == nil && c.Bind == nil && c.Connect == nil:
		return invalid("StreamConfig needs Bind, Connect or Socket")
	case c.Socket != nil && (c.Bind != nil || c.Connect != nil):
		return invalid("StreamConfig.Socket is given, so Bind and Connect must not be")
	case c.MaxReadBuffer < 0:
		return invalid("StreamConfig.MaxReadBuffer is negative: %d", c.MaxReadBuffer)
	}
	if err := cmp.Or(checkName("StreamConfig", c.Name), checkMetadata("StreamConfig", c.Metadata)); err != nil {
		return err
	}
	return c.Liveness.check()
}

// A Stream is a ZeroMQ socket that is read and written by calls. All methods are safe for
// concurrent use. The stream lives on a loop, which receives and sends for it.
//
// Messages keep their order. Several readers share the messages: each message goes to one of
// them. If the context of a Recv ends before the call, Recv returns its cause. If it ends
// meanwhile, no message is lost.
//
// How a stream ends decides what its readers get:
//   - After Close and Shutdown, Recv returns the messages received before, and then io.EOF.
//   - After an error that ended the socket, Recv returns the messages received before, and then
//     that error.
//   - After Abort, and when the loop is closed, Recv returns ErrTransportClosed at once.
//
// In each case Send returns ErrTransportClosed.
//
// On the loop goroutine, a method that would have to wait returns ErrWouldDeadlock.
//
// aiozmq: ZmqStream
type Stream struct {
	t        *Transport
	mailbox  mailbox
	roster   *roster
	ended    map[string]bool // endpoints that Unbind and Disconnect have ended; under t.sockMu
	census   census
	lifeline *lifeline       // nil without Liveness
	refused  error           // why the stream could not be opened
	alive    context.Context // ends when the stream ends
	end      context.CancelFunc
	proxy    *Proxy // the running proxy, or nil; under t.sockMu
	closing  atomic.Bool
	shut     chan struct{} // closed when the first Close or Shutdown returns

	// A REQ and a REP have one conversation at a time. The loop takes the reply or the request out
	// of libzmq before Recv does, so the stream itself keeps its callers' turns.
	turns turns
	turn  atomic.Bool // with takeTurns: a caller may send
}

// turns says how a stream keeps its callers' turns.
type turns uint8

const (
	noTurns   turns = iota
	takeTurns       // Send and Recv alternate
	anewTurns       // a REQ with REQ_RELAXED: Send drops the previous reply
)

// Open returns a stream of a new socket, or of StreamConfig.Socket. It lives on
// StreamConfig.Loop, or else on the DefaultLoop. ctx bounds the wait for the loop alone, and
// not the life of the stream. Close must end the stream.
//
// The errors are those of [EventLoop.CreateZmqConnection], Transport.Subscribe and DefaultLoop.
//
// aiozmq: create_zmq_stream
func Open(ctx context.Context, typ zmq.SocketType, cfg StreamConfig) (*Stream, error) {
	if ctx == nil {
		return nil, errNilContext("Open")
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	l := cfg.Loop
	if l == nil {
		var err error
		if l, err = DefaultLoop(); err != nil {
			return nil, err
		}
	}
	s := &Stream{
		roster: newRoster(), ended: make(map[string]bool), census: newCensus(),
		lifeline: newLifeline(cfg.Liveness, l), shut: make(chan struct{}),
	}
	s.alive, s.end = context.WithCancel(context.Background())
	s.mailbox.max, s.mailbox.over = cmp.Or(cfg.MaxReadBuffer, DefaultReadBuffer), make(chan struct{})
	_, err := l.connect(ctx, func() Protocol { return streamProtocol{s: s, topics: cfg.Subscribe} }, typ, ConnectionConfig{
		Name: cfg.Name, Bind: cfg.Bind, Connect: cfg.Connect, Socket: cfg.Socket, Configure: cfg.Configure,
		MaxWriteBuffer: cfg.MaxWriteBuffer, AllowHostnames: cfg.AllowHostnames, Unroutable: cfg.Unroutable,
		Metadata: cfg.Metadata,
	})
	if s.refused != nil {
		err = fmt.Errorf("create %v: %w", typ, s.refused)
	}
	if err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// Dial returns a stream that connects to endpoints, on the DefaultLoop. A TCP endpoint may have
// a name: see ConnectionConfig.AllowHostnames. libzmq connects in the background, so Dial
// succeeds without a peer: see Stream.WaitConnected. A SUB receives nothing before
// Stream.Subscribe.
//
// The errors are those of Open. ErrInvalidArgument also refuses a call without endpoints. Open
// with an empty StreamConfig.Connect makes a stream that connects later.
//
// aiozmq: create_zmq_stream
func Dial(ctx context.Context, typ zmq.SocketType, endpoints ...string) (*Stream, error) {
	if len(endpoints) == 0 {
		return nil, invalid("Dial: no endpoint is given; Open with an empty StreamConfig.Connect needs none")
	}
	return Open(ctx, typ, StreamConfig{Connect: endpoints, AllowHostnames: true})
}

// Listen returns a stream that is bound to endpoints, on the DefaultLoop. A TCP port may be *:
// Stream.Addr returns the endpoint with the real port. The host is an address or *; libzmq
// 4.3.5 and later also take names.
//
// The errors are those of Open. ErrInvalidArgument also refuses a call without endpoints. Open
// with an empty StreamConfig.Bind makes a stream that binds later.
//
// aiozmq: create_zmq_stream
func Listen(ctx context.Context, typ zmq.SocketType, endpoints ...string) (*Stream, error) {
	if len(endpoints) == 0 {
		return nil, invalid("Listen: no endpoint is given; Open with an empty StreamConfig.Bind needs none")
	}
	return Open(ctx, typ, StreamConfig{Bind: endpoints})
}

// A streamProtocol is the protocol of a Stream's transport.
type streamProtocol struct {
	BaseProtocol
	s      *Stream
	topics []string
}

// ConnectionMade prepares the stream before the first bind or connect.
func (p streamProtocol) ConnectionMade(t *Transport) {
	t.setOwner(p.s)
	p.s.t, p.s.mailbox.t, p.s.census.t = t, t, t
	if p.s.refused = p.s.prepare(p.topics); p.s.refused != nil {
		_ = t.Abort() // returns nil
	}
}

func (s *Stream) prepare(topics []string) error {
	t := s.t
	switch {
	case t.typ == zmq.REP:
		s.turns = takeTurns
	case t.typ == zmq.REQ && t.isSet(zmq.REQ_RELAXED):
		s.turns = anewTurns
	case t.typ == zmq.REQ:
		s.turns = takeTurns
		s.turn.Store(true)
	}
	for _, topic := range topics {
		if err := t.Subscribe(topic); err != nil {
			return err
		}
	}
	if err := s.lifeline.start(t); err != nil {
		return err
	}
	// The monitor reports to its transport's owner. It lives while it has a subscriber.
	_, err := t.subscribeMonitor(zmq.EVENT_MONITOR_STOPPED, func(zmq.MonitorEvent) {})
	return err
}

// MsgsReceived puts received messages into the mailbox.
func (p streamProtocol) MsgsReceived(msgs [][][]byte) {
	if p.s.t.typ == zmq.XPUB {
		p.s.roster.subscribed(p.s.t.metadata, msgs)
	}
	p.s.mailbox.put(msgs)
	p.s.lifeline.came()
}

// ConnectionLost ends the mailbox.
func (p streamProtocol) ConnectionLost(err error) {
	defer p.s.end()
	p.s.lifeline.stop()
	if err == nil {
		p.s.mailbox.finish(ErrTransportClosed, !p.s.closing.Load())
		return
	}
	p.s.mailbox.finish(err, false)
}

// Send sends a message of frames, which must be one or more; an empty frame is []byte{}. If the
// write buffer is over its mark, Send waits for its turn. A nil error means that the message is
// accepted, and not that it has arrived. The caller may reuse the frames when Send has
// returned. If ctx ends first, Send sends nothing.
//
// REQ and REP have one conversation at a time: out of turn the error is zmq.EFSM. A REQ sends
// its next request after the reply has come, and a REP sends one reply to each request. On a
// REQ with REQ_RELAXED, Send waits for the loop, and drops the reply to an earlier request.
//
// On a ROUTER the first frame is the routing id of the peer. It does not travel. A routing id
// alone sends nothing and is no error, because peers can make a forwarder send one. With
// ROUTER_MANDATORY an unknown peer is zmq.EHOSTUNREACH if the message goes to libzmq at once.
// From the write buffer such a message goes to StreamConfig.Unroutable.
//
// Errors beside those of [Transport.WriteContext]:
//   - [ErrInvalidArgument]: ctx is nil, or there are no frames.
//   - zmq.EFSM: a REQ or REP is out of turn.
//
// aiozmq: write and drain
func (s *Stream) Send(ctx context.Context, frames ...[]byte) error {
	if ctx == nil {
		return errNilContext("Send")
	}
	if err := s.takeTurn(len(frames)); err != nil {
		return err
	}
	if s.turns == anewTurns {
		return s.sendAnew(ctx, frames)
	}
	return s.sent(s.t.WriteContext(ctx, frames))
}

// TrySend is Send that does not wait for room: it returns ErrBufferFull where Send would wait.
// On a REQ with REQ_RELAXED it waits for the loop, as Send does.
func (s *Stream) TrySend(frames ...[]byte) error {
	if err := s.takeTurn(len(frames)); err != nil {
		return err
	}
	if s.turns == anewTurns {
		return s.sendAnew(context.Background(), frames)
	}
	return s.sent(s.t.tryWrite(frames))
}

// takeTurn takes the turn from the callers, for a message of so many frames.
func (s *Stream) takeTurn(frames int) error {
	switch {
	case frames == 0:
		return &OpError{Op: "write", Err: invalid("the message has no frames")}
	case s.turns == takeTurns && !s.turn.Swap(false):
		return s.t.writeError(efsm, nil)
	}
	return nil
}

// setTurn sets whether a caller may send, on a stream that keeps turns.
func (s *Stream) setTurn(callers bool) {
	if s.turns == takeTurns {
		s.turn.Store(callers)
	}
}

// sent gives the turn back to the callers if a send has failed.
func (s *Stream) sent(err error) error {
	if err != nil {
		s.setTurn(true)
	}
	return err
}

// sendAnew sends a request although the previous reply may have come or be on its way. It runs on
// the loop, where no reply is between libzmq and the mailbox. It empties the mailbox.
func (s *Stream) sendAnew(ctx context.Context, frames [][]byte) error {
	msg := make([][]byte, len(frames)) // a copy, so that the frames of Send's callers stay off the heap
	for i, f := range frames {
		msg[i] = bytes.Clone(f)
	}
	err := s.t.loop.reactor.Do(ctx, func() error {
		s.mailbox.clear()
		return s.t.Write(msg)
	})
	if errors.Is(err, ErrLoopClosed) { // the stream is closed too
		err = errClosedForWrite()
	}
	return err
}

// Recv returns the next message: one frame or more, which the caller owns. Recv waits until a
// message comes or ctx ends. After a cancelled Recv on a REQ, the next Recv returns the reply.
//
// On a type that receives nothing, PUB or PUSH for example, Recv waits for the end. A REQ
// without a request, and a REP that owes a reply, receive nothing either, and Recv waits.
//
// On a ROUTER the first frame is the routing id of the peer.
//
// Errors:
//   - The cause of ctx: ctx ended.
//   - io.EOF: Close or Shutdown was called, and all messages were read.
//   - [ErrTransportClosed]: Abort was called, or the loop was closed.
//   - [ErrWouldDeadlock]: the caller is the loop goroutine, and there is no message.
//   - [ErrInvalidArgument]: ctx is nil.
//   - The error that ended the socket.
//
// aiozmq: read
func (s *Stream) Recv(ctx context.Context) ([][]byte, error) {
	msg, err := s.recv(ctx, "Recv")
	return s.t.metadata.frames(msg), err
}

// RecvMessage is Recv that also returns the properties that StreamConfig.Metadata names.
func (s *Stream) RecvMessage(ctx context.Context) (Message, error) {
	msg, err := s.recv(ctx, "RecvMessage")
	return s.t.metadata.message(msg), err
}

// recv returns the next message of the mailbox, with its properties. call is the name of the method
// for an error.
func (s *Stream) recv(ctx context.Context, call string) ([][]byte, error) {
	switch {
	case ctx == nil:
		return nil, errNilContext(call)
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	msg, err := s.mailbox.next()
	switch {
	case msg != nil || err != nil:
	case s.t.loop.InLoop():
		err = s.t.loop.refuse(call, ErrWouldDeadlock)
	default:
		msg, err = s.mailbox.await(ctx)
	}
	return s.received(msg), ended(call, err)
}

// received gives the turn to the callers after a message.
func (s *Stream) received(msg [][]byte) [][]byte {
	if msg != nil {
		s.setTurn(true)
	}
	return msg
}

// unreceived gives back a message that no caller got, and takes back the turn.
func (s *Stream) unreceived(msg [][]byte) {
	s.setTurn(false)
	s.mailbox.unget(msg)
}

// TryRecv is Recv that does not wait. If there is no message, it returns a nil message and a
// nil error. The errors are those that end the stream: io.EOF, ErrTransportClosed, and the
// error that ended the socket.
func (s *Stream) TryRecv() ([][]byte, error) {
	msg, err := s.mailbox.next()
	return s.t.metadata.frames(s.received(msg)), ended("TryRecv", err)
}

// ended returns the error of a mailbox for the method call. io.EOF and the error of the socket stay
// as they are.
func ended(call string, err error) error {
	if err == ErrTransportClosed {
		return refuse(call, err)
	}
	return err
}

// Messages returns an iterator over the messages, for range. After Close it ends without an
// error. Otherwise it ends with the error of Recv, which comes with a nil message. A message
// that the loop body gets is consumed, also if the body breaks.
func (s *Stream) Messages(ctx context.Context) iter.Seq2[[][]byte, error] {
	return func(yield func([][]byte, error) bool) {
		for {
			msg, err := s.recv(ctx, "Messages")
			if err == io.EOF || !yield(s.t.metadata.frames(msg), err) || err != nil {
				return
			}
		}
	}
}

// Chan returns an unbuffered channel of the messages. It is closed when ctx or the stream ends;
// Err says why the stream ended. A message that was not taken from the channel when ctx ends
// remains the next message of the stream. End ctx when the channel is no longer read: only that
// ends the goroutine behind it.
//
// Chan is for select. A nil channel there means that no message is wanted now:
//
//	select {
//	case msg, ok := <-ch:
//		if !ok {
//			return s.Err()
//		}
//		...
//	case <-tick:
//		...
//	}
func (s *Stream) Chan(ctx context.Context) <-chan [][]byte {
	ch := make(chan [][]byte)
	go func() {
		defer close(ch)
		for {
			msg, err := s.recv(ctx, "Chan")
			if err != nil {
				return
			}
			select {
			case ch <- s.t.metadata.frames(msg):
			case <-ctx.Done():
				s.unreceived(msg)
				return
			}
		}
	}()
	return ch
}

// Err returns why no more messages come: io.EOF after Close and Shutdown, ErrTransportClosed
// after Abort and the loop's Close, or the error that ended the socket. While the stream is
// open, Err returns nil.
func (s *Stream) Err() error { return s.mailbox.ended() }

// Subscribe subscribes a SUB to the messages that begin with topic; the empty topic means all
// messages. See [Transport.Subscribe].
//
// aiozmq: transport.subscribe
func (s *Stream) Subscribe(topic string) error { return s.t.Subscribe(topic) }

// Unsubscribe takes one Subscribe of topic back. See [Transport.Unsubscribe].
//
// aiozmq: transport.unsubscribe
func (s *Stream) Unsubscribe(topic string) error { return s.t.Unsubscribe(topic) }

// Addr returns the endpoint that the stream is bound to, in libzmq's own form. If there are
// several, it returns the first in sorted order. A stream that is not bound returns the
// endpoint that it is connected to, or "".
func (s *Stream) Addr() string {
	for _, l := range [][]string{s.t.Listeners(), s.t.Connections()} {
		if len(l) > 0 {
			return l[0]
		}
	}
	return ""
}

// Transport returns the transport of the stream, for its options, endpoints and marks. Its
// protocol is the stream's: SetProtocol does nothing.
//
// aiozmq: transport
func (s *Stream) Transport() *Transport { return s.t }

// String returns the transport's state, for messages and logs.
func (s *Stream) String() string { return s.t.String() }

// Close sends what is buffered and ends the stream. It waits for at most LoopConfig.Linger,
// which is one second by default, so that a program may return from main after it. On the loop
// goroutine it does not wait: it returns nil, and the loop sends the messages afterwards. Close
// may be repeated.
//
// The errors are those of Shutdown but for ErrInvalidArgument and ErrWouldDeadlock. When the
// linger is over, the error is [ErrUndelivered] and context.DeadlineExceeded. libzmq does not
// count the messages of a peer whose handshake was refused.
//
// aiozmq: close
func (s *Stream) Close() error {
	if s.t.loop.InLoop() {
		if s.beginClose() {
			close(s.shut)
		}
		return s.t.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.t.loop.linger)
	defer cancel()
	return s.Shutdown(ctx)
}

// Shutdown stops receiving, sends what Send has accepted, and waits until libzmq has let the
// socket go. It drops what libzmq has received and the stream has not. Readers still get what
// the stream has received.
//
// If ctx ends first, Shutdown aborts the stream. If ctx has a deadline, libzmq drops soon after
// it what it has not sent; otherwise it goes on for as long as ZMQ_LINGER says. Without a peer,
// messages cannot be sent.
//
// Shutdown may be repeated. It then waits for the end of the first Close or Shutdown, or of
// ctx.
//
// Errors:
//   - [ErrUndelivered] and the cause of ctx: ctx ended first. The text counts what Send had
//     accepted and libzmq had not taken, or says that libzmq has not sent everything. A
//     repeated Shutdown returns the cause of ctx alone.
//   - [ErrInvalidArgument]: ctx is nil.
//   - [ErrWouldDeadlock]: the caller is the loop goroutine.
func (s *Stream) Shutdown(ctx context.Context) error {
	switch {
	case ctx == nil:
		return errNilContext("Stream.Shutdown")
	case s.t.loop.InLoop():
		return s.t.loop.refuse("Stream.Shutdown", ErrWouldDeadlock)
	case !s.beginClose():
		select { // waits for the first call, or a program could return from main too early
		case <-s.shut:
			return nil
		case <-ctx.Done():
		}
		select { // what has ended needs no wait, even if ctx had ended before
		case <-s.shut:
			return nil
		default:
			return context.Cause(ctx)
		}
	}
	defer close(s.shut)
	gone := s.t.askClosed()
	if gone == nil {
		return nil
	}
	begin, bound := time.Now(), s.boundLinger(ctx)
	_ = s.t.Close() // returns nil
	select {
	case <-gone:
		if bound == 0 || time.Since(begin) < bound-time.Millisecond { // libzmq's timers are exact to 1 ms
			return nil
		}
		<-ctx.Done() // ctx ended before libzmq gave up
	case <-ctx.Done():
	}
	messages, bytes := s.t.Undelivered()
	left := inMessages(messages, bytes)
	if s.t.in(phaseClosed) {
		left = notSent
	}
	_ = s.t.Abort() // returns nil
	return fmt.Errorf("%w: %v: %s: %w", ErrUndelivered, s, left, context.Cause(ctx))
}

// lingerSlack is how much longer than Shutdown's context libzmq lingers. libzmq does not tell a
// socket that has sent everything from one whose linger is over.
const lingerSlack = 100 * time.Millisecond

// boundLinger shortens ZMQ_LINGER to soon after the deadline of ctx, if it is longer. It returns
// the ZMQ_LINGER that it sets, or 0.
func (s *Stream) boundLinger(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	bound := max(time.Until(deadline), 0) + lingerSlack
	opts := s.t.Sockopts()
	if linger, err := opts.Linger(); err != nil || linger >= 0 && linger <= bound || opts.SetLinger(bound) != nil {
		return 0 // an error means that the socket is gone
	}
	return bound
}

// beginClose ends the mailbox, and reports whether the stream was open.
func (s *Stream) beginClose() bool {
	if s.closing.Swap(true) {
		return false
	}
	s.mailbox.finish(io.EOF, false)
	return true
}

// Abort closes the socket at once, and drops what was received and what was not sent. See
// [Transport.Abort]. Abort may be repeated, and returns nil.
func (s *Stream) Abort() error {
	s.mailbox.finish(ErrTransportClosed, true)
	return s.t.Abort()
}
