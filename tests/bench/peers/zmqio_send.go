package peers

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// burst is how many messages a burster writes in one callback.
const burst = 256

// burstBytes is the payload at which a Batch is written, if it has fewer messages than burst.
const burstBytes = 1 << 20

// A burster writes from the loop's callbacks, as fast as it may.
type burster struct {
	zmqio.BaseProtocol
	meter
	t      *zmqio.Transport
	msg    [][]byte
	batch  *zmqio.Batch // nil unless how=batch
	paused bool
}

func (b *burster) ConnectionMade(t *zmqio.Transport) { b.t = t }
func (b *burster) PauseWriting()                     { b.paused = true }

func (b *burster) ResumeWriting() {
	b.paused = false
	b.write()
}

// writeBatch does the same as write, with WriteBatch.
func (b *burster) writeBatch() {
	stop := false
	for !stop && !isBurst(b.batch) {
		b.batch.Append(b.msg...)
		stop = b.tick()
	}
	_, err := b.t.WriteBatch(b.batch)
	must(err)
	switch {
	case stop:
		b.t.Loop().Stop()
	case !b.paused:
		_, err = b.t.Loop().CallSoon(b.write)
		must(err)
	}
}

func (b *burster) write() {
	if b.batch != nil {
		b.writeBatch()
		return
	}
	for range burst {
		must(b.t.Write(b.msg))
		if b.tick() {
			b.t.Loop().Stop()
			return
		}
		if b.paused {
			return
		}
	}
	_, err := b.t.Loop().CallSoon(b.write)
	must(err)
}

// sendForever is the sender over inproc, on a loop of its own. It counts nothing.
func sendForever(ctx *zmq4.Context, j job) {
	l := newLoop(zmqio.LoopConfig{Context: ctx})
	b := &burster{meter: meter{job: j, done: false}, msg: j.message()}
	b.length = 1 << 62
	j.create(l, b, zmq.PUSH, connectTo(j.endpoint))
	_, err := l.CallSoon(b.write)
	must(err)
	must(l.RunForever(context.Background()))
}

func runBurster(l *zmqio.EventLoop, b *burster) error {
	if _, err := l.CallSoon(b.write); err != nil {
		return err
	}
	return runMeasured(l, &b.meter)
}

// zmqioPub publishes as fast as the slowest subscriber receives.
func zmqioPub(j job) error {
	l := newLoop(zmqio.LoopConfig{})
	cfg := bindTo(j.endpoint)
	cfg.Configure = j.configure(func(o zmq.Sockopts) error { return o.SetXPubNoDrop(true) })
	b := &burster{meter: meter{job: j}, msg: j.message()}
	t := j.create(l, b, zmq.PUB, cfg)
	if err := tellEndpoint(t.Listeners()[0]); err != nil {
		return err
	}
	return runBurster(l, b)
}

// zmqioSend sends from the loop's callbacks, message by message (how=batched) or as a Batch
// (how=batch). From j.writers goroutines it sends with Write (how=write), WriteContext
// (how=context) or WriteBatchContext (how=batch-context).
func zmqioSend(j job) error {
	l := newLoop(j.placed())
	if j.how == "batched" || j.how == "batch" {
		b := &burster{meter: meter{job: j}, msg: j.message()}
		if j.how == "batch" {
			b.batch = new(zmqio.Batch)
		}
		j.create(l, b, zmq.PUSH, connectTo(j.endpoint))
		return runBurster(l, b)
	}
	g := new(gate)
	t := j.create(l, g, zmq.PUSH, connectTo(j.endpoint))
	var write func([][]byte) error
	switch j.how {
	case "write":
		write = func(msg [][]byte) error {
			g.pass()
			return t.Write(msg)
		}
	case "context":
		write = func(msg [][]byte) error { return t.WriteContext(context.Background(), msg) }
	case "batch-context":
		go func() { must(l.RunForever(context.Background())) }()
		return j.fromGoroutines(j.writers, func() func([][]byte) error { return inBatches(t) })
	default:
		return fmt.Errorf("how=%q", j.how)
	}
	go func() { must(l.RunForever(context.Background())) }()
	return j.fromGoroutines(j.writers, func() func([][]byte) error { return write })
}

// placed returns the loop's configuration. With place=1 it keeps the loop's threads to processor 0,
// to which a pinned process keeps as well.
func (j job) placed() (cfg zmqio.LoopConfig) {
	if j.place == 1 {
		cfg.CPUs = []int{0}
	}
	return cfg
}

// isBurst reports whether b is large enough to be written.
func isBurst(b *zmqio.Batch) bool { return b.Len() >= burst || b.Size() >= burstBytes }

// inBatches returns a function that gathers messages in a Batch, and writes it when isBurst.
func inBatches(t *zmqio.Transport) func(msg [][]byte) error {
	b := new(zmqio.Batch)
	return func(msg [][]byte) error {
		if b.Append(msg...); !isBurst(b) {
			return nil
		}
		_, err := t.WriteBatchContext(context.Background(), b)
		return err
	}
}

// A gate is a Protocol that makes goroutines wait while writing is paused, and lets
// them go on one by one.
type gate struct {
	zmqio.BaseProtocol
	paused atomic.Bool
	shut   sync.Mutex // locked while writing is paused
}

func (g *gate) PauseWriting() {
	g.shut.Lock()
	g.paused.Store(true)
}

func (g *gate) ResumeWriting() {
	g.paused.Store(false)
	g.shut.Unlock()
}

// pass waits until writing is not paused.
func (g *gate) pass() {
	if g.paused.Load() {
		g.shut.Lock()
		defer g.shut.Unlock()
	}
}
