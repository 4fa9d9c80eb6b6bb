package netio

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/zmqio/zmq/zmqio"
)

// A ServerConfig configures a server. The zero value makes a plain one.
type ServerConfig struct {
	// Config is that of each client's transport. Config.TLS makes the server speak TLS. The
	// Dialer is not used.
	Config
	// Listener is a listener that was made elsewhere, a *net.TCPListener or a
	// *net.UnixListener, instead of addresses. The server takes a duplicate of the descriptor
	// and closes Listener. The file of a Unix socket stays.
	//
	// asyncio: sock
	Listener net.Listener
	// ListenConfig is what CreateServer listens with; nil means the zero ListenConfig. Its
	// Control sets options before the socket is bound, and its KeepAlive counts.
	//
	// asyncio: reuse_port
	ListenConfig *net.ListenConfig
	// Deferred makes a server that accepts only after StartServing or ServeForever. Meanwhile
	// the system lets clients connect, and they wait.
	//
	// asyncio: start_serving=False
	Deferred bool
}

// A Server accepts connections, each of which becomes a Transport. CreateServer makes it. All
// methods are safe for concurrent use, and may be called from callbacks. Those of a zero Server
// panic.
//
// asyncio: Server
type Server struct {
	loop      *zmqio.EventLoop
	addr      net.Addr // of the first listener, for errors
	residence *zmqio.Residence
	factory   func() Protocol
	cfg       Config

	handshakes context.Context // of clients; ends in Close
	refuse     context.CancelFunc

	// mu comes before the locks of the loop, and is never held together with a Transport's. It is
	// held during system calls on listeners, which do not block.
	mu        sync.Mutex
	listeners []*listener // none after Close
	serving   bool
	forever   bool // ServeForever is in progress
	closed    bool
	clients   map[*Transport]struct{}
	arriving  int           // accepted connections that are no clients yet
	closing   chan struct{} // closed by Close
	over      chan struct{} // closed at the end of the last client after Close
}

// CreateServer listens on each address and makes a server that accepts connections on the loop.
// For each client the loop calls factory, and then ConnectionMade. The networks are "tcp",
// "tcp4", "tcp6" and "unix".
//
// A host name, or an empty host, means all its addresses. Each address has a listener of its
// own, IPv4 and IPv6 too. If one fails, all are closed. On "unix" the server replaces the file
// of a socket on which no process listens; for any other file the error is EADDRINUSE.
//
// The exception handler gets each of these:
//   - a TLS handshake that failed, unless the peer has just gone;
//   - a *zmqio.PanicError or zmqio.ErrGoexit from a function of Config.TLS;
//   - a lack of descriptors or memory, after which the listener pauses for a second.
//
// Errors:
//   - zmqio.ErrInvalidArgument: an argument is nil, or network, addresses or cfg are
//     impossible.
//   - zmqio.ErrLoopClosed: the loop is closed.
//   - zmqio.ErrWouldDeadlock: the caller is the loop goroutine, and an address has a host name.
//   - The cause of ctx: ctx ended before the resolver was done.
//   - The *net.OpError of package net, which names the address.
//
// asyncio: create_server, create_unix_server
func CreateServer[P Protocol](ctx context.Context, l *zmqio.EventLoop, factory func() P, network string, addresses []string, cfg ServerConfig) (*Server, error) {
	var general func() Protocol
	if factory != nil {
		general = func() Protocol { return factory() }
	}
	return createServer(ctx, l, general, network, addresses, cfg)
}

func createServer(ctx context.Context, l *zmqio.EventLoop, factory func() Protocol, network string, addresses []string, cfg ServerConfig) (*Server, error) {
	if err := cmp.Or(checkAll(ctx, "CreateServer", l, factory, cfg.Config), checkTLS(cfg.TLS, true)); err != nil {
		return nil, err
	}
	listeners, err := listenAll(ctx, l, network, addresses, cfg)
	if err != nil {
		return nil, err
	}
	s := &Server{
		loop: l, addr: listeners[0].addr, factory: factory, cfg: cfg.Config, listeners: listeners,
		clients: make(map[*Transport]struct{}), closing: make(chan struct{}), over: make(chan struct{}),
	}
	s.handshakes, s.refuse = context.WithCancel(context.Background())
	err = l.Do(ctx, func() error { return s.settleIn(cfg.Deferred) })
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// settleIn makes s a resident of its loop, with a watch for each listener.
func (s *Server) settleIn(deferred bool) (err error) {
	s.mu.Lock() // from here on the server can be closed
	defer s.mu.Unlock()
	if s.residence, err = s.loop.Adopt(s); err != nil {
		return err
	}
	for _, n := range s.listeners {
		n.server = s
		if n.watch, err = s.residence.Watch(int(n.fd), n.accept, nil); err != nil {
			return err
		}
	}
	if deferred {
		return nil
	}
	return s.startServingLocked()
}

// Loop returns the loop of the server.
func (s *Server) Loop() *zmqio.EventLoop { return s.loop }

// Addrs returns the addresses that the server listens on, and none after Close.
//
// asyncio: sockets
func (s *Server) Addrs() []net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	addrs := make([]net.Addr, len(s.listeners))
	for i, n := range s.listeners {
		addrs[i] = n.addr
	}
	return addrs
}

// IsServing reports whether the server accepts connections.
//
// asyncio: is_serving
func (s *Server) IsServing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serving
}

// StartServing makes a Deferred server accept. It may be repeated. The errors are
// ErrServerClosed and those of the loop.
//
// asyncio: start_serving
func (s *Server) StartServing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startServingLocked()
}

// startServingLocked is StartServing. Caller holds s.mu.
func (s *Server) startServingLocked() error {
	switch {
	case s.closed:
		return s.errClosed()
	case s.serving:
		return nil
	}
	for _, n := range s.listeners {
		if err := n.watch.Want(true, false); err != nil {
			return err
		}
	}
	s.serving = true
	return nil
}

// ServeForever accepts until ctx ends, closes the server, and returns the cause of ctx. It does
// not wait for clients: see Wait.
//
// Errors:
//   - The cause of ctx.
//   - [ErrServerClosed]: the server is closed, or was closed meanwhile.
//   - zmqio.ErrInvalidState: another ServeForever is in progress.
//   - zmqio.ErrWouldDeadlock: the caller is the loop goroutine.
//   - zmqio.ErrInvalidArgument: ctx is nil.
//
// asyncio: serve_forever
func (s *Server) ServeForever(ctx context.Context) error {
	switch {
	case ctx == nil:
		return invalid("netio.Server.ServeForever: nil context")
	case s.loop.InLoop():
		return refused("Server.ServeForever", zmqio.ErrWouldDeadlock)
	}
	if err := s.beginForever(); err != nil {
		return err
	}
	defer s.endForever()
	select {
	case <-s.closing:
		return s.errClosed()
	case <-ctx.Done():
		_ = s.Close()
		return context.Cause(ctx)
	}
}

func (s *Server) beginForever() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forever {
		return &sentinel{fmt.Sprintf("netio: %v is in ServeForever already", s.addr), zmqio.ErrInvalidState}
	}
	err := s.startServingLocked()
	s.forever = err == nil
	return err
}

func (s *Server) endForever() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forever = false
}

// Close stops accepting and closes the listeners. It refuses new clients, those whose TLS
// handshake is in progress, and one for which factory has just been called. Transports go on.
// Close removes the file of a Unix socket that the server made, unless another file has taken
// its place. Close may be repeated, and returns nil.
//
// asyncio: close
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed, s.serving = true, false
	for _, n := range s.listeners {
		n.closeLocked()
	}
	s.listeners = nil
	s.refuse()
	close(s.closing)
	s.checkOverLocked()
	if s.residence != nil {
		s.residence.Leave()
	}
	s.loop.Share() // goroutines that wait for the end may be ready
	return nil
}

// Abort is Close and AbortClients. It may be repeated, and returns nil.
func (s *Server) Abort() error {
	_ = s.Close()
	s.AbortClients()
	return nil
}

// Undelivered returns 0, 0: a server sends nothing.
func (s *Server) Undelivered() (items, bytes int) { return 0, 0 }

// CloseClients closes the transports of all clients: see Transport.Close.
//
// asyncio: close_clients
func (s *Server) CloseClients() {
	for _, t := range s.transports() {
		_ = t.Close()
	}
}

// AbortClients aborts the transports of all clients: see Transport.Abort.
//
// asyncio: abort_clients
func (s *Server) AbortClients() {
	for _, t := range s.transports() {
		_ = t.Abort()
	}
}

func (s *Server) transports() []*Transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.clients))
}

// Wait waits until the server is closed and the last client's ConnectionLost has returned.
//
// Errors:
//   - The cause of ctx: ctx ended first.
//   - zmqio.ErrWouldDeadlock: it would wait on the loop goroutine.
//   - zmqio.ErrInvalidArgument: ctx is nil.
//
// asyncio: wait_closed
func (s *Server) Wait(ctx context.Context) error {
	if ctx == nil {
		return invalid("netio.Server.Wait: nil context")
	}
	select {
	case <-s.over:
		return nil
	default:
	}
	if s.loop.InLoop() {
		return refused("Server.Wait", zmqio.ErrWouldDeadlock)
	}
	select {
	case <-s.over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// String returns the addresses, for messages and logs.
func (s *Server) String() string {
	if addrs := s.Addrs(); len(addrs) > 0 {
		return fmt.Sprintf("<Server %v>", addrs)
	}
	return "<Server closed>"
}

func (s *Server) errClosed() error {
	return &net.OpError{Op: "accept", Net: s.addr.Network(), Addr: s.addr, Err: ErrServerClosed}
}

// attach adds a client, and reports whether it did. After Close it does not, because CloseClients
// and AbortClients may have been called already.
func (s *Server) attach(t *Transport) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.clients[t] = struct{}{}
	}
	return !s.closed
}

// detach removes a client.
func (s *Server) detach(t *Transport) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, t)
	s.checkOverLocked()
}

// checkOverLocked ends Wait if everything has ended. Caller holds s.mu.
func (s *Server) checkOverLocked() {
	if s.closed && len(s.clients) == 0 && s.arriving == 0 {
		close(s.over)
	}
}
