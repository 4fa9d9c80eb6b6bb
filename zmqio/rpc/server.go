package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// DefaultHandlers and DefaultDrainTimeout are the values that 0 in ServerConfig stands for.
const (
	DefaultHandlers     = 256
	DefaultDrainTimeout = 10 * time.Second
)

// ServerConfig configures Serve. The zero value is a good configuration.
type ServerConfig struct {
	// Handlers bounds the handlers that run at the same time; 0 means DefaultHandlers. On a
	// REP, which has one conversation at a time, the bound is 1. Further requests wait in the
	// stream.
	Handlers int
	// DrainTimeout is how long Serve waits, after its context has ended, for running handlers
	// and received requests; 0 means DefaultDrainTimeout.
	DrainTimeout time.Duration
	// ErrorReply makes the body of an error reply for a client of another package, to which it
	// is a reply like any other. nil means one frame with the error's text.
	ErrorReply func(error) [][]byte
	// Logger gets the panics of handlers, with their stacks; nil means slog.Default().
	Logger *slog.Logger
}

// A Handler answers one request. req are the frames of its body, which the handler owns. The
// frames that it returns belong to the reply. The caller gets an error as an *Error with its
// text, and a panic or runtime.Goexit as ErrPanicked. ctx ends when the handler's time is over:
// see Serve. Handlers run on many goroutines at the same time.
type Handler func(ctx context.Context, req [][]byte) ([][]byte, error)

// Typed returns a Handler that calls fn with the body as a Req, which codec reads; a nil codec
// means JSON. If codec cannot read the body, the caller gets an error and fn is not called.
func Typed[Req, Resp any](codec Codec, fn func(context.Context, Req) (Resp, error)) Handler {
	if codec == nil {
		codec = JSON
	}
	return func(ctx context.Context, body [][]byte) ([][]byte, error) {
		var req Req
		if err := unmarshal(codec, body, &req); err != nil {
			return nil, err
		}
		resp, err := fn(ctx, req)
		if err != nil {
			return nil, err
		}
		b, err := marshal(codec, resp)
		if err != nil {
			return nil, err
		}
		return [][]byte{b}, nil
	}
}

// Serve answers the requests that come to s, a ROUTER or a REP, until ctx ends. Each handler
// runs on a goroutine of its own.
//
// After the end of ctx Serve stops receiving, answers the requests that s has received, and
// returns nil when s has accepted all replies. s stays open; its Close sends the replies. The
// contexts of handlers end after ServerConfig.DrainTimeout. Serve then returns ErrNotDrained,
// and does not wait for handlers that go on.
//
// If s is a ROUTER, a Client gets the error of a handler as an *Error. A REP cannot mark a
// reply, so there a Client gets ServerConfig.ErrorReply, as every other client does.
//
// The end of a program is therefore:
//
//	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
//	defer stop()
//	err := rpc.Serve(ctx, s, handler, rpc.ServerConfig{})
//	return errors.Join(err, s.Close())
//
// Serve drops a message without an empty frame, which is no request. The logger gets a warning
// of that, once.
//
// Errors:
//   - [ErrNotDrained]: the time for handlers was over, or s ended meanwhile and did not take a
//     reply.
//   - zmqio.ErrInvalidArgument: an argument is nil, s has another type, or cfg has a negative
//     value.
//   - zmqio.ErrWouldDeadlock: the caller is the loop goroutine.
//   - What ended s: io.EOF after its Close. The contexts of handlers end at once, and Serve
//     waits for handlers for DrainTimeout at most.
func Serve(ctx context.Context, s *zmqio.Stream, h Handler, cfg ServerConfig) error {
	switch {
	case ctx == nil:
		return invalid("Serve: nil context")
	case s == nil:
		return invalid("Serve: nil stream")
	case h == nil:
		return invalid("Serve: nil handler")
	case cfg.Handlers < 0:
		return invalid("ServerConfig.Handlers is negative: %d", cfg.Handlers)
	case cfg.DrainTimeout < 0:
		return invalid("ServerConfig.DrainTimeout is negative: %v", cfg.DrainTimeout)
	case s.Transport().Loop().InLoop():
		return fmt.Errorf("rpc.Serve: %w", zmqio.ErrWouldDeadlock)
	}
	typ, _ := s.Transport().ExtraInfo("zmq_type", nil).(zmq.SocketType)
	slots := cmp.Or(cfg.Handlers, DefaultHandlers)
	switch typ {
	case zmq.ROUTER:
	case zmq.REP:
		slots = 1
	default:
		return invalid("Serve: a %v cannot serve, a ROUTER and a REP can", typ)
	}
	if cfg.ErrorReply == nil {
		cfg.ErrorReply = func(err error) [][]byte { return [][]byte{[]byte(err.Error())} }
	}
	cfg.DrainTimeout = cmp.Or(cfg.DrainTimeout, DefaultDrainTimeout)
	handling, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	v := &server{
		ServerConfig: cfg, s: s, handler: h, enveloped: typ == zmq.ROUTER, logger: cmp.Or(cfg.Logger, slog.Default()),
		ctx: handling, slots: make(chan struct{}, slots),
	}
	err := v.receive(ctx)
	if ended := s.Err(); ctx.Err() == nil || ended != nil { // no reply can be sent any more
		cancel()
		wait, stop := context.WithTimeout(context.Background(), v.DrainTimeout)
		defer stop()
		v.await(wait)
		return cmp.Or(ended, err)
	}
	return v.drain()
}

// A server is one call of Serve.
type server struct {
	ServerConfig
	s         *zmqio.Stream
	handler   Handler
	enveloped bool // requests have an envelope; on a REP libzmq keeps it
	logger    *slog.Logger
	strange   sync.Once

	ctx     context.Context // of the handlers
	slots   chan struct{}   // has an element for each running handler
	running sync.WaitGroup
	unsent  atomic.Uint64 // replies after the end of the stream
}

// receive handles requests until ctx or the stream ends.
func (v *server) receive(ctx context.Context) error {
	for {
		select {
		case v.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		msg, err := v.s.Recv(ctx)
		if err != nil {
			<-v.slots
			return err
		}
		v.start(msg)
	}
}

// start handles a request on a new goroutine. The caller has a slot for it.
func (v *server) start(msg [][]byte) {
	v.running.Go(func() {
		defer func() { <-v.slots }()
		v.serve(msg)
	})
}

// drain replies to the requests that have come, and waits for the handlers.
func (v *server) drain() error {
	ctx, cancel := context.WithTimeoutCause(v.ctx, v.DrainTimeout, ErrNotDrained)
	defer cancel()
	if err := v.takeRest(ctx); err != nil {
		return err
	}
	if !v.await(ctx) {
		return context.Cause(ctx)
	}
	if n := v.unsent.Load(); n > 0 {
		return fmt.Errorf("%w: %d replies were not sent: %w", ErrNotDrained, n, zmqio.ErrTransportClosed)
	}
	return nil
}

// await waits for the handlers. It reports whether all returned before ctx ended.
func (v *server) await(ctx context.Context) bool {
	done := make(chan struct{})
	go func() {
		v.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// takeRest starts handlers for the requests that the stream and libzmq have received. If requests
// keep coming, it stops after a quarter of the time.
func (v *server) takeRest(ctx context.Context) error {
	t := v.s.Transport()
	enough := time.Now().Add(v.DrainTimeout / 4)
	paused := false
	for quiet := 0; quiet < quietTurns; quiet++ {
		if !paused && time.Now().After(enough) && t.PauseReading() == nil { // else the caller has paused reading
			paused = true
			defer func() { _ = t.ResumeReading() }()
		}
		// When Do returns, the loop has taken a batch out of libzmq.
		if err := t.Loop().Do(ctx, func() error { return nil }); err != nil {
			return err
		}
		for {
			select {
			case v.slots <- struct{}{}:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			msg, _ := v.s.TryRecv() // an error means that nothing is left, too
			if msg == nil {
				<-v.slots
				break
			}
			quiet = 0
			v.start(msg)
		}
	}
	return nil
}

// quietTurns is how many turns of the loop without a request mean that none is left: one for a
// batch in delivery, one to look at libzmq, and one for its messages.
const quietTurns = 3

// serve handles one request and sends the reply.
func (v *server) serve(msg [][]byte) {
	var envelope [][]byte
	body := msg
	if v.enveloped {
		var ok bool
		if envelope, body, ok = splitEnvelope(msg); !ok {
			v.strange.Do(func() {
				v.logger.Warn("rpc: a message without an empty frame is no request", "stream", v.s.String(), "frames", len(msg))
			})
			return
		}
	}
	var reply [][]byte
	err := ErrPanicked // the handler replaces it, if it returns
	defer func() {     // runs even after runtime.Goexit
		if p := recover(); p != nil {
			v.logPanic("rpc: handler panicked", p)
		}
		v.reply(envelope, reply, err)
	}()
	reply, err = v.handler(v.ctx, body)
}

// reply sends the result of a handler.
func (v *server) reply(envelope, body [][]byte, err error) {
	if err != nil {
		body = v.failure(envelope, err)
	}
	if len(envelope)+len(body) == 0 { // a REP must reply
		body = [][]byte{nil}
	}
	// The frames after the envelope are the handler's.
	switch err := v.s.Send(v.ctx, append(slices.Clip(envelope), body...)...); {
	case errors.Is(err, zmqio.ErrTransportClosed):
		v.unsent.Add(1)
	case err != nil:
		v.logger.Warn("rpc: a reply was not sent", "stream", v.s.String(), "error", err)
	}
}

// failure returns the body of an error reply. For a client of this package it marks the id, which
// follows the routing id in envelope. If the error's text or ServerConfig.ErrorReply panics, it
// replies with ErrPanicked instead of err.
func (v *server) failure(envelope [][]byte, err error) (body [][]byte) {
	defer func() {
		if p := recover(); p != nil {
			v.logPanic("rpc: the reply to an error panicked", p)
			body = [][]byte{[]byte(ErrPanicked.Error())}
		}
	}()
	if n := len(envelope); n >= 3 {
		if _, _, ok := parseID(envelope[n-2]); ok {
			envelope[n-2][0] = failure
			return [][]byte{[]byte(err.Error())}
		}
	}
	return v.ErrorReply(err)
}

func (v *server) logPanic(what string, p any) {
	v.logger.Error(what, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
}
