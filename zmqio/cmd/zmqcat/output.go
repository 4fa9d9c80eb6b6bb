package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
)

// outputBuffer is how many unwritten bytes stop the receiving.
const outputBuffer = 1 << 20

// A printer writes messages to standard output on its own goroutine, so that the loop never waits
// for the reader. Messages that come during one write go out in the next.
type printer struct {
	w      io.Writer
	format func(buf []byte, msg [][]byte) []byte
	// before is called before each write, and failed after a write that failed.
	before, failed func()
	// tooFast is called when too much is unwritten, and then resume when it no longer is. They must
	// not call the printer.
	tooFast, resume func()

	mu      sync.Mutex
	changed *sync.Cond
	buf     []byte
	paused  bool
	closed  bool
	err     error
	done    chan struct{}
}

// start starts the goroutine.
func (p *printer) start() {
	p.changed = sync.NewCond(&p.mu)
	p.done = make(chan struct{})
	go p.write()
}

// print makes the goroutine write msg. It does not keep msg.
func (p *printer) print(msg [][]byte) {
	p.put(func(buf []byte) []byte { return p.format(buf, msg) })
}

// put makes the goroutine write what format appends.
func (p *printer) put(format func(buf []byte) []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return
	}
	p.buf = format(p.buf)
	p.changed.Signal()
	if len(p.buf) > outputBuffer && !p.paused {
		p.paused = true
		p.tooFast()
	}
}

// write is the goroutine's function.
func (p *printer) write() {
	defer close(p.done)
	for buf := []byte(nil); ; {
		if buf = p.take(buf); len(buf) == 0 {
			return
		}
		p.before()
		if _, err := p.w.Write(buf); err != nil {
			p.mu.Lock()
			p.err = err
			p.mu.Unlock()
			p.failed()
			return
		}
	}
}

// take waits for something to write, and returns nil when the printer is closed. It gives the
// printer the buffer old in exchange.
func (p *printer) take(old []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.buf) == 0 && !p.closed {
		p.changed.Wait()
	}
	buf := p.buf
	if p.buf = old[:0]; cap(old) > 2*outputBuffer {
		p.buf = nil // frees the memory of an unusually large message
	}
	if p.paused {
		p.paused = false
		p.resume()
	}
	return buf
}

// close waits until everything is written, or ctx ends. It returns the error of a write, except
// that the reader has gone.
func (p *printer) close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.changed.Signal()
	p.mu.Unlock()
	if !await(ctx, p.done) {
		return errors.New("output: stopped before everything was written")
	}
	if p.err == nil || errors.Is(p.err, syscall.EPIPE) {
		return nil
	}
	return fmt.Errorf("output: %w", p.err)
}

// formatText appends the frames with tabs between them.
func formatText(buf []byte, msg [][]byte) []byte {
	for i, frame := range msg {
		if i > 0 {
			buf = append(buf, '\t')
		}
		buf = append(buf, frame...)
	}
	return append(buf, '\n')
}

// formatBinary appends the frames with nothing between them.
func formatBinary(buf []byte, msg [][]byte) []byte {
	for _, frame := range msg {
		buf = append(buf, frame...)
	}
	return buf
}
