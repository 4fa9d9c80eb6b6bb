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

// A cat is the protocol of the transport of a socket command. Loop goroutine only, unless a field
// or a method says otherwise. While the loop does not run, another goroutine may use the cat.
type cat struct {
	*session
	cfg       *config
	transport *zmqio.Transport
	lookout   *lookout
	printer   *printer
	gate      *gate   // any goroutine
	figures   figures // any goroutine

	frames     [][]byte // the line being written; the reader's
	received   int
	inputEnded bool
	toTheLast  bool // wait for delivery without a limit
}

// runCat runs a command for a socket type. An error before its work begins is a usageError. The end
// of ctx is no error.
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
	s, err := newSession(con)
	if err != nil {
		return nil, err
	}
	c := &cat{session: s, cfg: cfg, lookout: newLookout(cfg.typ), gate: newGate()}
	c.printer = c.newPrinter(stdout)
	return c, nil
}

// run does the work to its end.
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
	if !c.console.quiet {
		defer c.after(hintDelay, func() { c.lookout.say(c.console) })()
	}
	c.work(ctx)
	err := c.close(ctx)
	c.console.say("%v", &c.figures)
	return err
}

func (c *cat) newPrinter(w io.Writer) *printer {
	p := &printer{w: w, format: formatText, before: func() {}}
	switch {
	case c.cfg.json:
		p.format = formatJSON
	case c.cfg.binary:
		p.format = formatBinary
	}
	if isTerminal(w) {
		p.before = c.console.clear
	}
	p.failed = func() { c.soon(func() { c.finish(nil) }) } // close returns the reason
	p.tooFast = func() { _ = c.transport.PauseReading() }  // fails only if the transport is closed,
	p.resume = func() { _ = c.transport.ResumeReading() }  // and then does not matter
	return p
}

// open makes the transport.
func (c *cat) open(ctx context.Context) error {
	if err := serveCurve(c.loop, c.console, &c.cfg.socket); err != nil {
		return err
	}
	t, err := c.cfg.open(ctx, c.loop, c, c.console)
	if err == nil {
		c.lookout.watch(t)
	}
	return err
}

// ConnectionMade watches for peers, and makes a REP wait for a request.
func (c *cat) ConnectionMade(t *zmqio.Transport) {
	c.transport = t
	if !c.console.quiet {
		if err := t.EnableMonitor(c.lookout.events()); err != nil {
			c.finish(err)
		}
	}
	if c.cfg.typ == zmq.REP {
		c.gate.hold(turn)
	}
}

// ConnectionLost ends the work.
func (c *cat) ConnectionLost(err error) { c.finish(err) }

// EventReceived passes events of connections to the lookout.
func (c *cat) EventReceived(ev zmq.MonitorEvent) { c.lookout.note(ev) }

// PauseWriting stops the input. It may run on any goroutine.
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

// readInput sends the content of r, on its own goroutine. A read cannot be interrupted, so the
// goroutine may outlive the work.
func (c *cat) readInput(r io.Reader) {
	read := pump
	if c.cfg.binary {
		read = pumpWhole
	}
	err := read(r, c.gate, c.writeLine)
	c.soon(func() { c.endOfInput(err) })
}

// writeLine sends a line, on the reader's goroutine.
func (c *cat) writeLine(line []byte) (err error) {
	c.frames = c.frames[:0]
	switch {
	case c.cfg.json:
		if c.frames, err = parseJSON(c.frames, line); err != nil {
			return err
		}
	case c.cfg.frames:
		c.frames = splitTabs(c.frames, line)
	default:
		c.frames = append(c.frames, line)
	}
	typ, addressee := c.cfg.typ, c.cfg.addressee()
	switch {
	case addressee != "" && len(c.frames) < 2 && c.cfg.json:
		return fmt.Errorf("%v needs two frames or more: %s, and the message", typ, addressee)
	case addressee != "" && len(c.frames) < 2:
		return fmt.Errorf("%v needs --frames, and in each line %s, a tab and the message", typ, addressee)
	case typ == zmq.REQ, typ == zmq.REP:
		c.gate.hold(turn) // set before the peer can answer
	}
	if err := c.transport.Write(c.frames); errors.Is(err, zmq.EHOSTUNREACH) {
		return fmt.Errorf("no peer %q: %w", c.frames[0], err)
	} else if err != nil {
		return err
	}
	c.figures.sent.add(c.frames)
	if c.cfg.interval > 0 {
		c.gate.hold(interval)
		c.later(c.cfg.interval, func() { c.gate.release(interval) })
	}
	if typ == zmq.REP {
		c.soon(c.finishIfComplete)
	}
	return nil
}

// endOfInput handles the end of the input, or err.
func (c *cat) endOfInput(err error) {
	c.inputEnded = true
	switch {
	case c.done.Done(): // the work is done, and the input with it
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

// waited handles the end of --wait.
func (c *cat) waited() {
	switch {
	case c.done.Done():
	case c.cfg.typ == zmq.REQ:
		c.finish(fmt.Errorf("no reply after %v", c.cfg.wait))
	default:
		c.finish(nil)
	}
}

// counted reports whether --count messages have been received.
func (c *cat) counted() bool { return c.cfg.count > 0 && c.received >= c.cfg.count }

func (c *cat) finishIfComplete() {
	complete := c.counted()
	switch c.cfg.typ {
	case zmq.REQ: // no message can follow the reply
		complete = complete || c.inputEnded && !c.gate.holds(turn)
	case zmq.REP: // the last request needs a reply, if possible
		complete = complete && (c.inputEnded || c.gate.holds(turn))
	}
	if complete {
		c.finish(nil)
	}
}

// progress shows the figures, and repeats this.
func (c *cat) progress() {
	typ := c.cfg.typ
	c.console.show(c.figures.progress(time.Now(), typ.CanSend(), typ.CanReceive()))
	c.later(progressInterval, c.progress)
}
