package netio

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// accept accepts a connection, whose descriptor does not block.
func accept(fd int) (int, unix.Sockaddr, error) {
	return unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
}

// Defaults of package net.
const (
	keepAliveTime  = 15 * time.Second
	keepAliveCount = 9
)

// keepAlive sets when probes are sent on connections that fd accepts. A negative value leaves
// the system's, as in package net.
func keepAlive(fd int, keep net.KeepAliveConfig) {
	seconds := func(opt int, d time.Duration) {
		if d == 0 {
			d = keepAliveTime
		}
		if d > 0 {
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, opt, int((d+time.Second-1)/time.Second))
		}
	}
	seconds(unix.TCP_KEEPIDLE, keep.Idle)
	seconds(unix.TCP_KEEPINTVL, keep.Interval)
	if keep.Count == 0 {
		keep.Count = keepAliveCount
	}
	if keep.Count > 0 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keep.Count)
	}
}

// sendfileOnce calls sendfile(2).
func sendfileOnce(to, from int, offset int64, n int) (int, error) {
	for {
		sent, err := unix.Sendfile(to, from, &offset, n)
		if err != unix.EINTR {
			return sent, err
		}
	}
}

// tellLength has recvfrom(2) return the length of a datagram that does not fit, too.
const tellLength = unix.MSG_TRUNC
