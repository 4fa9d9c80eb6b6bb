package peers

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/zmqio/zmq/zmqio"
)

// period returns how long a timer waits, from 1 to 10 s.
func period() time.Duration { return time.Second + rand.N(9*time.Second) }

// heartbeats calls begin for each timer. The first times are spread over the periods, as those of
// connections that came one after the other.
func (j job) heartbeats(begin func(first, period time.Duration)) {
	for range j.timers {
		p := period()
		begin(rand.N(p), p)
	}
}

func zmqioTimers(j job) error {
	l := newLoop(zmqio.LoopConfig{})
	m := meter{job: j, times: new(histogram)}
	j.heartbeats(func(first, period time.Duration) {
		due := l.Time() + first
		var beat func()
		beat = func() {
			now := l.Time()
			m.times.add(int64(now - due))
			if m.tick() {
				l.Stop()
			}
			due = now + period
			_, err := l.CallAt(due, beat)
			must(err)
		}
		_, err := l.CallAt(due, beat)
		must(err)
	})
	return runMeasured(l, &m)
}

// goTimers measures the timers of package time, which run each function on a goroutine of its own.
func goTimers(j job) error {
	var mu sync.Mutex
	m := meter{job: j, times: new(histogram)}
	done := make(chan struct{})
	start := time.Now()
	j.heartbeats(func(first, period time.Duration) {
		due := time.Since(start) + first
		var timer *time.Timer
		mu.Lock()
		defer mu.Unlock()
		timer = time.AfterFunc(first, func() {
			mu.Lock()
			defer mu.Unlock()
			now := time.Since(start)
			m.times.add(int64(now - due))
			if !m.done && m.tick() {
				close(done)
			}
			due = now + period
			timer.Reset(period)
		})
	})
	<-done
	mu.Lock()
	defer mu.Unlock()
	return tell(m.result)
}

// zmqioCancel sets timers and cancels them, while others wait.
func zmqioCancel(j job) error {
	l := newLoop(zmqio.LoopConfig{})
	nothing := func() {}
	for range j.timers {
		_, err := l.CallLater(time.Hour+period(), nothing)
		must(err)
	}
	m := meter{job: j}
	var some func()
	some = func() {
		for range burst {
			h, err := l.CallLater(time.Hour+period(), nothing)
			must(err)
			h.Cancel()
			if m.tick() {
				l.Stop()
				return
			}
		}
		_, err := l.CallSoon(some)
		must(err)
	}
	if _, err := l.CallSoon(some); err != nil {
		return err
	}
	return runMeasured(l, &m)
}

func goCancel(j job) error {
	nothing := func() {}
	for range j.timers {
		time.AfterFunc(time.Hour+period(), nothing)
	}
	m := meter{job: j}
	for !m.tick() {
		time.AfterFunc(time.Hour+period(), nothing).Stop()
	}
	return tell(m.result)
}
