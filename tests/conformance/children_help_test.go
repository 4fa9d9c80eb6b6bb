package conformance

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
)

// watchers has the constructors of all child watchers.
var watchers = map[string]func() (zmqio.ChildWatcher, error){
	"SafeChildWatcher": func() (zmqio.ChildWatcher, error) { return zmqio.NewSafeChildWatcher(), nil },
}

// A nursery is a watcher attached to a loop, and a log of its handlers' calls. The test's goroutine
// runs the loop.
type nursery struct {
	zmqio.ChildWatcher
	t    *testing.T
	loop *zmqio.EventLoop
	log  *bytes.Buffer // the loop's log
	seen []string
	want int
}

// withChildren runs test with each watcher.
func withChildren(t *testing.T, test func(t *testing.T, n *nursery)) {
	for _, name := range slices.Sorted(maps.Keys(watchers)) {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			w, err := watchers[name]()
			must(t, err)
			t.Cleanup(func() { must(t, w.Close()) })
			n := &nursery{ChildWatcher: w, t: t}
			n.loop, n.log = openLoop(t)
			must(t, w.AttachLoop(n.loop))
			test(t, n)
		})
	}
}

// watch adds a handler for pid to n.
func (n *nursery) watch(pid int) { n.watchAs(pid, "child") }

func (n *nursery) watchAs(pid int, name string) {
	n.t.Helper()
	must(n.t, n.AddChildHandler(pid, func(p, code int) {
		if p != pid {
			n.t.Errorf("handler of %d called for %d", pid, p)
		}
		if zmqio.RunningLoop() != n.loop {
			n.t.Errorf("handler called outside the loop")
		}
		n.seen = append(n.seen, fmt.Sprint(name, " ", code))
		if len(n.seen) >= n.want {
			n.loop.Stop()
		}
	}))
}

// expect runs the loop until there are as many calls as want has, and compares them in any order.
func (n *nursery) expect(want ...string) {
	n.t.Helper()
	if n.want = len(want); len(n.seen) < n.want {
		must(n.t, n.loop.RunForever(bounded(n.t)))
	}
	slices.Sort(want)
	if got := slices.Sorted(slices.Values(n.seen)); !slices.Equal(got, want) {
		n.t.Errorf("handlers saw %q, want %q", got, want)
	}
}

// settle makes the watcher look at all children, by ending one more. It checks that the watcher
// reports no other.
func (n *nursery) settle() {
	n.t.Helper()
	marker := spawn(n.t, 0)
	n.watchAs(marker.pid, "marker")
	marker.finish()
	n.expect(append(slices.Clone(n.seen), "marker 0")...)
	n.seen = slices.DeleteFunc(n.seen, func(s string) bool { return s == "marker 0" })
}

// A kid is a child process that lives until finish.
type kid struct {
	t     *testing.T
	pid   int
	stdin *os.File
}

// spawn starts a child that will exit with code.
func spawn(t *testing.T, code int) *kid {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	script := fmt.Sprintf("ulimit -c 0; echo; read x; exit %d", code)
	out, ready, err := os.Pipe()
	must(t, err)
	defer out.Close()
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", script}, &os.ProcAttr{Files: []*os.File{r, ready, nil}})
	ready.Close()
	must(t, err)
	k := &kid{t, p.Pid, w}
	must(t, p.Release())
	t.Cleanup(k.reap)
	_, err = out.Read(make([]byte, 1)) // the shell is set up, so a signal finds it
	must(t, err)
	return k
}

// finish makes the child exit.
func (k *kid) finish() { k.stdin.Close() }

// die makes the child exit, and waits until it can be reaped.
func (k *kid) die() {
	k.t.Helper()
	k.finish()
	awaitDeath(k.t, k.pid)
}

func (k *kid) kill(sig syscall.Signal) {
	k.t.Helper()
	must(k.t, syscall.Kill(k.pid, sig))
}

// wait reaps the child as its parent, if no watcher has.
func (k *kid) wait() int {
	k.t.Helper()
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(k.pid, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		must(k.t, err)
		return status.ExitStatus()
	}
}

// reap ends and reaps the child, if no watcher has.
func (k *kid) reap() {
	k.finish()
	if pid, _ := syscall.Wait4(k.pid, nil, syscall.WNOHANG, nil); pid == 0 { // the child is alive, and still the test's to reap
		k.kill(syscall.SIGKILL)
		k.wait()
	}
}

// openLoop returns a loop, which the end of the test closes, and its log.
func openLoop(t testing.TB) (*zmqio.EventLoop, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	l, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return l, &log
}
