package peers

import (
	"encoding/binary"
	"sync/atomic"
	"syscall"
	"time"
)

// A result is what a process has measured.
type result struct {
	Messages int     `json:"messages"`
	Seconds  float64 `json:"seconds"`
	usage
	percentiles
}

// usage is what all threads of the process have used.
type usage struct {
	CPU          float64 `json:"cpu"` // seconds, user and system
	Voluntary    int     `json:"voluntary"`
	Involuntary  int     `json:"involuntary"` // context switches
	Instructions int     `json:"instructions"`
}

// used returns what the process has used so far. Instructions is 0 if the job has no counter.
func (j job) used() usage {
	var u syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	var count [8]byte
	if j.counter > 0 {
		_, err := syscall.Read(j.counter, count[:])
		must(err)
	}
	cpu := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	return usage{cpu.Seconds(), int(u.Nvcsw), int(u.Nivcsw), int(binary.NativeEndian.Uint64(count[:]))}
}

// A mark is the beginning of a measurement.
type mark struct {
	job
	n    int // messages so far
	time time.Time
	used usage
}

func (j job) mark(n int) mark { return mark{j, n, time.Now(), j.used()} }

// result returns what was counted and used since m, with n messages by now.
func (m mark) result(n int) result {
	took, now := time.Since(m.time), m.job.used()
	return result{Messages: n - m.n, Seconds: took.Seconds(), usage: usage{
		now.CPU - m.used.CPU, now.Voluntary - m.used.Voluntary,
		now.Involuntary - m.used.Involuntary, now.Instructions - m.used.Instructions,
	}}
}

// A meter counts messages, and measures after the warm-up.
type meter struct {
	job
	n      int
	start  time.Time
	begin  mark
	times  *histogram // nil if the job notes no times
	result result
	done   bool
}

// tick counts a message, and reports whether the measurement is done.
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
	case m.begin.time.IsZero():
		if now.Sub(m.start) >= m.warm {
			m.times.reset()
			m.begin = m.job.mark(m.n)
		}
	case now.Sub(m.begin.time) >= m.length:
		m.done, m.result = true, m.begin.result(m.n)
		m.result.percentiles = m.times.percentiles()
	}
}

// A tally counts the messages of one goroutine. It fills a cache line.
type tally struct {
	atomic.Int64
	_ [7]int64
}

// watch measures what goroutines count in tallies, and what the process uses. Without tallies there
// are no messages.
func (j job) watch(tallies []tally) result {
	if tallies == nil {
		time.Sleep(j.warm)
		begin := j.mark(0)
		time.Sleep(j.length)
		return begin.result(0)
	}
	return j.measure(func() int { return sum(tallies) })
}

// measure measures messages that count counts. On a busy machine it goes on until one has come.
func (j job) measure(count func() int) result {
	for count() < j.lead {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(j.warm)
	begin := j.mark(count())
	time.Sleep(j.length)
	n := count()
	for ; n == begin.n; n = count() {
		time.Sleep(time.Millisecond)
	}
	return begin.result(n)
}

// fromGoroutines measures n goroutines. Each calls begin once. It then calls the result in a loop,
// with a message of its own.
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

// A ring keeps the last messages, as a program that uses them does.
type ring[M any] struct {
	msgs []M
	at   int
}

func newRing[M any](n int) ring[M] { return ring[M]{msgs: make([]M, n)} }

func (r *ring[M]) put(msg M) { *r.next() = msg }

// next returns the place of the oldest message, which the caller overwrites.
func (r *ring[M]) next() *M {
	m := &r.msgs[r.at]
	if r.at++; r.at == len(r.msgs) {
		r.at = 0
	}
	return m
}
