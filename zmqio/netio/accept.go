package netio

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
)

const (
	acceptBatch = 64          // the most that a listener accepts before others get their turn
	acceptPause = time.Second // pause of a listener without descriptors: asyncio's ACCEPT_RETRY_DELAY
)

// A listener is a listening socket of a Server.
type listener struct {
	server *Server
	watch  *zmqio.Watch
	addr   net.Addr

	own    bool               // the server has made the socket, which nothing else uses
	fd     descriptor         // valid until closed; under Server.mu
	closed bool               // under Server.mu
	pause  *zmqio.TimerHandle // nil before the first; under Server.mu

	made os.FileInfo // the file of a Unix socket, which the server removes, or nil
}

// accept accepts the waiting connections. Loop goroutine only.
func (n *listener) accept() {
	for range acceptBatch {
		fd, from, err := n.acceptOne()
		switch {
		case err == unix.EAGAIN:
			return
		case err == unix.EINTR || err == unix.ECONNABORTED:
			continue
		case err != nil:
			n.rest(err)
			return
		}
		n.server.welcome(fd, from)
	}
}

// acceptOne accepts a connection. EAGAIN means that none waits.
func (n *listener) acceptOne() (descriptor, unix.Sockaddr, error) {
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	if n.closed || !n.server.serving {
		return -1, nil, unix.EAGAIN
	}
	fd, from, err := accept(int(n.fd))
	if err == nil {
		n.server.arriving++
	}
	return descriptor(fd), from, err
}

// rest reports err, and pauses accepting: the connection that cannot be accepted keeps the listener
// ready.
func (n *listener) rest(err error) {
	s := n.server
	s.mu.Lock()
	if !n.closed {
		_ = n.watch.Want(false, false)
		n.pause, _ = s.loop.CallLater(acceptPause, n.resume) // fails only on a closed loop
	}
	s.mu.Unlock()
	s.residence.Report("accepting failed, and pauses for a second", nil,
		&net.OpError{Op: "accept", Net: n.addr.Network(), Addr: n.addr, Err: syscallError("accept", err)})
}

func (n *listener) resume() {
	n.server.mu.Lock()
	defer n.server.mu.Unlock()
	if !n.closed {
		_ = n.watch.Want(true, false)
	}
}

// closeLocked closes the listener. Caller holds Server.mu.
func (n *listener) closeLocked() {
	if n.watch != nil {
		n.watch.Stop()
	}
	if n.pause != nil {
		n.pause.Cancel()
	}
	// The file must go before the socket ends: then another server may bind the path.
	removeMade(n.made, n.addr)
	if n.own { // poll(2) keeps a socket open while it waits for it
		_ = unix.Shutdown(int(n.fd), unix.SHUT_RDWR)
	}
	n.fd.close()
	n.closed = true
}

// welcome begins to make a client of a connection. Loop goroutine only.
func (s *Server) welcome(fd descriptor, from unix.Sockaddr) {
	m := &material{fd: fd, local: localAddr(fd), remote: toAddr(from)}
	if s.cfg.TLS != nil {
		go s.shake(m)
		return
	}
	defer s.arrived() // after attach, so that Wait does not end in between
	s.admit(m, nil)
}

// admit makes the transport of m. Loop goroutine only.
func (s *Server) admit(m *material, secured *tlsStream) {
	m.setStream(secured)
	_, err := m.create(s.loop, s.factory, s.cfg, s)
	var panicked *zmqio.PanicError
	if err != nil && !errors.As(err, &panicked) && !errors.Is(err, ErrServerClosed) { // else the exception handler has been told
		s.residence.Report("a connection was refused", nil, err)
	}
}

// shake does the handshake with a client, on its own goroutine.
func (s *Server) shake(m *material) {
	var secured *tlsStream
	err := zmqio.ErrGoexit // shakeHands replaces it; functions of the tls.Config may call Goexit
	defer func() {
		if v := recover(); v != nil {
			err = zmqio.NewPanicError(v)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.closed { // Close of the loop closes s first, and then runs posted callbacks
			s.residence.Post(func() { s.shaken(m, secured, err) })
			return
		}
		m.fd.close()
		s.arrivedLocked()
	}()
	secured, err = s.shakeHands(m)
}

func (s *Server) shakeHands(m *material) (*tlsStream, error) {
	conn, err := m.fd.blocking()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return handshake(s.handshakes, conn, s.cfg, true)
}

// shaken makes a client of a connection after its handshake. Loop goroutine only.
func (s *Server) shaken(m *material, secured *tlsStream, err error) {
	defer s.arrived()
	refused := s.handshakes.Err() != nil
	if err == nil && !refused {
		s.admit(m, secured)
		return
	}
	m.fd.close()
	if !refused && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		s.residence.Report("TLS handshake failed", nil, err)
	}
}

func (s *Server) arrived() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrivedLocked()
}

// arrivedLocked records that a connection has become a client, or never will. Caller holds s.mu.
func (s *Server) arrivedLocked() {
	s.arriving--
	s.checkOverLocked()
}
