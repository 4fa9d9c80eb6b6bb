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
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// patience is how long a run may take to start and to make ten thousand sockets.
const patience = 2 * time.Minute

// slowWarm is how much longer the warm-up of a Slow case is.
const slowWarm = 500 * time.Millisecond

// errNoneCame means that a receiver got nothing. A PUB does not wait for its subscribers, so those
// that a busy machine starts late need a longer warm-up.
var errNoneCame = errors.New("a receiver got nothing")

// underWay is how many messages a sender may be ahead of its receiver. The kernel's buffers hold
// hundreds of thousands of small ones.
const underWay = 500_000

// A result is what a measured process prints.
type result struct {
	Messages     int     `json:"messages,omitempty"`
	Seconds      float64 `json:"seconds,omitempty"`
	CPU          float64 `json:"cpu,omitempty"`          // seconds, user and system
	Voluntary    int     `json:"voluntary,omitempty"`    // context switches of all threads that waited
	Involuntary  int     `json:"involuntary,omitempty"`  // context switches of preempted threads
	Instructions int     `json:"instructions,omitempty"` // user and system, where the machine counts them
	Bytes        int     `json:"bytes,omitempty"`        // of memory
	P50          float64 `json:"p50,omitempty"`          // µs; 0 if the process notes no times
	P99          float64 `json:"p99,omitempty"`
	P999         float64 `json:"p999,omitempty"`
}

// thousands returns the rate, in thousands of messages a second.
func (r result) thousands() float64 { return float64(r.Messages) / r.Seconds / 1e3 }

// A runner runs cases.
type runner struct {
	programs     *programs
	rounds       int
	placements   []placement
	length, warm time.Duration
	counter      *event // what the kernel counts of measured processes; nil: nothing
	runs         int    // number of runs so far, for unique endpoints
	longer       int    // how often the warm-up of a Slow case is doubled
}

// measure runs a case. A subject that cannot run gets a Failure. The error is that of ctx.
func (r *runner) measure(ctx context.Context, c benchCase) (*caseResult, error) {
	res := newCaseResult(c, r.placements)
	if err := r.setRates(ctx, res); err != nil {
		return nil, err
	}
	for round := range r.rounds {
		order := slices.Clone(res.Subjects)
		if round%2 == 1 { // so that the order favours no subject
			slices.Reverse(order)
		}
		for _, s := range order {
			if s.Failure != "" {
				continue
			}
			r.longer = 0
			got, err := r.run(ctx, c, s.subject, s.Placement)
			for errors.Is(err, errNoneCame) && r.longer < 5 {
				r.longer++
				got, err = r.run(ctx, c, s.subject, s.Placement)
			}
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
func (r *runner) run(ctx context.Context, c benchCase, s subject, p placement) (res result, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience+r.length+r.warm)
	defer cancel()
	warm := r.warm
	if c.Slow {
		warm += slowWarm << r.longer
	}
	params := append(slices.Clone(c.Params), s.Params...)
	measured := append(slices.Clone(params), fmt.Sprint("warm=", warm.Seconds()), fmt.Sprint("length=", r.length.Seconds()))
	test := child{process: s.Test, params: measured, env: s.Env, placement: p, processor: 0, counter: r.counter}
	other := child{process: s.Other, params: params, placement: p, processor: 1}
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

// endpoint returns a new endpoint to bind.
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

// connect starts the child that binds, and then the one that connects.
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
	placement placement
	processor int // of a pinned child
	counter   *event
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
	cmd.Env = c.environment()
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
	err = launch(cmd, c.prepare)
	for _, f := range cmd.ExtraFiles {
		f.Close() // the child has its own
	}
	if err != nil {
		return err
	}
	c.cmd = cmd
	return nil
}

// environment returns the benchmark's environment, then the child's. A later setting counts.
func (c *child) environment() []string {
	env := append(os.Environ(), "GOGC=100")
	if c.placement == pinned {
		env = append(env, fmt.Sprint("GOMAXPROCS=", pinnedGOMAXPROCS()))
	}
	return append(env, c.env...)
}

// pinnedGOMAXPROCS returns the GOMAXPROCS of pinned Go processes: that of the environment, or 2. Go
// itself would choose 1, and goroutines would have to share it with the loop.
func pinnedGOMAXPROCS() int {
	if n, err := strconv.Atoi(os.Getenv("GOMAXPROCS")); err == nil && n > 0 {
		return n
	}
	return 2
}

// prepare sets up the thread that starts cmd: a child inherits its processors and counters.
func (c *child) prepare(cmd *exec.Cmd) error {
	if c.placement == pinned {
		if err := keepTo(c.processor); err != nil {
			return err
		}
	}
	if c.counter == nil {
		return nil
	}
	counter, err := openCounter(*c.counter)
	if err != nil {
		return err
	}
	cmd.ExtraFiles = []*os.File{counter}
	cmd.Args = append(cmd.Args, "counter=3") // the number of ExtraFiles[0] in the child
	return nil
}

// launch starts cmd on a thread that prepare has set up. The thread ends afterwards, so that
// no other child inherits anything.
func launch(cmd *exec.Cmd, prepare func(*exec.Cmd) error) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // without an unlock the thread ends with the goroutine
		err := prepare(cmd)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
	}()
	return <-started
}

// line reads the next line that the child prints.
func (c *child) line() (l line, err error) {
	if err := c.stdout.Decode(&l); err != nil {
		return l, fmt.Errorf("%s %s printed no result: %w", c.Program, c.Job, err)
	}
	return l, nil
}

// confirm compares the count of the sender with that of c, its receiver, which also counts the
// warm-up. A c with several sockets reports the one that received least.
func (c *child) confirm(sent result) error {
	switch c.Job {
	case "sink", "subs":
		if c.last.Messages == 0 {
			return fmt.Errorf("%d messages sent: %w", sent.Messages, errNoneCame)
		}
		if c.last.Messages < sent.Messages-underWay {
			return fmt.Errorf("%d messages sent, but %d received", sent.Messages, c.last.Messages)
		}
	}
	return nil
}

// stop ends the child, if it was started. Its error holds what the child wrote to standard error.
func (c *child) stop() error {
	if c.cmd == nil {
		return nil
	}
	c.stdin.Close()
	c.last, _ = c.line() // only a receiver prints one
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", c.Program, c.Job, err, strings.TrimSpace(c.stderr.String()))
	}
	return nil
}
