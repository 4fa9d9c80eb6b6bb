package conformance

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/subprocess"
)

// Children of this package, of os/exec and of a ChildWatcher do not disturb one another. Each of
// these gets the code of its own child.
func TestSubprocessBesideOthers(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(watchers)) {
		t.Run(name, func(t *testing.T) {
			l := childLoop(t)
			w, err := watchers[name]()
			must(t, err)
			defer func() { must(t, w.Close()) }()
			must(t, w.AttachLoop(l))
			const each = 33
			transports := make([]*offspring, each)
			commands := make(chan error, each)
			watched := make(chan error, each)
			for i := range each {
				script := fmt.Sprintf("read x; exit %d", i)
				go func() {
					cmd := exec.Command("/bin/sh", "-c", script+"0")
					cmd.Stdin = strings.NewReader("go\n")
					err := cmd.Run()
					if got := cmd.ProcessState.ExitCode(); got != i*10%256 {
						commands <- fmt.Errorf("os/exec: code %d, %v; want %d", got, err, i*10%256)
						return
					}
					commands <- nil
				}()
				transports[i] = newOffspring(t, l)
				tr := execute(t, l, transports[i], subprocess.Config{}, "/bin/sh", "-c", script)

				p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", fmt.Sprintf("exit %d", 100+i)}, &os.ProcAttr{})
				must(t, err)
				must(t, w.AddChildHandler(p.Pid, func(_, code int) {
					if code != 100+i {
						watched <- fmt.Errorf("ChildWatcher: code %d, want %d", code, 100+i)
						return
					}
					watched <- nil
				}))
				must(t, p.Release())
				must(t, tr.Pipe(0).Write([]byte("go\n")))
			}
			for range each {
				must(t, <-commands)
				must(t, <-watched)
			}
			for i, o := range transports {
				o.ends(i)
			}
		})
	}
}

// If another part of the program reaps the child, against the rules, the code is 255, and the
// exception handler gets an error.
func TestSubprocessReapedElsewhere(t *testing.T) {
	l := childLoop(t)
	told := make(chan zmqio.ExceptionContext, 1)
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) { told <- c })
	o := newOffspring(t, l)
	o.onMade = func(tr *subprocess.Transport) {
		if pid, err := syscall.Wait4(tr.PID(), nil, 0, nil); pid != tr.PID() || err != nil {
			t.Errorf("wait4: %d, %v", pid, err)
		}
	}
	tr := execute(t, l, o, inherited, "/bin/sh", "-c", "exit 3")
	o.ends(255)
	c := <-told
	wants(t, c.Err, syscall.ECHILD)
	if c.Source != zmqio.Resident(tr) || c.SourceProtocol != any(o) {
		t.Errorf("source %v, protocol %v", c.Source, c.SourceProtocol)
	}
	wants(t, tr.Kill(), os.ErrProcessDone)
}
