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
	acceptBatch = 64          // the most that a listener accepts before others have their turn
	acceptPause = time.Second // how long it does not, without descriptors: asyncio's ACCEPT_RETRY_DELAY
)

// A listener is a listening socket of a Server.
type listener struct {
	server *Server
	watch  *zmqio.Watch
	addr   net.Addr

	own    bool               // the server has made it: no other has the socket
	fd     descriptor         // valid until closed; under Server.mu
	closed bool               // under Server.mu
	pause  *zmqio.TimerHandle // nil before the first; under Server.mu

	made os.FileInfo // of the file of a Unix socket that is to be removed; nil without one
}

// accept accepts the connections that wait. Loop goroutine only.
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

// acceptOne accepts a connection. EAGAIN says that none waits.
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

// rest tells of err, and accepts nothing for a while: the connection that could not be
// accepted keeps the listener ready.
func (n *listener) rest(err error) {
	s := n.server
	s.mu.Lock()
	if !n.closed {
		_ = n.watch.Want(false, false)
		n.pause, _ = s.loop.CallLater(acceptPause, n.resume) // fails only on a loop that is closed
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
	// The file goes before the socket ends: another may take its path then.
	removeMade(n.made, n.addr)
	if n.own { // poll(2) keeps a socket open that it waits for
		_ = unix.Shutdown(int(n.fd), unix.SHUT_RDWR)
	}
	n.fd.close()
	n.closed = true
}

// welcome makes a client of a connection. Loop goroutine only.
func (s *Server) welcome(fd descriptor, from unix.Sockaddr) {
	m := &material{fd: fd, local: localAddr(fd), remote: toAddr(from)}
	if s.cfg.TLS != nil {
		go s.shake(m)
		return
	}
	defer s.arrived() // after attach, so that Wait does not end in between
	s.admit(m, nil)
}

// admit makes a transport of m. Loop goroutine only.
func (s *Server) admit(m *material, secured *tlsStream) {
	m.setStream(secured)
	_, err := m.create(s.loop, s.factory, s.cfg, s)
	var panicked *zmqio.PanicError
	if err != nil && !errors.As(err, &panicked) && !errors.Is(err, ErrServerClosed) { // else the handler has been told
		s.residence.Report("a connection was refused", nil, err)
	}
}

// shake shakes hands with a client, on a goroutine of its own.
func (s *Server) shake(m *material) {
	var secured *tlsStream
	err := zmqio.ErrGoexit // unless shakeHands returns: it calls functions of the tls.Config
	defer func() {
		if v := recover(); v != nil {
			err = zmqio.NewPanicError(v)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.closed { // Close of the loop closes s first, and then calls what is posted
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

// shaken makes a client of a connection after the handshake. Loop goroutine only.
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

// arrivedLocked notes that a connection has become a client, or never will. Caller holds s.mu.
func (s *Server) arrivedLocked() {
	s.arriving--
	s.checkOverLocked()
}
