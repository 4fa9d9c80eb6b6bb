package main

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/zmqio/zmq"
)

// TestBinary sends an input with every byte as one message, and prints it as it is.
func TestBinary(t *testing.T) {
	leakCheck(t)
	big := make([]byte, 5<<20)
	for i, rng := 0, rand.New(rand.NewPCG(3, 4)); i < len(big); i++ {
		big[i] = byte(rng.Uint32())
	}
	for name, input := range map[string]string{"empty": "", "newlines": "\n\n", "big": string(big)} {
		t.Run(name, func(t *testing.T) {
			pull := start(t, "pull", "-b", anyPort, "-B", "-n", "2")
			source := newPeer(t, zmq.PUSH, connectTo(pull.bound()))
			source.send("first", "\x00") // the next output stands next to it
			pull.prints("first\x00")
			push := startWith(t, strings.NewReader(input), nil, "push", "-c", strings.TrimSpace(pull.bound()), "-B")
			push.ends(exitOK)
			pull.ends(exitOK)
			pull.prints("first\x00" + input)
		})
	}
}

func TestBinaryInputFails(t *testing.T) {
	leakCheck(t)
	sink := newPeer(t, zmq.PULL, bindTo(anyPort))
	stdin := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New("broken")))
	p := startWith(t, stdin, nil, "push", "-c", sink.transport.Listeners()[0], "-B")
	p.ends(exitFailure, "zmqcat: input: broken")
	if len(sink.msgs) > 0 {
		t.Error("half of the input was sent")
	}
}

// TestInterval checks that the first line goes at once, and each other line when the interval ends.
func TestInterval(t *testing.T) {
	leakCheck(t)
	sink := newPeer(t, zmq.PULL, bindTo(anyPort))
	r := strings.NewReader("a\nb\nc\n")
	c, ended := startCat(t.Context(), t, r, "push", "-c", sink.transport.Listeners()[0], "-i", "1h")
	for _, line := range []string{"a", "b", "c"} {
		sink.receives(line)
		eventually(t, "the pause", func() bool { return c.gate.holds(interval) })
		if len(sink.msgs) > 0 {
			t.Fatal("a line came too early")
		}
		if line != "c" { // no interval follows the last line
			c.gate.release(interval)
		}
	}
	must(t, <-ended)
}

// TestIntervalEnds gives the next line after the interval has ended.
func TestIntervalEnds(t *testing.T) {
	leakCheck(t)
	sink := newPeer(t, zmq.PULL, bindTo(anyPort))
	p := start(t, "push", "-c", sink.transport.Listeners()[0], "-i", "1ms")
	p.give("a\nb\nc\n")
	p.endInput()
	p.ends(exitOK)
	sink.receives("a", "b", "c")
}

func TestQuiet(t *testing.T) {
	leakCheck(t)
	endpoint := socketFile(t)
	p := start(t, "pull", "-q", "-b", endpoint, "-n", "1")
	newPeer(t, zmq.PUSH, connectTo(endpoint)).send("x")
	p.prints("x\n")
	if got := p.wait(); got != exitOK || p.stderr.String() != "" {
		t.Errorf("exit status %d, standard error says %q", got, p.stderr)
	}
	p = start(t, "pull", "-q", "-b", "nowhere")
	p.ends(exitUsage, `zmqcat: bind "nowhere": zmq_bind: Invalid argument (missing tcp:// or another transport)`)
}

func TestProgress(t *testing.T) {
	f := &figures{start: time.Unix(0, 0)}
	at := func(seconds int64) string { return f.progress(time.Unix(seconds, 0), true, true) }
	f.sent.add([][]byte{make([]byte, 999)})
	if got, want := at(1), "sent 1, 999 B, 1/s; received 0, 0 B, 0/s; 1 s"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for range 10 {
		f.received.add([][]byte{make([]byte, 1<<20)})
	}
	if got, want := at(3), "sent 1, 999 B, 0/s; received 10, 10.5 MB, 5/s; 3 s"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	f.received.messages.Store(1234567)
	f.sent.messages.Store(1234567)
	f.received.bytes.Store(1e15)
	f.sent.bytes.Store(999_949_999)
	if got := at(103); len(got) > progressWidth || !strings.Contains(got, "999.9 MB") || !strings.Contains(got, "1000.0 TB") {
		t.Errorf("%d columns: %s", len(got), got)
	}
	if got, want := f.progress(time.Unix(104, 0), true, false), "sent 1234567, 999.9 MB, 0/s; 104 s"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestRepliesBinary replies with the whole input.
func TestRepliesBinary(t *testing.T) {
	leakCheck(t)
	p := startWith(t, bytes.NewReader([]byte("a\nb\n")), nil, "rep", "-b", anyPort, "-B", "-n", "1")
	client := newPeer(t, zmq.REQ, connectTo(p.bound()))
	client.send("x", "y")
	client.receives("a\nb\n")
	p.ends(exitOK)
	p.prints("xy")
}
