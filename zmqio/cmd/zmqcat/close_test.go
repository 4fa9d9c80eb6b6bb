package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// TestDeliversToTheLast starts a receiver late, possibly after the sender has finished its input.
func TestDeliversToTheLast(t *testing.T) {
	leakCheck(t)
	for _, n := range []int{1, 50000} { // in libzmq, and in the transport's buffer too
		endpoint := socketFile(t)
		p := start(t, "push", "--connect", endpoint)
		go func() {
			p.give(numbers(n))
			p.endInput()
		}()
		sink := newPeer(t, zmq.PULL, bindUnlimited(endpoint))
		for i := range n {
			sink.receives(fmt.Sprint(i))
		}
		p.ends(exitOK)
	}
}

// bindUnlimited binds a socket that reads as fast as messages come. Over ipc libzmq drops what it
// has not read when the sender closes.
func bindUnlimited(endpoint string) zmqio.ConnectionConfig {
	cfg := bindTo(endpoint)
	cfg.Configure = func(opts zmq.Sockopts) error { return opts.SetRcvHWM(0) }
	return cfg
}

// TestStopped stops programs that would run for ever.
func TestStopped(t *testing.T) {
	leakCheck(t)
	for _, args := range []string{"pull", "push", "rep", "req", "dealer"} {
		p := start(t, args, "--bind", anyPort)
		p.bound()
		p.stop(signalled{syscall.SIGINT})
		p.ends(130)
		if !strings.Contains(p.stderr.String(), "\nzmqcat: sent 0 messages (0 bytes), received 0 messages (0 bytes), 0 pauses, ") {
			t.Errorf("%s: no figures: %q", args, p.stderr)
		}
	}
}

// TestStoppedUndelivered stops programs that have messages to deliver and no peer.
func TestStoppedUndelivered(t *testing.T) {
	giveUpSoon(t)
	for _, side := range []string{"--bind", "--connect"} { // in the transport's buffer, and in libzmq
		for _, stopLate := range []bool{false, true} {
			t.Run(fmt.Sprint(side, " ", stopLate), func(t *testing.T) {
				leakCheck(t)
				endpoint := socketFile(t)
				r, w := io.Pipe()
				defer w.Close()
				ctx, cancel := context.WithCancel(context.Background())
				c, ended := startCat(ctx, t, r, "push", side, endpoint)
				_, err := io.WriteString(w, "x\n")
				must(t, err)
				if stopLate {
					w.Close()
					eventually(t, "the end of input", c.done.Done)
				} else {
					eventually(t, "a message", func() bool { return c.figures.sent.messages.Load() == 1 })
				}
				cancel()
				if err := <-ended; !errors.Is(err, errUndelivered) {
					t.Errorf("error %v, want %v", err, errUndelivered)
				}
				if c.toTheLast != stopLate {
					t.Errorf("waits for as long as it takes: %t", c.toTheLast)
				}
				if side == "--connect" {
					// A process would have ended. In this process libzmq goes on until it has
					// delivered.
					newPeer(t, zmq.PULL, bindUnlimited(endpoint)).receives("x")
				}
			})
		}
	}
}

// TestNothingOnItsWay ends programs that need more than the grace period to close. All that they
// sent has arrived, so that they end well.
func TestNothingOnItsWay(t *testing.T) {
	leakCheck(t)
	setGrace(t, time.Nanosecond)
	for range 3 {
		for _, command := range []string{"req", "bench ping -n 1"} {
			server := newPeer(t, zmq.REP, bindTo(anyPort))
			p := start(t, append(strings.Fields(command), "--connect", server.transport.Listeners()[0])...)
			if command == "req" {
				p.give("a\n")
				p.endInput()
			}
			server.send(server.receive())
			p.ends(exitOK)
		}
		for _, command := range []string{"pull --count 1", "bench receive"} {
			source := newPeer(t, zmq.PUSH, bindTo(anyPort))
			p := start(t, append(strings.Fields(command), "--connect", source.transport.Listeners()[0])...)
			source.send(numbered(0, 1))
			p.ends(exitOK)
		}
		output(t, "bench", "-n", "1")
	}
}

// TestStoppedUnread stops a program whose receiver has not read what is on its way over ipc. The
// program reports how much that is.
func TestStoppedUnread(t *testing.T) {
	leakCheck(t)
	endpoint := socketFile(t)
	cfg := bindTo(endpoint)
	cfg.Configure = func(opts zmq.Sockopts) error { return opts.SetRcvHWM(1) }
	sink := newPeer(t, zmq.PULL, cfg)
	must(t, sink.transport.PauseReading())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const lines = 60 // few enough for the kernel to hold, even if each was sent alone
	c, ended := startCat(ctx, t, strings.NewReader(strings.Repeat(strings.Repeat("x", 255)+"\n", lines)), "push", "--connect", endpoint)
	closed := c.transport.Closed()
	select {
	case <-closed: // the kernel has the rest
	case err := <-ended:
		t.Fatalf("ended before anything was read: %v", err)
	case <-time.After(tooLong):
		t.Fatal("libzmq has not sent everything")
	}
	cancel()
	if err := <-ended; !errors.Is(err, errUndelivered) || !strings.Contains(err.Error(), "bytes that the receiver has not read") {
		t.Errorf("got %v", err)
	}
	// A process would have ended. This one goes on until the receiver has read everything.
	must(t, sink.transport.ResumeReading())
	for range lines {
		sink.receive()
	}
}

// program starts zmqcat as a process.
func program(t *testing.T, stdin io.Reader, args ...string) (cmd *exec.Cmd, stdout io.ReadCloser, stderr *transcript) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd = exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	stderr = newTranscript()
	cmd.Stdin, cmd.Stderr = stdin, stderr
	stdout, err = cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd, stdout, stderr
}

// TestOutputOfTools prints into a pipe without a reader, and onto a full device.
func TestOutputOfTools(t *testing.T) {
	leakCheck(t)
	for _, args := range []string{"version", "-v", "--help", "help pull", "completion zsh", "bench -n 1"} {
		r, w, err := os.Pipe()
		must(t, err)
		must(t, r.Close())
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip(err)
		}
		for _, test := range []struct {
			stdout *os.File
			status int
			want   string
		}{
			{w, exitOK, ""},
			{full, exitFailure, "zmqcat: write /dev/full: no space left on device\n"},
		} {
			stderr := newTranscript()
			if got := run(t.Context(), strings.Fields(args), strings.NewReader(""), test.stdout, stderr); got != test.status || stderr.String() != test.want {
				t.Errorf("%s: exit status %d, want %d; standard error says %q, want %q", args, got, test.status, stderr, test.want)
			}
			must(t, test.stdout.Close())
		}
	}
}

func TestSignals(t *testing.T) {
	leakCheck(t)
	for sig, status := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		cmd, stdout, stderr := program(t, nil, "pull", "--bind", anyPort)
		text := stderr.await(t, func(s string) bool { return strings.Contains(s, "\n") })
		source := newPeer(t, zmq.PUSH, connectTo(firstBound(text)))
		source.send("x")
		if _, err := io.ReadFull(stdout, make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
		must(t, cmd.Process.Signal(sig))
		_ = cmd.Wait() // the status is checked below
		if got := cmd.ProcessState.ExitCode(); got != status {
			t.Errorf("%v: exit status %d, want %d", sig, got, status)
		}
		if !strings.Contains(stderr.String(), "received 1 message (1 byte)") {
			t.Errorf("%v: no figures: %q", sig, stderr)
		}
	}
}

// TestSecondSignal sends a second signal during the grace period of the first.
func TestSecondSignal(t *testing.T) {
	leakCheck(t)
	sink := newPeer(t, zmq.PULL, bindTo(anyPort))
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	defer w.Close() // after the program: if its input ended first, a signal would end its wait
	cmd, _, stderr := program(t, r, "push", "--connect", sink.transport.Listeners()[0], "--connect", socketFile(t))
	_, err = io.WriteString(w, "a\nb\nc\nd\n")
	must(t, err)
	sink.receive() // messages go to both peers in turn,
	sink.receive() // so one is on its way to no peer
	must(t, cmd.Process.Signal(syscall.SIGINT))
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	_ = cmd.Wait()                                                    // the status is checked below
	if got := cmd.ProcessState.ExitCode(); got != 130 && got != 143 { // either signal may come first
		t.Errorf("exit status %d", got)
	}
	if text := stderr.String(); strings.Count(text, "\n") != strings.Count(text, hintPrefix) {
		t.Errorf("zmqcat had the time to print %q", text)
	}
}

// TestReaderOfOutputGoes closes the reading end of standard output, as head does.
func TestReaderOfOutputGoes(t *testing.T) {
	leakCheck(t)
	cmd, stdout, stderr := program(t, nil, "pull", "--bind", anyPort)
	text := stderr.await(t, func(s string) bool { return strings.Contains(s, "\n") })
	source := newPeer(t, zmq.PUSH, connectTo(firstBound(text)))
	source.send("x")
	if _, err := io.ReadFull(stdout, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	stdout.Close()
	source.send("y")
	must(t, cmd.Wait())
	if lines := strings.Count(stderr.String(), "\n") - strings.Count(stderr.String(), hintPrefix); lines != 2 {
		t.Errorf("standard error has %d lines, not what was bound and figures: %s", lines, stderr)
	}
}
