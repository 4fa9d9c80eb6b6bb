package conformance

import (
	"errors"
	"slices"
	"syscall"
	"testing"
)

func nothing() {}

// wantError fails the test unless err is want.
func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func wantBool(t testing.TB, what string, got, want bool) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %t, want %t", what, got, want)
	}
}

// calls records calls, in order.
type calls []string

func (c *calls) add(s string) func() { return func() { *c = append(*c, s) } }

// take returns the calls since the last take.
func (c *calls) take() []string {
	got := *c
	*c = nil
	return got
}

func (c *calls) want(t testing.TB, want ...string) {
	t.Helper()
	if got := c.take(); !slices.Equal(got, want) {
		t.Errorf("called %q, want %q", got, want)
	}
}

// pipe returns the descriptors of a pipe, which the test may close itself.
func pipe(t testing.TB) (r, w int) {
	t.Helper()
	var p [2]int
	must(t, syscall.Pipe(p[:]))
	return own(t, p[0]), own(t, p[1])
}

// pair returns two connected sockets.
func pair(t testing.TB) (a, b int) {
	t.Helper()
	p, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(t, err)
	return own(t, p[0]), own(t, p[1])
}

// closers has the descriptors to close, each once: another file may have the number by then.
var closers = make(map[int]func())

func own(t testing.TB, fd int) int {
	open := true
	release := func() {
		if open {
			open = false
			must(t, syscall.Close(fd))
		}
	}
	closers[fd] = release
	t.Cleanup(release)
	return fd
}

// shut closes a descriptor of pipe or pair.
func shut(fd int) { closers[fd]() }

// pipeNumbered returns a pipe whose reading end has the free number fd, and has data.
func pipeNumbered(t testing.TB, fd int) {
	t.Helper()
	for range 1000 {
		r, w := pipe(t)
		if r == fd {
			put(t, w, "x")
			return
		}
		if w == fd { // the writing end must not have that number
			shut(w)
		}
	}
	t.Fatalf("number %d is not used again", fd)
}

func put(t testing.TB, fd int, s string) {
	t.Helper()
	_, err := syscall.Write(fd, []byte(s))
	must(t, err)
}

// get reads up to n bytes.
func get(t testing.TB, fd, n int) string {
	t.Helper()
	buf := make([]byte, n)
	n, err := syscall.Read(fd, buf)
	must(t, err)
	return string(buf[:n])
}

// readable returns a descriptor that has data, and the descriptor to write more.
func readable(t testing.TB) (r, w int) {
	t.Helper()
	r, w = pipe(t)
	put(t, w, "x")
	return r, w
}
