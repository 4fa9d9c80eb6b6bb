package zmqio_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// These benchmarks measure calls inside one process; tests/bench measures messages between
// processes. They use only exported names, because make bench-compare compiles them with other
// commits.

func check(b *testing.B, err error) {
	if err != nil { // Helper itself takes longer than most of the measured calls
		b.Helper()
		b.Fatal(err)
	}
}

func benchLoop(b *testing.B) *zmqio.EventLoop {
	b.Helper()
	l, err := zmqio.NewEventLoop(nil)
	check(b, err)
	b.Cleanup(func() { check(b, l.Close()) })
	b.ReportAllocs()
	return l
}

// onLoop calls fn on the loop, and runs the loop until Stop.
func onLoop(b *testing.B, l *zmqio.EventLoop, fn func()) {
	b.Helper()
	_, err := l.CallSoon(fn)
	check(b, err)
	check(b, l.RunForever(b.Context()))
}

// beside runs the loop here, and fn on another goroutine.
func beside(b *testing.B, l *zmqio.EventLoop, fn func()) {
	b.Helper()
	check(b, l.Run(b.Context(), func(context.Context) error {
		fn()
		return nil
	}))
}

// publisher returns a transport whose messages libzmq takes at once: a PUB without subscribers.
func publisher(b *testing.B, l *zmqio.EventLoop) *zmqio.Transport {
	b.Helper()
	t, _, err := zmqio.CreateZmqConnection(b.Context(), l, func() zmqio.BaseProtocol { return zmqio.BaseProtocol{} }, zmq.PUB,
		zmqio.ConnectionConfig{Bind: []string{}})
	check(b, err)
	return t
}

var benchMessages = []struct {
	name string
	msg  [][]byte
}{
	{"64B", [][]byte{make([]byte, 64)}},
	{"3x64B", [][]byte{make([]byte, 64), make([]byte, 64), make([]byte, 64)}},
	{"64KiB", [][]byte{make([]byte, 64<<10)}},
}

// Each Write sends at once, because no goroutine runs the loop.
func BenchmarkWriteNow(b *testing.B) {
	for _, m := range benchMessages {
		b.Run(m.name, func(b *testing.B) {
			t := publisher(b, benchLoop(b))
			for b.Loop() {
				check(b, t.Write(m.msg))
			}
		})
	}
}

// Writes in quick succession send batches.
func BenchmarkWriteBatched(b *testing.B) {
	for _, m := range benchMessages {
		b.Run(m.name, func(b *testing.B) {
			l := benchLoop(b)
			t := publisher(b, l)
			beside(b, l, func() {
				for b.Loop() {
					check(b, t.Write(m.msg))
				}
			})
		})
	}
}

func BenchmarkWriteOnLoop(b *testing.B) {
	for _, m := range benchMessages {
		b.Run(m.name, func(b *testing.B) {
			l := benchLoop(b)
			t := publisher(b, l)
			onLoop(b, l, func() {
				defer l.Stop()
				for b.Loop() {
					check(b, t.Write(m.msg))
				}
			})
		})
	}
}

func BenchmarkWriteContext(b *testing.B) {
	for _, m := range benchMessages {
		b.Run(m.name, func(b *testing.B) {
			l := benchLoop(b)
			t := publisher(b, l)
			beside(b, l, func() {
				for b.Loop() {
					check(b, t.WriteContext(b.Context(), m.msg))
				}
			})
		})
	}
}

func BenchmarkWriteParallel(b *testing.B) {
	l := benchLoop(b)
	t := publisher(b, l)
	beside(b, l, func() {
		b.RunParallel(func(pb *testing.PB) {
			for msg := benchMessages[0].msg; pb.Next(); {
				if err := t.Write(msg); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// A countdown stops the loop after a number of messages.
type countdown struct {
	zmqio.BaseProtocol
	loop *zmqio.EventLoop
	left int
}

func (c *countdown) MsgReceived([][]byte) {
	if c.left--; c.left == 0 {
		c.loop.Stop()
	}
}

// BenchmarkDelivery receives from a socket of the same process, which sends as fast as it can on
// another thread.
func BenchmarkDelivery(b *testing.B) {
	for _, m := range benchMessages {
		b.Run(m.name, func(b *testing.B) {
			ctx, err := zmq4.NewContext()
			check(b, err)
			b.Cleanup(func() { check(b, ctx.Term()) })
			l, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Context: ctx})
			check(b, err)
			b.Cleanup(func() { check(b, l.Close()) })
			b.ReportAllocs()
			c := &countdown{loop: l, left: b.N}
			_, _, err = zmqio.CreateZmqConnection(b.Context(), l, func() *countdown { return c }, zmq.PULL,
				zmqio.ConnectionConfig{Bind: []string{"inproc://delivery"}})
			check(b, err)
			s, err := ctx.NewSocket(zmq4.PUSH)
			check(b, err)
			check(b, s.Connect("inproc://delivery"))
			sent := make(chan error, 1)
			b.ResetTimer()
			go func() { sent <- sendAll(s, m.msg, b.N) }()
			check(b, l.RunForever(b.Context()))
			b.StopTimer()
			check(b, <-sent)
			check(b, s.Close())
		})
	}
}

func sendAll(s *zmq4.Socket, msg [][]byte, n int) error {
	for range n {
		for i, frame := range msg {
			flag := zmq4.SNDMORE
			if i == len(msg)-1 {
				flag = 0
			}
			if _, err := s.SendBytes(frame, flag); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
	}
	return nil
}

// Each callback calls CallSoon for the next.
func BenchmarkCallSoon(b *testing.B) {
	l := benchLoop(b)
	left := b.N
	var next func()
	next = func() {
		if left--; left == 0 {
			l.Stop()
			return
		}
		if _, err := l.CallSoon(next); err != nil {
			b.Error(err)
		}
	}
	onLoop(b, l, next)
}

// Another goroutine queues callbacks, many at a time.
func BenchmarkCallSoonThreadsafe(b *testing.B) {
	l := benchLoop(b)
	called := make(chan struct{}, 1)
	beside(b, l, func() {
		for n := 0; b.Loop(); n++ {
			fn := func() {}
			if n%100 == 99 { // keeps the queue short
				fn = func() { called <- struct{}{} }
			}
			_, err := l.CallSoonThreadsafe(fn)
			check(b, err)
			if n%100 == 99 {
				<-called
			}
		}
	})
}

// A goroutine and the loop wake each other in turn. The loop waits in between.
func BenchmarkWakeUp(b *testing.B) {
	l := benchLoop(b)
	called := make(chan struct{})
	beside(b, l, func() {
		for b.Loop() {
			_, err := l.CallSoonThreadsafe(func() { called <- struct{}{} })
			check(b, err)
			<-called
		}
	})
}

// Each due timer sets the next.
func BenchmarkCallLater(b *testing.B) {
	l := benchLoop(b)
	left := b.N
	var next func()
	next = func() {
		if left--; left == 0 {
			l.Stop()
			return
		}
		if _, err := l.CallLater(0, next); err != nil {
			b.Error(err)
		}
	}
	onLoop(b, l, next)
}

// Each timer is cancelled, as most timeouts are.
func BenchmarkCallLaterCancel(b *testing.B) {
	l := benchLoop(b)
	onLoop(b, l, func() {
		defer l.Stop()
		for b.Loop() {
			h, err := l.CallLater(time.Hour, func() {})
			check(b, err)
			h.Cancel()
		}
	})
}

func BenchmarkSockopts(b *testing.B) {
	t := publisher(b, benchLoop(b))
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := t.Sockopts().SndHWM()
			check(b, err)
		}
	})
	b.Run("set", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			check(b, t.Sockopts().SetSndHWM(1000))
		}
	})
	b.Run("getAny", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := t.Getsockopt(zmq.SNDHWM)
			check(b, err)
		}
	})
	b.Run("setAny", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			check(b, t.Setsockopt(zmq.SNDHWM, 1000))
		}
	})
}
