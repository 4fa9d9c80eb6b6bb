package zap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// DefaultRequests and DefaultTimeout are the values that 0 in Config stands for.
const (
	DefaultRequests = 256
	DefaultTimeout  = 10 * time.Second
)

// endpoint is where libzmq's sockets look for the ZAP handler of their context.
const endpoint = "inproc://zeromq.zap.01"

// Config configures a Server. The zero value is a good configuration.
type Config struct {
	// Requests bounds the requests in flight; 0 means DefaultRequests. Further requests wait in
	// libzmq, until their handshakes are over.
	Requests int
	// Timeout is how long a Handler has; 0 means DefaultTimeout. Afterwards the peer is
	// refused, and the request is no longer in flight, even if its Handler goes on. So a
	// Handler should return when its context ends, or each request may leave a goroutine
	// behind.
	Timeout time.Duration
}

// A Server answers the ZAP requests of a libzmq context. All methods are safe for concurrent
// use.
type Server struct {
	loop    *zmqio.EventLoop
	t       *zmqio.Transport
	handler Handler
	most    int
	timeout time.Duration
	ctx     context.Context // of the handlers
	end     context.CancelFunc

	mu       sync.Mutex // comes before the locks of package zmqio
	inFlight int
	reported time.Time // when the exception handler was told last
	untold   int       // errors since then that it was not told of
}

// Serve makes h the ZAP handler of the libzmq context of l, until Server.Close or the end of
// the loop. A nil l means zmqio.DefaultLoop. For a libzmq context that was made elsewhere, give
// l that one in LoopConfig.Context. Handlers run on goroutines of their own, and the answers go
// out in any order. While no goroutine runs the loop, peers wait in their handshakes.
//
// A handler that panics or does not return in time refuses the peer, and so does a malformed
// request. The server goes on. The loop's exception handler gets these errors, and errors of h
// other than ErrDenied and ErrTemporary, at most once a second.
//
// The loop ends the server when its other residents have left. A CURVE server that connects
// goes on to send for its ZMQ_LINGER after that, to any client, except with ZAP_ENFORCE_DOMAIN
// and a ZAP_DOMAIN.
//
// Errors:
//   - zmqio.ErrInvalidArgument: h is nil.
//   - zmqio.ErrLoopClosed: the loop is closed.
//   - zmq.EADDRINUSE: the libzmq context has a ZAP handler.
//   - Those of zmqio.DefaultLoop and zmqio.EventLoop.CreateZmqConnection.
//
// pyzmq: zmq.auth.Authenticator.start
func Serve(l *zmqio.EventLoop, h Handler) (*Server, error) { return Config{}.Serve(l, h) }

// Serve is the function Serve, with a Config. A negative field of the Config is
// zmqio.ErrInvalidArgument.
func (c Config) Serve(l *zmqio.EventLoop, h Handler) (*Server, error) {
	switch {
	case h == nil:
		return nil, fmt.Errorf("%w: zap.Serve: nil handler", zmqio.ErrInvalidArgument)
	case c.Requests < 0:
		return nil, fmt.Errorf("%w: zap.Config.Requests is negative: %d", zmqio.ErrInvalidArgument, c.Requests)
	case c.Timeout < 0:
		return nil, fmt.Errorf("%w: zap.Config.Timeout is negative: %v", zmqio.ErrInvalidArgument, c.Timeout)
	}
	if l == nil {
		var err error
		if l, err = zmqio.DefaultLoop(); err != nil {
			return nil, err
		}
	}
	s := &Server{
		loop: l, handler: h, most: cmp.Or(c.Requests, DefaultRequests), timeout: cmp.Or(c.Timeout, DefaultTimeout),
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	_, _, err := l.CreateZmqConnection(s.ctx, func() zmqio.Protocol { return &protocol{s: s} }, zmq.ROUTER, zmqio.ConnectionConfig{
		Name: "zap",
		Bind: []string{endpoint}, Configure: func(o zmq.Sockopts) error { return o.SetLinger(0) },
	})
	if err != nil {
		s.end()
		if errors.Is(err, zmq.EADDRINUSE) {
			return nil, fmt.Errorf("serve ZAP: the context of the loop has a handler; close that first: %w", err)
		}
		return nil, fmt.Errorf("serve ZAP: %w", err)
	}
	return s, nil
}

// Close ends the server and the contexts of its handlers. It does not wait for handlers; their
// peers are refused when HANDSHAKE_IVL is over. Another handler can be served when Close has
// returned. Close may be repeated, and returns nil.
//
// First close the servers that the handler guards, and wait for Transport.Closed. After Close,
// CURVE servers of the libzmq context let every client in, except with ZAP_ENFORCE_DOMAIN and a
// ZAP_DOMAIN.
//
// pyzmq: zmq.auth.Authenticator.stop
func (s *Server) Close() error {
	s.end()
	_ = s.t.Unbind(endpoint) // frees the endpoint at once, because Close takes its time; fails if the transport is closed
	return s.t.Close()
}

// A protocol is the protocol of a Server's transport.
type protocol struct {
	zmqio.BaseProtocol
	s *Server
}

// ConnectionMade implements zmqio.Protocol.
func (p *protocol) ConnectionMade(t *zmqio.Transport) { p.s.t = t }

// ConnectionLost implements zmqio.Protocol.
func (p *protocol) ConnectionLost(error) { p.s.end() }

// MsgReceived implements zmqio.Protocol.
func (p *protocol) MsgReceived(msg [][]byte) {
	if p.s.ctx.Err() != nil { // Close is in progress
		return
	}
	envelope, id, req, err := parse(msg)
	x := &exchange{s: p.s, envelope: envelope, id: id, peer: req.Peer}
	p.s.begin()
	if err != nil {
		x.answer(Identity{}, err)
		return
	}
	go x.serve(req)
}

// begin counts a request. It stops receiving if no further request may be in flight.
func (s *Server) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight++
	if s.inFlight == s.most {
		_ = s.t.PauseReading() // a closed transport receives nothing
	}
}

// done counts a request as answered.
func (s *Server) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inFlight == s.most {
		_ = s.t.ResumeReading()
	}
	s.inFlight--
}

// An exchange is a request and its answer.
type exchange struct {
	s        *Server
	envelope [][]byte
	id       []byte
	peer     string // Request.Peer
	once     sync.Once
}

// serve calls the handler and sends its answer.
func (x *exchange) serve(req Request) {
	ctx, cancel := context.WithTimeoutCause(x.s.ctx, x.s.timeout, ErrNoAnswer)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { x.answer(Identity{}, context.Cause(ctx)) })
	var who Identity
	err := ErrPanicked // the handler replaces it, if it returns
	defer func() {     // runs even after runtime.Goexit
		stop()
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %w", ErrPanicked, &zmqio.PanicError{Value: v, Stack: debug.Stack()})
		}
		if late := !x.answer(who, err); late && errors.Is(err, ErrPanicked) {
			x.report(err)
		}
	}()
	if who, err = x.s.handler(ctx, req); err == nil {
		err = cmp.Or(context.Cause(ctx), who.check()) // a late answer does not count
	}
}

// answer sends the answer if none was sent, and reports whether it did.
func (x *exchange) answer(who Identity, err error) (first bool) {
	x.once.Do(func() {
		first = true
		defer x.s.done()
		if err != nil && !errors.Is(err, ErrDenied) && !errors.Is(err, ErrTemporary) {
			x.report(err)
		}
		if x.envelope != nil {
			_ = x.s.t.Write(reply(x.envelope, x.id, who, err)) // fails on a closed transport, which refuses its peers
		}
	})
	return first
}

// report tells the exception handler of err, unless the server has ended.
func (x *exchange) report(err error) {
	if x.s.ctx.Err() == nil {
		x.s.report(fmt.Errorf("peer %.200q: %w", x.peer, err))
	}
}

// report tells the exception handler of err, on the loop, at most once a second.
func (s *Server) report(err error) {
	untold, due := s.reportDue()
	if !due {
		return
	}
	ctx := zmqio.ExceptionContext{Message: "zap: a peer was refused", Err: err, Transport: s.t, Source: s.t}
	if untold > 0 {
		ctx.Message = fmt.Sprintf("%s, as were %d others since the last report", ctx.Message, untold)
	}
	if p := (*zmqio.PanicError)(nil); errors.As(err, &p) {
		ctx.Stack = p.Stack
	}
	_, _ = s.loop.CallSoon(func() { s.loop.CallExceptionHandler(ctx) }) // fails on a closed loop, which reports nothing
}

// reportDue reports whether to report an error now, and how many were not reported since the last.
func (s *Server) reportDue() (untold int, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.reported) < reportInterval {
		s.untold++
		return 0, false
	}
	untold, s.untold, s.reported = s.untold, 0, now
	return untold, true
}

// reportInterval is the time between two reports, because peers can cause errors. Tests set it.
var reportInterval = time.Second
