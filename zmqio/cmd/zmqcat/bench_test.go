package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for i := range time.Duration(100) {
		hundred = append(hundred, i+1)
	}
	for _, test := range []struct {
		values  []time.Duration
		percent float64
		want    time.Duration
	}{
		{hundred, 0, 1},
		{hundred, 1, 1},
		{hundred, 50, 50},
		{hundred, 50.5, 51},
		{hundred, 99, 99},
		{hundred, 99.9, 100},
		{hundred, 100, 100},
		{hundred[:1], 0, 1},
		{hundred[:1], 50, 1},
		{hundred[:1], 100, 1},
		{hundred[:2], 50, 1},
		{hundred[:2], 50.1, 2},
	} {
		if got := percentile(test.values, test.percent); got != test.want {
			t.Errorf("%v%% of %d values: %d, want %d", test.percent, len(test.values), got, test.want)
		}
	}
}

func TestBenchFigures(t *testing.T) {
	f := flow{Test: "receive", Size: 100, Messages: 3000, Lost: 2}.over(1500 * time.Millisecond)
	if got, want := f.String(), "receive: 3000 messages of 100 B in 1.500 s: 2000 messages/s, 0.2 MB/s, 2 lost"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if f := (flow{Messages: 1}).over(0); f.Rate != 0 {
		t.Errorf("%+v", f)
	}
	took := []time.Duration{3 * time.Microsecond, 1500, 2 * time.Microsecond}
	r := trips{Test: "ping", Size: 20}.over(time.Millisecond, took)
	if got, want := r.String(), "ping: 3 round trips of 20 B in 0.001 s: 3000/s; µs: min 1.5, p50 2.0, p90 3.0, p99 3.0, p99.9 3.0, max 3.0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// isFlow checks that the figures of a flow are consistent.
func isFlow(t *testing.T, line, test string, messages, size int) {
	t.Helper()
	var f flow
	must(t, json.Unmarshal([]byte(line), &f))
	if f.Test != test || f.Messages != messages || f.Size != size || f.Lost != 0 || f.Seconds <= 0 ||
		!near(f.Rate*f.Seconds, float64(messages)) || !near(f.Bytes, f.Rate*float64(size)) {
		t.Errorf("%s, want %s of %d messages of %d B", line, test, messages, size)
	}
}

// isTrips checks that the figures of round trips are consistent.
func isTrips(t *testing.T, line string, messages, size int) {
	t.Helper()
	var r trips
	must(t, json.Unmarshal([]byte(line), &r))
	l := r.Latency
	if r.Test != "ping" || r.Messages != messages || r.Size != size || r.Seconds <= 0 || !near(r.Rate*r.Seconds, float64(messages)) ||
		l.Min <= 0 || l.Min > l.P50 || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max || l.Max > r.Seconds*1e6 {
		t.Errorf("%s, want a ping of %d messages of %d B", line, messages, size)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*math.Max(a, b) }

// TestBench measures in this process, over each kind of socket and transport.
func TestBench(t *testing.T) {
	leakCheck(t)
	for _, args := range []string{"", "--pub", "--endpoint " + socketFile(t), "--size 16", "--size 100000", "--rate 1e5"} {
		size := 64
		if s, ok := strings.CutPrefix(args, "--size "); ok {
			size, _ = strconv.Atoi(s)
		}
		lines := strings.Split(output(t, append([]string{"bench", "-j", "-n", "500"}, strings.Fields(args)...)...), "\n")
		if len(lines) != 3 {
			t.Fatalf("%s: %q", args, lines)
		}
		isFlow(t, lines[0], "receive", 500, size)
		isTrips(t, lines[1], 50, size)
	}
	want := regexp.MustCompile(`^receive: 1 messages of 64 B in \d+\.\d{3} s: .*\nping: 1 round trips of 64 B in \d+\.\d{3} s: `)
	if got := output(t, "bench", "-n", "1"); !want.MatchString(got) {
		t.Errorf("%q", got)
	}
}

// TestBenchFlow runs each end in a program of its own. Each end binds in turn.
func TestBenchFlow(t *testing.T) {
	leakCheck(t)
	for _, pub := range []string{"--pub=false", "--pub"} {
		receive := start(t, "bench", "receive", "-j", pub, "-b", anyPort)
		send := start(t, "bench", "send", "-j", pub, "-c", receive.bound(), "-n", "2000", "--size", "32")
		send.ends(exitOK)
		receive.ends(exitOK)
		isFlow(t, receive.stdout.String(), "receive", 2000, 32)
		isFlow(t, send.stdout.String(), "send", 2000, 32)

		send = start(t, "bench", "send", "-j", pub, "-b", anyPort, "-n", "2000")
		receive = start(t, "bench", "receive", "-j", pub, "-c", send.bound())
		receive.ends(exitOK)
		send.ends(exitOK)
		isFlow(t, receive.stdout.String(), "receive", 2000, 64)
	}
}

// TestBenchTrips runs an echo that serves several pings, one after another.
func TestBenchTrips(t *testing.T) {
	leakCheck(t)
	echo := start(t, "bench", "echo", "-b", anyPort)
	for range 2 {
		line := output(t, "bench", "ping", "-j", "-c", echo.bound(), "-n", "100")
		isTrips(t, line, 100, 64)
		var r trips
		must(t, json.Unmarshal([]byte(line), &r))
		if half := 50 * r.Latency.P50; half > r.Seconds*1e6 { // round trips follow one another
			t.Errorf("half of the round trips take %v µs, and all of them %v s", half, r.Seconds)
		}
	}
	echo.stop(signalled{2})
	echo.ends(exitSignal + 2)
	echo.prints("")
}

// numbered returns message i of n.
func numbered(i, n int) string {
	msg := make([]byte, 20)
	number(msg, i, n)
	return string(msg)
}

// TestBenchLost checks that bench counts missing messages.
func TestBenchLost(t *testing.T) {
	leakCheck(t)
	p := start(t, "bench", "receive", "-j", "-b", anyPort)
	source := newPeer(t, zmq.PUSH, connectTo(p.bound()))
	for _, i := range []int{0, 1, 4, 9} {
		source.send(numbered(i, 10))
	}
	p.ends(exitOK)
	var f flow
	must(t, json.Unmarshal([]byte(p.stdout.String()), &f))
	if f.Messages != 4 || f.Lost != 6 || f.Size != 20 {
		t.Errorf("%+v", f)
	}
}

// TestBenchInterrupted ends each end before it has a peer.
func TestBenchInterrupted(t *testing.T) {
	leakCheck(t)
	for _, args := range []string{"receive", "send", "ping"} {
		p := start(t, "bench", args, "-b", anyPort)
		p.bound()
		p.stop(signalled{2})
		p.ends(exitSignal + 2)
		p.prints("")
	}
	p := start(t, "bench", "--rate", "1")
	p.stop(signalled{2})
	p.ends(exitSignal + 2)
	p.prints("")
}

// TestBenchManyTrips asks for more round trips than memory has room for.
func TestBenchManyTrips(t *testing.T) {
	leakCheck(t)
	p := start(t, "bench", "ping", "-b", anyPort, "-n", strconv.Itoa(math.MaxInt))
	server := newPeer(t, zmq.REP, connectTo(p.bound()))
	server.receive()
	p.stop(signalled{2})
	p.ends(exitSignal + 2)
}

// TestBenchProgress checks that an end shows its figures until it ends.
func TestBenchProgress(t *testing.T) {
	leakCheck(t)
	e, err := openEnd(t.Context(), &socket{typ: zmq.DEALER, bind: []string{anyPort}}, newConsole(io.Discard))
	must(t, err)
	text := newTranscript()
	stop := e.follow(zmq.DEALER, newConsole(text))
	peer := newPeer(t, zmq.DEALER, connectTo(e.stream.Addr()))
	peer.send("abc")
	text.await(t, func(s string) bool { return strings.Contains(s, "sent 0, 0 B, 0/s; received 1, 3 B, ") })
	stop()
	if got := text.String(); !strings.HasSuffix(got, clearLine) {
		t.Errorf("%q", got)
	}
	must(t, e.close(true))
}

// TestBenchEndsLate keeps libzmq from ending an end in time. That is no error, as nothing is to be sent.
func TestBenchEndsLate(t *testing.T) {
	leakCheck(t)
	for _, arrived := range []bool{false, true} {
		setGrace(t, time.Millisecond)
		e, err := openEnd(t.Context(), &socket{typ: zmq.PULL, bind: []string{anyPort}}, newConsole(io.Discard))
		must(t, err)
		other, err := e.loop.Context().NewSocket(zmq4.PUSH)
		must(t, err)
		if err := e.close(arrived); err != nil && (arrived || !errors.Is(err, zmqio.ErrUndelivered)) {
			t.Error(err)
		}
		must(t, other.Close())
	}
}

// TestBenchOthers connects peers that are no ends of a bench.
func TestBenchOthers(t *testing.T) {
	leakCheck(t)
	for _, frames := range [][]string{{"short"}, {numbered(0, 1), "more"}} {
		p := start(t, "bench", "receive", "-b", anyPort)
		newPeer(t, zmq.PUSH, connectTo(p.bound())).send(frames...)
		p.ends(exitFailure, "zmqcat: what came is not a message of zmqcat bench send")
	}
	p := start(t, "bench", "ping", "-b", anyPort)
	server := newPeer(t, zmq.REP, connectTo(p.bound()))
	server.receive()
	server.send("no")
	p.ends(exitFailure, "zmqcat: the reply is not the request; does the other end run zmqcat bench echo?")
}

// TestPace checks that a late message is due at its planned time.
func TestPace(t *testing.T) {
	start := time.Now().Add(-time.Hour)
	b := load{rate: 4}
	for i, want := range []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond} {
		due, err := b.pace(t.Context(), start, i)
		if must(t, err); due.Sub(start) != want {
			t.Errorf("message %d is due after %v, want %v", i, due.Sub(start), want)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(io.ErrNoProgress)
	if _, err := b.pace(ctx, time.Now().Add(time.Hour), 0); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error %v", err)
	}
}
