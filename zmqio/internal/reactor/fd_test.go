package reactor

import (
	"os"
	"testing"

	"github.com/zmqio/zmq/zmqio/internal/poll"
)

func readable(t *testing.T) (fd int) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	_, err = w.WriteString("x")
	must(t, err)
	return int(r.Fd())
}

// An event that the poller took before a reader was replaced, or removed and added again, does not
// reach the new reader. The number may be another file's by now.
func TestEventsOfOldWatchesAreDropped(t *testing.T) {
	l := newLoop(t)
	fd := readable(t)
	must(t, l.AddReader(fd, func() { t.Error("old reader called") }))
	stale := poll.Event{Token: l.watches[fd].token, Ready: poll.Read}
	for _, change := range []func(){func() {}, func() { l.RemoveReader(fd) }} {
		change()
		must(t, l.AddReader(fd, func() {}))
		l.queueReadyLocked(stale)
		if len(l.ready) != 0 {
			t.Fatal("an old event had a new reader called")
		}
	}
	l.queueReadyLocked(poll.Event{Token: l.watches[fd].token, Ready: poll.Read})
	if len(l.ready) != 1 {
		t.Fatal("an event did not have the reader called")
	}
	l.RemoveReader(fd)
	l.queueReadyLocked(stale)
	if len(l.ready) != 1 {
		t.Error("an old event had something called")
	}
}

// A descriptor without a reader and a writer does not wake the loop, which would otherwise spin.
func TestRemovedInterestDoesNotWake(t *testing.T) {
	l := newLoop(t)
	fd := readable(t)
	must(t, l.AddReader(fd, func() {}))
	must(t, l.AddWriter(fd, func() {})) // the reading end of a pipe is never writable
	ready := func() int {
		n, err := l.poller.Wait(l.events, 0)
		must(t, err)
		if n == 0 {
			n, err = l.poller.Wait(l.events, 0) // with poll(2) the change may end the first Wait
			must(t, err)
		}
		return n
	}
	if ready() != 1 {
		t.Fatal("not readable")
	}
	l.RemoveReader(fd)
	if n := ready(); n != 0 {
		t.Errorf("%d events with the reader removed", n)
	}
}
