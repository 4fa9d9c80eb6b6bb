package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A load is the messages of a bench, from the command line.
type load struct {
	size, count int
	rate        float64 // messages a second; 0: no limit
	pub, json   bool
}

const (
	// benchHeader is the size of a message's number and of the total, 8 bytes each.
	benchHeader = 16
	// benchLargest is the size of the largest message, in bytes.
	benchLargest = 1 << 30
	// pingShare is how many one-way messages bench sends for one round trip, if it measures both.
	pingShare = 10
)

func (b *load) flags(fs *pflag.FlagSet, names ...string) {
	for _, name := range names {
		switch name {
		case "size":
			fs.IntVar(&b.size, name, 64, fmt.Sprintf("send messages of `N` bytes, at least %d", benchHeader))
		case "count":
			fs.IntVarP(&b.count, name, "n", 100000, "send `N` messages")
		case "rate":
			fs.Float64VarP(&b.rate, name, "r", 0, "send `N` messages a second; 0 is as many as can be sent")
		case "pub":
			toggleVar(fs, &b.pub, name, "", "be a publisher and a subscriber instead of PUSH and PULL; the publisher waits for room instead of dropping")
		case "json":
			toggleVar(fs, &b.json, name, "j", "print an object a line")
		}
	}
}

// check returns a usageError for invalid flags.
func (b *load) check() error {
	switch {
	case b.size < benchHeader:
		return usagef("--size %d: less than %d", b.size, benchHeader)
	case b.size > benchLargest:
		return usagef("--size %d: more than %d", b.size, benchLargest)
	case b.count < 1:
		return usagef("--count %d: less than 1", b.count)
	case b.rate < 0:
		return usagef("--rate %v: negative", b.rate)
	case math.IsNaN(b.rate) || math.IsInf(b.rate, 0):
		return usagef("--rate %v: not a number of messages", b.rate)
	}
	return nil
}

// types returns the socket types of the sender and the receiver.
func (b *load) types() (from, to zmq.SocketType) {
	if b.pub {
		return zmq.XPUB, zmq.SUB
	}
	return zmq.PUSH, zmq.PULL
}

// socket configures s, whose typ is set, as an end of the bench.
func (b *load) socket(s *socket) *socket {
	if s.typ == zmq.XPUB { // waits for room instead of dropping
		s.first = func(opts zmq.Sockopts) error { return opts.SetXPubNoDrop(true) }
	}
	return s
}

// number writes i and n, the number of messages, into message.
func number(message []byte, i, n int) {
	binary.LittleEndian.PutUint64(message, uint64(i))
	binary.LittleEndian.PutUint64(message[8:], uint64(n))
}

// numberOf returns the numbers that number wrote.
func numberOf(msg [][]byte) (i, n int, err error) {
	if len(msg) != 1 || len(msg[0]) < benchHeader {
		return 0, 0, errors.New("what came is not a message of zmqcat bench send")
	}
	return int(binary.LittleEndian.Uint64(msg[0])), int(binary.LittleEndian.Uint64(msg[0][8:])), nil
}

// pace waits until message i, counted from start, is due.
func (b *load) pace(ctx context.Context, start time.Time, i int) (due time.Time, err error) {
	if b.rate == 0 {
		return time.Now(), nil
	}
	due = start.Add(time.Duration(float64(i) / b.rate * float64(time.Second)))
	wait := time.Until(due)
	if wait <= 0 {
		return due, nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return due, nil
	case <-ctx.Done():
		return due, context.Cause(ctx)
	}
}

// send sends the messages when a receiver is there, and returns when libzmq has delivered them.
func (b *load) send(ctx context.Context, s *zmqio.Stream) (flow, error) {
	wait := func() error { return s.WaitConnected(ctx, 1) }
	if b.pub {
		wait = func() error { return s.WaitSubscribed(ctx, "", 1) }
	}
	f := flow{Test: "send", Size: b.size}
	if err := wait(); err != nil {
		return f, err
	}
	message := make([]byte, b.size)
	start := time.Now()
	for f.Messages < b.count {
		if _, err := b.pace(ctx, start, f.Messages); err != nil {
			return f, err
		}
		number(message, f.Messages, b.count)
		if err := s.Send(ctx, message); err != nil {
			return f, err
		}
		f.Messages++
	}
	err := s.Shutdown(ctx)
	return f.over(time.Since(start)), err
}

// receive receives the messages of one sender. If ctx ends, it returns the figures so far.
func (b *load) receive(ctx context.Context, s *zmqio.Stream) (flow, error) {
	f := flow{Test: "receive"}
	var start time.Time
	for msg, err := range s.Messages(ctx) {
		switch {
		case err != nil && f.Messages > 0 && ctx.Err() != nil:
			return f.over(time.Since(start)), nil
		case err != nil:
			return f, err
		}
		i, n, err := numberOf(msg)
		if err != nil {
			return f, err
		}
		if f.Messages == 0 {
			start = time.Now()
			f.Size = len(msg[0])
		}
		f.Messages++
		f.Lost = i + 1 - f.Messages
		if i == n-1 {
			return f.over(time.Since(start)), nil
		}
	}
	return f, io.ErrUnexpectedEOF
}

// ping sends each request after the reply to the last. With a rate, the time of a late request
// counts from when it was due.
func (b *load) ping(ctx context.Context, s *zmqio.Stream) (trips, error) {
	t := trips{Test: "ping", Size: b.size}
	if err := s.WaitConnected(ctx, 1); err != nil {
		return t, err
	}
	message := make([]byte, b.size)
	var took []time.Duration
	start := time.Now()
	for i := range b.count {
		due, err := b.pace(ctx, start, i)
		if err != nil {
			return t, err
		}
		number(message, i, b.count)
		if err := s.Send(ctx, message); err != nil {
			return t, err
		}
		reply, err := s.Recv(ctx)
		if err != nil {
			return t, err
		}
		if len(reply) != 1 || !bytes.Equal(reply[0], message) {
			return t, errors.New("the reply is not the request; does the other end run zmqcat bench echo?")
		}
		took = append(took, time.Since(due))
	}
	return t.over(time.Since(start), took), nil
}

// An end is a stream on its own loop.
type end struct {
	loop   *zmqio.EventLoop
	stream *zmqio.Stream
}

// openEnd opens the stream of s. It may return a usageError.
func openEnd(ctx context.Context, s *socket, con *console) (*end, error) {
	loop, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Linger: grace})
	if err != nil {
		return nil, err
	}
	if err := loop.Start(); err != nil {
		return nil, errors.Join(err, loop.Close())
	}
	e := &end{loop: loop}
	if err = serveCurve(loop, con, s); err == nil {
		e.stream, err = s.stream(ctx, loop, con)
	}
	if err != nil {
		return nil, errors.Join(usageError{err}, loop.Close())
	}
	return e, nil
}

// follow makes con show the traffic of e, whose socket has a type, until stop is called.
func (e *end) follow(typ zmq.SocketType, con *console) (stop func()) {
	var m meter
	start := time.Now()
	return con.follow(func() string {
		s := e.stream.Transport().Stats()
		var parts []part
		if typ.CanSend() {
			parts = append(parts, partOf("sent", s.Sent))
		}
		if typ.CanReceive() {
			parts = append(parts, partOf("received", s.Received))
		}
		return m.line(start, time.Now(), parts...)
	})
}

// close ends e. Nothing need be sent if all has arrived, or when the stream has ended in time. A close
// that takes longer than grace is then no error: the machine was just busy for so long.
func (e *end) close(arrived bool) error {
	sent, ended := e.stream.Close(), e.loop.Close()
	if arrived && errors.Is(sent, zmqio.ErrUndelivered) {
		sent = nil
	}
	unread := errors.Is(ended, zmqio.ErrUndelivered) // over ipc
	late := errors.Is(ended, os.ErrDeadlineExceeded)
	if unread && arrived || late && !unread && sent == nil {
		ended = nil
	}
	return errors.Join(sent, ended)
}

// local measures both ways between ends in this process, the first of which binds endpoint. It
// calls print with each result.
func (b *load) local(ctx context.Context, endpoint string, con *console, print func(fmt.Stringer) error) error {
	from, to := b.types()
	received := make(chan error, 1)
	var f flow
	if err := b.between(ctx, to, from, endpoint, con, func(bound, connected *zmqio.Stream) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		go func() {
			var err error
			if f, err = b.receive(ctx, bound); err != nil {
				cancel(err)
			}
			received <- err
		}()
		_, err := b.send(ctx, connected)
		if err != nil {
			cancel(err)
		}
		return errors.Join(<-received, err)
	}); err != nil {
		return err
	}
	if err := print(f); err != nil {
		return err
	}
	few := *b
	few.count = max(b.count/pingShare, 1)
	var t trips
	if err := b.between(ctx, zmq.REP, zmq.REQ, endpoint, con, func(bound, connected *zmqio.Stream) (err error) {
		ctx, cancel := context.WithCancelCause(ctx)
		answered := make(chan error, 1)
		go func() { answered <- answer(ctx, bound) }()
		t, err = few.ping(ctx, connected)
		cancel(errAnswered)
		return errors.Join(err, <-answered)
	}); err != nil {
		return err
	}
	return print(t)
}

var errAnswered = errors.New("all is answered")

// answer sends each request back until ctx ends.
func answer(ctx context.Context, s *zmqio.Stream) error {
	for msg, err := range s.Messages(ctx) {
		if err == nil {
			err = s.Send(ctx, msg...)
		}
		if err != nil && !errors.Is(err, errAnswered) {
			return err
		}
	}
	return nil
}

// between calls measure with two streams: one bound to endpoint, one connected to it.
func (b *load) between(ctx context.Context, bound, connected zmq.SocketType, endpoint string, con *console,
	measure func(bound, connected *zmqio.Stream) error,
) error {
	silent := &console{w: con.w, quiet: true}
	here, err := openEnd(ctx, b.socket(&socket{typ: bound, bind: []string{endpoint}}), silent)
	if err != nil {
		return err
	}
	there, err := openEnd(ctx, b.socket(&socket{typ: connected, connect: here.stream.Transport().Listeners()}), silent)
	if err != nil {
		return errors.Join(err, here.close(true))
	}
	if con.terminal() {
		defer there.follow(connected, con)()
	}
	return cmp.Or(measure(here.stream, there.stream), there.close(true), here.close(true))
}
