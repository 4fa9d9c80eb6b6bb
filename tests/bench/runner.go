package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// patience is how long a run may take beyond what it measures: starting, and making
// ten thousand sockets.
const patience = 20 * time.Second

// underWay is how many messages a sender may be ahead of its receiver: small ones fill
// the kernel's buffers by the hundred thousand.
const underWay = 500_000

// A result is what a process that is measured prints.
type result struct {
	Messages int     `json:"messages,omitempty"`
	Seconds  float64 `json:"seconds,omitempty"`
	CPU      float64 `json:"cpu,omitempty"`   // seconds
	Bytes    int     `json:"bytes,omitempty"` // of memory
}

// thousands are the messages a second.
func (r result) thousands() float64 { return float64(r.Messages) / r.Seconds / 1e3 }

// A runner runs cases.
type runner struct {
	programs     *programs
	rounds       int
	pin          bool
	length, warm time.Duration
	runs         int // so far, for unique endpoints
}

// measure runs a case. Subjects that cannot be run are left out, with the reason; the
// error is that of ctx.
func (r *runner) measure(ctx context.Context, c benchCase) (*caseResult, error) {
	res := newCaseResult(c)
	for round := range r.rounds {
		order := slices.Clone(res.Subjects)
		if round%2 == 1 { // what comes first has no advantage
			slices.Reverse(order)
		}
		for _, s := range order {
			if s.Failure != "" {
				continue
			}
			got, err := r.run(ctx, c, s.subject)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				s.Failure = err.Error()
				continue
			}
			s.Samples = append(s.Samples, got)
		}
	}
	res.sumUp()
	return res, nil
}

// run measures a subject once.
func (r *runner) run(ctx context.Context, c benchCase, s subject) (res result, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience+r.length+r.warm)
	defer cancel()
	warm := r.warm
	if c.Slow {
		warm += 500 * time.Millisecond
	}
	params := append(slices.Clone(c.Params), s.Params...)
	measured := append(slices.Clone(params), fmt.Sprint("warm=", warm.Seconds()), fmt.Sprint("length=", r.length.Seconds()))
	test := child{process: s.Test, params: measured, env: s.Env, processor: 0}
	other := child{process: s.Other, params: params, processor: 1}
	defer func() {
		err = errors.Join(err, test.stop(), other.stop())
		if err == nil {
			err = errors.Join(other.confirm(res), c.Unit.check(res))
		}
	}()
	endpoint := r.endpoint(c.Where)
	switch {
	case s.Other == process{}:
		err = r.start(ctx, &test, endpoint)
	case s.Binds:
		err = r.connect(ctx, &test, &other, endpoint)
	default:
		err = r.connect(ctx, &other, &test, endpoint)
	}
	if err != nil {
		return res, err
	}
	for {
		line, err := test.line()
		if err != nil || line.Endpoint == "" {
			return line.result, err
		}
	}
}

// endpoint returns one to bind.
func (r *runner) endpoint(where string) string {
	r.runs++
	switch where {
	case "tcp":
		return "tcp://127.0.0.1:*"
	case "ipc":
		return "ipc://" + filepath.Join(r.programs.dir, fmt.Sprint(r.runs))
	default:
		return where + "://bench"
	}
}

// connect starts the one that binds and then the other.
func (r *runner) connect(ctx context.Context, binds, connects *child, endpoint string) error {
	if err := r.start(ctx, binds, endpoint); err != nil {
		return err
	}
	line, err := binds.line()
	if err != nil {
		return err
	}
	return r.start(ctx, connects, line.Endpoint)
}

// A child is a process that runs.
type child struct {
	process
	params    []string
	env       []string
	processor int // where it is pinned to
	cmd       *exec.Cmd
	stdin     io.Closer
	stdout    *json.Decoder
	stderr    bytes.Buffer
	last      line
}

// A line is what a child prints: its endpoint or what it measured.
type line struct {
	Endpoint string `json:"endpoint"`
	result
}

func (r *runner) start(ctx context.Context, c *child, endpoint string) error {
	command, there := r.programs.commands[c.Program]
	if !there {
		return errors.New(r.programs.missing[c.Program])
	}
	args := append(append(slices.Clone(command[1:]), c.Job, "endpoint="+endpoint), c.params...)
	cmd := exec.CommandContext(ctx, command[0], args...)
	cmd.Env = append(append(os.Environ(), "GOGC=100"), c.env...) // of two settings the later counts
	cmd.Stderr = &c.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	c.stdin, c.stdout = stdin, json.NewDecoder(stdout)
	launch := cmd.Start
	if r.pin {
		launch = func() error { return startOn(cmd, c.processor) }
	}
	if err := launch(); err != nil {
		return err
	}
	c.cmd = cmd
	return nil
}

// line reads the next line that the child prints.
func (c *child) line() (l line, err error) {
	if err := c.stdout.Decode(&l); err != nil {
		return l, fmt.Errorf("%s %s printed no result: %w", c.Program, c.Job, err)
	}
	return l, nil
}

// confirm checks what a sender counted with what its receiver did, warm-up included, or
// the one that received least.
func (c *child) confirm(sent result) error {
	switch c.Job {
	case "sink", "subs":
		if c.last.Messages == 0 || c.last.Messages < sent.Messages-underWay {
			return fmt.Errorf("%d messages sent, but %d received", sent.Messages, c.last.Messages)
		}
	}
	return nil
}

// stop ends the child, if it was started, and returns what it complained about.
func (c *child) stop() error {
	if c.cmd == nil {
		return nil
	}
	c.stdin.Close()
	c.last, _ = c.line() // there need not be one
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", c.Program, c.Job, err, strings.TrimSpace(c.stderr.String()))
	}
	return nil
}
