package poll

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

func newPoller(t *testing.T) *Poller {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// pipe returns the two ends of a pipe. They are files in blocking mode, which the runtime's poller
// does not watch.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// wait waits until a descriptor is ready, and repeats Waits that return early.
func wait(t *testing.T, p *Poller) []Event {
	t.Helper()
	events := make([]Event, 16)
	for {
		n, err := p.Wait(events, -1)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return events[:n]
		}
	}
}

// now returns what is ready, without waiting.
func now(t *testing.T, p *Poller) []Event {
	t.Helper()
	events := make([]Event, 16)
	n, err := p.Wait(events, 0)
	if err != nil {
		t.Fatal(err)
	}
	return events[:n]
}

// must fails the test with err, and ends it.
var must = testkit.Must

func TestReadable(t *testing.T) {
	p := newPoller(t)
	r, w := pipe(t)
	const token = 1<<40 + 7
	must(t, p.Add(int(r.Fd()), Read, token))
	if got := now(t, p); len(got) != 0 {
		t.Fatalf("an empty pipe is ready: %v", got)
	}
	if _, err := w.WriteString("xy"); err != nil {
		t.Fatal(err)
	}
	want := []Event{{token, Read}}
	if got := wait(t, p); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, p); !slices.Equal(got, want) {
		t.Errorf("half read, got %v, want %v", got, want)
	}
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if got := now(t, p); len(got) != 0 {
		t.Errorf("all read, and still ready: %v", got)
	}
}

func TestHangUpIsReadiness(t *testing.T) {
	p := newPoller(t)
	r, w := pipe(t)
	must(t, p.Add(int(r.Fd()), Read, 1))
	w.Close()
	if got := wait(t, p); len(got) != 1 || got[0].Ready&Read == 0 {
		t.Errorf("got %v", got)
	}
}

func TestModifyAndRemove(t *testing.T) {
	p := newPoller(t)
	_, w := pipe(t)
	fd := int(w.Fd())
	must(t, p.Add(fd, Read, 1))
	if err := p.Add(fd, Read, 1); err == nil {
		t.Error("added twice")
	}
	must(t, p.Modify(fd, Write, 2))
	if got := wait(t, p); !slices.Equal(got, []Event{{2, Write}}) {
		t.Errorf("got %v", got)
	}
	must(t, p.Remove(fd))
	if got := now(t, p); len(got) != 0 {
		t.Errorf("removed, and still ready: %v", got)
	}
	if p.Remove(fd) == nil || p.Modify(fd, Read, 1) == nil {
		t.Error("a descriptor that is not watched was removed or modified")
	}
}

func TestWakeEndsAWait(t *testing.T) {
	p := newPoller(t)
	p.Wake() // a Wake before the Wait counts too
	if n, err := p.Wait(make([]Event, 1), -1); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	done := make(chan error)
	go func() {
		_, err := p.Wait(make([]Event, 1), -1)
		done <- err
	}()
	p.Wake()
	must(t, <-done)
	if got := now(t, p); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// Wakes that no Wait drains fill the waker, which is no error.
func TestWakeNeverBlocks(t *testing.T) {
	p := newPoller(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 100_000 {
				p.Wake()
			}
		})
	}
	group.Wait()
	if n, err := p.Wait(make([]Event, 1), -1); n != 0 || err != nil {
		t.Fatal(n, err)
	}
}

func TestWakeAfterClose(t *testing.T) {
	p, err := New()
	must(t, err)
	r, w := pipe(t)
	must(t, p.Close())
	reused, _ := pipe(t) // this pipe gets the numbers that the poller had
	p.Wake()
	p2 := newPoller(t)
	must(t, p2.Add(int(reused.Fd()), Read, 1))
	if got := now(t, p2); len(got) != 0 {
		t.Error("the wake-up went to another's file")
	}
	_, _ = r, w
}

func TestDescriptorsAreReleased(t *testing.T) {
	before := len(testkit.Descriptors(t))
	for range 10 {
		p, err := New()
		must(t, err)
		must(t, p.Close())
	}
	if after := len(testkit.Descriptors(t)); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func TestClosedDescriptor(t *testing.T) {
	p := newPoller(t)
	r, _ := pipe(t)
	fd := int(r.Fd())
	r.Close()
	if err := p.Add(fd, Read, 1); !errors.Is(err, syscall.EBADF) {
		t.Errorf("got %v", err)
	}
}

// Regular files are always ready. They delay neither one another nor other descriptors.
func TestRegularFiles(t *testing.T) {
	p := newPoller(t)
	waiting := make(map[uint64]bool)
	for i := range 50 { // more than Wait can store
		f, err := os.Create(filepath.Join(t.TempDir(), "file"))
		must(t, err)
		defer f.Close()
		waiting[uint64(i)] = true
		must(t, p.Add(int(f.Fd()), Read, uint64(i)))
		defer func() { must(t, p.Remove(int(f.Fd()))) }()
	}
	r, w := pipe(t)
	must(t, p.Add(int(r.Fd()), Read, 50))
	waiting[50] = true
	if _, err := w.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	for tries := 0; len(waiting) > 0; tries++ {
		if tries == 10_000 {
			t.Fatalf("never ready: %v", waiting)
		}
		for _, ev := range now(t, p) {
			delete(waiting, ev.Token)
		}
	}
}

func TestRegularFileChangesAndLeaves(t *testing.T) {
	p := newPoller(t)
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	must(t, err)
	defer f.Close()
	fd := int(f.Fd())
	must(t, p.Add(fd, Read, 1))
	if got := wait(t, p); !slices.Equal(got, []Event{{1, Read}}) {
		t.Errorf("got %v", got)
	}
	must(t, p.Modify(fd, Read|Write, 2))
	if got := wait(t, p); !slices.Equal(got, []Event{{2, Read | Write}}) {
		t.Errorf("got %v", got)
	}
	must(t, p.Remove(fd))
	if got := now(t, p); len(got) != 0 {
		t.Errorf("removed, and still ready: %v", got)
	}
}

// A regular file added during a Wait ends the Wait.
func TestRegularFileEndsAWait(t *testing.T) {
	p := newPoller(t)
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	must(t, err)
	defer f.Close()
	added := make(chan error)
	go func() { added <- p.Add(int(f.Fd()), Write, 7) }()
	if got := wait(t, p); !slices.Equal(got, []Event{{7, Write}}) {
		t.Errorf("got %v", got)
	}
	must(t, <-added)
}

// millis rounds up: a timeout rounded down would spin until the time had come.
func TestTimeoutRoundsUp(t *testing.T) {
	for d, want := range map[time.Duration]int{
		-1: -1, 0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, 1000 * time.Hour: 86_400_000,
	} {
		if got := millis(d); got != want {
			t.Errorf("millis(%v) = %d, want %d", d, got, want)
		}
	}
}
