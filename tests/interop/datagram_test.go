package interop

import (
	"bytes"
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// asyncioDatagrams starts testdata/datagram_peer.py.
func asyncioDatagrams(t *testing.T, args ...string) *program {
	t.Helper()
	return runProgram(t, pythonWith(t, "asyncio"), append([]string{"-B", "testdata/datagram_peer.py"}, args...)...)
}

// payloads are the datagrams in both directions; datagram_peer.py has the same.
func payloads() (all [][]byte) {
	base := make([]byte, 251)
	for i := range base {
		base[i] = byte(i)
	}
	for _, size := range []int{0, 1, 2, 100, 1472, 1473, 8191, 65000} {
		all = append(all, bytes.Repeat(base, size/251+1)[:size])
	}
	return all
}

// A datagramEcho returns each datagram to its sender.
type datagramEcho struct {
	netio.BaseDatagramProtocol
	t  *testing.T
	tr *netio.DatagramTransport
}

func (e *datagramEcho) ConnectionMade(tr *netio.DatagramTransport) { e.tr = tr }
func (e *datagramEcho) ErrorReceived(err error)                    { e.t.Error(err) }

func (e *datagramEcho) DatagramReceived(data []byte, from net.Addr) {
	if err := e.tr.SendTo(data, from); err != nil {
		e.t.Error(err)
	}
}

// A datagramClient collects datagrams.
type datagramClient struct {
	netio.BaseDatagramProtocol
	t       *testing.T
	arrived chan string
}

func (c *datagramClient) ErrorReceived(err error) { c.t.Error(err) }
func (c *datagramClient) DatagramReceived(data []byte, _ net.Addr) {
	c.arrived <- string(data)
}

// next returns the next datagram.
func (c *datagramClient) next(ctx context.Context) string {
	c.t.Helper()
	select {
	case d := <-c.arrived:
		return d
	case <-ctx.Done():
		c.t.Fatal(context.Cause(ctx))
		return ""
	}
}

func newDatagramClient(t *testing.T, network string, cfg netio.DatagramConfig) (*netio.DatagramTransport, *datagramClient) {
	t.Helper()
	tr, c, err := netio.CreateDatagramEndpoint(zmqiotest.Bounded(t, deadline), zmqiotest.RunLoop(t, nil), func() *datagramClient {
		return &datagramClient{t: t, arrived: make(chan string, 100)}
	}, network, cfg)
	must(t, err)
	return tr, c
}

func newDatagramEcho(t *testing.T, network, local string) *netio.DatagramTransport {
	t.Helper()
	tr, _, err := netio.CreateDatagramEndpoint(zmqiotest.Bounded(t, deadline), zmqiotest.RunLoop(t, nil), func() *datagramEcho {
		return &datagramEcho{t: t}
	}, network, netio.DatagramConfig{Local: local})
	must(t, err)
	return tr
}

// quietAddress returns a loopback address whose port the system gives to no socket that asks for
// any port. So the port stays free when a socket leaves it.
func quietAddress(t *testing.T) string {
	t.Helper()
	return strings.TrimPrefix(zmqiotest.FreeEndpoint(t, "tcp"), "tcp://")
}

// freeEndpoint returns an address to bind to.
func freeEndpoint(t *testing.T, network string) string {
	t.Helper()
	switch network {
	case "unixgram":
		return filepath.Join(zmqiotest.SocketDir(t), "s")
	case "udp6":
		c, err := net.ListenPacket("udp6", "[::1]:0")
		if err != nil {
			t.Skip(err)
		}
		c.Close()
		return "[::1]:0"
	}
	return "127.0.0.1:0"
}

func TestDatagramClientOfAsyncio(t *testing.T) {
	for _, network := range []string{"udp4", "udp6", "unixgram"} {
		for _, connected := range []bool{true, false} {
			name := network + ", connected"
			if !connected {
				name = network + ", not connected"
			}
			t.Run(name, func(t *testing.T) {
				checkLeaks(t)
				ctx := zmqiotest.Bounded(t, deadline)
				local := freeEndpoint(t, network)
				at := asyncioDatagrams(t, "echo", local).line()
				if network == "udp6" {
					at = "[::1]" + at[strings.LastIndex(at, ":"):]
				}
				cfg := netio.DatagramConfig{Local: freeEndpoint(t, network)}
				var to net.Addr
				if connected {
					cfg.Remote = at
				} else if network == "unixgram" {
					to = &net.UnixAddr{Name: at, Net: network}
				} else {
					a, err := net.ResolveUDPAddr(network, at)
					must(t, err)
					to = a
				}
				tr, c := newDatagramClient(t, network, cfg)
				for _, d := range payloads() {
					must(t, tr.SendTo(d, to))
					want := string(d)
					if want == "" {
						want = "nothing"
					}
					if got := c.next(ctx); got != want {
						t.Errorf("%d bytes came back as %d, %.20q", len(d), len(got), got)
					}
				}
			})
		}
	}
}

func TestDatagramServerForAsyncio(t *testing.T) {
	for _, network := range []string{"udp4", "udp6", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			checkLeaks(t)
			tr := newDatagramEcho(t, network, freeEndpoint(t, network))
			local := "-"
			if network == "unixgram" { // else there is no address to answer to
				local = freeEndpoint(t, network)
			}
			if got := asyncioDatagrams(t, "client", local, tr.LocalAddr().String()).line(); got != "ok" {
				t.Errorf("asyncio got %s", got)
			}
		})
	}
}

// asyncio gets an error when no socket is at the address any more.
func TestDatagramServerLeavesAsyncio(t *testing.T) {
	checkLeaks(t)
	tr := newDatagramEcho(t, "udp4", quietAddress(t))
	must(t, tr.Close())
	<-tr.Closed()
	if got := asyncioDatagrams(t, "client", "-", tr.LocalAddr().String()).line(); got != "ConnectionRefusedError" {
		t.Errorf("asyncio got %s", got)
	}
}

// socat sends each line as a datagram, and prints the answers.
func TestDatagramServerForSocat(t *testing.T) {
	for network, address := range map[string]string{"udp4": "UDP4:", "unixgram": "UNIX-SENDTO:"} {
		t.Run(network, func(t *testing.T) {
			checkLeaks(t)
			tr := newDatagramEcho(t, network, freeEndpoint(t, network))
			to := address + tr.LocalAddr().String()
			if network == "unixgram" {
				to += ",bind=" + freeEndpoint(t, network)
			}
			p := runProgram(t, "socat", "-t", "0", "STDIO", to)
			for _, line := range []string{"one", "two", strings.Repeat("three ", 1000)} {
				_, err := io.WriteString(p.in, line+"\n")
				must(t, err)
				if got := p.line(); got != line {
					t.Errorf("got %.20q, want %.20q", got, line)
				}
			}
		})
	}
}

// socat returns one datagram to its sender.
func TestDatagramClientOfSocat(t *testing.T) {
	for _, network := range []string{"udp4", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			checkLeaks(t)
			at := freeEndpoint(t, network)
			address := "UNIX-RECVFROM:" + at
			if network == "udp4" { // socat does not tell its port
				at = quietAddress(t)
				address = "UDP4-RECVFROM:" + at[strings.LastIndex(at, ":")+1:] + ",bind=127.0.0.1"
			}
			p := runProgramWithErrors(t, "socat", "-d", "-d", address, "PIPE")
			for !strings.Contains(p.line(), "receiving on") {
			}
			tr, c := newDatagramClient(t, network, netio.DatagramConfig{Local: freeEndpoint(t, network), Remote: at})
			must(t, tr.SendTo([]byte("there and back"), nil))
			if got := c.next(zmqiotest.Bounded(t, deadline)); got != "there and back" {
				t.Errorf("got %q", got)
			}
		})
	}
}
