package conformance

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// The types of DNS records.
const (
	typeA    = 1
	typePTR  = 12
	typeAAAA = 28
)

// records is a DNS server. It has the answers for each type of question, and gives them for every
// name.
type records map[uint16][][]byte

// resolver returns a resolver that asks the server.
func (r records) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go r.serve(server)
		return client, nil
	}}
}

// serve answers one question, in the form that DNS has over TCP.
func (r records) serve(c net.Conn) {
	defer c.Close()
	var size uint16
	if binary.Read(c, binary.BigEndian, &size) != nil {
		return
	}
	query := make([]byte, size)
	if _, err := io.ReadFull(c, query); err != nil {
		return
	}
	end := 12 // end of the question
	for query[end] != 0 {
		end += 1 + int(query[end])
	}
	end += 5
	answers := r[binary.BigEndian.Uint16(query[end-4:])]
	reply := append([]byte(nil), query[:2]...)
	reply = append(reply, 0x81, 0x80, 0, 1, 0, byte(len(answers)), 0, 0, 0, 0)
	reply = append(reply, query[12:end]...)
	for _, data := range answers {
		reply = append(reply, 0xc0, 12) // the question's name
		reply = append(reply, query[end-4:end]...)
		reply = append(reply, 0, 0, 0, 60, 0, byte(len(data)))
		reply = append(reply, data...)
	}
	_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
}

// complete runs the loop until f is done.
func complete[T any](t *testing.T, f *zmqio.Future[T]) (T, error) {
	t.Helper()
	return zmqio.RunUntilComplete(bounded(t), f.Loop(), f)
}

var peer = records{
	typeA:    {{192, 0, 2, 1}, {192, 0, 2, 2}},
	typeAAAA: {netip.MustParseAddr("2001:db8::1").AsSlice()},
	typePTR:  {[]byte("\x04peer\x04test\x00")},
}

func TestGetAddrInfo(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{Resolver: peer.resolver()})
	for host, want := range map[string][]string{
		"127.0.0.1": {"127.0.0.1:80"},
		"::1":       {"[::1]:80"},
		"fe80::1%1": {"[fe80::1%1]:80"},
		"peer.test": {"192.0.2.1:80", "192.0.2.2:80", "[2001:db8::1]:80"},
	} {
		for _, service := range []string{"80", "http"} {
			addrs, err := complete(t, l.GetAddrInfo(bounded(t), host, service))
			must(t, err)
			var got []string
			for _, a := range addrs {
				got = append(got, a.String())
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("%s %s: %v", host, service, got)
			}
		}
	}
	addrs, err := complete(t, l.GetAddrInfo(bounded(t), "127.0.0.1", ""))
	if err != nil || addrs[0] != netip.MustParseAddrPort("127.0.0.1:0") {
		t.Errorf("%v, %v", addrs, err)
	}
}

func TestGetAddrInfoErrors(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{Resolver: records{}.resolver()})
	var dns *net.DNSError
	for _, c := range [][2]string{{"peer.test", "80"}, {"127.0.0.1", "no-such-service"}} {
		if addrs, err := complete(t, l.GetAddrInfo(bounded(t), c[0], c[1])); !errors.As(err, &dns) || addrs != nil {
			t.Errorf("%q: %v, %v", c, addrs, err)
		}
	}
	if _, err := complete(t, l.GetAddrInfo(bounded(t), "127.0.0.1", "65536")); err == nil {
		t.Error("no error for port 65536")
	}
	wants(t, refusedAtOnce(t, l.GetAddrInfo(bounded(t), "", "")), zmqio.ErrInvalidArgument)
	must(t, l.Close())
	_, err := l.GetAddrInfo(bounded(t), "127.0.0.1", "80").Result()
	wants(t, err, zmqio.ErrLoopClosed)
}

// refusedAtOnce returns the error of a future that is done at once.
func refusedAtOnce[T any](t *testing.T, f *zmqio.Future[T]) error {
	t.Helper()
	if !f.Done() {
		t.Error("looked up")
	}
	_, err := f.Result()
	return err
}

// families, types and protocols, as test_ipaddr_info has them: an address needs no resolver.
func TestGetAddrInfoHints(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{Resolver: peer.resolver()})
	v4, v6 := zmqio.AddrInfoHints{Family: syscall.AF_INET}, zmqio.AddrInfoHints{Family: syscall.AF_INET6}
	for _, c := range []struct {
		host, service string
		hints         zmqio.AddrInfoHints
		want          []string
	}{
		{"peer.test", "80", v4, []string{"192.0.2.1:80", "192.0.2.2:80"}},
		{"peer.test", "80", v6, []string{"[2001:db8::1]:80"}},
		{"127.0.0.1", "80", v4, []string{"127.0.0.1:80"}},
		{"::1", "80", v6, []string{"[::1]:80"}},
		{"fe80::1%1", "", v6, []string{"[fe80::1%1]:0"}},
		{"127.0.0.1", "domain", zmqio.AddrInfoHints{Type: syscall.SOCK_DGRAM}, []string{"127.0.0.1:53"}},
		{"127.0.0.1", "domain", zmqio.AddrInfoHints{Type: syscall.SOCK_STREAM, Proto: syscall.IPPROTO_TCP}, []string{"127.0.0.1:53"}},
		{"127.0.0.1", "domain", zmqio.AddrInfoHints{Proto: syscall.IPPROTO_UDP}, []string{"127.0.0.1:53"}},
		{"127.0.0.1", "80", zmqio.AddrInfoHints{NumericHost: true, NumericService: true}, []string{"127.0.0.1:80"}},
		{"::1", "", zmqio.AddrInfoHints{NumericHost: true, NumericService: true}, []string{"[::1]:0"}},
	} {
		addrs, err := complete(t, l.GetAddrInfo(bounded(t), c.host, c.service, c.hints))
		if got := texts(addrs); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s %s %+v: %v, %v", c.host, c.service, c.hints, got, err)
		}
	}
	var addr *net.AddrError
	for _, c := range []struct {
		host, service string
		hints         zmqio.AddrInfoHints
	}{
		{"127.0.0.1", "80", v6},
		{"::1", "80", v4},
		{"peer.test", "80", zmqio.AddrInfoHints{NumericHost: true}},
		{"127.0.0.1", "http", zmqio.AddrInfoHints{NumericService: true}},
	} {
		if addrs, err := complete(t, l.GetAddrInfo(bounded(t), c.host, c.service, c.hints)); !errors.As(err, &addr) || addrs != nil {
			t.Errorf("%s %s %+v: %v, %v", c.host, c.service, c.hints, addrs, err)
		}
	}
	for _, hints := range [][]zmqio.AddrInfoHints{
		{{Family: -1}},
		{{Family: syscall.AF_UNIX}},
		{{Type: syscall.SOCK_RAW}},
		{{Proto: syscall.IPPROTO_ICMP}},
		{{Type: syscall.SOCK_STREAM, Proto: syscall.IPPROTO_UDP}},
		{{Type: syscall.SOCK_DGRAM, Proto: syscall.IPPROTO_TCP}},
		{v4, v6},
	} {
		wants(t, refusedAtOnce(t, l.GetAddrInfo(bounded(t), "127.0.0.1", "80", hints...)), zmqio.ErrInvalidArgument)
	}
}

// A service that only UDP has is found without a hint, and not with a hint for TCP.
func TestGetAddrInfoServiceOfUDP(t *testing.T) {
	l := newLoop(t, nil)
	const service, port = "tftp", 69
	if _, err := net.DefaultResolver.LookupPort(bounded(t), "udp", service); err != nil {
		t.Skip(err)
	}
	addrs, err := complete(t, l.GetAddrInfo(bounded(t), "127.0.0.1", service))
	if err != nil || len(addrs) != 1 || addrs[0].Port() != port {
		t.Errorf("%v, %v", addrs, err)
	}
	var dns *net.DNSError
	if addrs, err := complete(t, l.GetAddrInfo(bounded(t), "127.0.0.1", service, zmqio.AddrInfoHints{Type: syscall.SOCK_STREAM})); !errors.As(err, &dns) {
		t.Errorf("%v, %v", addrs, err)
	}
}

// An empty host is the local host, without a resolver, in the order of getaddrinfo(3).
func TestGetAddrInfoEmptyHost(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{Resolver: records{}.resolver()})
	for _, c := range []struct {
		hints zmqio.AddrInfoHints
		want  []string
	}{
		{zmqio.AddrInfoHints{}, []string{"[::1]:80", "127.0.0.1:80"}},
		{zmqio.AddrInfoHints{NumericHost: true}, []string{"[::1]:80", "127.0.0.1:80"}},
		{zmqio.AddrInfoHints{Family: syscall.AF_INET}, []string{"127.0.0.1:80"}},
		{zmqio.AddrInfoHints{Passive: true}, []string{"0.0.0.0:80", "[::]:80"}},
		{zmqio.AddrInfoHints{Passive: true, Family: syscall.AF_INET6}, []string{"[::]:80"}},
	} {
		addrs, err := complete(t, l.GetAddrInfo(bounded(t), "", "80", c.hints))
		if got := texts(addrs); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, %v", c.hints, got, err)
		}
	}
}

// texts returns addresses as sorted text, because the resolver decides which of a name's IPv4
// addresses comes first.
func texts(addrs []netip.AddrPort) []string {
	var all []string
	for _, a := range addrs {
		all = append(all, a.String())
	}
	if len(addrs) > 0 && !addrs[0].Addr().IsLoopback() && !addrs[0].Addr().IsUnspecified() {
		slices.Sort(all)
	}
	return all
}

func TestGetNameInfo(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{Resolver: peer.resolver()})
	nobody := newLoop(t, &zmqio.LoopConfig{Resolver: records{}.resolver()})
	for _, c := range []struct {
		l    *zmqio.EventLoop
		addr string
		want zmqio.NameInfo
	}{
		{l, "192.0.2.1:5555", zmqio.NameInfo{Host: "peer.test", Service: "5555"}},
		{l, "[2001:db8::1]:1", zmqio.NameInfo{Host: "peer.test", Service: "1"}},
		{nobody, "192.0.2.1:5555", zmqio.NameInfo{Host: "192.0.2.1", Service: "5555"}},
	} {
		if got, err := complete(t, c.l.GetNameInfo(bounded(t), netip.MustParseAddrPort(c.addr))); got != c.want || err != nil {
			t.Errorf("%s: %v, %v", c.addr, got, err)
		}
	}
	var dns *net.DNSError
	if got, err := complete(t, l.GetNameInfo(bounded(t), netip.AddrPort{})); !errors.As(err, &dns) {
		t.Errorf("no address: %v, %v", got, err)
	}
}

func TestResolveEndpoint(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{Resolver: peer.resolver()})
	for endpoint, want := range map[string][]string{
		"tcp://peer.test:5555":             {"tcp://192.0.2.1:5555", "tcp://192.0.2.2:5555", "tcp://[2001:db8::1]:5555"},
		"tcp://127.0.0.1:0;peer.test:5555": {"tcp://127.0.0.1:0;192.0.2.1:5555", "tcp://127.0.0.1:0;192.0.2.2:5555", "tcp://127.0.0.1:0;[2001:db8::1]:5555"},
		"tcp://127.0.0.1:5555":             {"tcp://127.0.0.1:5555"},
		"tcp://[::1]:5555":                 {"tcp://[::1]:5555"},
		"tcp://[fe80::1%lo]:5555":          {"tcp://[fe80::1%lo]:5555"},
		"tcp://eth0:0;127.0.0.1:5555":      {"tcp://eth0:0;127.0.0.1:5555"},
		"ipc:///tmp/peer.test:1":           {"ipc:///tmp/peer.test:1"},
		"inproc://peer.test:5555":          {"inproc://peer.test:5555"},
		"ws://peer.test:5555":              {"ws://peer.test:5555"},
		"tcp://peer.test:http":             {"tcp://192.0.2.1:80", "tcp://192.0.2.2:80", "tcp://[2001:db8::1]:80"},
	} {
		got, err := complete(t, l.ResolveEndpoint(bounded(t), endpoint))
		// The resolver decides which IPv4 address comes first.
		if slices.Sort(got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", endpoint, got, err)
		}
	}
}

// IPv4 comes first.
func TestResolveEndpointOrder(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{Resolver: records{
		typeA: {{127, 0, 0, 1}}, typeAAAA: {netip.IPv6Loopback().AsSlice()},
	}.resolver()})
	got, err := complete(t, l.ResolveEndpoint(bounded(t), "tcp://peer.test:1"))
	if err != nil || !slices.Equal(got, []string{"tcp://127.0.0.1:1", "tcp://[::1]:1"}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestResolveEndpointErrors(t *testing.T) {
	l := newLoop(t, &zmqio.LoopConfig{Resolver: records{}.resolver()})
	var dns *net.DNSError
	if got, err := complete(t, l.ResolveEndpoint(bounded(t), "tcp://peer.test:5555")); !errors.As(err, &dns) || dns.Name != "peer.test" || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	for _, endpoint := range []string{"", "tcp://peer.test", "tcp://peer.test:0", "tcp://peer.test:99999", "tcp://peer.test:22x", "tcp://*:5555", "tcp://127.0.0.1:http"} {
		f := l.ResolveEndpoint(bounded(t), endpoint)
		if !f.Done() {
			t.Errorf("%q: looked up", endpoint)
		}
		_, err := f.Result()
		wantError(t, endpoint, err, zmqio.ErrInvalidArgument)
	}
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(bounded(t))
	cancel(cause)
	_, err := complete(t, l.ResolveEndpoint(ctx, "tcp://peer.test:5555"))
	wants(t, err, cause)
}

// Connect accepts the result of ResolveEndpoint for a name that it refuses itself.
func TestResolveEndpointConnects(t *testing.T) {
	l := newLoop(t, nil)
	tr, _, err := l.CreateZmqConnection(bounded(t), func() zmqio.Protocol { return zmqio.BaseProtocol{} },
		zmq.PUSH, zmqio.ConnectionConfig{Connect: []string{}})
	must(t, err)
	const endpoint = "tcp://localhost:5555"
	_, err = tr.Connect(endpoint)
	wants(t, err, zmqio.ErrDNSEndpoint)
	resolved, err := complete(t, l.ResolveEndpoint(bounded(t), endpoint))
	must(t, err)
	_, err = tr.Connect(resolved[0])
	must(t, err)
}
