package netio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/flow"
)

// A DatagramConfig configures a DatagramTransport. Local, Remote, both, or Conn alone must be
// given. The networks udp4, udp6 and unixgram, which name a family, do without.
type DatagramConfig struct {
	// Local is the address to bind to: host:port, or a path. An empty host means all addresses,
	// and port 0 any port. The transport removes a Unix socket at that path on which no process
	// listens, and its own at its end. Without Local the system chooses an address. A Unix
	// socket with Remote alone has no address, so that its peer cannot answer.
	//
	// asyncio: local_addr
	Local string
	// Remote is the address of the only peer. The system then delivers datagrams from that peer
	// alone, and reports when the peer is absent.
	//
	// asyncio: remote_addr
	Remote string
	// Conn is a socket that was made elsewhere: a *net.UDPConn, a *net.UnixConn of datagrams,
	// or another value with such a descriptor behind its syscall.Conn. The transport takes a
	// duplicate of the descriptor and closes Conn. If CreateDatagramEndpoint fails at its
	// arguments, Conn stays open; if it fails later, Conn is closed. Options of the socket and
	// its peer stay as they are. The network and all fields but MaxWriteBuffer must then be
	// zero.
	//
	// asyncio: sock
	Conn net.PacketConn
	// ListenConfig, if not nil, has a Control function that sets options before the socket is
	// bound, SO_REUSEPORT for example. Its other fields are ignored.
	//
	// asyncio: reuse_port
	ListenConfig *net.ListenConfig
	// Broadcast allows sending to broadcast addresses. The transport then sends to Remote
	// alone, and receives from every address. It is for UDP.
	//
	// asyncio: allow_broadcast
	Broadcast bool
	// MaxWriteBuffer is the most that the write buffer holds, in bytes and also in datagrams; 0
	// means no limit.
	MaxWriteBuffer int
}

// CreateDatagramEndpoint makes a transport of datagrams, with the protocol that factory
// returns. The networks are "udp", "udp4", "udp6" and "unixgram".
//
// It looks names up, and takes the first address with which it succeeds. Then the loop calls
// factory and ConnectionMade, and CreateDatagramEndpoint returns. If it fails before, it makes
// no protocol.
//
// CreateDatagramEndpoint waits for names and for the loop, and ctx bounds the wait. While no
// goroutine runs the loop, the calling goroutine works in its place.
//
// Errors:
//   - zmqio.ErrInvalidArgument: an argument is nil, network or cfg is impossible, or Local and
//     Remote have no address of one family.
//   - zmqio.ErrLoopClosed: the loop is closed.
//   - zmqio.ErrWouldDeadlock: the caller is the loop goroutine, and Local or Remote has a name
//     instead of an address.
//   - The cause of ctx: ctx ended first.
//   - A *zmqio.PanicError of factory.
//   - Those of the system.
//
// asyncio: create_datagram_endpoint
func CreateDatagramEndpoint[P DatagramProtocol](ctx context.Context, l *zmqio.EventLoop, factory func() P, network string, cfg DatagramConfig) (*DatagramTransport, P, error) {
	var p, zero P
	if factory == nil {
		return nil, zero, invalid("netio.CreateDatagramEndpoint: nil protocol factory")
	}
	t, err := createEndpoint(ctx, l, network, cfg, func() (DatagramProtocol, error) {
		var err error
		p, err = produce(l, factory)
		return p, err
	})
	if err != nil {
		return nil, zero, err // p may still be in use
	}
	return t, p, nil
}

// createEndpoint is CreateDatagramEndpoint. produce makes the protocol.
func createEndpoint(ctx context.Context, l *zmqio.EventLoop, network string, cfg DatagramConfig, produce func() (DatagramProtocol, error)) (*DatagramTransport, error) {
	switch {
	case ctx == nil:
		return nil, invalid("netio.CreateDatagramEndpoint: nil context")
	case l == nil:
		return nil, invalid("netio.CreateDatagramEndpoint: nil event loop")
	}
	if err := cfg.check(network); err != nil {
		return nil, err
	}
	if l.InLoop() && (needsLookup(cfg.Local) || needsLookup(cfg.Remote)) && network != "unixgram" {
		return nil, refused("CreateDatagramEndpoint", zmqio.ErrWouldDeadlock)
	}
	m, err := cfg.open(ctx, l.Resolver(), network)
	if err != nil {
		return nil, err
	}
	var t *DatagramTransport
	taken := false
	err = l.Do(ctx, func() error {
		taken = true
		t = m.create(l, cfg)
		return t.live(func() error {
			p, err := produce()
			if err == nil {
				t.protocol.Store(&p)
			}
			return err
		}, func() {
			p := t.Protocol()
			t.callback("ConnectionMade", p, func() { p.ConnectionMade(t) })
		})
	})
	if !taken {
		m.fd.close()
	}
	if err != nil {
		removeMade(m.file, m.local)
		return nil, err
	}
	return t, nil
}

// check checks everything that needs no system call.
func (c DatagramConfig) check(network string) error {
	given := c.Local != "" || c.Remote != ""
	switch {
	case c.MaxWriteBuffer < 0:
		return invalid("netio.DatagramConfig.MaxWriteBuffer is negative: %d", c.MaxWriteBuffer)
	case c.Conn != nil && (given || c.Broadcast || c.ListenConfig != nil || network != ""):
		return invalid("netio.DatagramConfig.Conn is given, so the network, Local, Remote, ListenConfig and Broadcast must not be")
	case c.Conn != nil:
		return checkDatagram(c.Conn)
	}
	switch network {
	case "udp":
		if !given {
			return invalid("netio.DatagramConfig needs Local, Remote, or the network udp4 or udp6")
		}
	case "udp4", "udp6":
	case "unixgram":
		if c.Broadcast {
			return invalid("netio.DatagramConfig.Broadcast is for UDP, not for unixgram")
		}
	default:
		return invalid("netio.CreateDatagramEndpoint: network %q is not udp, udp4, udp6 or unixgram", network)
	}
	return nil
}

// checkDatagram returns an error unless conn is a datagram socket.
func checkDatagram(conn net.PacketConn) error {
	sc, ok := conn.(syscall.Conn)
	if !ok || isNil(conn) {
		return invalid("netio.DatagramConfig.Conn is a %T, which has no descriptor", conn)
	}
	typ := 0
	family := unix.AF_UNSPEC
	err := control(sc, func(fd int) (err error) {
		if typ, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err == nil {
			family, err = familyOf(fd)
		}
		return err
	})
	if err != nil || typ != unix.SOCK_DGRAM || family == unix.AF_UNSPEC {
		return invalid("netio.DatagramConfig.Conn is a %T, which is no socket of datagrams", conn)
	}
	return nil
}

// familyOf returns the family of a socket, or AF_UNSPEC for a family that netio does not support.
func familyOf(fd int) (int, error) {
	sa, err := unix.Getsockname(fd)
	switch sa.(type) {
	case *unix.SockaddrInet4:
		return unix.AF_INET, err
	case *unix.SockaddrInet6:
		return unix.AF_INET6, err
	case *unix.SockaddrUnix:
		return unix.AF_UNIX, err
	}
	return unix.AF_UNSPEC, err
}

// needsLookup reports whether address has a host name or a service name.
func needsLookup(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return false
	}
	_, err = netip.ParseAddr(host)
	return err != nil
}

// datagramMaterial is what a DatagramTransport is made of, without its configuration.
type datagramMaterial struct {
	fd            descriptor
	family        int
	local, remote net.Addr
	peer          destination
	connected     bool
	file          os.FileInfo
}

// create makes a transport that is not on its loop yet.
func (m datagramMaterial) create(l *zmqio.EventLoop, cfg DatagramConfig) *DatagramTransport {
	t := &DatagramTransport{
		socket: socket{loop: l, local: m.local, remote: m.remote, fd: m.fd, state: unmade, flow: flow.New(cfg.MaxWriteBuffer)},
		family: m.family, peer: m.peer, connected: m.connected, file: m.file,
	}
	t.kind = t
	return t
}

// open makes the socket, or takes Conn. resolver looks up names.
func (c DatagramConfig) open(ctx context.Context, resolver *net.Resolver, network string) (m datagramMaterial, err error) {
	if c.Conn != nil {
		return takeConn(c.Conn, nil)
	}
	if network == "unixgram" && c.Local != "" {
		removeStale(network, c.Local)
	}
	var conn net.PacketConn
	var remote net.Addr
	if network == "unixgram" {
		conn, err = c.openUnix(ctx, network)
	} else {
		conn, remote, err = c.openUDP(ctx, resolver, network)
	}
	var wrong *net.AddrError
	if errors.As(err, &wrong) {
		err = fmt.Errorf("%w: netio.CreateDatagramEndpoint: %w", zmqio.ErrInvalidArgument, err)
	}
	if err != nil {
		return m, err
	}
	if m, err = takeConn(conn, remote); err != nil {
		return m, err
	}
	if network == "unixgram" && c.Local != "" && !isAbstract(c.Local) {
		m.file, _ = os.Lstat(c.Local)
	}
	return m, nil
}

// setOptions sets options of a socket before package net binds it.
func (c DatagramConfig) setOptions(network, address string, raw syscall.RawConn) error {
	if !c.Broadcast && network != "unixgram" { // package net has allowed it
		err := raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 0) })
		if err != nil {
			return err
		}
	}
	if c.ListenConfig == nil || c.ListenConfig.Control == nil {
		return nil
	}
	return c.ListenConfig.Control(network, address, raw)
}

// openUnix makes a Unix socket.
func (c DatagramConfig) openUnix(ctx context.Context, network string) (net.PacketConn, error) {
	if c.Remote == "" {
		lc := net.ListenConfig{Control: c.setOptions}
		return lc.ListenPacket(ctx, network, c.Local)
	}
	d := net.Dialer{Control: c.setOptions}
	if c.Local != "" {
		d.LocalAddr = &net.UnixAddr{Name: c.Local, Net: network}
	}
	dialed, err := d.DialContext(ctx, network, c.Remote)
	if err != nil {
		return nil, err
	}
	return dialed.(net.PacketConn), nil
}

// openUDP makes a UDP socket. remote is the peer of an unconnected socket.
func (c DatagramConfig) openUDP(ctx context.Context, resolver *net.Resolver, network string) (conn net.PacketConn, remote net.Addr, err error) {
	locals := []*net.UDPAddr{{}}
	if c.Local != "" {
		if locals, err = resolveUDP(ctx, resolver, network, c.Local); err != nil {
			return nil, nil, err
		}
	}
	listen := func(network string) (net.PacketConn, error) {
		lc := net.ListenConfig{Control: c.setOptions}
		return first(locals, func(a *net.UDPAddr) (net.PacketConn, error) { return lc.ListenPacket(ctx, network, a.String()) })
	}
	switch {
	case c.Remote == "":
		conn, err = listen(network)
	case c.Broadcast:
		var remotes []*net.UDPAddr
		if remotes, err = resolveUDP(ctx, resolver, network, c.Remote); err != nil {
			return nil, nil, err
		}
		conn, err = first(remotes, func(a *net.UDPAddr) (net.PacketConn, error) {
			remote = a
			if a.IP.To4() != nil {
				return listen("udp4")
			}
			return listen("udp6")
		})
	default:
		conn, err = first(locals, func(a *net.UDPAddr) (net.PacketConn, error) {
			d := net.Dialer{Control: c.setOptions, Resolver: resolver}
			if c.Local != "" {
				d.LocalAddr = a
			}
			dialed, err := d.DialContext(ctx, network, c.Remote)
			if err != nil {
				return nil, err
			}
			return dialed.(net.PacketConn), nil
		})
	}
	return conn, remote, err
}

// first returns the result of open for the first address for which open succeeds.
func first(addrs []*net.UDPAddr, open func(*net.UDPAddr) (net.PacketConn, error)) (net.PacketConn, error) {
	var errs []error
	for _, a := range addrs {
		conn, err := open(a)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, joined(errs)
}

// resolveUDP returns the addresses of address, at least one.
func resolveUDP(ctx context.Context, resolver *net.Resolver, network, address string) ([]*net.UDPAddr, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := resolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, err
	}
	if host == "" {
		return []*net.UDPAddr{{Port: port}}, nil
	}
	ips, err := resolver.LookupNetIP(ctx, "ip"+network[len("udp"):], host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	var all []*net.UDPAddr
	for _, ip := range ips {
		all = append(all, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip.Unmap(), uint16(port))))
	}
	return all, nil
}

// takeConn duplicates the descriptor of conn, and closes conn. Datagrams go to remote, or to the
// peer of conn if remote is nil.
func takeConn(conn net.PacketConn, remote net.Addr) (m datagramMaterial, err error) {
	defer conn.Close()
	m.local = conn.LocalAddr()
	if m.fd, err = duplicate(conn.(syscall.Conn)); err != nil {
		return m, err
	}
	if m.family, err = familyOf(int(m.fd)); err == nil {
		if sa, failed := unix.Getpeername(int(m.fd)); failed == nil {
			m.peer, m.connected = fromSockaddr(sa), true
			m.remote = m.peer.addr()
		} else if remote != nil {
			m.remote = remote
			m.peer, err = toDestination(remote, m.family)
		}
	}
	if err != nil {
		m.fd.close()
	}
	return m, err
}
