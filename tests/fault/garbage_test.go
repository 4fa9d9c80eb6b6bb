package fault

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// greeting is the beginning of a ZMTP 3.0 peer's greeting, up to the mechanism's name.
var greeting = append([]byte{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0}, "NULL"...)

// rubbish has functions that make garbage for a bound socket. Each returns the bytes of one
// connection.
var rubbish = map[string]func(r *rand.Rand) []byte{
	"random bytes": func(r *rand.Rand) []byte { return random(r, 1+r.IntN(4*kib)) },
	"random bytes of a versioned peer": func(r *rand.Rand) []byte {
		return append(greeting[:10:10], random(r, 1+r.IntN(kib))...)
	},
	"half a greeting": func(r *rand.Rand) []byte { return fullGreeting()[:1+r.IntN(63)] },
	"a handshake and random commands": func(r *rand.Rand) []byte {
		return append(fullGreeting(), random(r, 1+r.IntN(kib))...)
	},
	"a command of almost 2^63 bytes": func(r *rand.Rand) []byte {
		return append(binary.BigEndian.AppendUint64(append(fullGreeting(), 6), 1<<63-1-r.Uint64N(16)), random(r, 100)...)
	},
	"a message of 2^40 bytes": func(r *rand.Rand) []byte {
		return append(binary.BigEndian.AppendUint64(append(handshake(), 2), 1<<40), random(r, 100)...)
	},
	"random messages": func(r *rand.Rand) []byte { return append(handshake(), random(r, kib)...) },
	"ZMTP 1.0": func(r *rand.Rand) []byte {
		return append([]byte{1, 0, 6, 0}, "hello"...)
	},
	"ZMTP 1.0 with a huge length": func(r *rand.Rand) []byte {
		return append([]byte{1, 0, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff - byte(r.IntN(16)), 0}, random(r, 100)...)
	},
	"HTTP":    func(*rand.Rand) []byte { return []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") },
	"nothing": func(*rand.Rand) []byte { return nil },
}

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// fullGreeting is 64 bytes.
func fullGreeting() []byte {
	return append(greeting[:len(greeting):len(greeting)], make([]byte, 64-len(greeting))...)
}

// handshake is a greeting and the command that makes a connection ready.
func handshake() []byte {
	ready := "\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH"
	return append(append(fullGreeting(), 4, byte(len(ready))), ready...)
}

// Garbage of strangers, and the end of their connections, affects neither the stream of another
// peer nor the transport.
func TestGarbage(t *testing.T) {
	checkLeaks(t)
	ctx := bounded(t, form(hang, 2*hang))
	begin := time.Now()
	const size = 300
	loops := [2]*zmqio.EventLoop{newLoop(t, nil), newLoop(t, nil)}
	j := job{Endpoint: freeEndpoint(t, "tcp"), Bind: true, HWM: 100, Buffer: killBuffer}
	var arrived condition
	var got track
	var wrong error
	strange := 0 // by the rules of ZMTP some of the rubbish is a message
	receiver := newPeer(func(msg [][]byte) {
		s := stream{7, size}
		name, number, err := s.parseMessage(msg)
		if err != nil || name != s.name {
			strange++
			return
		}
		arrived.Change(func() {
			if err := got.add(number); err != nil && wrong == nil {
				wrong = err
			}
		})
	})
	pull := create(t, loops[0], receiver, zmq.PULL, j.config())
	j.Bind = false
	sender := newPeer(nil)
	push := create(t, loops[1], sender, zmq.PUSH, j.config())
	fds := countFDs(t)
	stream := &pump{stream: stream{7, size}}
	stream.resume()
	pumping, stop := context.WithCancel(ctx)
	defer stop()
	pumped := make(chan error, 1)
	go func() { pumped <- stream.run(pumping, push) }()

	half := dialHalf(t, j.Endpoint, form(50, 500))
	throws, counts := throwAll(t, j.Endpoint, form(20, 400))
	last := stream.halt()
	must(t, stream.Until(ctx, func() bool { return stream.written >= last }))
	must(t, push.Close())
	must(t, sender.ended(ctx))
	if arrived := arrived.Until(ctx, func() bool { return got.last >= last }); arrived != nil {
		t.Errorf("the stream came as far as %+v, of %d messages", got, last)
	}
	stop()
	must(t, <-pumped)
	must(t, pull.Close())
	must(t, receiver.ended(ctx))
	// The strangers still hold their ends of the connections. The transport must have closed its
	// own.
	must(t, backTo(ctx, t, 1<<30, fds+len(half)))
	for _, c := range half {
		c.Close()
	}
	must(t, wrong)
	if got.count != last || got.lost != 0 {
		t.Errorf("%d of %d messages came", got.count, last)
	}
	t.Logf("%d connections of %d kinds and %d that say nothing in %v, during %d messages; %d strange messages were received",
		throws, counts, len(half), time.Since(begin).Round(time.Millisecond), last, strange)
}

// throwAll sends rubbish of every kind, each on count connections. It returns the numbers of
// connections and kinds.
func throwAll(t *testing.T, endpoint string, count int) (connections, kinds int) {
	t.Helper()
	var throwing sync.WaitGroup
	for kind, say := range rubbish {
		kinds++
		throwing.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(len(kind))))
			for i := range count {
				if err := throw(endpoint, say(r), ways[i%len(ways)]); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
			}
		})
	}
	throwing.Wait()
	return kinds * count, kinds
}

// A way is how a stranger ends its connection.
type way int

const (
	closes     way = iota // closes at once
	resets                // closes at once, with a TCP reset
	halfCloses            // closes one direction, and waits a little for the other end
)

var ways = []way{closes, resets, halfCloses}

// throw sends b on a new connection.
func throw(endpoint string, b []byte, then way) error {
	c, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(b); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return err // the other end closed before the last byte
	}
	tcp := c.(*net.TCPConn)
	switch then {
	case resets:
		return tcp.SetLinger(0)
	case halfCloses:
		_ = tcp.CloseWrite() // the other end may have closed it
		_ = tcp.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = io.Copy(io.Discard, c)
	}
	return nil
}

// dialHalf opens connections, and sends nothing or half a greeting on each.
func dialHalf(t *testing.T, endpoint string, count int) (half []net.Conn) {
	t.Helper()
	for i := range count {
		c, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
		must(t, err)
		t.Cleanup(func() { c.Close() })
		_, err = c.Write(fullGreeting()[:i%64])
		must(t, err)
		half = append(half, c)
	}
	return half
}

// libzmq itself ends a connection without a handshake.
func TestHalfOpenConnectionsEnd(t *testing.T) {
	checkLeaks(t)
	ctx := bounded(t, hang)
	endpoint := freeEndpoint(t, "tcp")
	p := newPeer(nil)
	pull := create(t, newLoop(t, nil), p, zmq.PULL, zmqio.ConnectionConfig{
		Bind:      []string{endpoint},
		Configure: func(s zmq.Sockopts) error { return s.SetHandshakeInterval(50 * time.Millisecond) },
	})
	fds, begin := countFDs(t), time.Now()
	half := dialHalf(t, endpoint, form(50, 500))
	for _, c := range half {
		must(t, c.SetReadDeadline(time.Now().Add(hang)))
		if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
	}
	must(t, backTo(ctx, t, 1<<30, fds+len(half)))
	t.Logf("%d half-open connections ended within %v", len(half), time.Since(begin).Round(time.Millisecond))
	must(t, pull.Close())
	must(t, p.ended(ctx))
}
