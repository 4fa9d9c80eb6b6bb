package netio

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// accept accepts a connection. Its descriptor does not block.
func accept(fd int) (int, unix.Sockaddr, error) {
	return unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
}

// Defaults of package net.
const (
	keepAliveTime  = 15 * time.Second
	keepAliveCount = 9
)

// keepAlive sets the intervals of probes on connections that fd accepts. As in package net a
// negative value keeps the system's.
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

// receive receives a datagram on a socket of family. It returns the full length, even if the
// datagram does not fit into buf. raw is memory for the sender. Over UDP receive allocates nothing,
// and takes half the time of unix.Recvfrom.
func (d descriptor) receive(buf []byte, family int, raw *unix.RawSockaddrAny) (n int, from destination, err error) {
	if family == unix.AF_UNIX {
		n, sa, err := unix.Recvfrom(int(d), buf, unix.MSG_TRUNC)
		return n, fromSockaddr(sa), err
	}
	size := uint32(unix.SizeofSockaddrAny)
	r, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(d), uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)),
		unix.MSG_TRUNC, uintptr(unsafe.Pointer(raw)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0, from, errno
	}
	return int(r), fromRaw(raw), nil
}

// fromRaw returns the destination that the kernel wrote into raw.
func fromRaw(raw *unix.RawSockaddrAny) destination {
	if raw.Addr.Family == unix.AF_INET {
		in4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(raw))
		return destination{ip: netip.AddrPortFrom(netip.AddrFrom4(in4.Addr), bigEndian(in4.Port))}
	}
	in6 := (*unix.RawSockaddrInet6)(unsafe.Pointer(raw))
	ip := netip.AddrFrom16(in6.Addr).Unmap()
	return destination{ip: netip.AddrPortFrom(ip, bigEndian(in6.Port)), zone: in6.Scope_id}
}

// bigEndian returns the number whose bytes, highest first, are those of port in memory.
func bigEndian(port uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&port))[:])
}
