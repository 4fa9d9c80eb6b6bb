package main

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// TestConsole keeps lines and progress apart.
func TestConsole(t *testing.T) {
	var b strings.Builder
	c := newConsole(&b)
	if c.terminal() {
		t.Error("a strings.Builder is a terminal")
	}
	c.show("1")
	c.show(strings.Repeat("2", 200))
	c.clear()
	c.clear()
	c.say("%v", errors.Join(errors.New("one"), errors.New("two")))
	c.show("3")
	c.say("end")
	want := "\r\x1b[K1" + "\r\x1b[K" + strings.Repeat("2", progressWidth) + "\r\x1b[K" +
		"zmqcat: one; two\n" + "\r\x1b[K3" + "\r\x1b[K" + "zmqcat: end\n"
	if got := b.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestIsTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	must(t, err)
	defer null.Close()
	file, err := os.Open("console_test.go")
	must(t, err)
	defer file.Close()
	if isTerminal(null) || isTerminal(file) {
		t.Error("takes a file for a terminal")
	}
	if terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0); err == nil {
		defer terminal.Close()
		if !isTerminal(terminal) {
			t.Error("does not know a terminal")
		}
		con := newConsole(terminal)
		if !con.terminal() {
			t.Error("there is no progress on a terminal")
		}
		if con.quiet = true; con.terminal() {
			t.Error("there is progress with --quiet")
		}
	}
}
