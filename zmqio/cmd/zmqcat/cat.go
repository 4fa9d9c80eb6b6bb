package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

const progressInterval = 500 * time.Millisecond

// A cat is the protocol of zmqcat's one transport. Loop goroutine only, or while no
// goroutine runs the loop, unless a field or a method says otherwise.
type cat struct {
	cfg       *config
	loop      *zmqio.EventLoop
	transport *zmqio.Transport
	console   *console
	printer   *printer
	gate      *gate   // any goroutine
	figures   figures // any goroutine

	frames     [][]byte // of the line that is being written; the reader's
	received   int
	inputEnded bool
	toTheLast  bool // everything sent must be delivered, however long it takes
	err        error

	done *zmqio.Future[struct{}] // the work is
}

// runCat is the program without the demo. An error before it begins its work is a
// usageError. That ctx has ended is none.
func runCat(ctx context.Context, cfg *config, stdin io.Reader, stdout io.Writer, con *console) error {
	c, err := newCat(cfg, stdout, con)
	if err != nil {
		return err
	}
	if err := c.open(ctx); err != nil {
		return errors.Join(usageError{err}, c.loop.Close())
	}
	return c.run(ctx, stdin)
}

func newCat(cfg *config, stdout io.Writer, con *console) (*cat, error) {
	loop, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Linger: noLimit})
	if err != nil {
		return nil, err
	}
	c := &cat{
		cfg:     cfg,
		loop:    loop,
		console: con,
		gate:    newGate(),
		done:    zmqio.NewFuture[struct{}](loop),
	}
	c.printer = c.newPrinter(stdout)
	loop.SetExceptionHandler(c.unexpected)
	return c, nil
}

// run is the work, to its end.
func (c *cat) run(ctx context.Context, stdin io.Reader) error {
	sends := c.cfg.typ.CanSend()
	c.figures.start = time.Now()
	c.printer.start()
	if c.console.terminal() && !(sends && isTerminal(stdin)) {
		c.progress()
	}
	if sends {
		go c.readInput(stdin)
	} else {
		c.soon(func() { c.endOfInput(nil) })
	}
	if _, err := zmqio.RunUntilComplete(ctx, c.loop, c.done); err != nil && ctx.Err() == nil {
		c.finish(err)
	}
	c.finish(nil) // if ctx ended
	err := c.close(ctx)
	c.console.say("%v", &c.figures)
	return err
}

func (c *cat) newPrinter(w io.Writer) *printer {
	p := &printer{w: w, format: formatText, before: func() {}}
	if c.cfg.json {
		p.format = formatJSON
	}
	if isTerminal(w) {
		p.before = c.console.clear
	}
	p.failed = func() { c.soon(func() { c.finish(nil) }) } // close returns why
	p.tooFast = func() { _ = c.transport.PauseReading() }  // fails when the transport is closed,
	p.resume = func() { _ = c.transport.ResumeReading() }  // and then does not matter
	return p
}

// open makes the transport, and says what was bound.
func (c *cat) open(ctx context.Context) error {
	_, _, err := c.loop.CreateZmqConnection(ctx, func() zmqio.Protocol { return c }, c.cfg.typ,
		zmqio.ConnectionConfig{Bind: []string{}, Configure: c.cfg.configure})
	if err != nil {
		return err
	}
	var bound []string
	for _, endpoint := range c.cfg.bind {
		actual, err := c.transport.Bind(endpoint)
		if err != nil {
			return err
		}
		bound = append(bound, actual)
	}
	for _, endpoint := range c.cfg.connect {
		if _, err := c.transport.Connect(endpoint); err != nil {
			return err
		}
	}
	for _, endpoint := range bound {
		c.console.say("bound %s", endpoint)
	}
	return nil
}

// ConnectionMade subscribes an XSUB, which does so with messages, and makes a REP
// wait for a request.
func (c *cat) ConnectionMade(t *zmqio.Transport) {
	c.transport = t
	switch {
	case c.cfg.typ.Info().Subscribes == zmq.SubscribesByMessage:
		for _, topic := range c.cfg.subscribe {
			if err := t.Write([][]byte{append([]byte{1}, topic...)}); err != nil {
				c.finish(err)
			}
		}
	case c.cfg.typ == zmq.REP:
		c.gate.hold(turn)
	}
}

// ConnectionLost ends all.
func (c *cat) ConnectionLost(err error) { c.finish(err) }

// PauseWriting stops the input, on any goroutine.
func (c *cat) PauseWriting() {
	c.figures.pauses.Add(1)
	c.gate.hold(full)
}

// ResumeWriting lets the input go on.
func (c *cat) ResumeWriting() { c.gate.release(full) }

// MsgReceived prints msg.
func (c *cat) MsgReceived(msg [][]byte) {
	if c.counted() {
		return
	}
	c.received++
	c.figures.received.add(msg)
	c.printer.print(msg)
	c.gate.release(turn)
	c.finishIfComplete()
}

// readInput sends the lines of r, on a goroutine of its own. That goroutine outlives
// the program's work if it cannot be called back from reading.
func (c *cat) readInput(r io.Reader) {
	err := pump(r, c.gate, c.writeLine)
	c.soon(func() { c.endOfInput(err) })
}

// writeLine sends a line, on the reader's goroutine.
func (c *cat) writeLine(line []byte) error {
	c.frames = c.frames[:0]
	if c.cfg.frames {
		c.frames = splitTabs(c.frames, line)
	} else {
		c.frames = append(c.frames, line)
	}
	typ := c.cfg.typ
	switch typ {
	case zmq.ROUTER, zmq.STREAM, zmq.DGRAM:
		if len(c.frames) < 2 {
			return fmt.Errorf("%v needs --frames, and whom to send to and a tab before the message", typ)
		}
	case zmq.REQ, zmq.REP:
		c.gate.hold(turn) // before the peer can answer
	}
	if err := c.transport.Write(c.frames); errors.Is(err, zmq.EHOSTUNREACH) {
		return fmt.Errorf("no peer %q: %w", c.frames[0], err)
	} else if err != nil {
		return err
	}
	c.figures.sent.add(c.frames)
	if typ == zmq.REP {
		c.soon(c.finishIfComplete)
	}
	return nil
}

// endOfInput is what comes after the last line, or after err.
func (c *cat) endOfInput(err error) {
	c.inputEnded = true
	switch {
	case c.done.Done(): // and with it the input
	case err != nil:
		c.finish(err)
	case !c.cfg.typ.CanReceive():
		c.toTheLast = true
		c.finish(nil)
	case c.cfg.wait >= 0:
		c.later(c.cfg.wait, c.waited)
	}
	c.finishIfComplete()
}

// waited is the end of --wait.
func (c *cat) waited() {
	switch {
	case c.done.Done():
	case c.cfg.typ == zmq.REQ:
		c.finish(fmt.Errorf("no reply after %v", c.cfg.wait))
	default:
		c.finish(nil)
	}
}

// counted reports whether as many messages were received as --count says.
func (c *cat) counted() bool { return c.cfg.count > 0 && c.received >= c.cfg.count }

func (c *cat) finishIfComplete() {
	complete := c.counted()
	switch c.cfg.typ {
	case zmq.REQ: // nothing more can come when it has its reply
		complete = complete || c.inputEnded && !c.gate.holds(turn)
	case zmq.REP: // the last request is to be answered, if it can be
		complete = complete && (c.inputEnded || c.gate.holds(turn))
	}
	if complete {
		c.finish(nil)
	}
}

// finish ends the work. The first error counts.
func (c *cat) finish(err error) {
	if err != nil && c.err == nil {
		c.err = err
	}
	_ = c.done.SetResult(struct{}{}) // which it may have
}

// unexpected is the loop's exception handler.
func (c *cat) unexpected(loop *zmqio.EventLoop, e zmqio.ExceptionContext) {
	if e.Stack != nil {
		loop.DefaultExceptionHandler(e) // a mistake of ours: say where
	}
	c.finish(fmt.Errorf("%s: %w", e.Message, e.Err))
}

// progress shows how far it is, over and over.
func (c *cat) progress() {
	c.console.show(c.figures.brief())
	c.later(progressInterval, c.progress)
}

// soon and later have fn called on the loop, unless that is closed: then all is over.
func (c *cat) soon(fn func())                   { _, _ = c.loop.CallSoon(fn) }
func (c *cat) later(d time.Duration, fn func()) { _, _ = c.loop.CallLater(d, fn) }
