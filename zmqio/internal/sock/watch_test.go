package sock

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// monitored returns a PUSH of ctx, and the PAIR that gets the events of its connections and end.
func monitored(t *testing.T, ctx *zmq4.Context, name string) (push, pair *zmq4.Socket, s *Socket) {
	t.Helper()
	push, err := ctx.NewSocket(zmq4.PUSH)
	if err != nil {
		t.Fatal(err)
	}
	pair, err = ctx.NewSocket(zmq4.PAIR)
	if err != nil {
		t.Fatal(err)
	}
	const events = zmq4.EVENT_CONNECTED | zmq4.EVENT_MONITOR_STOPPED
	if err := errors.Join(push.Monitor("inproc://"+name, events), pair.Connect("inproc://"+name)); err != nil {
		t.Fatal(err)
	}
	if s, err = New(pair); err != nil {
		t.Fatal(err)
	}
	return push, pair, s
}

func TestWatch(t *testing.T) {
	ctx, err := zmq4.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	pull, err := ctx.NewSocket(zmq4.PULL)
	if err != nil {
		t.Fatal(err)
	}
	ipc := "ipc://" + filepath.Join(t.TempDir(), "s")
	if err := errors.Join(pull.Bind(ipc), pull.Bind("tcp://127.0.0.1:*")); err != nil {
		t.Fatal(err)
	}
	tcp, err := pull.GetLastEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	events := make([]Monitored, 4)
	watch := func(wake int, pairs ...*Socket) Monitored {
		t.Helper()
		n := 0
		for begin := time.Now(); n == 0 && time.Since(begin) < 2*time.Minute; { // a signal ends the Watch
			n = Watch(pairs, wake, time.Minute, events)
		}
		if n != 1 {
			t.Fatalf("%d events", n)
		}
		return events[0]
	}
	_, _, idle := monitored(t, ctx, "idle")
	push, pair, s := monitored(t, ctx, "busy")
	for _, endpoint := range []string{ipc, tcp} {
		if err := push.Connect(endpoint); err != nil {
			t.Fatal(err)
		}
		m := watch(-1, idle, s)
		overIPC := endpoint == ipc
		if m.Socket != 1 || m.Event != int32(zmq4.EVENT_CONNECTED) || m.IPC() != overIPC || m.Errno() != 0 {
			t.Errorf("%s: %+v", endpoint, m)
		}
		if copied := m.Copy >= 0; copied != (overIPC && runtime.GOOS == "linux") {
			t.Errorf("%s: duplicate %d", endpoint, m.Copy)
		}
		if m.Copy >= 0 {
			syscall.Close(int(m.Copy))
		}
	}
	if err := push.Close(); err != nil {
		t.Fatal(err)
	}
	if m := watch(-1, s, idle); m.Socket != 0 || m.Event != int32(zmq4.EVENT_MONITOR_STOPPED) {
		t.Errorf("%+v", m)
	}
	if n := Watch([]*Socket{s, idle}, -1, time.Millisecond, events); n != 0 {
		t.Errorf("%d events too many: %+v", n, events[:n])
	}

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n := Watch([]*Socket{s}, int(r.Fd()), time.Hour, events); n != 0 {
		t.Errorf("%d events", n)
	}
	if err := errors.Join(pair.Close(), pull.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestWatchUntilContextEnds(t *testing.T) {
	ctx, err := zmq4.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	push, pair, s := monitored(t, ctx, "end")
	ended := make(chan error, 1)
	go func() { ended <- ctx.Term() }()
	events := make([]Monitored, 4)
	for over := false; !over; {
		for _, m := range events[:Watch([]*Socket{s}, -1, time.Minute, events)] {
			over = m.Event == 0 && m.Errno() == syscall.Errno(zmq4.ETERM)
		}
	}
	if err := errors.Join(push.Close(), pair.Close(), <-ended); err != nil {
		t.Fatal(err)
	}
}
