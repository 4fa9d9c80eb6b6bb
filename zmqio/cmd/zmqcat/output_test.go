package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestFormats(t *testing.T) {
	for _, test := range []struct {
		msg        [][]byte
		text, json string
	}{
		{message(""), "\n", `{"frames":[""]}` + "\n"},
		{message("a", "", "b"), "a\t\tb\n", `{"frames":["a","","b"]}` + "\n"},
		{message("<ä>&\"\n\x01"), "<ä>&\"\n\x01\n", `{"frames":["<ä>&\"\n\u0001"]}` + "\n"},
		{message("\xff\x00", "x"), "\xff\x00\tx\n", `{"frames":[{"base64":"/wA="},"x"]}` + "\n"},
	} {
		if got := string(formatText([]byte("> "), test.msg)); got != "> "+test.text {
			t.Errorf("text %q, want %q", got, test.text)
		}
		got := string(formatJSON([]byte("> "), test.msg))
		if got != "> "+test.json {
			t.Errorf("JSON %s, want %s", got, test.json)
		}
		if !json.Valid([]byte(got[2:])) {
			t.Errorf("not JSON: %s", got)
		}
	}
}

// A slowWriter ends each write when the test tells it to.
type slowWriter struct {
	begun, proceed chan struct{}
	buf            bytes.Buffer
}

func (w *slowWriter) Write(p []byte) (int, error) {
	w.begun <- struct{}{}
	<-w.proceed
	return w.buf.Write(p)
}

// TestPrinterFallsBehind prints more than the printer may buffer, while the output is not read.
func TestPrinterFallsBehind(t *testing.T) {
	leakCheck(t)
	w := &slowWriter{make(chan struct{}), make(chan struct{}), bytes.Buffer{}}
	var mu sync.Mutex
	var calls []string
	note := func(s string) func() {
		return func() {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, s)
		}
	}
	noted := func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(calls, " ")
	}
	p := &printer{
		w: w, format: formatText, before: func() {},
		failed: note("failed"), tooFast: note("too fast"), resume: note("resume"),
	}
	p.start()
	p.print(message("first"))
	<-w.begun // the first message alone, at once
	half := strings.Repeat("x", outputBuffer/2)
	p.print(message(half))
	if got := noted(); got != "" {
		t.Errorf("after a half: %s", got)
	}
	for range 3 {
		p.print(message(half))
	}
	if got := noted(); got != "too fast" {
		t.Errorf("after two: %s", got)
	}
	w.proceed <- struct{}{}
	<-w.begun // all other messages, in one write
	if got := noted(); got != "too fast resume" {
		t.Errorf("with all taken: %s", got)
	}
	w.proceed <- struct{}{}
	must(t, p.close(context.Background()))
	if want := "first\n" + strings.Repeat(half+"\n", 4); w.buf.String() != want {
		t.Errorf("%d bytes printed, want %d", w.buf.Len(), len(want))
	}
	if got := noted(); got != "too fast resume" {
		t.Errorf("in the end: %s", got)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestPrinterFails(t *testing.T) {
	leakCheck(t)
	disk := errors.New("disk full")
	for err, want := range map[error]error{disk: disk, syscall.EPIPE: nil} {
		failed := make(chan struct{})
		p := &printer{w: failingWriter{err}, format: formatText, before: func() {}, failed: func() { close(failed) }}
		p.start()
		p.print(message("x"))
		<-failed
		p.print(message("y")) // is dropped
		if got := p.close(context.Background()); !errors.Is(got, want) {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestPrinterGivesUp(t *testing.T) {
	leakCheck(t)
	w := &slowWriter{make(chan struct{}), make(chan struct{}), bytes.Buffer{}}
	p := &printer{w: w, format: formatText, before: func() {}}
	p.start()
	p.print(message("x"))
	<-w.begun
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.close(ctx); err == nil {
		t.Error("no error")
	}
	w.proceed <- struct{}{}
	must(t, p.close(context.Background()))
}
