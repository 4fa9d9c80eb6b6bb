package peers

import (
	"context"
	"encoding/binary"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A clock reads CLOCK_MONOTONIC, which all processes share, without a system call.
type clock struct {
	start time.Time
	at    int64 // CLOCK_MONOTONIC at start, in nanoseconds
}

func newClock() clock {
	var t unix.Timespec
	must(unix.ClockGettime(unix.CLOCK_MONOTONIC, &t))
	return clock{time.Now(), t.Nano()}
}

func (c clock) now() int64 { return c.at + int64(time.Since(c.start)) }

// A timekeeper notes how long messages took. Each message begins with the time at which it was due.
type timekeeper struct {
	zmqio.BaseProtocol
	meter
	clock
	loop *zmqio.EventLoop
}

func newTimekeeper(j job, l *zmqio.EventLoop) *timekeeper {
	return &timekeeper{meter: meter{job: j, times: new(histogram)}, clock: newClock(), loop: l}
}

func (k *timekeeper) MsgReceived(msg [][]byte) {
	k.times.add(k.now() - int64(binary.NativeEndian.Uint64(msg[0])))
	if k.tick() {
		k.loop.Stop()
	}
}

func zmqioLatency(j job) error {
	l := newLoop(zmqio.LoopConfig{})
	k := newTimekeeper(j, l)
	t := j.create(l, k, zmq.PULL, bindTo(j.endpoint))
	if err := tellEndpoint(t.Listeners()[0]); err != nil {
		return err
	}
	return runMeasured(l, &k.meter)
}

// A member is the protocol of one of many sockets, which share a timekeeper. The timekeeper begins
// when each socket has received a message.
type member struct {
	zmqio.BaseProtocol
	all  *timekeeper
	left *int // number of members that have received nothing
	seen bool
}

func (m *member) MsgReceived(msg [][]byte) {
	if !m.seen {
		m.seen = true
		*m.left--
	}
	if *m.left == 0 {
		m.all.MsgReceived(msg)
	}
}

func zmqioActive(j job) error {
	l := j.loopForMany()
	k := newTimekeeper(j, l)
	left := j.sockets
	for range j.sockets {
		j.create(l, &member{all: k, left: &left}, zmq.PULL, connectTo(j.endpoint))
	}
	return runMeasured(l, &k.meter)
}

// A counter keeps the last messages, counts all, and hashes the first frame of each hashes times.
type counter struct {
	zmqio.BaseProtocol
	tally  *tally
	kept   ring[[][]byte]
	hashes int
	hash   uint64
}

func (c *counter) MsgReceived(msg [][]byte) {
	c.kept.put(msg)
	for range c.hashes {
		c.hash = fnv(c.hash, msg[0])
	}
	c.tally.Add(1)
}

// fnv continues the hash h with p, by FNV-1a as the C program does.
func fnv(h uint64, p []byte) uint64 {
	for _, b := range p {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

// zmqioLoops receives with several loops. Each has its own context and goroutine.
func zmqioLoops(j job) error {
	hashes := 0
	if j.how == "hash" {
		hashes = 16
	}
	tallies := make([]tally, j.sockets)
	var endpoints []string
	for i := range tallies {
		l := newLoop(zmqio.LoopConfig{})
		c := &counter{tally: &tallies[i], kept: newRing[[][]byte](j.keep), hashes: hashes}
		t := j.create(l, c, zmq.PULL, bindTo(j.endpoint))
		endpoints = append(endpoints, t.Listeners()[0])
		go func() { must(l.RunForever(context.Background())) }()
	}
	if err := tellEndpoint(strings.Join(endpoints, ",")); err != nil {
		return err
	}
	j.lead = 1
	return tell(j.watch(tallies))
}
