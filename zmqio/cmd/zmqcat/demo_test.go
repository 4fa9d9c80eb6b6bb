package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
)

func TestDemo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "input")
	for _, test := range []struct {
		name, input string
	}{
		{"nothing", ""},
		{"lines", numbers(50000)},
		{"text", "one\n\n\ttwo\r\nthree"},
		{"long", strings.Repeat(strings.Repeat("x", demoWindow/3)+"\n", 8)},
		{"too long", strings.Repeat("x", 2*demoWindow) + "\ny\n"},
	} {
		lines := strings.Count(test.input, "\n")
		if test.input != "" && !strings.HasSuffix(test.input, "\n") {
			lines++
		}
		bytes := len(test.input) - strings.Count(test.input, "\n")
		want := regexp.MustCompile(fmt.Sprintf(
			`^zmqcat demo: %d lines, %d bytes echoed in \d+\.\d{3} seconds, \d+ messages/s, 0 mismatches\n$`, lines, bytes))
		for _, from := range []string{"stdin", "-", file} {
			t.Run(test.name+" "+from, func(t *testing.T) {
				leakCheck(t)
				args := []string{"demo", from}
				stdin := ""
				switch from {
				case "stdin":
					args = args[:1]
					stdin = test.input
				case "-":
					stdin = test.input
				default:
					must(t, os.WriteFile(file, []byte(test.input), 0o600))
				}
				p := startWith(t, strings.NewReader(stdin), nil, args...)
				p.ends(exitOK)
				if got := p.stdout.String(); !want.MatchString(got) {
					t.Errorf("summary %q, want %v", got, want)
				}
			})
		}
	}
}

// A liar is an echo that changes its nth message with change.
type liar struct {
	echo
	n      int
	change func(msg [][]byte) [][]byte
}

func (l *liar) MsgReceived(msg [][]byte) {
	if l.n--; l.n == 0 {
		msg = l.change(msg)
	}
	l.echo.MsgReceived(msg)
}

// TestDemoDifferences runs services that are almost an echo.
func TestDemoDifferences(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(msg [][]byte) [][]byte
		want   string // of the summary
		err    string
	}{
		{
			"changed", func(m [][]byte) [][]byte { return append(m[:1], []byte("2!")) },
			"5 lines, 6 bytes", "the echo is not what was sent: 1 mismatches, 0 missing",
		},
		{
			"another frame", func(m [][]byte) [][]byte { return append(m, nil) },
			"5 lines, 5 bytes", "the echo is not what was sent: 1 mismatches, 0 missing",
		},
		{
			"lost", func([][]byte) [][]byte { return nil },
			"4 lines, 4 bytes", "nothing came back for 1ms\nthe echo is not what was sent: 3 mismatches, 1 missing",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			leakCheck(t)
			loop, err := zmqio.NewEventLoop(nil)
			must(t, err)
			d := newDemo(loop)
			d.patience = tooLong
			service := &liar{echo{failed: d.finish}, 2, test.change}
			var summary strings.Builder
			var impatient sync.WaitGroup
			if test.name == "lost" {
				impatient.Go(func() {
					eventually(t, "the other lines", func() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.back == 4 })
					_, err := loop.CallSoon(func() { d.patience = time.Millisecond; d.watch(-1) })
					if err != nil {
						t.Error(err)
					}
				})
			}
			err = d.run(context.Background(), service, strings.NewReader(numbers(5)), &summary)
			impatient.Wait()
			if err == nil || err.Error() != test.err {
				t.Errorf("error %v, want %s", err, test.err)
			}
			if !strings.Contains(summary.String(), test.want) {
				t.Errorf("summary %s, want %s", &summary, test.want)
			}
			must(t, loop.Close())
		})
	}
}

// TestDemoWindow runs a service that returns nothing: the demo must not send everything.
func TestDemoWindow(t *testing.T) {
	leakCheck(t)
	loop, err := zmqio.NewEventLoop(nil)
	must(t, err)
	d := newDemo(loop)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- d.run(ctx, &zmqio.BaseProtocol{}, endless(strings.Repeat("x", 999)+"\n"), io.Discard)
	}()
	eventually(t, "the window to be full", func() bool { return d.gate.holds(window) })
	cancel()
	if err := <-ended; err == nil {
		t.Error("no error, though all is missing")
	}
	if d.underWay < demoWindow || d.underWay > demoWindow+2000 {
		t.Errorf("%d bytes under way, want a little more than %d", d.underWay, demoWindow)
	}
	_ = loop.Close() // reports much that it drops
}

// An endless input repeats one line.
type endless string

func (line endless) Read(p []byte) (int, error) { return copy(p, line), nil }

func TestDemoInterrupted(t *testing.T) {
	leakCheck(t)
	p := start(t, "demo")
	p.give("x\n")
	p.stop(signalled{2})
	if got := p.wait(); got != 130 {
		t.Errorf("exit status %d", got)
	}
	p.stdout.await(t, func(s string) bool { return strings.HasSuffix(s, "mismatches\n") || strings.HasSuffix(s, "missing\n") })
}

func TestTally(t *testing.T) {
	var k tally
	k.compare(message("unasked"))
	k.add([]byte("a"))
	k.add([]byte("b"))
	k.compare(message("a"))
	k.compare(message("c"))
	k.add([]byte("d"))
	if k.back != 3 || k.bytes != 9 || k.different != 2 || len(k.missing) != 1 || k.underWay != 1+lineOverhead {
		t.Errorf("%+v", k)
	}
	if got, want := k.summary(2*time.Second), "3 lines, 9 bytes echoed in 2.000 seconds, 2 messages/s, 2 mismatches, 1 missing"; got != want {
		t.Errorf("summary %q, want %q", got, want)
	}
	if k.verdict() == nil {
		t.Error("no error")
	}
	if k = (tally{}); k.verdict() != nil {
		t.Error("an error for nothing")
	}
}
