package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/subprocess"
)

// A ward is the protocol of a child of a test.
type ward struct {
	subprocess.BaseProtocol
	condition
	log      []string
	got      [3]int // bytes
	ends     [3]error
	received func(fd int, b []byte)
	lost     chan struct{}
}

func newWard() *ward { return &ward{lost: make(chan struct{})} }

func (w *ward) note(event string) { w.Change(func() { w.log = append(w.log, event) }) }

func (w *ward) PipeDataReceived(fd int, b []byte) {
	w.Change(func() { w.got[fd] += len(b) })
	if w.received != nil {
		w.received(fd, b)
	}
}

func (w *ward) PipeConnectionLost(fd int, err error) {
	w.note(fmt.Sprint("end ", fd))
	w.Change(func() { w.ends[fd] = err })
}

func (w *ward) ProcessExited()       { w.note("exited") }
func (w *ward) ConnectionLost(error) { w.note("lost"); close(w.lost) }

func (w *ward) has(event string) (has bool) {
	w.Change(func() { has = slices.Contains(w.log, event) })
	return has
}

// awaits waits for a callback.
func (w *ward) awaits(t testing.TB, event string) {
	t.Helper()
	if err := w.Until(bounded(t, hang), func() bool { return slices.Contains(w.log, event) }); err != nil {
		t.Fatalf("waited for %s: %v; there was %q", event, err, w.log)
	}
}

// over waits for the end of the child and its pipes, and checks its return code.
func (w *ward) over(t testing.TB, tr *subprocess.Transport, code int) {
	t.Helper()
	w.awaits(t, "lost")
	<-tr.Closed()
	if got, ok := tr.ReturnCode(); got != code || !ok {
		t.Errorf("return code %d, %t; want %d", got, ok, code)
	}
}

func raise(t testing.TB, l *zmqio.EventLoop, w *ward, cfg subprocess.Config, name string, args ...string) *subprocess.Transport {
	t.Helper()
	tr, _, err := subprocess.Exec(bounded(t, hang), l, func() *ward { return w }, cfg, name, args...)
	must(t, err)
	t.Cleanup(func() {
		must(t, tr.Abort())
		<-tr.Closed()
	})
	return tr
}

func raiseShell(t testing.TB, l *zmqio.EventLoop, w *ward, cfg subprocess.Config, command string) *subprocess.Transport {
	t.Helper()
	return raise(t, l, w, cfg, "/bin/sh", "-c", command)
}

// noChildren checks that the process has no child, alive or not yet reaped.
func noChildren(t testing.TB) {
	t.Helper()
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a child is left behind: %d, %v", pid, err)
	}
}

// childLoop returns a loop. The end of the test checks that children left nothing behind.
func childLoop(t *testing.T) *zmqio.EventLoop {
	t.Helper()
	t.Cleanup(func() { noChildren(t) })
	checkLeaks(t)
	return newLoop(t, nil)
}

const (
	killed     = -int(syscall.SIGKILL)
	terminated = -int(syscall.SIGTERM)
)

// Kill and Close end a child that ignores SIGTERM.
func TestChildIgnoresSIGTERM(t *testing.T) {
	l := childLoop(t)
	for _, end := range []func(*subprocess.Transport) error{
		(*subprocess.Transport).Kill, (*subprocess.Transport).Close, (*subprocess.Transport).Abort,
	} {
		w := newWard()
		ready := make(chan struct{}, 10)
		w.received = func(int, []byte) { ready <- struct{}{} }
		tr := raiseShell(t, l, w, subprocess.Config{}, `trap '' TERM; echo ready; while read x; do echo; done`)
		<-ready
		must(t, tr.Terminate())
		must(t, tr.Terminate())
		must(t, tr.Pipe(0).Write([]byte("x\n")))
		<-ready // the child is alive
		if _, ok := tr.ReturnCode(); ok {
			t.Error("the child has exited")
		}
		must(t, end(tr))
		if code, err := tr.Wait(bounded(t, hang)); code != killed || err != nil {
			t.Errorf("Wait: %d, %v", code, err)
		}
		w.over(t, tr, killed)
	}
}

// A grandchild that holds the standard output delays ConnectionLost until it ends or the pipe is
// closed. It delays neither ProcessExited nor Wait.
func TestGrandchildHoldsStdout(t *testing.T) {
	l := childLoop(t)
	for _, closing := range []bool{false, true} {
		r, release, err := os.Pipe()
		must(t, err)
		w := newWard()
		cfg := subprocess.Config{Setup: func(cmd *exec.Cmd) error { cmd.ExtraFiles = []*os.File{r}; return nil }}
		tr := raiseShell(t, l, w, cfg, `{ read x <&3; echo late; } & exit 5`)
		must(t, r.Close())
		begin := time.Now()
		if code, err := tr.Wait(bounded(t, hang)); code != 5 || err != nil {
			t.Errorf("Wait: %d, %v", code, err)
		}
		w.awaits(t, "exited")
		exited := time.Since(begin)
		soon(t, l, func() {})
		if w.has("lost") || w.has("end 1") {
			t.Errorf("callbacks %q while the grandchild lives", w.log)
		}
		if closing {
			must(t, tr.Close())
		} else {
			must(t, release.Close())
		}
		w.over(t, tr, 5)
		t.Logf("exited after %v, lost after %v", exited, time.Since(begin))
		if want := map[bool]int{false: len("late\n")}[closing]; w.got[1] != want {
			t.Errorf("%d bytes from the grandchild, want %d", w.got[1], want)
		}
		must(t, errors.Join(w.ends[:]...))
		release.Close()
	}
}

// A child that writes more than the loop reads waits. Memory does not grow, and no byte is lost.
func TestChildWritesWhileReadingIsPaused(t *testing.T) {
	l := childLoop(t)
	size := form(256*mib, 1024*mib)
	const line = "0123456789abcde\n"
	lines := []byte(strings.Repeat(line, 256*kib/len(line)+2))
	w := newWard()
	sum, pauses := 0, 0
	var tr *subprocess.Transport
	made := make(chan struct{})
	w.received = func(fd int, b []byte) {
		<-made
		if at := sum % len(line); !bytes.Equal(b, lines[at:at+len(b)]) {
			t.Errorf("other bytes at %d", sum)
		}
		if sum += len(b); sum/(8*mib) > pauses { // now and then
			pauses++
			if err := tr.Pipe(fd).PauseReading(); err != nil {
				t.Error(err)
			}
			if _, err := l.CallLater(time.Millisecond, func() {
				if err := tr.Pipe(fd).ResumeReading(); err != nil {
					t.Error(err)
				}
			}); err != nil {
				t.Error(err)
			}
		}
	}
	tr = raiseShell(t, l, w, subprocess.Config{Stdin: subprocess.Null}, fmt.Sprintf("yes 0123456789abcde | head -c %d", size))
	must(t, tr.Pipe(1).PauseReading())
	close(made)
	soon(t, l, func() {}) // a call of DataReceived that was just starting
	memory, before := kept(), 0
	w.Change(func() { before = w.got[1] })
	for range 100 { // the pipe fills, and then no data comes
		soon(t, l, func() {})
	}
	after := 0
	w.Change(func() { after = w.got[1] })
	if after != before || w.has("exited") {
		t.Errorf("while paused: %d bytes, then %d; %q", before, after, w.log)
	}
	begin := time.Now()
	if err := tr.Pipe(1).ResumeReading(); err != nil && !errors.Is(err, zmqio.ErrNotPaused) {
		t.Error(err)
	}
	w.over(t, tr, 0)
	grown := kept() - memory
	t.Logf("%s in %v, paused %d times; memory grew by %s", quantity(w.got[1]), time.Since(begin).Round(time.Millisecond), pauses, quantity(grown))
	if w.got[1] != size {
		t.Errorf("%d bytes, want %d", w.got[1], size)
	}
	if grown > 16*mib {
		t.Errorf("memory grew by %s", quantity(grown))
	}
}

// Children come and go, one after another and many at once. After each round descriptors,
// goroutines and children are the same as before, and memory has not grown.
func TestChildrenComeAndGo(t *testing.T) {
	if !alone(t) {
		return
	}
	l := childLoop(t)
	ctx := bounded(t, 5*time.Minute)
	ended := func(tr *subprocess.Transport, code int) {
		select {
		case <-tr.Closed():
		case <-ctx.Done():
			t.Fatal(context.Cause(ctx))
		}
		if got, ok := tr.ReturnCode(); got != code || !ok {
			t.Errorf("return code %d, %t; want %d", got, ok, code)
		}
	}
	one := func() {
		tr, _, err := subprocess.Exec(ctx, l, newWard, subprocess.Config{}, "true")
		must(t, err)
		ended(tr, 0)
	}
	many := func() {
		children := make([]*subprocess.Transport, 100)
		for i := range children {
			var err error
			children[i], _, err = subprocess.Exec(ctx, l, newWard, subprocess.Config{}, "cat")
			must(t, err)
		}
		if n := runtime.NumGoroutine(); n > len(children) {
			t.Errorf("%d goroutines for %d children", n, len(children))
		}
		for i, tr := range children {
			if i%2 == 0 {
				must(t, tr.Close())
			} else {
				must(t, tr.Pipe(0).Close())
			}
		}
		for i, tr := range children {
			ended(tr, []int{killed, 0}[i%2])
		}
	}
	for range 3 { // the allocator finds out how much it needs at a time
		for range 100 {
			one()
		}
		many()
	}
	goroutines, fds, threads := runtime.NumGoroutine(), countFDs(t), countThreads()
	heap, memory, begin := heapSize(), kept(), time.Now()
	const series = 1000
	for range series {
		one()
	}
	inTurn := time.Since(begin)
	must(t, backTo(ctx, t, goroutines, fds))
	for range form(2, 10) {
		many()
		must(t, backTo(ctx, t, goroutines, fds))
	}
	noChildren(t)
	heap = heapSize() - heap
	grown := kept() - memory
	t.Logf("%d children in turn, %v each; then 100 at once; %d threads, %d before; the heap grew by %s, resident memory by %s", series,
		(inTurn / time.Duration(series)).Round(time.Microsecond), countThreads(), threads, quantity(heap), quantity(grown))
	if heap > mib/2 || grown > 8*mib { // the race detector takes most of it
		t.Errorf("the heap grew by %s, resident memory by %s", quantity(heap), quantity(grown))
	}
	if n := countThreads(); n > threads+10 {
		t.Errorf("%d threads, %d before", n, threads)
	}
}

// heapSize returns how much of the heap is in use, without the contents of pools.
func heapSize() int {
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// countThreads returns the number of threads, or 0 if the system does not tell it.
func countThreads() int {
	tasks, _ := os.ReadDir("/proc/self/task")
	return len(tasks)
}

// A start that fails returns the system's error, and leaves nothing behind.
func TestExecFails(t *testing.T) {
	l := childLoop(t)
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	closed, err := os.Open(os.DevNull)
	must(t, err)
	must(t, closed.Close())
	busy := write("busy", "#!/bin/sh\n", 0o700)
	holder, err := os.OpenFile(busy, os.O_WRONLY, 0)
	must(t, err)
	defer holder.Close()
	setup := func(fn func(*exec.Cmd)) subprocess.Config {
		return subprocess.Config{Setup: func(cmd *exec.Cmd) error { fn(cmd); return nil }}
	}
	for name, c := range map[string]struct {
		path string
		args []string
		cfg  subprocess.Config
		want error
	}{
		"no such file":        {path: filepath.Join(dir, "none"), want: fs.ErrNotExist},
		"not in PATH":         {path: "no-such-program-anywhere", want: exec.ErrNotFound},
		"empty name":          {path: "", want: errAny},
		"no permission":       {path: write("plain", "#!/bin/sh\n", 0o600), want: fs.ErrPermission},
		"a directory":         {path: dir, want: fs.ErrPermission},
		"no format":           {path: write("noformat", "nothing", 0o700), want: syscall.ENOEXEC},
		"no interpreter":      {path: write("nointerpreter", "#!/no/such/interpreter\n", 0o700), want: fs.ErrNotExist},
		"being written":       {path: busy, want: syscall.ETXTBSY},
		"too many arguments":  {path: "true", args: []string{strings.Repeat("x", 16*mib)}, want: syscall.E2BIG},
		"NUL in an argument":  {path: "true", args: []string{"a\x00b"}, want: errAny},
		"no such directory":   {path: "true", cfg: setup(func(cmd *exec.Cmd) { cmd.Dir = "/no/such/directory" }), want: fs.ErrNotExist},
		"closed file":         {path: "true", cfg: subprocess.Config{Stdout: subprocess.File(closed)}, want: os.ErrClosed},
		"impossible terminal": {path: "true", cfg: setup(func(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setctty: true, Ctty: 77} }), want: errAny},
		"pipe as Cancel":      {path: "true", cfg: setup(func(cmd *exec.Cmd) { cmd.Cancel = func() error { return nil } }), want: errAny},
	} {
		t.Run(name, func(t *testing.T) {
			fds := countFDs(t)
			for range 5 {
				_, _, err := subprocess.Exec(bounded(t, hang), l, func() *ward { t.Error("factory called"); return nil }, c.cfg, c.path, c.args...)
				if err == nil || c.want != errAny && !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			}
			if after := countFDs(t); after != fds {
				t.Errorf("%d descriptors, %d before", after, fds)
			}
			noChildren(t)
		})
	}
}

var errAny = errors.New("any error")

// Without descriptors a start works, or fails with EMFILE. It leaves nothing behind either way.
func TestExecOutOfDescriptors(t *testing.T) {
	if !alone(t) {
		return
	}
	l := childLoop(t)
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	low := limit
	low.Cur = 128
	w := newWard()
	raise(t, l, w, subprocess.Config{}, "true") // package os looks once for what the system has
	<-w.lost
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low))
	defer func() { must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)) }()
	var held []int
	release := func(n int) {
		for range min(n, len(held)) {
			must(t, syscall.Close(held[len(held)-1]))
			held = held[:len(held)-1]
		}
	}
	defer func() { release(len(held)) }()
	failed, worked := 0, 0
	for spare := range 24 {
		for { // uses all descriptors but spare
			fd, err := syscall.Dup(0)
			if err != nil {
				break
			}
			held = append(held, fd)
		}
		release(spare)
		w := newWard()
		tr, _, err := subprocess.Exec(bounded(t, hang), l, func() *ward { return w }, subprocess.Config{}, "true")
		switch {
		case err == nil:
			worked++
			w.over(t, tr, 0)
		case errors.Is(err, syscall.EMFILE):
			failed++
		default:
			t.Errorf("%d spare descriptors: %v", spare, err)
		}
	}
	t.Logf("%d starts worked, %d failed", worked, failed)
	if failed < 5 || worked < 5 {
		t.Errorf("%d starts worked, %d failed; the limits do not try it", worked, failed)
	}
}

// A full pipe does not delay the end of a transport that is closed. Close kills the child, and the
// pipe ends with EPIPE or by Abort.
func TestCloseWithFullPipe(t *testing.T) {
	l := childLoop(t)
	for name, end := range map[string]func(*subprocess.Transport) error{
		"Close": (*subprocess.Transport).Close, "Abort": (*subprocess.Transport).Abort, "Kill": (*subprocess.Transport).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard()
			tr := raise(t, l, w, subprocess.Config{}, "sleep", "1000")
			must(t, tr.Pipe(0).Write(make([]byte, 4*mib)))
			if n := tr.Pipe(0).WriteBufferSize(); n < 3*mib {
				t.Fatalf("only %d bytes are buffered", n)
			}
			must(t, end(tr))
			w.over(t, tr, killed)
			// The child is killed first, and Abort comes before the end of the pipe or after it.
			if err := w.ends[0]; !errors.Is(err, syscall.EPIPE) && (name != "Abort" || err != nil) {
				t.Errorf("the pipe ended with %v", err)
			}
			must(t, errors.Join(w.ends[1:]...))
		})
	}
	// A grandchild that reads nothing holds the pipe: Close waits for it, Abort does not.
	w := newWard()
	number := make(chan int, 1)
	w.received = func(_ int, b []byte) {
		pid := 0
		if _, err := fmt.Sscan(string(b), &pid); err != nil {
			t.Error(err)
		}
		number <- pid
	}
	tr := raiseShell(t, l, w, subprocess.Config{}, "exec 3<&0; sleep 1000 <&3 >/dev/null 2>&1 & echo $! >&2; exec sleep 1000")
	must(t, tr.Pipe(0).Write(make([]byte, 4*mib)))
	pid := <-number
	must(t, tr.Close())
	w.awaits(t, "exited")
	soon(t, l, func() {})
	if w.has("end 0") {
		t.Error("Close did not wait for what the grandchild may read")
	}
	must(t, tr.Abort())
	w.over(t, tr, killed)
	must(t, syscall.Kill(pid, syscall.SIGKILL))
}
