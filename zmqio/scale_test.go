package zmqio

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/poll"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// A thousand waiting loops do not need a thousand threads.
func TestThousandLoops(t *testing.T) {
	if poll.KeepsThread {
		t.Skip("poll(2) waits on a thread")
	}
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Cur < 4000 {
		t.Skipf("the limit of %d descriptors is too low for a thousand loops", limit.Cur)
	}
	leakCheck(t)
	ctx, err := zmq4.NewContext()
	must(t, err)
	defer ctx.Term()
	const n = 1000
	loops := make([]*EventLoop, n)
	var group sync.WaitGroup
	for i := range loops {
		loops[i], err = NewEventLoop(&LoopConfig{Context: ctx})
		must(t, err)
		group.Go(func() {
			if err := loops[i].RunForever(bounded(t)); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 { // all wait, and all wake up
		var called sync.WaitGroup
		called.Add(n)
		for _, l := range loops {
			soon(t, l, called.Done)
			_, err := l.CallLater(time.Microsecond, func() {})
			must(t, err)
		}
		called.Wait()
	}
	// A loop that waits on a thread is in a system call. The number of threads itself also counts
	// those that other callbacks of a busy machine have needed at the same time.
	blocked := 0
	for ctx := bounded(t); ; time.Sleep(10 * time.Millisecond) {
		must(t, ctx.Err())
		parked := 0
		if parked, blocked = waitingLoops(); parked+blocked == n && blocked <= runtime.GOMAXPROCS(0) {
			break
		}
	}
	threads := countThreads(t)
	if threads >= n {
		t.Errorf("%d threads", threads)
	}
	t.Logf("%d loops wait on threads of their own; there are %d threads", blocked, threads)
	for _, l := range loops {
		l.Stop()
	}
	group.Wait()
	for _, l := range loops {
		must(t, l.Close())
	}
}

// waitingLoops counts the loops that wait in the runtime's poller, and those that wait on a thread.
func waitingLoops() (parked, blocked int) {
	stacks := make([]byte, 16<<20)
	for _, stack := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if !strings.Contains(stack, "zmqio.(*EventLoop).RunForever(") {
			continue
		}
		switch state, _, _ := strings.Cut(stack, "\n"); {
		case strings.Contains(state, "[IO wait"):
			parked++
		case strings.Contains(state, "[syscall"):
			blocked++
		}
	}
	return parked, blocked
}

func countThreads(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/task")
	must(t, err)
	return len(entries)
}

// Transports work on parked loops as on others. Timers are never early, and the end of a context
// ends the run.
func TestParkedLoop(t *testing.T) {
	leakCheck(t)
	reactor.Runs.Add(1 << 20)
	defer reactor.Runs.Add(-1 << 20)
	l := newLoop(t)
	var server *Transport
	server = create(t, l, &receiver{fn: func(m [][]byte) { must(t, server.Write(m)) }}, zmq.ROUTER, bindTo(anyPort))
	got := make(chan string, 1)
	client := create(t, l, &receiver{fn: func(m [][]byte) { got <- text(m) }}, zmq.DEALER, connectTo(server.Listeners()...))
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		for i := range 1000 {
			must(t, client.Write(msg(fmt.Sprint(i))))
			select {
			case m := <-got:
				if m != fmt.Sprint(i) {
					t.Fatalf("got %s, want %d", m, i)
				}
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		for _, d := range []time.Duration{0, 1, time.Microsecond, 3 * time.Millisecond} {
			fired := make(chan time.Duration)
			due := l.Time() + d
			_, err := l.CallAt(due, func() { fired <- l.Time() })
			must(t, err)
			if at := <-fired; at < due {
				t.Errorf("a timer for %v is %v early", d, due-at)
			}
		}
		return nil
	}))
	ctx, cancel := context.WithCancel(bounded(t))
	go cancel()
	if err := l.RunForever(ctx); err != context.Canceled {
		t.Error(err)
	}
}

// A loop with many timers and descriptors serves all of them.
func TestManyTimersAndDescriptors(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	const timers, pairs = 10_000, 500 // a pair is two transports
	left := timers + pairs
	done := func() {
		if left--; left == 0 {
			l.Stop()
		}
	}
	var busy *Transport
	for i := range pairs {
		endpoint := fmt.Sprintf("inproc://many-%d", i)
		first := true
		p := &receiver{}
		pull := create(t, l, p, zmq.PULL, bindTo(endpoint))
		push := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo(endpoint))
		p.fn = func(m [][]byte) {
			if first {
				first = false
				done()
			}
			if push == busy { // the pair that is always busy
				must(t, push.Write(m))
			}
		}
		_ = pull
		if i == 0 {
			busy = push
		}
		must(t, push.Write(msg("x")))
	}
	start := l.Time()
	for i := range timers {
		when := start + time.Duration(i%1000)*10*time.Microsecond
		_, err := l.CallAt(when, func() {
			if l.Time() < when {
				t.Error("early")
			}
			done()
		})
		must(t, err)
	}
	must(t, l.RunForever(bounded(t)))
}

// BenchmarkWait measures the round trip of a message between two loops. They block in epoll_wait or
// park in the runtime's poller.
//
//	go test -run ^$ -bench Wait -count 6 ./zmqio
func BenchmarkWait(b *testing.B) {
	for name, more := range map[string]int64{"block": 0, "park": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			reactor.Runs.Add(more)
			defer reactor.Runs.Add(-more)
			benchmarkRoundTrip(b)
		})
	}
}

func benchmarkRoundTrip(b *testing.B) {
	server, client := newLoop(b), newLoop(b)
	var s, c *Transport
	s = create(b, server, &receiver{fn: func(m [][]byte) { _ = s.Write(m) }}, zmq.PAIR, bindTo(anyPort))
	payload := [][]byte{bytes.Repeat([]byte{'x'}, 64)}
	n := 0
	c = create(b, client, &receiver{fn: func([][]byte) {
		if n++; n == b.N {
			client.Stop()
			return
		}
		_ = c.Write(payload)
	}}, zmq.PAIR, connectTo(s.Listeners()...))
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.RunForever(ctx)
	}()
	runtime.Gosched()
	b.ResetTimer()
	_ = c.Write(payload)
	must(b, client.RunForever(b.Context()))
	b.StopTimer()
	cancel()
	<-ended
}
