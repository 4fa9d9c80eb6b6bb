//go:build unix && !linux

package netio

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// accept accepts a connection. Its descriptor does not block.
func accept(fd int) (int, unix.Sockaddr, error) {
	syscall.ForkLock.RLock() // so that no child inherits the descriptor
	defer syscall.ForkLock.RUnlock()
	conn, from, err := unix.Accept(fd)
	if err != nil {
		return -1, nil, err
	}
	unix.CloseOnExec(conn)
	if err := unix.SetNonblock(conn, true); err != nil {
		_ = unix.Close(conn)
		return -1, nil, err
	}
	return conn, from, nil
}

// keepAlive does nothing: the system's intervals count.
func keepAlive(int, net.KeepAliveConfig) {}

// sendfileOnce returns ENOSYS, so SendFile copies.
func sendfileOnce(to, from int, offset int64, n int) (int, error) { return 0, unix.ENOSYS }

// receive receives a datagram. A datagram that does not fit into buf is cut.
func (d descriptor) receive(buf []byte, family int, raw *unix.RawSockaddrAny) (n int, from destination, err error) {
	n, sa, err := unix.Recvfrom(int(d), buf, 0)
	return n, fromSockaddr(sa), err
}
