package zmqio

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// GetAddrInfo looks up the addresses of host, a name or an address, for service, the
// name or the number of a TCP port; an empty service is port 0. They come in the order
// in which they should be tried. It works off the loop, as Go does, with
// LoopConfig.Resolver, and fails with its *net.DNSError or *net.AddrError.
//
// asyncio: getaddrinfo
func (l *EventLoop) GetAddrInfo(ctx context.Context, host, service string) *Future[[]netip.AddrPort] {
	return Go(ctx, l, func(ctx context.Context) ([]netip.AddrPort, error) {
		return lookup(ctx, l.resolver, host, service)
	})
}

func lookup(ctx context.Context, r *net.Resolver, host, service string) ([]netip.AddrPort, error) {
	port, err := r.LookupPort(ctx, "tcp", service)
	if err != nil {
		return nil, err
	}
	found, err := r.LookupIPAddr(ctx, host) // LookupNetIP loses zones
	if err != nil {
		return nil, err
	}
	addrs := make([]netip.AddrPort, len(found))
	for i, ip := range found {
		addr, _ := netip.AddrFromSlice(ip.IP)
		addrs[i] = netip.AddrPortFrom(addr.Unmap().WithZone(ip.Zone), uint16(port))
	}
	return addrs, nil
}

// NameInfo is what GetNameInfo finds.
type NameInfo struct {
	Host    string // without the dot at the end; the address if it has no name
	Service string // the number of the port: Go has no list of services by number
}

// GetNameInfo looks up the name of an address. It works off the loop, as Go does, with
// LoopConfig.Resolver, and fails with its *net.DNSError; an address that has no name is
// no error.
//
// asyncio: getnameinfo
func (l *EventLoop) GetNameInfo(ctx context.Context, addr netip.AddrPort) *Future[NameInfo] {
	return Go(ctx, l, func(ctx context.Context) (NameInfo, error) {
		info := NameInfo{addr.Addr().String(), strconv.Itoa(int(addr.Port()))}
		names, err := l.resolver.LookupAddr(ctx, info.Host)
		var failed *net.DNSError
		switch {
		case len(names) > 0: // err tells of others that were malformed
			info.Host = strings.TrimSuffix(names[0], ".")
		case err != nil && !(errors.As(err, &failed) && failed.IsNotFound):
			return NameInfo{}, err
		}
		return info, nil
	})
}

// ResolveEndpoint turns an endpoint into those that Transport.Connect takes: one for
// each address of the host in tcp://host:port or tcp://source;host:port, where host is a
// name. Any other endpoint it returns as it is. They are endpoints of the same peer, so
// one of them is what to connect to. IPv4 comes first, because a socket takes IPv6 only
// where its option IPV6 is set.
//
// It works off the loop, as Go does, with LoopConfig.Resolver, and fails with its
// *net.DNSError or *net.AddrError. An endpoint that cannot be meant to connect to is
// ErrInvalidArgument at once; see Transport.Connect.
func (l *EventLoop) ResolveEndpoint(ctx context.Context, endpoint string) *Future[[]string] {
	if err := checkResolve(endpoint); err != nil {
		f := NewFuture[[]string](l)
		_ = f.SetError(err) // a new one takes it
		return f
	}
	return Go(ctx, l, func(ctx context.Context) ([]string, error) {
		before, peer := splitPeer(endpoint)
		host, port, isName := splitName(peer)
		if !isName {
			return []string{endpoint}, nil
		}
		addrs, err := lookup(ctx, l.resolver, host, port)
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
