package netio

import (
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// A destination is the address that a datagram goes to or comes from. It is comparable. The zero
// destination is no address.
type destination struct {
	ip   netip.AddrPort // without zone, and IPv4 unmapped; zero for a Unix socket
	zone uint32         // index of the interface
	path string         // of a Unix socket
	unix bool
}

// toDestination returns the destination of addr on a socket of family.
func toDestination(addr net.Addr, family int) (to destination, err error) {
	switch a := addr.(type) {
	case *net.UDPAddr:
		if a != nil && family != unix.AF_UNIX {
			return udpDestination(a, family)
		}
	case *net.UnixAddr:
		if a != nil && family == unix.AF_UNIX {
			return destination{path: a.Name, unix: true}, nil
		}
	}
	return to, invalid("netio: SendTo: address %v is a %T, not one of the socket's", addr, addr)
}

func udpDestination(a *net.UDPAddr, family int) (to destination, err error) {
	ip, ok := netip.AddrFromSlice(a.IP)
	switch ip = ip.Unmap(); {
	case !ok && len(a.IP) > 0, a.Port < 0 || a.Port > 0xffff:
		return to, invalid("netio: SendTo: address %v is none", a)
	case !ok && family == unix.AF_INET:
		ip = netip.IPv4Unspecified()
	case !ok:
		ip = netip.IPv6Unspecified()
	case family == unix.AF_INET && !ip.Is4():
		return to, invalid("netio: SendTo: address %v is for IPv6, and the socket for IPv4", a)
	}
	to.ip = netip.AddrPortFrom(ip, uint16(a.Port))
	if a.Zone != "" {
		to.zone, err = zoneIndex(a.Zone)
	}
	return to, err
}

// zoneIndex is the inverse of zone.
func zoneIndex(name string) (uint32, error) {
	if i, err := net.InterfaceByName(name); err == nil {
		return uint32(i.Index), nil
	}
	n, err := strconv.ParseUint(name, 10, 32)
	if err != nil {
		return 0, invalid("netio: SendTo: there is no zone %q", name)
	}
	return uint32(n), nil
}

// fromSockaddr returns the destination of sa. A nil sa is a Unix socket without a name.
func fromSockaddr(sa unix.Sockaddr) destination {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return destination{ip: netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))}
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(sa.Addr).Unmap()
		return destination{ip: netip.AddrPortFrom(ip, uint16(sa.Port)), zone: sa.ZoneId}
	case *unix.SockaddrUnix:
		return destination{path: sa.Name, unix: true}
	}
	return destination{unix: true}
}

// addr returns d as a net.Addr.
func (d destination) addr() net.Addr {
	if d.unix {
		return &net.UnixAddr{Name: d.path, Net: "unixgram"}
	}
	a := net.UDPAddrFromAddrPort(d.ip)
	a.Zone = zone(int(d.zone))
	return a
}

// A sockaddr is reusable memory for a destination in the form of package unix.
type sockaddr struct {
	in4 unix.SockaddrInet4
	in6 unix.SockaddrInet6
	un  unix.SockaddrUnix
}

// set returns d for a socket of family. The result is valid until the next set.
func (s *sockaddr) set(d destination, family int) unix.Sockaddr {
	switch family {
	case unix.AF_INET:
		s.in4.Port, s.in4.Addr = int(d.ip.Port()), d.ip.Addr().As4()
		return &s.in4
	case unix.AF_INET6:
		s.in6.Port, s.in6.Addr, s.in6.ZoneId = int(d.ip.Port()), d.ip.Addr().As16(), d.zone
		return &s.in6
	}
	s.un.Name = d.path
	return &s.un
}
