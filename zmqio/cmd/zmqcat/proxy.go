package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A relay is the command line of proxy.
type relay struct {
	front, back, capture socket
	captureType          string
}

func newProxyCommand(con *console) *cobra.Command {
	r := &relay{}
	cmd := &cobra.Command{
		Use:   "proxy FRONT BACK --front-bind ENDPOINT --back-bind ENDPOINT",
		Short: "forward messages between two sockets",
		Long: `proxy forwards messages between a socket of the type FRONT and one of the type BACK, in
each direction that the types allow: between ROUTER and DEALER requests and replies,
from XSUB to XPUB what is published and back the subscriptions, from PULL to PUSH tasks.
Each socket binds and connects as its flags say. A third one, with --capture-bind or
--capture-connect, sends a copy of every message.

Figures go to standard error at the end and, where that is a terminal, all the time,
with rates.
After a signal the proxy forwards what has come already.`,
		Example: `  zmqcat proxy router dealer --front-bind 'tcp://*:5559' --back-bind 'tcp://*:5560'
  zmqcat proxy xsub xpub --front-bind 'tcp://*:5556' --back-bind 'tcp://*:5557' --capture-bind ipc:///tmp/all
  zmqcat sub -c ipc:///tmp/all --json`,
		Args:              func(_ *cobra.Command, args []string) error { return r.parseTypes(args) },
		ValidArgsFunction: completeTypes(2),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.check(); err != nil {
				return err
			}
			return runProxy(cmd.Context(), r, con)
		},
	}
	fs := cmd.Flags()
	for _, side := range []struct {
		socket *socket
		prefix string
	}{{&r.front, "front-"}, {&r.back, "back-"}, {&r.capture, "capture-"}} {
		side.socket.flags(fs, side.prefix)
		completeSocketFlags(cmd, side.prefix)
	}
	fs.StringVar(&r.captureType, "capture", "pub", "send copies with a socket of `TYPE`: pub, push, dealer or pair")
	if err := cmd.RegisterFlagCompletionFunc("capture", completeTypes(2)); err != nil {
		panic(err) // the flag exists
	}
	con.flags(fs)
	return cmd
}

// parseTypes reads the arguments of proxy.
func (r *relay) parseTypes(args []string) (err error) {
	if len(args) != 2 {
		return usagef("proxy takes two types of sockets, FRONT and BACK, not %d", len(args))
	}
	for i, s := range []*socket{&r.front, &r.back} {
		if s.typ, err = zmq.ParseSocketType(args[i]); err != nil {
			return usageError{err}
		}
	}
	return nil
}

// captures reports whether there is a capture socket.
func (r *relay) captures() bool { return len(r.capture.bind)+len(r.capture.connect) > 0 }

// check returns a usageError for invalid flags.
func (r *relay) check() (err error) {
	if r.capture.typ, err = zmq.ParseSocketType(r.captureType); err != nil {
		return usagef("--capture: %w", err)
	}
	if err := r.front.check(); err != nil {
		return err
	}
	if err := r.back.check(); err != nil || !r.captures() {
		return err
	}
	return r.capture.check()
}

// runProxy forwards until ctx ends. Forwarded messages have a grace period to be delivered. An
// error before it begins is a usageError.
func runProxy(ctx context.Context, r *relay, con *console) error {
	s, err := newSession(con)
	if err != nil {
		return err
	}
	if err := s.loop.Start(); err != nil {
		return errors.Join(err, s.loop.Close())
	}
	p, err := r.open(ctx, s.loop, con)
	if err != nil {
		return errors.Join(usageError{err}, s.loop.Close())
	}
	start := time.Now()
	err = s.forward(ctx, p, start)
	deliver, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err = errors.Join(err, s.deliver(deliver, func() bool { return true }))
	con.say("%s, %.3f seconds", proxyFigures(p.Stats()), time.Since(start).Seconds())
	return errors.Join(s.err, err)
}

// forward runs p until ctx ends or the session has an error.
func (s *session) forward(ctx context.Context, p *zmqio.Proxy, start time.Time) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.done.AddDoneCallback(func(*zmqio.Future[struct{}]) { cancel() })
	if s.console.terminal() {
		defer showProxy(p, start, s.console)()
	}
	return p.Run(ctx)
}

// open opens the streams and makes the proxy.
func (r *relay) open(ctx context.Context, loop *zmqio.EventLoop, con *console) (*zmqio.Proxy, error) {
	if err := serveCurve(loop, con, &r.front, &r.back, &r.capture); err != nil {
		return nil, err
	}
	front, err := r.front.stream(ctx, loop, con)
	if err != nil {
		return nil, err
	}
	back, err := r.back.stream(ctx, loop, con)
	if err != nil {
		return nil, err
	}
	var cfg zmqio.ProxyConfig
	if r.captures() {
		if cfg.Capture, err = r.capture.stream(ctx, loop, con); err != nil {
			return nil, err
		}
	}
	return zmqio.NewProxy(front, back, &cfg)
}

// showProxy makes con show the figures and rates of p until stop is called.
func showProxy(p *zmqio.Proxy, start time.Time, con *console) (stop func()) {
	var m meter
	return con.follow(func() string {
		s := p.Stats()
		return m.line(start, time.Now(), partOf("to back", s.ToBack.Traffic), partOf("to front", s.ToFront.Traffic))
	})
}

func partOf(verb string, t zmqio.Traffic) part { return part{verb, int64(t.Messages), int64(t.Bytes)} }

// proxyFigures returns the figures of a proxy as text.
func proxyFigures(s zmqio.ProxyStats) string {
	text := fmt.Sprintf("to back %s (%s), to front %d (%s)", amount(s.ToBack.Messages, "message"), amount(s.ToBack.Bytes, "byte"),
		s.ToFront.Messages, amount(s.ToFront.Bytes, "byte"))
	if dropped := s.ToBack.Dropped + s.ToFront.Dropped; dropped > 0 {
		text += fmt.Sprintf(", %d dropped", dropped)
	}
	if s.Captured > 0 {
		text += fmt.Sprintf(", %d captured", s.Captured)
	}
	return text
}
