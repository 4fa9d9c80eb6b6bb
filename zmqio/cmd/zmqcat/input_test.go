package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 3*inputBuffer+7)
	exact := strings.Repeat("y", inputBuffer-1) // fills the buffer with its newline
	failure := errors.New("broken")
	for _, test := range []struct {
		name  string
		input io.Reader
		want  []string
		err   error
	}{
		{"nothing", strings.NewReader(""), nil, nil},
		{"no last newline", strings.NewReader("a\nb"), []string{"a", "b"}, nil},
		{"empty lines", strings.NewReader("\n\na\n\n"), []string{"", "", "a", ""}, nil},
		{"carriage return", strings.NewReader("a\r\nb\r"), []string{"a\r", "b\r"}, nil},
		{"binary", strings.NewReader("\x00\xff\n"), []string{"\x00\xff"}, nil},
		{"long", strings.NewReader(long + "\n" + exact + "\n" + "x" + exact + "\nz\n" + long), []string{long, exact, "x" + exact, "z", long}, nil},
		{"byte by byte", iotest.OneByteReader(strings.NewReader("one\ntwo")), []string{"one", "two"}, nil},
		{"failure", io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(failure)), []string{"a"}, failure},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			err := pump(test.input, newGate(), func(line []byte) error {
				got = append(got, string(line))
				return nil
			})
			if !slices.Equal(got, test.want) {
				t.Errorf("lines %.100q, want %.100q", got, test.want)
			}
			if !errors.Is(err, test.err) {
				t.Errorf("error %v, want %v", err, test.err)
			}
		})
	}
}

func TestPumpStopsAtError(t *testing.T) {
	failure := errors.New("no")
	n := 0
	err := pump(strings.NewReader("a\nb\nc\n"), newGate(), func([]byte) error {
		if n++; n == 2 {
			return failure
		}
		return nil
	})
	if !errors.Is(err, failure) || err.Error() != "line 2: no" || n != 2 {
		t.Errorf("error %v after %d lines", err, n)
	}
}

func TestGate(t *testing.T) {
	g := newGate()
	if !g.wait() {
		t.Error("a new gate is stopped")
	}
	g.hold(full)
	g.hold(turn)
	g.hold(turn) // holding twice is holding
	g.release(turn)
	if !g.holds(full) || g.holds(turn) {
		t.Error("holds for the wrong reason")
	}
	through := make(chan bool)
	go func() { through <- g.wait() }()
	g.release(full)
	if !<-through {
		t.Error("stopped")
	}
	g.hold(window)
	go func() { through <- g.wait() }()
	g.stop()
	if <-through || g.wait() {
		t.Error("not stopped")
	}
}

func TestSplitTabs(t *testing.T) {
	for line, want := range map[string][]string{
		"":       {""},
		"a":      {"a"},
		"a\tb":   {"a", "b"},
		"\ta\t":  {"", "a", ""},
		"a\t\tb": {"a", "", "b"},
	} {
		var got []string
		for _, frame := range splitTabs(nil, []byte(line)) {
			got = append(got, string(frame))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
