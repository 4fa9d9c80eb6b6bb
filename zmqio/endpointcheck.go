package zmqio

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/zmqio/zmq"
)

// An endpointError is an error about an endpoint that libzmq refuses, or should refuse. It is
// ErrInvalidArgument too.
type endpointError struct {
	err  error
	hint string
}

func (e *endpointError) Error() string   { return fmt.Sprintf("%v (%s)", e.err, e.hint) }
func (e *endpointError) Unwrap() []error { return []error{ErrInvalidArgument, e.err} }

// transports are all transports that a build of libzmq can have.
var transports = []string{"tcp", "ipc", "inproc", "udp", "ws", "wss", "pgm", "epgm", "norm", "tipc", "vmci", "vsock"}

const ipv6Hint = "an IPv6 address needs the option IPV6"

// checkEndpointLocked refuses three kinds of endpoints: those that libzmq misreads, those that it
// refuses without a reason, and those for which it waits in silence. Caller holds t.sockMu.
func (t *Transport) checkEndpointLocked(call, endpoint string) error {
	bind := call == "zmq_bind"
	hint := misfit(endpoint, bind)
	switch {
	case hint == "" && (bind || !t.lacksIPv6Locked(endpoint)): // libzmq itself refuses such a bind with ENODEV
		return nil
	case hint == "":
		hint = ipv6Hint
	case bind:
		if fd, err := rawSockopts(t.sock).UseFD(); err == nil && fd >= 0 { // libzmq then ignores the address
			return nil
		}
	}
	return &endpointError{zmq.Translate(call, zmq.EINVAL), hint}
}

// explainLocked adds a hint to libzmq's error about an endpoint. It returns nil for a nil err.
// Caller holds t.sockMu.
func (t *Transport) explainLocked(call, endpoint string, err error) error {
	transport, _, _ := strings.Cut(endpoint, "://")
	switch {
	case errors.Is(err, zmq.EPROTONOSUPPORT):
		if slices.Contains(transports, transport) {
			return fmt.Errorf("%w (this libzmq is built without %s)", err, transport)
		}
		return &endpointError{err, fmt.Sprintf("no transport is named %q; the usual ones are tcp, ipc and inproc", transport)}
	case errors.Is(err, zmq.EADDRINUSE) && transport == "inproc":
		return fmt.Errorf("%w (another socket of the context has that name)", err)
	case errors.Is(err, zmq.EADDRNOTAVAIL):
		return fmt.Errorf("%w (no interface of this machine has the address)", err)
	case errors.Is(err, zmq.ENOENT) && transport == "ipc":
		return fmt.Errorf("%w (there is no such directory)", err)
	case !errors.Is(err, zmq.ENODEV) || call != "zmq_bind" || transport != "tcp":
		return err
	case t.lacksIPv6Locked(endpoint):
		return &endpointError{err, ipv6Hint}
	}
	_, local := splitPeer(endpoint)
	if host, _, isName := splitName(local); isName && host != "*" {
		return &endpointError{err, fmt.Sprintf("%q is neither an address nor an interface that has one", host)}
	}
	return err
}

// misfit returns what is wrong with the text of an endpoint for a bind or a connect, and "" if
// nothing is. It does not look at the socket or the machine.
func misfit(endpoint string, bind bool) string {
	transport, address, found := strings.Cut(endpoint, "://")
	switch {
	case !found || transport == "":
		return "missing tcp:// or another transport"
	case address == "":
		return "nothing behind " + transport + "://"
	}
	i := strings.LastIndexByte(address, ';') // behind a source or an interface
	switch transport {
	case "tcp":
		hint := misfitAddress(address[i+1:], bind)
		if i >= 0 {
			hint = cmp.Or(misfitAddress(address[:i], true), hint)
		}
		return hint
	case "ipc":
		if address == "*" && !bind {
			return "* is only for a bind"
		}
	case "udp":
		return misfitAddress(address[i+1:], bind)
	case "ws", "wss":
		address, _, _ = strings.Cut(address, "/")
		return misfitAddress(address, bind)
	}
	return ""
}

// misfitAddress is misfit for a host and a port. libzmq parses a port with atoi, and takes the
// result modulo 65536.
func misfitAddress(address string, bind bool) string {
	i := strings.LastIndexByte(address, ':')
	if i < 0 || strings.HasSuffix(address, "]") {
		return "missing the port"
	}
	host, port := address[:i], address[i+1:]
	switch {
	case host == "" && bind:
		return "missing the address; * is every interface"
	case host == "":
		return "missing the address"
	case strings.HasSuffix(strings.TrimSuffix(host, "]"), "%"): // libzmq 4.2 ends the process for this
		return "missing the zone behind %"
	case (port == "*" || port == "0") && bind:
		return ""
	case port == "*" || port == "0":
		return fmt.Sprintf("the port %s is only for a bind", port)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Sprintf("the port %q is not a number from 1 to 65535", port)
	}
	return ""
}

// lacksIPv6Locked reports whether a TCP endpoint has an IPv6 address and the socket's option IPV6
// is off. With a SOCKS proxy it returns false, because the proxy takes any address. Caller holds
// t.sockMu.
func (t *Transport) lacksIPv6Locked(endpoint string) bool {
	address, isTCP := strings.CutPrefix(endpoint, "tcp://")
	if !isTCP || !slices.ContainsFunc(strings.Split(address, ";"), isIPv6) {
		return false
	}
	opts := rawSockopts(t.sock)
	if proxy, err := opts.SOCKSProxy(); err == nil && proxy != "" {
		return false
	}
	on, err := opts.IPv6()
	return err == nil && !on
}

// isIPv6 reports whether the host of address is an IPv6 address that maps no IPv4 address.
func isIPv6(address string) bool {
	host, _, _ := splitHost(address)
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Is6() && !addr.Is4In6()
}

// checkConnect refuses TCP endpoints with a name where an address belongs.
func checkConnect(endpoint string) error {
	_, peer := splitPeer(endpoint)
	host, _, isName := splitName(peer)
	switch {
	case !isName:
		return nil
	case host == "*":
		return opError("zmq_connect", endpoint, &sentinel{"zmqio: a TCP endpoint to connect to needs an IP address; * is only for a bind", ErrDNSEndpoint})
	}
	return opError("zmq_connect", endpoint, ErrDNSEndpoint)
}

// checkResolve refuses an endpoint that no name lookup can make valid. The port after a host name
// may be the name of a service, which package net looks up.
func checkResolve(endpoint string) error {
	_, peer := splitPeer(endpoint)
	host, port, isName := splitName(peer)
	switch {
	case isName && host == "*":
		return checkConnect(endpoint)
	case isName && strings.IndexFunc(port, unicode.IsLetter) == 0:
		return nil
	}
	if hint := misfit(endpoint, false); hint != "" {
		return opError("zmq_connect", endpoint, &endpointError{zmq.Translate("zmq_connect", zmq.EINVAL), hint})
	}
	return nil
}

// splitPeer splits a TCP endpoint after the part that is never looked up: the transport, and in
// tcp://source;destination the source. For other endpoints peer is "".
func splitPeer(endpoint string) (before, peer string) {
	if !strings.HasPrefix(endpoint, "tcp://") {
		return endpoint, ""
	}
	i := max(strings.LastIndexByte(endpoint, ';')+1, len("tcp://"))
	return endpoint[:i], endpoint[i:]
}

// splitHost splits addr, a host and a port.
func splitHost(addr string) (host, port string, ok bool) {
	i := strings.LastIndexByte(addr, ':')
	if i <= 0 {
		return "", "", false // no host or no port
	}
	host, port = addr[:i], addr[i+1:]
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	return host, port, true
}

// splitName splits addr, a host and a port. isName is false if the host is an IP address.
func splitName(addr string) (host, port string, isName bool) {
	host, port, ok := splitHost(addr)
	_, err := netip.ParseAddr(host)
	return host, port, ok && err != nil
}
