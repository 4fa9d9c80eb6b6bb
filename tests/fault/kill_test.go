package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// The frames of these streams are so large that the kernel buffers hold few messages. The
// high-water marks are as small.
const (
	killSize   = 4 * kib
	killHWM    = 5
	killBuffer = 32 * kib

	libzmqBuffer = 8 * kib  // the size of the buffer of an encoder and of a decoder
	scratch      = 64 * kib // what a transport takes from libzmq in one receive
)

// atMost returns how many messages can be on their way, and so be lost with a process. The
// high-water marks and the kernel hold strict of them. libzmq's encoder and decoder, and the
// transport's batch, hold the rest.
func atMost(transport string) (bound, strict uint64, sum string) {
	kernel := 2 * 2 * killBuffer // Linux doubles the sizes that a program sets, at either end
	if b, err := os.ReadFile("/proc/sys/net/core/wmem_default"); transport == "ipc" && err == nil {
		kernel, _ = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	inKernel, inLibzmq, inTransport := kernel/killSize, 2*(libzmqBuffer/killSize+1), scratch/killSize+1
	strict = uint64(2*killHWM + inKernel)
	bound = strict + uint64(inLibzmq+inTransport)
	return bound, strict, fmt.Sprintf("%d: high-water marks %d+%d, kernel %d (%d bytes), libzmq's encoder and decoder %d, a transport %d",
		bound, killHWM, killHWM, inKernel, kernel, inLibzmq, inTransport)
}

// losses counts the messages that were lost, kill by kill.
type losses struct {
	t             *testing.T
	bound, strict uint64
	kills, closed int
	lost, worst   uint64
}

// add records how many messages were lost when a process was killed, or ended in good order.
func (l *losses) add(lost uint64, clean bool) {
	l.t.Helper()
	if clean {
		l.closed++
		if lost != 0 {
			l.t.Errorf("a process that ended in good order lost %d messages", lost)
		}
		return
	}
	l.kills++
	l.lost += lost
	l.worst = max(l.worst, lost)
	if lost > l.bound {
		l.t.Errorf("kill %d lost %d messages, more than %d", l.kills, lost, l.bound)
	}
}

func (l *losses) log(messages uint64, begin time.Time) {
	l.t.Helper()
	l.t.Logf("%d messages of %d bytes in %v: %d kills lost %d, %d at most, where marks and kernel hold %d; %d processes that ended in good order lost none",
		messages, killSize, time.Since(begin).Round(time.Millisecond), l.kills, l.lost, l.worst, l.strict, l.closed)
}

// A pump writes a stream until it is halted.
type pump struct {
	condition
	stream
	written, limit uint64
}

func (p *pump) run(ctx context.Context, t *zmqio.Transport) error {
	for {
		if p.Until(ctx, func() bool { return p.written < p.limit }) != nil {
			return nil
		}
		err := t.WriteContext(ctx, [][]byte{p.frame(p.written + 1)})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		p.Change(func() { p.written++ })
	}
}

// halt makes the pump stop soon, and returns its last number.
func (p *pump) halt() (last uint64) {
	p.Change(func() {
		p.limit = p.written + 1
		last = p.limit
	})
	return last
}

func (p *pump) resume() { p.Change(func() { p.limit = 1 << 62 }) }

// Receivers of a stream are killed, or closed in good order while the stream is halted. Others take
// their place.
func TestReceiverKilled(t *testing.T) {
	for _, c := range []struct {
		transport string
		binds     bool // the receivers bind, all to the same endpoint
	}{{"tcp", true}, {"tcp", false}, {"ipc", true}, {"ipc", false}} {
		t.Run(fmt.Sprintf("%s/receiver-binds=%t", c.transport, c.binds), func(t *testing.T) {
			checkLeaks(t)
			receiverKilled(t, c.transport, c.binds)
		})
	}
}

func receiverKilled(t *testing.T, transport string, binds bool) {
	ctx := bounded(t, form(hang, 2*hang))
	begin := time.Now()
	bound, strict, sum := atMost(transport)
	t.Log("a kill may lose", sum)
	result := &losses{t: t, bound: bound, strict: strict}

	receiver := job{Role: "receive", Endpoint: freeEndpoint(t, transport), Bind: binds, HWM: killHWM, Buffer: killBuffer, Size: killSize}
	sender := receiver
	sender.Bind = !binds
	p := newPeer(nil)
	push := create(t, newLoop(t, nil), p, zmq.PUSH, sender.config())
	must(t, push.Sockopts().SetLinger(0))
	stream := &pump{stream: stream{1, killSize}}
	pumping, stop := context.WithCancel(ctx)
	defer stop()
	pumped := make(chan error, 1)
	go func() { pumped <- stream.run(pumping, push) }()

	last, clean := uint64(0), true
	for result.kills < form(5, 50) {
		proc := start(t, receiver)
		stream.resume()
		proc.reach(ctx, 1, last+100+rand.Uint64N(1000))
		wasClean := clean
		if clean = (result.kills+result.closed)%5 == 1; clean {
			proc.reach(ctx, 1, stream.halt())
			proc.finish()
		} else {
			proc.kill()
			proc.check()
		}
		got := proc.track(1)
		if got.first() <= last {
			t.Fatalf("number %d came after %d, across processes", got.first(), last)
		}
		result.add(got.first()-last-1+got.lost, wasClean)
		last = got.last
	}
	stop()
	must(t, <-pumped)
	push.Abort()
	must(t, p.ended(ctx))
	result.log(last, begin)
}

// Senders of a stream are killed amid it, or end it in good order. The receiver lives on.
func TestSenderKilled(t *testing.T) {
	for _, c := range []struct {
		transport string
		binds     bool // the senders bind, all to the same endpoint
	}{{"tcp", true}, {"tcp", false}, {"ipc", false}} {
		t.Run(fmt.Sprintf("%s/sender-binds=%t", c.transport, c.binds), func(t *testing.T) {
			checkLeaks(t)
			senderKilled(t, c.transport, c.binds)
		})
	}
}

func senderKilled(t *testing.T, transport string, binds bool) {
	ctx := bounded(t, form(hang, 2*hang))
	begin := time.Now()
	bound, strict, sum := atMost(transport)
	bound += 64 * kib / killSize // the messages that the transport buffers before WriteContext waits
	t.Log("a kill may lose what a transport buffers, 64 KiB, and", sum)
	result := &losses{t: t, bound: bound, strict: strict}

	sender := job{Role: "send", Endpoint: freeEndpoint(t, transport), Bind: binds, HWM: killHWM, Buffer: killBuffer, Size: killSize, First: 1}
	receiver := sender
	receiver.Bind = !binds
	var got arrivals
	p := newPeer(func(msg [][]byte) { got.add(killSize, msg) })
	pull := create(t, newLoop(t, nil), p, zmq.PULL, receiver.config())

	var told []track // what each process has reported
	var messages uint64
	for n := uint64(0); n < form[uint64](6, 63); n++ {
		sender.Name = n
		proc := start(t, sender)
		got.reach(ctx, t, n, 100+rand.Uint64N(1000))
		if cleanly(n) {
			proc.finish()
			got.reach(ctx, t, n, proc.track(n).last)
		} else {
			proc.kill()
			proc.check()
		}
		told = append(told, proc.track(n))
	}
	pull.Close()
	must(t, p.ended(ctx))
	must(t, got.wrong)
	for n, told := range told {
		r := got.track(uint64(n))
		messages += r.last
		if r.lost != 0 || r.first() != 1 {
			t.Errorf("sender %d: %d messages are missing between others; the first is %d", n, r.lost, r.first())
		}
		if r.last > told.last+1 { // the kill came before it reported the last
			t.Errorf("sender %d wrote %d messages, and %d came", n, told.last, r.last)
		}
		result.add(told.last-min(r.last, told.last), cleanly(uint64(n)))
	}
	result.log(messages, begin)
}

// cleanly reports whether process n ends in good order.
func cleanly(n uint64) bool { return n%5 == 1 }

// arrivals has the messages that have come, by stream.
type arrivals struct {
	condition
	tracks map[uint64]*track
	wrong  error
}

// add records a message, which should be a frame of a stream of that size.
func (a *arrivals) add(size int, msg [][]byte) {
	name, number, err := stream{size: size}.parseMessage(msg)
	a.Change(func() {
		if a.tracks == nil {
			a.tracks = make(map[uint64]*track)
		}
		if a.tracks[name] == nil {
			a.tracks[name] = new(track)
		}
		if err == nil {
			err = a.tracks[name].add(number)
		}
		if err != nil && a.wrong == nil {
			a.wrong = err
		}
	})
}

// reach waits until the frame number of stream name has come.
func (a *arrivals) reach(ctx context.Context, t *testing.T, name, number uint64) {
	t.Helper()
	err := a.Until(ctx, func() bool {
		return a.wrong != nil || a.tracks[name] != nil && a.tracks[name].last >= number
	})
	a.Lock()
	wrong := a.wrong
	a.Unlock()
	must(t, wrong)
	if err != nil {
		t.Fatalf("waiting for message %d of stream %d, at %+v: %v", number, name, a.track(name), err)
	}
}

func (a *arrivals) track(name uint64) track {
	a.Lock()
	defer a.Unlock()
	if r := a.tracks[name]; r != nil {
		return *r
	}
	return track{}
}
