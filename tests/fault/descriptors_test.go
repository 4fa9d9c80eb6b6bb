package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

func init() {
	roles["starve"] = starve
	roles["source"] = connectFromSource
}

// steps are what a process with few descriptors tries, in order. A step is left out if it builds on
// one that has failed.
var steps = []string{"loop", "socket", "bind tcp", "bind ipc", "second socket", "connect tcp", "connect ipc", "monitor"}

// Without descriptors libzmq ends the process. With any limit, each call succeeds or returns
// EMFILE, and the process ends in good order.
func TestOutOfDescriptors(t *testing.T) {
	checkLeaks(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	// The process does not connect to its own ipc endpoint: libzmq also ends it when it cannot
	// accept a connection over ipc.
	dir := socketDir(t)
	unix, err := net.Listen("unix", filepath.Join(dir, "parent"))
	must(t, err)
	defer unix.Close()
	ended := make(map[string]map[string]bool)
	for _, step := range steps {
		ended[step] = make(map[string]bool)
	}
	self, err := os.Executable()
	must(t, err)
	for i := range form(30, 120) {
		// Every second process has enough descriptors until it has its first socket.
		j := job{Role: "starve", Endpoint: listener.Addr().String(), Size: i / 2, Bind: i%2 == 1}
		text, err := json.Marshal(j)
		must(t, err)
		cmd := exec.Command(self)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), withoutLeakSanitizer(), jobVariable+"="+string(text))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%d spare descriptors: %v: %s", j.Size, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if step, end, found := strings.Cut(strings.TrimSpace(line), ": "); found && ended[step] != nil {
				ended[step][end] = true
			}
		}
	}
	for _, step := range steps {
		// libzmq opens the descriptors of a connection in the background, and tries again.
		if may := strings.HasPrefix(step, "connect"); !ended[step]["done"] || !ended[step]["EMFILE"] && !may {
			t.Errorf("%s ended with %v; the limits do not try it", step, ended[step])
		}
	}
}

// withoutLeakSanitizer returns the environment of a process without LeakSanitizer, which needs a
// descriptor at the end.
func withoutLeakSanitizer() string {
	return "ASAN_OPTIONS=" + os.Getenv("ASAN_OPTIONS") + ":detect_leaks=0"
}

// starve runs the steps with j.Size spare descriptors. The limit holds from the beginning or, with
// j.Bind, from the first socket.
func starve(j job, _ io.Reader, out io.Writer) error {
	if r, w, err := os.Pipe(); err == nil { // the runtime opens descriptors that it keeps
		r.Close()
		w.Close()
	}
	if !j.Bind {
		if err := spareDescriptors(j.Size); err != nil {
			return err
		}
	}
	var failed []error
	try := func(step string, err error) {
		switch {
		case err == nil:
			fmt.Fprintf(out, "%s: done\n", step)
		case errors.Is(err, syscall.EMFILE):
			fmt.Fprintf(out, "%s: EMFILE\n", step)
		default:
			failed = append(failed, fmt.Errorf("%s: %w", step, err))
		}
	}
	loop, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Linger: time.Minute}) // as in newLoop
	if try("loop", err); err != nil {
		return errors.Join(failed...)
	}
	create := func(step string, typ zmq.SocketType) *zmqio.Transport {
		t, _, err := loop.CreateZmqConnection(context.Background(), func() zmqio.Protocol { return listens{newPeer(nil)} }, typ,
			// The listeners of the parent never answer, and libzmq would linger for the end of their handshakes.
			zmqio.ConnectionConfig{Bind: []string{}, Configure: func(s zmq.Sockopts) error { return s.SetLinger(0) }})
		try(step, err)
		return t
	}
	first := create("socket", zmq.PULL)
	if j.Bind {
		if err := spareDescriptors(j.Size); err != nil {
			return err
		}
	}
	if t := first; t != nil {
		_, err := t.Bind("tcp://127.0.0.1:*")
		try("bind tcp", err)
		_, err = t.Bind("ipc://child")
		try("bind ipc", err)
	}
	if t := create("second socket", zmq.PUSH); t != nil {
		_, err := t.Connect("tcp://" + j.Endpoint)
		try("connect tcp", err)
		_, err = t.Connect("ipc://parent")
		try("connect ipc", err)
		try("monitor", t.EnableMonitor(zmq.EVENT_ALL))
	}
	return errors.Join(append(failed, loop.Close())...)
}

// A connect with a source needs descriptors in the background. libzmq ends the process if it gets
// none.
func TestOutOfDescriptorsWithSource(t *testing.T) {
	checkLeaks(t)
	text, err := json.Marshal(job{Role: "source"})
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), withoutLeakSanitizer(), jobVariable+"="+string(text))
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "EMFILE") {
		t.Errorf("%v: %s", err, out)
	}
}

func connectFromSource(_ job, _ io.Reader, out io.Writer) error {
	loop, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Linger: time.Minute}) // as in newLoop
	if err != nil {
		return err
	}
	t, _, err := loop.CreateZmqConnection(context.Background(), func() zmqio.Protocol { return newPeer(nil) }, zmq.PUSH,
		zmqio.ConnectionConfig{Bind: []string{}})
	if err != nil {
		return err
	}
	if err := spareDescriptors(0); err != nil {
		return err
	}
	if _, err := t.Connect("tcp://127.0.0.1:0;127.0.0.1:1"); !errors.Is(err, syscall.EMFILE) {
		return fmt.Errorf("connected with %w", err)
	}
	fmt.Fprintln(out, "EMFILE")
	return loop.Close()
}

// spareDescriptors leaves the process n descriptors, and the free numbers between those that are
// open.
func spareDescriptors(n int) error {
	free, err := syscall.Dup(0)
	if err != nil {
		return err
	}
	syscall.Close(free)
	limit := uint64(free + n)
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: limit})
}

// listens is a peer that takes events.
type listens struct{ *peer }

func (listens) EventReceived(zmq.MonitorEvent) {}
