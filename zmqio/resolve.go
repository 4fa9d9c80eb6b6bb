package zmqio

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// AddrInfoHints restrict what GetAddrInfo looks for, as the hints of getaddrinfo(3) do. The
// zero value restricts nothing.
type AddrInfoHints struct {
	// Family is syscall.AF_INET or syscall.AF_INET6; 0 means both.
	Family int
	// Type is syscall.SOCK_STREAM for services of TCP, or syscall.SOCK_DGRAM for services of
	// UDP; 0 means both, TCP first.
	Type int
	// Proto is syscall.IPPROTO_TCP or syscall.IPPROTO_UDP, and restricts as Type does; 0 means
	// both.
	Proto int
	// Passive makes an empty host mean the addresses to listen on, 0.0.0.0 and ::. Otherwise it
	// means those of this host, ::1 and 127.0.0.1.
	//
	// asyncio: AI_PASSIVE
	Passive bool
	// NumericHost refuses a host that is a name.
	//
	// asyncio: AI_NUMERICHOST
	NumericHost bool
	// NumericService refuses a service that is a name.
	//
	// asyncio: AI_NUMERICSERV
	NumericService bool
}

// network checks the hints and returns the network name of package net for their type and protocol.
func (h AddrInfoHints) network() (string, error) {
	stream := h.Type == syscall.SOCK_STREAM || h.Proto == syscall.IPPROTO_TCP
	datagram := h.Type == syscall.SOCK_DGRAM || h.Proto == syscall.IPPROTO_UDP
	switch {
	case h.Family != 0 && h.Family != syscall.AF_INET && h.Family != syscall.AF_INET6:
		return "", invalid("AddrInfoHints.Family is neither AF_INET nor AF_INET6: %d", h.Family)
	case h.Type != 0 && h.Type != syscall.SOCK_STREAM && h.Type != syscall.SOCK_DGRAM:
		return "", invalid("AddrInfoHints.Type is neither SOCK_STREAM nor SOCK_DGRAM: %d", h.Type)
	case h.Proto != 0 && h.Proto != syscall.IPPROTO_TCP && h.Proto != syscall.IPPROTO_UDP:
		return "", invalid("AddrInfoHints.Proto is neither IPPROTO_TCP nor IPPROTO_UDP: %d", h.Proto)
	case stream && datagram:
		return "", invalid("AddrInfoHints.Type %d does not have Proto %d", h.Type, h.Proto)
	case stream:
		return "tcp", nil
	case datagram:
		return "udp", nil
	}
	return "ip", nil
}

// has reports whether addr is of the hints' address family.
func (h AddrInfoHints) has(addr netip.Addr) bool {
	return h.Family == 0 || addr.Is4() == (h.Family == syscall.AF_INET)
}

// noHost returns the addresses that an empty host means, in the order of getaddrinfo(3).
func (h AddrInfoHints) noHost() []netip.Addr {
	if h.Passive {
		return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	return []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}
}

// GetAddrInfo looks up the addresses of host at the port of service. host is a name or an
// address; an empty host means this host: see AddrInfoHints.Passive. service is a name or a
// number; an empty service means port 0. At most one value of hints may be given. The addresses
// come in the order in which a client should try them.
//
// The lookup runs off the loop, by [Go], with LoopConfig.Resolver.
//
// Errors of the future:
//   - *net.DNSError: the resolver failed.
//   - *net.AddrError: host has no address of the family, or is a name where the hints ask for a
//     number. So is a service.
//   - [ErrInvalidArgument], at once: ctx is nil, the hints contradict each other, or host and
//     service are both empty.
//   - Those of Go.
//
// asyncio: getaddrinfo
func (l *EventLoop) GetAddrInfo(ctx context.Context, host, service string, hints ...AddrInfoHints) *Future[[]netip.AddrPort] {
	var h AddrInfoHints
	if len(hints) > 0 {
		h = hints[0]
	}
	network, err := h.network()
	switch {
	case len(hints) > 1:
		err = invalid("GetAddrInfo: %d hints are given, and at most one is allowed", len(hints))
	case ctx == nil:
		err = errNilContext("GetAddrInfo")
	case host == "" && service == "":
		err = invalid("GetAddrInfo: neither a host nor a service is given")
	}
	if err != nil {
		return failed[[]netip.AddrPort](l, err)
	}
	return offLoop(ctx, l, "GetAddrInfo", func(ctx context.Context) ([]netip.AddrPort, error) {
		return lookup(ctx, l.resolver, network, host, service, h)
	})
}

// failed returns a future that is done with err.
func failed[T any](l *EventLoop, err error) *Future[T] {
	f := NewFuture[T](l)
	_ = f.SetError(err) // a new future accepts it
	return f
}

// lookup is GetAddrInfo for a network of package net.
func lookup(ctx context.Context, r *net.Resolver, network, host, service string, h AddrInfoHints) ([]netip.AddrPort, error) {
	if _, err := strconv.ParseUint(service, 10, 16); err != nil && h.NumericService && service != "" {
		return nil, &net.AddrError{Err: "not the number of a port", Addr: service}
	}
	port, err := r.LookupPort(ctx, network, service)
	if err != nil {
		return nil, err
	}
	found, err := lookupHost(ctx, r, host, h)
	if err != nil {
		return nil, err
	}
	var addrs []netip.AddrPort
	for _, addr := range found {
		if h.has(addr) {
			addrs = append(addrs, netip.AddrPortFrom(addr, uint16(port)))
		}
	}
	if addrs == nil {
		return nil, &net.AddrError{Err: "no address of the family", Addr: host}
	}
	return addrs, nil
}

// lookupHost returns the addresses of host in both families.
func lookupHost(ctx context.Context, r *net.Resolver, host string, h AddrInfoHints) ([]netip.Addr, error) {
	if host == "" {
		return h.noHost(), nil
	}
	if _, err := netip.ParseAddr(host); err != nil && h.NumericHost {
		return nil, &net.AddrError{Err: "not an IP address", Addr: host}
	}
	found, err := r.LookupIPAddr(ctx, host) // LookupNetIP would lose zones
	if err != nil {
		return nil, err
	}
	addrs := make([]netip.Addr, len(found))
	for i, ip := range found {
		addr, _ := netip.AddrFromSlice(ip.IP)
		addrs[i] = addr.Unmap().WithZone(ip.Zone)
	}
	return addrs, nil
}

// Resolver returns LoopConfig.Resolver, or net.DefaultResolver where that is nil.
func (l *EventLoop) Resolver() *net.Resolver { return l.resolver }

// NameInfo is the result of GetNameInfo.
type NameInfo struct {
	// Host is the name, without the dot at the end. It is the address if there is no name.
	Host string
	// Service is the number of the port: Go has no list of services by number.
	Service string
}

// GetNameInfo looks up the name of an address. If the address has no name, Host is the address.
// The lookup runs off the loop, by [Go], with LoopConfig.Resolver.
//
// The errors of the future are a *net.DNSError, and those of Go.
//
// asyncio: getnameinfo
func (l *EventLoop) GetNameInfo(ctx context.Context, addr netip.AddrPort) *Future[NameInfo] {
	return offLoop(ctx, l, "GetNameInfo", func(ctx context.Context) (NameInfo, error) {
		info := NameInfo{addr.Addr().String(), strconv.Itoa(int(addr.Port()))}
		names, err := l.resolver.LookupAddr(ctx, info.Host)
		var failed *net.DNSError
		switch {
		case len(names) > 0: // err is about other names, which were malformed
			info.Host = strings.TrimSuffix(names[0], ".")
		case err != nil && !(errors.As(err, &failed) && failed.IsNotFound):
			return NameInfo{}, err
		}
		return info, nil
	})
}

// ResolveEndpoint turns an endpoint with a host name into endpoints that Transport.Connect
// takes: one for each address of the host. Such endpoints are tcp://host:port and
// tcp://source;host:port. The result of any other endpoint is the endpoint itself. All results
// lead to the same peer, so connect to one of them. IPv4 comes first, because a socket takes
// IPv6 only with its option IPV6.
//
// The lookup runs off the loop, by [Go], with LoopConfig.Resolver.
//
// Errors of the future:
//   - An *OpError that holds a *net.DNSError or *net.AddrError: the lookup failed.
//   - [ErrInvalidArgument], at once: ctx is nil, or no socket can connect to endpoint; see
//     Transport.Connect.
//   - Those of Go.
func (l *EventLoop) ResolveEndpoint(ctx context.Context, endpoint string) *Future[[]string] {
	if ctx == nil {
		return failed[[]string](l, errNilContext("ResolveEndpoint"))
	}
	if err := checkResolve(endpoint); err != nil {
		return failed[[]string](l, err)
	}
	return offLoop(ctx, l, "ResolveEndpoint", func(ctx context.Context) ([]string, error) {
		before, peer := splitPeer(endpoint)
		host, port, isName := splitName(peer)
		if !isName {
			return []string{endpoint}, nil
		}
		addrs, err := lookup(ctx, l.resolver, "tcp", host, port, AddrInfoHints{})
		if err != nil {
			return nil, &OpError{Op: "resolve", Endpoint: endpoint, Err: err}
		}
		slices.SortStableFunc(addrs, func(a, b netip.AddrPort) int {
			return a.Addr().BitLen() - b.Addr().BitLen()
		})
		resolved := make([]string, len(addrs))
		for i, addr := range addrs {
			resolved[i] = before + addr.String()
		}
		return resolved, nil
	})
}
