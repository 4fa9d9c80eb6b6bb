package peers

import (
	"sync/atomic"
	"syscall"
	"time"
)

// A result is what one process measured.
type result struct {
	Messages int     `json:"messages"`
	Seconds  float64 `json:"seconds"`
	CPU      float64 `json:"cpu"` // seconds, user and system
}

// A meter counts messages, and after the warm-up takes time and CPU time.
type meter struct {
	job
	n, from      int
	start, begin time.Time
	cpu          time.Duration
	result       result
	done         bool
}

// tick counts a message, and reports whether time is up.
func (m *meter) tick() bool {
	if m.n++; m.n%m.stride == 0 {
		m.look()
	}
	return m.done
}

func (m *meter) look() {
	now := time.Now()
	switch {
	case m.start.IsZero():
		if m.n >= m.lead {
			m.start = now
		}
	case m.done:
	case m.begin.IsZero():
		if now.Sub(m.start) >= m.warm {
			m.begin, m.from, m.cpu = now, m.n, cpuTime()
		}
	case now.Sub(m.begin) >= m.length:
		m.done = true
		m.result = result{m.n - m.from, now.Sub(m.begin).Seconds(), (cpuTime() - m.cpu).Seconds()}
	}
}

// cpuTime is what the process has used, in user and system mode.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no way to fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A tally is one goroutine's count of messages, on a cache line of its own.
type tally struct {
	atomic.Int64
	_ [7]int64
}

// watch measures what others count, or, without any, just CPU time.
func (j job) watch(tallies []tally) result {
	for sum(tallies) < j.lead {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(j.warm)
	begin, cpu, from := time.Now(), cpuTime(), sum(tallies)
	time.Sleep(j.length)
	return result{sum(tallies) - from, time.Since(begin).Seconds(), (cpuTime() - cpu).Seconds()}
}

// fromGoroutines measures n goroutines. Each calls begin, and then again and again what that
// has returned, with a message that is its own.
func (j job) fromGoroutines(n int, begin func() func(msg [][]byte) error) error {
	tallies := make([]tally, n)
	for i := range tallies {
		go func() {
			do := begin()
			for msg := j.message(); ; tallies[i].Add(1) {
				must(do(msg))
			}
		}()
	}
	return tell(j.watch(tallies))
}

func sum(tallies []tally) (n int) {
	for i := range tallies {
		n += int(tallies[i].Load())
	}
	return n
}

// A ring keeps the messages received last, as a program that uses them does.
type ring[M any] struct {
	msgs []M
	at   int
}

func newRing[M any](n int) ring[M] { return ring[M]{msgs: make([]M, n)} }

func (r *ring[M]) put(msg M) { *r.next() = msg }

// next returns the place of the oldest message, for a new one.
func (r *ring[M]) next() *M {
	m := &r.msgs[r.at]
	if r.at++; r.at == len(r.msgs) {
		r.at = 0
	}
	return m
}
