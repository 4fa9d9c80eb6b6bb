package netio

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
)

// A catcher records the callbacks of a DatagramTransport.
type catcher struct {
	BaseDatagramProtocol
	got  chan string
	errs chan error
	lost chan error
}

func newCatcher() *catcher {
	return &catcher{got: make(chan string, 10_000), errs: make(chan error, 100), lost: make(chan error, 1)}
}

func (c *catcher) DatagramReceived(data []byte, _ net.Addr) { c.got <- string(data) }
func (c *catcher) ErrorReceived(err error)                  { c.errs <- err }
func (c *catcher) ConnectionLost(err error)                 { c.lost <- err }

func newEndpoint(t testing.TB, l *zmqio.EventLoop, network string, cfg DatagramConfig) (*DatagramTransport, *catcher) {
	t.Helper()
	tr, c, err := CreateDatagramEndpoint(bounded(t), l, newCatcher, network, cfg)
	must(t, err)
	return tr, c
}

func unixgram(t testing.TB) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	must(t, c.SetDeadline(time.Now().Add(patience)))
	return c
}

// While the peer of an unconnected socket has no room, the loop does not spin, and tries again at
// growing intervals.
func TestWritingRests(t *testing.T) {
	l, _ := newLoop(t)
	peer := unixgram(t)
	tr, _ := newEndpoint(t, l, "unixgram", DatagramConfig{})
	n := 0
	for ; tr.WriteBufferSize() == 0; n++ {
		must(t, tr.SendTo(fmt.Append(nil, n), peer.LocalAddr()))
	}
	rests := func() (rest time.Duration, spins bool) {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return tr.rest, tr.resting != nil && tr.wanted&toWrite != 0
	}
	for longest := time.Duration(0); longest < 8*shortestRest; {
		rest, spins := rests()
		if spins {
			t.Fatal("looks for room while it rests")
		}
		if rest < longest || rest > longestRest {
			t.Fatalf("a rest of %v after one of %v", rest, longest)
		}
		longest = rest
		do(t, l, func() {})
	}
	b := make([]byte, 100)
	for i := range n {
		got, err := peer.Read(b)
		must(t, err)
		if string(b[:got]) != fmt.Sprint(i) {
			t.Fatalf("datagram %d is %q", i, b[:got])
		}
	}
	do(t, l, func() {
		if rest, _ := rests(); rest != 0 || tr.WriteBufferSize() != 0 {
			t.Errorf("%d bytes wait, and the rest is %v", tr.WriteBufferSize(), rest)
		}
	})
}

// A transport that ends during a rest leaves no timer.
func TestAbortWhileResting(t *testing.T) {
	l, _ := newLoop(t)
	peer := unixgram(t)
	tr, c := newEndpoint(t, l, "unixgram", DatagramConfig{})
	for tr.WriteBufferSize() == 0 {
		must(t, tr.SendTo([]byte("data"), peer.LocalAddr()))
	}
	resting := func() *zmqio.TimerHandle {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return tr.resting
	}
	var rest *zmqio.TimerHandle
	for rest == nil {
		do(t, l, func() { rest = resting() })
	}
	must(t, tr.Close())
	must(t, tr.Abort())
	must(t, wait(t, c.lost))
	if last := resting(); last != nil && !last.Cancelled() {
		t.Error("the timer is left")
	}
}

// A datagram larger than the buffer is an error, and the next datagram is received.
func TestTruncatedDatagram(t *testing.T) {
	l, _ := newLoop(t)
	path := filepath.Join(t.TempDir(), "receiver")
	tr, c := newEndpoint(t, l, "unixgram", DatagramConfig{Local: path})
	from := unixgram(t)
	must(t, from.SetWriteBuffer(4<<20))
	_, err := from.WriteTo(make([]byte, blockSize+1), tr.LocalAddr())
	if errors.Is(err, syscall.EMSGSIZE) || errors.Is(err, syscall.ENOBUFS) {
		t.Skip(err)
	}
	must(t, err)
	_, err = from.WriteTo([]byte("short"), tr.LocalAddr())
	must(t, err)
	if err := wait(t, c.errs); !errors.Is(err, syscall.EMSGSIZE) {
		t.Errorf("the error is %v", err)
	}
	if got := wait(t, c.got); got != "short" {
		t.Errorf("got %d bytes", len(got))
	}
}

// After ConnectionLost no error of a datagram is reported.
func TestErrorAfterTheEnd(t *testing.T) {
	l, _ := newLoop(t)
	tr, c := newEndpoint(t, l, "udp4", DatagramConfig{})
	do(t, l, func() {
		err := tr.SendTo(make([]byte, 1<<16), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9})
		if !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("the error is %v", err)
		}
		_ = tr.Abort()
	})
	must(t, wait(t, c.lost))
	if len(c.errs) > 0 {
		t.Errorf("told %v", <-c.errs)
	}
}

func TestDestinations(t *testing.T) {
	lo, err := net.InterfaceByIndex(1)
	must(t, err)
	for _, c := range []struct {
		addr   net.Addr
		family int
		want   string // the address that comes back
	}{
		{&net.UDPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 80}, unix.AF_INET, "10.1.2.3:80"},
		{&net.UDPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 80}, unix.AF_INET6, "10.1.2.3:80"},
		{&net.UDPAddr{Port: 80}, unix.AF_INET, "0.0.0.0:80"},
		{&net.UDPAddr{Port: 65535}, unix.AF_INET6, "[::]:65535"},
		{&net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 1, Zone: lo.Name}, unix.AF_INET6, "[fe80::1%" + lo.Name + "]:1"},
		{&net.UDPAddr{IP: net.ParseIP("fe80::1"), Port: 1, Zone: "1"}, unix.AF_INET6, "[fe80::1%" + lo.Name + "]:1"},
		{&net.UnixAddr{Name: "/a/path", Net: "unixgram"}, unix.AF_UNIX, "/a/path"},
		{&net.UnixAddr{Name: "@abstract", Net: "unixgram"}, unix.AF_UNIX, "@abstract"},
	} {
		d, err := toDestination(c.addr, c.family)
		must(t, err)
		var s sockaddr
		back := fromSockaddr(s.set(d, c.family))
		if back != d || back.addr().String() != c.want {
			t.Errorf("%v became %+v, then %+v: %v", c.addr, d, back, back.addr())
		}
	}
}

// Letters come in order, whole and with their address. At the end they have no memory.
func TestLetters(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var q letters
	next, added := 0, 0
	for next < 10_000 {
		if q.len() > 0 && (r.IntN(2) == 0 || q.len() > 100) {
			data, to := q.first()
			if len(data) != next%7 || to.path != fmt.Sprint(next) {
				t.Fatalf("letter %d is %q to %s", next, data, to.path)
			}
			q.drop()
			next++
			continue
		}
		q.add(make([]byte, added%7), destination{path: fmt.Sprint(added), unix: true})
		added++
	}
	if len(q.heads) > 300 {
		t.Errorf("%d heads for %d letters", len(q.heads), q.len())
	}
	for q.len() > 0 {
		q.drop()
	}
	if q.heads != nil || q.body.buf != nil {
		t.Errorf("left: %+v", q)
	}
}

// A send allocates nothing while the kernel takes everything.
func TestSendToAllocates(t *testing.T) {
	l, _ := newLoop(t)
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer sink.Close()
	to := sink.LocalAddr()
	data := make([]byte, 64)
	free, _ := newEndpoint(t, l, "udp4", DatagramConfig{})
	bound, _ := newEndpoint(t, l, "udp4", DatagramConfig{Remote: to.String()})
	for name, send := range map[string]func() error{
		"not connected": func() error { return free.SendTo(data, to) },
		"connected":     func() error { return bound.SendTo(data, nil) },
	} {
		if n := testing.AllocsPerRun(1000, func() { must(t, send()) }); n > 0 {
			t.Errorf("%s: %.1f allocations a datagram", name, n)
		}
	}
}

// BenchmarkDatagramsReceived receives the content of a UDP socket's buffer, 200 datagrams of 64
// bytes at a time.
func BenchmarkDatagramsReceived(b *testing.B) {
	l, _ := newLoop(b)
	got := 0
	tr, _, err := CreateDatagramEndpoint(bounded(b), l, func() *counter { return &counter{n: &got} }, "udp4", DatagramConfig{Local: "127.0.0.1:0"})
	must(b, err)
	from, err := net.Dial("udp4", tr.LocalAddr().String())
	must(b, err)
	defer from.Close()
	data := make([]byte, 64)
	b.ReportAllocs()
	for done := 0; done < b.N; {
		b.StopTimer()
		do(b, l, func() {
			const batch = 200
			for range batch {
				_, err := from.Write(data)
				must(b, err)
			}
			got = 0
			b.StartTimer()
			for got < batch {
				tr.readReady()
			}
			b.StopTimer()
			done += batch
		})
		b.StartTimer()
	}
}

// A counter counts datagrams.
type counter struct {
	BaseDatagramProtocol
	n *int
}

func (c *counter) DatagramReceived([]byte, net.Addr) { *c.n++ }

// BenchmarkSendTo sends datagrams of 64 bytes to a socket that drops most of them.
func BenchmarkSendTo(b *testing.B) {
	l, _ := newLoop(b)
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(b, err)
	defer sink.Close()
	tr, _ := newEndpoint(b, l, "udp4", DatagramConfig{})
	data, to := make([]byte, 64), sink.LocalAddr()
	b.ReportAllocs()
	for b.Loop() {
		must(b, tr.SendTo(data, to))
	}
}

// A receive over UDP allocates nothing while the sender is the same.
func TestReceivingAllocates(t *testing.T) {
	l, _ := newLoop(t)
	got := 0
	tr, _, err := CreateDatagramEndpoint(bounded(t), l, func() *counter { return &counter{n: &got} }, "udp4", DatagramConfig{Local: "127.0.0.1:0"})
	must(t, err)
	from, err := net.Dial("udp4", tr.LocalAddr().String())
	must(t, err)
	defer from.Close()
	b := make([]byte, 100)
	do(t, l, func() {
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := from.Write(b); err != nil {
				t.Error(err)
			}
			if n, _, err := tr.receive(b); n != len(b) || err != nil {
				t.Errorf("received %d, %v", n, err)
			}
		}); n > 0 {
			t.Errorf("%.1f allocations a datagram", n)
		}
	})
}
