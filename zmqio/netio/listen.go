package netio

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
)

// listenAll listens on all addresses, or takes the listener of cfg. If one fails, it leaves none
// open.
func listenAll(ctx context.Context, l *zmqio.EventLoop, network string, addresses []string, cfg ServerConfig) (all []*listener, err error) {
	if (cfg.Listener != nil) == (len(addresses) > 0) {
		return nil, invalid("netio.CreateServer needs either addresses or a Listener")
	}
	defer func() {
		if err != nil {
			for _, n := range all {
				n.closeLocked() // no server has it
			}
			all = nil
		}
	}()
	var lc net.ListenConfig
	if cfg.ListenConfig != nil {
		lc = *cfg.ListenConfig
	}
	if cfg.Listener != nil {
		if is := cfg.Listener.Addr().Network(); network != is && network != is+"4" && network != is+"6" {
			return nil, invalid("netio.CreateServer: network %q, and a Listener of network %q", network, is)
		}
		n, err := takeListener(cfg.Listener, &lc, false)
		if err != nil {
			return nil, err
		}
		return []*listener{n}, nil
	}
	places, err := resolveAll(ctx, l, network, addresses)
	if err != nil {
		return nil, err
	}
	var absent error
	for _, at := range places {
		n, err := listenOn(ctx, &lc, at)
		switch {
		case err == nil:
			all = append(all, n)
		case isAbsent(err, at):
			absent = err
		default:
			return all, err
		}
	}
	if len(all) == 0 {
		return nil, absent
	}
	return all, nil
}

// A place is an address to listen on.
type place struct {
	network, address string
	optional         bool // one family of an empty host
}

// resolveAll returns the places of all addresses, without duplicates.
func resolveAll(ctx context.Context, l *zmqio.EventLoop, network string, addresses []string) (places []place, err error) {
	for _, address := range addresses {
		more, err := resolve(ctx, l, network, address)
		if err != nil {
			return nil, err
		}
		for _, at := range more {
			if !slices.Contains(places, at) {
				places = append(places, at)
			}
		}
	}
	return places, nil
}

// resolve returns the places of an address.
func resolve(ctx context.Context, l *zmqio.EventLoop, network, address string) ([]place, error) {
	switch network {
	case "unix":
		if address == "" {
			return nil, invalid("netio.CreateServer: the path is empty")
		}
		return []place{{network, address, false}}, nil
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, invalid("netio.CreateServer: network %q is not tcp, tcp4, tcp6 or unix", network)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, invalid("netio.CreateServer: %v", err)
	}
	var ips []netip.Addr
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil:
		ips = []netip.Addr{ip}
	case host == "":
		ips = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	case l.InLoop():
		return nil, refused("CreateServer", zmqio.ErrWouldDeadlock)
	default:
		if ips, err = l.Resolver().LookupNetIP(ctx, "ip"+network[len("tcp"):], host); err != nil {
			return nil, &net.OpError{Op: "listen", Net: network, Err: err}
		}
	}
	var places []place
	for _, ip := range ips {
		family := "tcp6"
		if ip = ip.Unmap(); ip.Is4() {
			family = "tcp4"
		}
		if network != "tcp" && network != family && host == "" {
			continue
		}
		if network != "tcp" {
			family = network // refuses an address of the other family
		}
		places = append(places, place{family, net.JoinHostPort(ip.String(), port), host == "" && network == "tcp"})
	}
	return places, nil
}

// isAbsent reports whether err means that the system lacks the address family.
func isAbsent(err error, at place) bool {
	return at.optional && (errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL))
}

// listenOn listens on one place.
func listenOn(ctx context.Context, lc *net.ListenConfig, at place) (*listener, error) {
	if at.network == "unix" {
		removeStale(at.network, at.address)
	}
	from, err := lc.Listen(ctx, at.network, at.address)
	if err != nil {
		return nil, err
	}
	n, err := takeListener(from, lc, true)
	if err != nil {
		_ = from.Close() // removes the file of a Unix socket too
	}
	return n, err
}

// removeMade removes the file of a Unix socket, unless another file has replaced it. A nil made
// means no file.
func removeMade(made os.FileInfo, addr net.Addr) {
	if made == nil {
		return
	}
	path := addr.String()
	if now, err := os.Lstat(path); err == nil && os.SameFile(made, now) {
		_ = os.Remove(path)
	}
}

// removeStale removes the file of a Unix socket on which no process listens. The network is
// "unix" or "unixgram".
func removeStale(network, path string) {
	if isAbstract(path) {
		return
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != os.ModeSocket {
		return
	}
	conn, err := net.Dial(network, path)
	switch {
	case err == nil:
		conn.Close()
	case errors.Is(err, syscall.ECONNREFUSED):
		_ = os.Remove(path)
	}
}

// isAbstract reports whether a Unix socket has no file.
func isAbstract(path string) bool { return path == "" || path[0] == '@' }

// takeListener makes a listener of one of package net, which it closes. made means that the server
// has made it, and must remove the file of a Unix socket.
func takeListener(from net.Listener, lc *net.ListenConfig, made bool) (*listener, error) {
	sc, ok := from.(syscall.Conn)
	if !ok {
		return nil, invalid("netio.CreateServer: the listener is a %T, which has no descriptor", from)
	}
	if err := checkStream(sc); err != nil {
		return nil, err
	}
	fd, err := duplicate(sc)
	if err != nil {
		return nil, err
	}
	n := &listener{fd: fd, addr: from.Addr(), own: made}
	if file, ok := from.(*net.UnixListener); ok {
		file.SetUnlinkOnClose(false)
		if path := n.addr.String(); made && !isAbstract(path) {
			n.made, _ = os.Lstat(path)
		}
	} else {
		inherit(int(fd), lc)
	}
	return n, from.Close()
}

// inherit sets the options on a listener that package net sets on accepted connections. Connections
// inherit them from the listener.
func inherit(fd int, lc *net.ListenConfig) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	keep := lc.KeepAliveConfig
	switch {
	case keep.Enable:
	case lc.KeepAlive < 0:
		return
	default:
		keep.Idle, keep.Interval = lc.KeepAlive, lc.KeepAlive
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	keepAlive(fd, keep)
}

// localAddr returns the address of this end of fd.
func localAddr(fd descriptor) net.Addr {
	sa, err := unix.Getsockname(int(fd))
	if err != nil {
		return toAddr(nil)
	}
	return toAddr(sa)
}

// toAddr returns sa as a net.Addr.
func toAddr(sa unix.Sockaddr) net.Addr {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port, Zone: zone(int(sa.ZoneId))}
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	return &net.UnixAddr{Net: "unix"}
}

// zone returns the name of the zone of a link-local address.
func zone(index int) string {
	if index == 0 {
		return ""
	}
	i, err := net.InterfaceByIndex(index)
	if err != nil {
		return ""
	}
	return i.Name
}
