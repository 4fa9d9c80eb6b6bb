package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

const (
	// demoWindow bounds the bytes in all queues between the client and itself. libzmq's own marks
	// count messages, whatever their size.
	demoWindow = 4 << 20
	// lineOverhead is the assumed cost of a line besides its bytes.
	lineOverhead = 64
)

// demoPatience is how long the demo waits for the next line to come back. Tests set it.
var demoPatience = 10 * time.Second

// An echo is the protocol of a ROUTER that sends every message back to its peer. It receives no
// faster than it can send.
type echo struct {
	zmqio.BaseProtocol
	transport *zmqio.Transport
	failed    func(error)
}

// ConnectionMade keeps the transport.
func (e *echo) ConnectionMade(t *zmqio.Transport) { e.transport = t }

// PauseWriting pauses reading. It ignores the error of a closed transport, as ResumeWriting does.
func (e *echo) PauseWriting() { _ = e.transport.PauseReading() }

// ResumeWriting resumes reading.
func (e *echo) ResumeWriting() { _ = e.transport.ResumeReading() }

// MsgReceived sends msg back. The first frame is the routing id of its peer.
func (e *echo) MsgReceived(msg [][]byte) {
	if err := e.transport.Write(msg); err != nil {
		e.failed(fmt.Errorf("echo: %w", err))
	}
}

// A demo is the demo, and the protocol of its DEALER.
type demo struct {
	zmqio.BaseProtocol
	loop      *zmqio.EventLoop
	transport *zmqio.Transport
	gate      *gate
	patience  time.Duration
	start     time.Time
	ended     bool  // the input
	err       error // the first error
	done      *zmqio.Future[struct{}]

	mu sync.Mutex
	tally
}

// runDemo runs the demo on a file, or on stdin if file is "". It prints a summary to w. If the file
// cannot be opened, it returns a usageError.
func runDemo(ctx context.Context, file string, stdin io.Reader, w io.Writer) error {
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return usageError{err}
		}
		defer f.Close()
		stdin = f
	}
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		return err
	}
	d := newDemo(loop)
	service := &echo{failed: d.finish}
	return errors.Join(d.run(ctx, service, stdin, w), loop.Close())
}

func newDemo(loop *zmqio.EventLoop) *demo {
	return &demo{loop: loop, gate: newGate(), patience: demoPatience, done: zmqio.NewFuture[struct{}](loop)}
}

// run sends the lines of r through service, and prints a summary to w.
func (d *demo) run(ctx context.Context, service zmqio.Protocol, r io.Reader, w io.Writer) error {
	d.loop.SetExceptionHandler(func(_ *zmqio.EventLoop, e zmqio.ExceptionContext) {
		d.finish(fmt.Errorf("%s: %w", e.Message, e.Err))
	})
	if err := d.connect(ctx, service); err != nil {
		return err
	}
	d.start = time.Now()
	go func() {
		err := pump(r, d.gate, d.send)
		_, _ = d.loop.CallSoon(func() { d.endOfInput(err) }) // fails only if the demo is over
	}()
	d.watch(-1)
	if _, err := zmqio.RunUntilComplete(ctx, d.loop, d.done); err != nil && ctx.Err() == nil {
		d.finish(err)
	}
	d.gate.stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := fmt.Fprintf(w, "zmqcat demo: %s\n", d.summary(time.Since(d.start))); err != nil {
		d.finish(err)
	}
	return errors.Join(d.err, d.verdict())
}

// connect makes both transports.
func (d *demo) connect(ctx context.Context, service zmqio.Protocol) error {
	router, _, err := d.loop.CreateZmqConnection(ctx, func() zmqio.Protocol { return service }, zmq.ROUTER,
		zmqio.ConnectionConfig{
			Bind: []string{"tcp://127.0.0.1:*"},
			// libzmq then refuses a message without room, instead of dropping it.
			Configure: func(opts zmq.Sockopts) error { return opts.SetRouterMandatory(true) },
		})
	if err != nil {
		return err
	}
	_, _, err = d.loop.CreateZmqConnection(ctx, func() zmqio.Protocol { return d }, zmq.DEALER,
		zmqio.ConnectionConfig{Connect: router.Listeners()})
	return err
}

// ConnectionMade keeps the transport.
func (d *demo) ConnectionMade(t *zmqio.Transport) { d.transport = t }

// PauseWriting stops the input.
func (d *demo) PauseWriting() { d.gate.hold(full) }

// ResumeWriting lets the input go on.
func (d *demo) ResumeWriting() { d.gate.release(full) }

// send sends a line, on the reader's goroutine.
func (d *demo) send(line []byte) error {
	d.mu.Lock()
	d.add(line)
	if d.underWay > demoWindow {
		d.gate.hold(window)
	}
	d.mu.Unlock()
	return d.transport.Write([][]byte{line})
}

// MsgReceived compares a line that comes back.
func (d *demo) MsgReceived(msg [][]byte) {
	d.mu.Lock()
	d.compare(msg)
	if d.underWay <= demoWindow/2 {
		d.gate.release(window)
	}
	d.mu.Unlock()
	d.finishIfComplete()
}

func (d *demo) endOfInput(err error) {
	if err != nil {
		d.finish(err)
	}
	d.ended = true
	d.finishIfComplete()
}

func (d *demo) finishIfComplete() {
	d.mu.Lock()
	complete := d.ended && len(d.missing) == 0
	d.mu.Unlock()
	if complete {
		d.finish(nil)
	}
}

// watch ends the demo if lines are missing and none has come back since before.
func (d *demo) watch(before int) {
	d.mu.Lock()
	back, missing := d.back, len(d.missing)
	d.mu.Unlock()
	if missing > 0 && back == before {
		d.finish(fmt.Errorf("nothing came back for %v", d.patience))
		return
	}
	if missing == 0 {
		back = -1 // no line is missing
	}
	_, _ = d.loop.CallLater(d.patience, func() { d.watch(back) }) // the loop is open
}

// finish ends the demo. The first error counts. Loop goroutine only.
func (d *demo) finish(err error) {
	if d.err == nil {
		d.err = err
	}
	_ = d.done.SetResult(struct{}{}) // fails only if the demo has ended already
}

// A tally compares the lines that come back with those sent, in order.
type tally struct {
	missing   [][]byte // sent and not back yet
	underWay  int      // bytes of these, with overhead
	back      int      // lines that came back, right or wrong
	bytes     int64    // of these
	different int      // of these
}

// add records a line that is sent.
func (t *tally) add(line []byte) {
	t.missing = append(t.missing, bytes.Clone(line))
	t.underWay += len(line) + lineOverhead
}

// compare compares a message that has come back.
func (t *tally) compare(msg [][]byte) {
	t.back++
	for _, frame := range msg {
		t.bytes += int64(len(frame))
	}
	if len(t.missing) == 0 {
		t.different++
		return
	}
	line := t.missing[0]
	t.missing[0] = nil
	t.missing = t.missing[1:]
	t.underWay -= len(line) + lineOverhead
	if len(msg) != 1 || !bytes.Equal(msg[0], line) {
		t.different++
	}
}

func (t *tally) summary(d time.Duration) string {
	text := fmt.Sprintf("%d lines, %d bytes echoed in %.3f seconds, %.0f messages/s, %d mismatches",
		t.back, t.bytes, d.Seconds(), float64(t.back)/d.Seconds(), t.different)
	if n := len(t.missing); n > 0 {
		text += fmt.Sprintf(", %d missing", n)
	}
	return text
}

// verdict returns an error unless all lines came back as they were.
func (t *tally) verdict() error {
	if t.different > 0 || len(t.missing) > 0 {
		return fmt.Errorf("the echo is not what was sent: %d mismatches, %d missing", t.different, len(t.missing))
	}
	return nil
}
