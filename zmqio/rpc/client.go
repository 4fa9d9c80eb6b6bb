package rpc

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// DefaultInFlight is the Config.MaxInFlight that 0 stands for.
const DefaultInFlight = 10_000

// Config configures a Client. Endpoints must be given.
type Config struct {
	// Endpoints are the endpoints of the servers, one or more. A TCP endpoint may have a host
	// name. Calls go to them in turn. An endpoint that has not answered within Timeout is left
	// out for ten times Timeout, unless all others are left out too.
	Endpoints []string
	// Timeout bounds each attempt of a call; 0 leaves the bound to the context of the call. A
	// call takes up to (Retries + 1) times Timeout. The error of an attempt that ran out of time
	// names the endpoint.
	Timeout time.Duration
	// Retries is how often a call without a reply is sent again after Timeout, each time to the
	// next endpoint. It needs a Timeout. A handler may then run twice for one call. A late
	// reply from an earlier endpoint counts too.
	Retries int
	// MaxInFlight bounds the calls that wait for a reply; 0 means DefaultInFlight. Further
	// calls wait for their turn.
	MaxInFlight int
	// Codec is the codec of Invoke; nil means JSON.
	Codec Codec
	// Loop is the loop of the sockets; nil means zmqio.DefaultLoop.
	Loop *zmqio.EventLoop
	// Configure sets options of each socket before it connects: see
	// zmqio.ConnectionConfig.Configure.
	Configure func(zmq.Sockopts) error
}

func (c Config) check() error {
	switch {
	case len(c.Endpoints) == 0:
		return invalid("Config.Endpoints is empty")
	case c.Timeout < 0:
		return invalid("Config.Timeout is negative: %v", c.Timeout)
	case c.Retries < 0:
		return invalid("Config.Retries is negative: %d", c.Retries)
	case c.Retries > 0 && c.Timeout == 0:
		return invalid("Config.Retries is set, and Timeout is not")
	case c.MaxInFlight < 0:
		return invalid("Config.MaxInFlight is negative: %d", c.MaxInFlight)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: rpc."+format, append([]any{zmqio.ErrInvalidArgument}, args...)...)
}

// A Client calls servers. All methods are safe for concurrent use. On the loop goroutine Call
// returns zmqio.ErrWouldDeadlock.
type Client struct {
	cfg    Config
	loop   *zmqio.EventLoop
	ends   []*end
	next   atomic.Uint64 // numbers ids, and chooses endpoints in turn
	tokens chan struct{} // has an element for each call in flight

	mu      sync.Mutex
	pending map[uint64]chan reply // by the number in the id
	closed  bool

	stats struct{ calls, replies, failures, late, retries, timeouts atomic.Uint64 }
}

// ClientStats counts what a Client has done.
type ClientStats struct {
	// Calls counts calls that were begun.
	Calls uint64
	// Replies counts replies that a caller got, those with an Error included.
	Replies uint64
	// Failures counts replies with an Error.
	Failures uint64
	// Late counts replies that were dropped, because their caller no longer waited.
	Late uint64
	// Retries counts attempts beyond the first of a call.
	Retries uint64
	// Timeouts counts attempts that ended without a reply.
	Timeouts uint64
	// InFlight is how many calls wait for a reply now.
	InFlight int
}

// A reply is what a caller waits for.
type reply struct {
	body   [][]byte
	failed bool // body is the text of an Error
	err    error
}

// replies has reusable channels, which are empty.
var replies = sync.Pool{New: func() any { return make(chan reply, 1) }}

// Dial returns a client of the servers at endpoints, with an otherwise zero Config. libzmq
// connects in the background, so Dial succeeds without a server. The errors are those of
// NewClient.
func Dial(ctx context.Context, endpoints ...string) (*Client, error) {
	return NewClient(ctx, Config{Endpoints: endpoints})
}

// NewClient returns a client. ctx bounds the wait for the loop alone. Close must end the
// client.
//
// Errors:
//   - zmqio.ErrInvalidArgument: ctx is nil, or a field of cfg has a value that it cannot have.
//   - Those of [zmqio.EventLoop.CreateZmqConnection] and zmqio.DefaultLoop.
func NewClient(ctx context.Context, cfg Config) (*Client, error) {
	if ctx == nil {
		return nil, invalid("NewClient: nil context")
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.Endpoints = slices.Clone(cfg.Endpoints)
	if cfg.Codec == nil {
		cfg.Codec = JSON
	}
	c := &Client{
		cfg: cfg, loop: cfg.Loop, pending: make(map[uint64]chan reply),
		tokens: make(chan struct{}, cmp.Or(cfg.MaxInFlight, DefaultInFlight)),
	}
	if c.loop == nil {
		var err error
		if c.loop, err = zmqio.DefaultLoop(); err != nil {
			return nil, err
		}
	}
	for _, endpoint := range cfg.Endpoints {
		e := &end{c: c, endpoint: endpoint}
		_, _, err := c.loop.CreateZmqConnection(ctx, func() zmqio.Protocol { return e }, zmq.DEALER, zmqio.ConnectionConfig{
			Name:    "rpc",
			Connect: []string{endpoint}, AllowHostnames: true, Configure: cfg.Configure,
		})
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.ends = append(c.ends, e)
	}
	return c, nil
}

// An end is the connection to one endpoint.
type end struct {
	zmqio.BaseProtocol
	c         *Client
	endpoint  string
	transport *zmqio.Transport
	silent    atomicDuration // no call goes to the endpoint before this time of the loop's clock
}

// An atomicDuration is a time.Duration that goroutines share.
type atomicDuration struct{ n atomic.Int64 }

func (d *atomicDuration) Load() time.Duration   { return time.Duration(d.n.Load()) }
func (d *atomicDuration) Store(v time.Duration) { d.n.Store(int64(v)) }

// ConnectionMade keeps the transport.
func (e *end) ConnectionMade(t *zmqio.Transport) { e.transport = t }

// MsgsReceived hands replies to their callers.
func (e *end) MsgsReceived(msgs [][][]byte) {
	if e.silent.Load() != 0 {
		e.silent.Store(0)
	}
	e.c.mu.Lock()
	defer e.c.mu.Unlock()
	for _, msg := range msgs {
		e.c.receiveLocked(msg)
	}
}

// ConnectionLost ends the calls if libzmq, not Close, has ended the socket. A call does not know
// which server would have replied.
func (e *end) ConnectionLost(err error) {
	if err == nil {
		err = ErrClientClosed
	}
	e.c.finish(err)
}

// receiveLocked hands one reply to its caller. Caller holds c.mu.
func (c *Client) receiveLocked(msg [][]byte) {
	envelope, body, ok := splitEnvelope(msg)
	if !ok || len(envelope) != 2 {
		c.stats.late.Add(1)
		return
	}
	number, failed, ok := parseID(envelope[0])
	ch := c.pending[number]
	if !ok || ch == nil {
		c.stats.late.Add(1)
		return
	}
	delete(c.pending, number)
	ch <- reply{body: body, failed: failed}
}

// finish ends all calls with err, and refuses new ones.
func (c *Client) finish(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for number, ch := range c.pending {
		delete(c.pending, number)
		ch <- reply{err: err}
	}
}

// Call sends a request of frames to a server and returns the body of the reply, whose frames
// the caller owns. The caller may reuse the request's frames when Call has returned. A reply
// that comes after Call has returned is dropped and counted.
//
// Errors:
//   - The cause of ctx: ctx ended first.
//   - [ErrTimeout]: no server replied within Config.Timeout, after the last retry.
//   - An [*Error]: the server's handler failed.
//   - [ErrClientClosed]: Close was called.
//   - zmqio.ErrWouldDeadlock: the caller is the loop goroutine.
//   - zmqio.ErrInvalidArgument: ctx is nil.
//   - The error that ended a socket.
func (c *Client) Call(ctx context.Context, frames ...[]byte) ([][]byte, error) {
	switch {
	case ctx == nil:
		return nil, invalid("Client.Call: nil context")
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case c.loop.InLoop():
		return nil, fmt.Errorf("rpc.Client.Call: %w", zmqio.ErrWouldDeadlock)
	}
	select {
	case c.tokens <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-c.tokens }()
	c.stats.calls.Add(1)
	return c.call(ctx, frames)
}

func (c *Client) call(ctx context.Context, frames [][]byte) ([][]byte, error) {
	number := c.next.Add(1)
	ch := replies.Get().(chan reply)
	if !c.register(number, ch) {
		return nil, ErrClientClosed
	}
	msg := append(append(make([][]byte, 0, 2+len(frames)), newID(number), nil), frames...)
	for attempt := 0; ; attempt++ {
		e := c.pick(number + uint64(attempt))
		r, err := c.try(ctx, e, msg, ch)
		switch {
		case err == nil:
			return c.result(ch, r)
		case !errors.Is(err, ErrTimeout):
			return c.abandon(number, ch, err)
		}
		c.stats.timeouts.Add(1)
		e.silent.Store(c.loop.Time() + silence*c.cfg.Timeout)
		if attempt == c.cfg.Retries {
			return c.abandon(number, ch, fmt.Errorf("%w from %s", err, e.endpoint))
		}
		c.stats.retries.Add(1)
	}
}

// silence is for how many timeouts an endpoint that has not replied gets no calls.
const silence = 10

// pick returns the endpoint whose turn it is, except those that have not replied lately.
func (c *Client) pick(turn uint64) *end {
	n := uint64(len(c.ends))
	if n > 1 && c.cfg.Timeout > 0 {
		now := c.loop.Time()
		for i := range n {
			if e := c.ends[(turn+i)%n]; e.silent.Load() <= now {
				return e
			}
		}
	}
	return c.ends[turn%n]
}

// register makes a call wait for its reply, unless the client is closed.
func (c *Client) register(number uint64, ch chan reply) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.pending[number] = ch
	return true
}

// try sends the request once and waits for the reply. After Config.Timeout the error is ErrTimeout.
func (c *Client) try(ctx context.Context, e *end, msg [][]byte, ch chan reply) (reply, error) {
	if c.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.cfg.Timeout, ErrTimeout)
		defer cancel()
	}
	switch err := e.transport.WriteContext(ctx, msg); {
	case errors.Is(err, zmqio.ErrTransportClosed):
		return reply{}, ErrClientClosed
	case err != nil:
		return reply{}, err
	}
	select {
	case r := <-ch:
		return r, nil
	case <-ctx.Done():
		return reply{}, context.Cause(ctx)
	}
}

// abandon ends a call with err, unless its reply has come.
func (c *Client) abandon(number uint64, ch chan reply, err error) ([][]byte, error) {
	c.mu.Lock()
	_, waiting := c.pending[number]
	delete(c.pending, number)
	c.mu.Unlock()
	if !waiting {
		return c.result(ch, <-ch)
	}
	replies.Put(ch)
	return nil, err
}

// result returns what a caller gets.
func (c *Client) result(ch chan reply, r reply) ([][]byte, error) {
	replies.Put(ch)
	if r.err != nil {
		return nil, r.err
	}
	c.stats.replies.Add(1)
	if !r.failed {
		return r.body, nil
	}
	c.stats.failures.Add(1)
	return nil, &Error{string(bytes.Join(r.body, nil))}
}

// Stats returns the figures of the client so far.
func (c *Client) Stats() ClientStats {
	c.mu.Lock()
	waiting := len(c.pending)
	c.mu.Unlock()
	return ClientStats{
		Calls: c.stats.calls.Load(), Replies: c.stats.replies.Load(), Failures: c.stats.failures.Load(),
		Late: c.stats.late.Load(), Retries: c.stats.retries.Load(), Timeouts: c.stats.timeouts.Load(), InFlight: waiting,
	}
}

// Close ends the calls in flight with ErrClientClosed, closes the sockets, and does not wait.
// It drops requests that were not sent. Close may be repeated, and returns nil.
func (c *Client) Close() error {
	c.finish(ErrClientClosed)
	for _, e := range c.ends {
		_ = e.transport.Abort() // returns nil
	}
	return nil
}

// Invoke calls with req as the body and returns the body of the reply, as the client's Codec
// writes and reads them. The errors are those of Call and of the Codec.
func Invoke[Resp, Req any](ctx context.Context, c *Client, req Req) (resp Resp, err error) {
	b, err := marshal(c.cfg.Codec, req)
	if err != nil {
		return resp, err
	}
	body, err := c.Call(ctx, b)
	if err != nil {
		return resp, err
	}
	return resp, unmarshal(c.cfg.Codec, body, &resp)
}
