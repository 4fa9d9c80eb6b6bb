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

// DefaultReadBuffer is the StreamConfig.MaxReadBuffer that 0 stands for.
const DefaultReadBuffer = 1 << 20

// StreamConfig says what a Stream is made of. Endpoints or a Socket must be given.
type StreamConfig struct {
	// Name tells the stream's transport apart, as in ConnectionConfig.
	Name string
	// Bind and Connect are endpoints, bound and then connected in order. Both may be
	// given.
	Bind, Connect []string
	// Socket is a socket that was made elsewhere, as in ConnectionConfig.
	Socket *zmq4.Socket
	// Configure is called before any bind or connect, as in ConnectionConfig.
	Configure func(zmq.Sockopts) error
	// Loop is the loop that the stream lives on; nil is DefaultLoop. The loop may be run by
	// Start, or by any goroutine that does not call the stream's methods that wait.
	Loop *EventLoop
	// Subscribe are the topics of a SUB, subscribed to before the first connect. A SUB
	// without topics receives nothing; the empty topic is all messages.
	Subscribe []string
	// MaxWriteBuffer bounds what TrySend and Send buffer, as in ConnectionConfig; 0 is no
	// bound beyond the write buffer limits of the transport.
	MaxWriteBuffer int
	// MaxReadBuffer is how many bytes of payload, and how many frames, are received and
	// not read before the stream stops to receive; 0 is DefaultReadBuffer. The batch that
	// reaches it is still taken, up to 1,024 messages or 64 KiB. The stream goes on when a
	// quarter is left. Meanwhile messages wait in libzmq, and behind its high-water marks
	// with the senders, or are dropped by a PUB.
	MaxReadBuffer int
	// AllowHostnames lets a TCP endpoint to connect to have a name, as in ConnectionConfig.
	AllowHostnames bool
	// Metadata names the properties that RecvMessage returns, as in ConnectionConfig.
	Metadata []string
	// Unroutable gets messages for peers that have gone, as in ConnectionConfig.
	Unroutable func(msg [][]byte, err error)
	// Liveness finds out when the other side is no longer there.
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

// A Stream is a ZeroMQ socket that is read and written by calls, from any number of
// goroutines. It lives on a loop that receives and sends for it.
//
// A receive whose context has ended before the call returns the cause of that context, and
// a receive whose context ends meanwhile loses no message. Messages keep their order;
// several receivers share them, each message going to one.
//
// After Close, Recv returns what was received before, and then io.EOF. After an error that
// ended the socket it returns what was received, and then that error. After Abort, and when
// the loop is closed, it returns ErrTransportClosed at once. Sending is ErrTransportClosed
// after each of them.
//
// What would have to wait on the loop's own goroutine returns ErrWouldDeadlock.
//
// aiozmq: ZmqStream
type Stream struct {
	t        *Transport
	mailbox  mailbox
	roster   *roster
	ended    map[string]bool // endpoints that Unbind and Disconnect ended; under t.sockMu
	census   census
	lifeline *lifeline       // nil without Liveness
	refused  error           // what ended the stream before it was open
	alive    context.Context // until the stream ends
	end      context.CancelFunc
	proxy    *Proxy // that runs, or nil; under t.sockMu
	closing  atomic.Bool
	shut     chan struct{} // closed when the first Close or Shutdown returns

	// A REQ and a REP have one conversation at a time. The loop takes the reply, or the
	// request, out of libzmq before Recv does, so the stream keeps the turns of its callers.
	turns turns
	turn  atomic.Bool // with takeTurns: a caller may send
}

// turns says how a stream keeps the turns of its callers.
type turns uint8

const (
	noTurns   turns = iota
	takeTurns       // Send and Recv alternate
	anewTurns       // a REQ with REQ_RELAXED: Send drops the reply before
)

// Open returns a stream of a new socket, or of StreamConfig.Socket. Nothing else needs to be
// set up before: see StreamConfig.Loop. The context bounds the wait for the loop.
//
// The errors are those of [EventLoop.CreateZmqConnection].
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

// Dial returns a stream that is connected to endpoints, on the DefaultLoop. A TCP endpoint
// may hold a name; see ConnectionConfig.AllowHostnames. Connections are made in the
// background, so Dial succeeds without a peer. A SUB must subscribe: see Stream.Subscribe.
//
// The errors are those of Open.
func Dial(ctx context.Context, typ zmq.SocketType, endpoints ...string) (*Stream, error) {
	return Open(ctx, typ, StreamConfig{Connect: given(endpoints), AllowHostnames: true})
}

// Listen returns a stream that is bound to endpoints, on the DefaultLoop. Stream.Addr tells
// what a wildcard became.
//
// The errors are those of Open.
func Listen(ctx context.Context, typ zmq.SocketType, endpoints ...string) (*Stream, error) {
	return Open(ctx, typ, StreamConfig{Bind: given(endpoints)})
}

// given returns endpoints as a slice that counts as given.
func given(endpoints []string) []string {
	if endpoints == nil {
		return []string{}
	}
	return endpoints
}

// A streamProtocol is the protocol of a Stream's transport.
type streamProtocol struct {
	BaseProtocol
	s      *Stream
	topics []string
}

// ConnectionMade prepares the stream, before the first bind or connect.
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
	// The monitor tells its transport's owner. It lives as long as it has a subscriber.
	_, err := t.subscribeMonitor(zmq.EVENT_MONITOR_STOPPED, func(zmq.MonitorEvent) {})
	return err
}

// MsgsReceived puts what the loop has received into the mailbox.
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

// Send sends a message of the frames given, which must be one or more; an empty frame is
// []byte{}. Where the transport's write buffer is over its mark Send waits for its turn, and
// then puts the message there; a nil error therefore means that the message is accepted, not
// that it has arrived. The frames may be reused when Send has returned. Where ctx ends first,
// its cause is returned and nothing is sent.
//
// REQ and REP have one conversation at a time: out of turn Send returns EFSM. On a REQ with
// REQ_RELAXED, Send drops a reply to an earlier request that is not read yet.
//
// The other errors are ErrInvalidArgument without frames, and those of
// [Transport.WriteContext].
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

// TrySend is Send that does not wait: it returns ErrBufferFull where Send would wait.
func (s *Stream) TrySend(frames ...[]byte) error {
	if err := s.takeTurn(len(frames)); err != nil {
		return err
	}
	if s.turns == anewTurns {
		return s.sendAnew(context.Background(), frames)
	}
	return s.sent(s.t.tryWrite(frames))
}

// takeTurn takes the turn from the callers for a message of so many frames.
func (s *Stream) takeTurn(frames int) error {
	switch {
	case frames == 0:
		return &OpError{Op: "write", Err: invalid("the message has no frames")}
	case s.turns == takeTurns && !s.turn.Swap(false):
		return s.t.writeError(efsm, nil)
	}
	return nil
}

// setTurn says whether a caller may send, on a stream that has turns.
func (s *Stream) setTurn(callers bool) {
	if s.turns == takeTurns {
		s.turn.Store(callers)
	}
}

// sent gives the turn back to the callers where a send has failed.
func (s *Stream) sent(err error) error {
	if err != nil {
		s.setTurn(true)
	}
	return err
}

// sendAnew sends a request where the reply to the one before may have come or be on its way.
// On the loop none is between libzmq and the mailbox, which is emptied.
func (s *Stream) sendAnew(ctx context.Context, frames [][]byte) error {
	msg := make([][]byte, len(frames)) // for the callers of Send, whose frames stay off the heap
	for i, f := range frames {
		msg[i] = bytes.Clone(f)
	}
	err := s.t.loop.Do(ctx, func() error {
		s.mailbox.clear()
		return s.t.Write(msg)
	})
	if errors.Is(err, ErrLoopClosed) { // and so is the stream
		err = ErrTransportClosed
	}
	return err
}

// Recv returns the next message: one frame or more, which are the caller's. It waits until
// one comes or ctx ends.
//
// On a REQ whose Recv was cancelled the reply is the next Recv's.
//
// The errors are the cause of ctx, io.EOF after Close, and ErrTransportClosed after Abort and
// at the end of the loop. The others are ErrWouldDeadlock on the loop's own goroutine, and
// what ended the socket.
//
// aiozmq: read
func (s *Stream) Recv(ctx context.Context) ([][]byte, error) {
	msg, err := s.recv(ctx)
	return s.t.metadata.frames(msg), err
}

// RecvMessage is Recv for a message with the metadata that StreamConfig.Metadata asks for.
func (s *Stream) RecvMessage(ctx context.Context) (Message, error) {
	msg, err := s.recv(ctx)
	return s.t.metadata.message(msg), err
}

// recv returns the next message as it is in the mailbox, with its properties.
func (s *Stream) recv(ctx context.Context) ([][]byte, error) {
	switch {
	case ctx == nil:
		return nil, errNilContext("Recv")
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	msg, err := s.mailbox.next()
	switch {
	case msg != nil || err != nil:
	case s.t.loop.InLoop():
		err = ErrWouldDeadlock
	default:
		msg, err = s.mailbox.await(ctx)
	}
	return s.received(msg), err
}

// received gives the turn to the callers where a message has come.
func (s *Stream) received(msg [][]byte) [][]byte {
	if msg != nil {
		s.setTurn(true)
	}
	return msg
}

// unreceived gives back a message that no caller has got, and with it the turn.
func (s *Stream) unreceived(msg [][]byte) {
	s.setTurn(false)
	s.mailbox.unget(msg)
}

// TryRecv returns the next message if there is one, and else a nil message and a nil error.
// The other errors are those of Recv.
func (s *Stream) TryRecv() ([][]byte, error) {
	msg, err := s.mailbox.next()
	return s.t.metadata.frames(s.received(msg)), err
}

// Messages returns an iterator over the messages. It ends with the error of Recv, which
// comes with a nil message, but without one after Close. A message that the loop body gets
// is the body's, also where it breaks off.
func (s *Stream) Messages(ctx context.Context) iter.Seq2[[][]byte, error] {
	return func(yield func([][]byte, error) bool) {
		for {
			msg, err := s.Recv(ctx)
			if err == io.EOF || !yield(msg, err) || err != nil {
				return
			}
		}
	}
}

// Chan returns a channel of the messages. It has no buffer, and a message that no receiver
// of the channel has taken when ctx ends is the next one of the stream. The channel is closed
// when ctx has ended, and else when the stream has: Err says why. The goroutine behind it
// ends with the channel, so ctx should end when the channel is no longer read.
//
// It is for select, where a nil channel stands for a message that is not wanted now:
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
			msg, err := s.recv(ctx)
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

// Err returns why no more messages come: io.EOF after Close, ErrTransportClosed after Abort
// and at the end of the loop, or what ended the socket. While the stream is open it is nil.
func (s *Stream) Err() error { return s.mailbox.ended() }

// Subscribe asks for the messages that begin with topic. See [Transport.Subscribe].
func (s *Stream) Subscribe(topic string) error { return s.t.Subscribe(topic) }

// Unsubscribe takes one Subscribe of topic back. See [Transport.Unsubscribe].
func (s *Stream) Unsubscribe(topic string) error { return s.t.Unsubscribe(topic) }

// Addr returns the endpoint that the stream is bound to, in libzmq's own form, of several the
// first in their order. A stream that is not bound returns what it is connected to, and one
// that is neither returns "".
func (s *Stream) Addr() string {
	for _, l := range [][]string{s.t.Listeners(), s.t.Connections()} {
		if len(l) > 0 {
			return l[0]
		}
	}
	return ""
}

// Transport returns the transport of the stream, for its options, endpoints and limits. The
// protocol of the transport is the stream's, and SetProtocol does nothing.
//
// aiozmq: transport
func (s *Stream) Transport() *Transport { return s.t }

// String returns the transport's state, for messages.
func (s *Stream) String() string { return s.t.String() }

// Close is Shutdown for at most LoopConfig.Linger, so that a program may return from main
// behind it. On the loop's own goroutine it does not wait, and messages are sent afterwards.
// It may be repeated; see Shutdown.
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
// socket go. What libzmq has received and the stream has not is dropped.
//
// When ctx ends first, Shutdown aborts the stream. The error is then the cause of ctx and
// ErrUndelivered. The latter counts what Send had accepted and libzmq has not taken, and says
// if libzmq has not sent everything. Where ctx has a deadline, libzmq drops soon after it what
// it has not sent; else it goes on for as long as ZMQ_LINGER says. Without a peer messages can
// not be sent.
//
// Shutdown may be repeated. It then waits for the end of the first Close or Shutdown, or of
// ctx, and returns nil, or the cause of ctx. The other errors are ErrInvalidArgument for
// a nil ctx, and ErrWouldDeadlock on the loop's own goroutine.
func (s *Stream) Shutdown(ctx context.Context) error {
	switch {
	case ctx == nil:
		return errNilContext("Stream.Shutdown")
	case s.t.loop.InLoop():
		return ErrWouldDeadlock
	case !s.beginClose():
		select { // for the first, or a program could return from main before it has
		case <-s.shut:
			return nil
		case <-ctx.Done():
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
		if bound == 0 || time.Since(begin) < bound-time.Millisecond { // libzmq's timers are so exact
			return nil
		}
		<-ctx.Done() // it ended before libzmq gave up
	case <-ctx.Done():
	}
	messages, bytes := s.t.Undelivered()
	left := fmt.Sprintf("%d messages, %d bytes", messages, bytes)
	if s.t.in(phaseClosed) {
		left = notSent
	}
	_ = s.t.Abort() // returns nil
	return fmt.Errorf("%w: %v: %s: %w", ErrUndelivered, s, left, context.Cause(ctx))
}

// lingerSlack is how much longer than its context Shutdown has libzmq linger. libzmq does
// not tell a socket that has sent everything from one whose time is over.
const lingerSlack = 100 * time.Millisecond

// boundLinger has libzmq drop what it has not sent soon after ctx ends, where ctx has a
// deadline and ZMQ_LINGER is later. It returns the ZMQ_LINGER that it sets, or 0.
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
// [Transport.Abort]. It may be repeated, and returns nil.
func (s *Stream) Abort() error {
	s.mailbox.finish(ErrTransportClosed, true)
	return s.t.Abort()
}
