package sock

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
	"github.com/zmqio/zmq"
)

// The only receiver goes amid a message. The next receiver gets this message whole, once, and then
// the next. A large frame gives libzmq the time to notice.
func TestCutMessageStays(t *testing.T) {
	if runtime.NumCPU() < 2 {
		t.Skip("the receiver must run while a frame is copied")
	}
	if !withLeaksOfLibzmq(t) {
		return
	}
	large := bytes.Repeat([]byte{1}, 64<<20)
	for from, to := range map[zmq4.Type]zmq4.Type{zmq4.PUSH: zmq4.PULL, zmq4.DEALER: zmq4.DEALER} {
		for _, cut := range [][][]byte{{[]byte("head"), large}, {[]byte("head"), large, {2}, {3}}} {
			t.Run(fmt.Sprintf("%v/%d frames", from, len(cut)), func(t *testing.T) {
				msgs := [][][]byte{{[]byte("before")}, cut, {[]byte("behind"), {}}}
				for range 500 {
					if cutMessage(t, from, to, msgs) {
						return
					}
				}
				t.Fatal("the pipe never died amid the message")
			})
		}
	}
}

// cutMessage sends msgs to a receiver that goes after the first message. It reports whether the
// second was cut. Another receiver must then get the rest.
func cutMessage(t *testing.T, from, to zmq4.Type, msgs [][][]byte) bool {
	ctx := newContext(t)
	z, s := open(t, ctx, from)
	must(t, z.Bind("inproc://cut"))
	goes, first := open(t, ctx, to)
	must(t, goes.Connect("inproc://cut"))
	gone := make(chan error, 1)
	go func() {
		err := waitForMessage(first)
		goes.SetLinger(0)
		goes.Close()
		gone <- err
	}()
	buf, table := encode(msgs...)
	refusal := RefusalOf(zmq.SocketType(from))
	sent := s.Send(Batch{Buf: buf, Table: table}, refusal, false)
	must(t, <-gone)
	if sent.Frames != 1 {
		return false
	}
	if sent.Errno != syscall.EAGAIN || sent.Bytes != len(msgs[0][0]) {
		t.Fatalf("%+v", sent)
	}
	zr, r := open(t, ctx, to)
	must(t, zr.Connect("inproc://cut"))
	rest := Batch{Buf: buf[sent.Bytes:], Table: table[1:]}
	for len(rest.Table) > 0 {
		sent := s.Send(rest, refusal, false)
		if sent.Errno != 0 && sent.Errno != syscall.EAGAIN {
			t.Fatal(sent.Errno)
		}
		rest.Buf, rest.Table = rest.Buf[sent.Bytes:], rest.Table[sent.Frames:]
	}
	wantMessages(t, recvAll(t, r), msgs[1:])
	return true
}

// waitForMessage receives until a message has come.
func waitForMessage(r *Socket) error {
	for rec := NewCopier(false); ; {
		msgs, errno := rec.Recv(r)
		switch {
		case len(msgs) > 0:
			return nil
		case errno != 0 && errno != syscall.EAGAIN:
			return errno
		}
	}
}

func wantMessages(t *testing.T, got, want [][][]byte) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }) {
		t.Errorf("got %s, want %s", sizes(got), sizes(want))
	}
}

// sizes describes messages by their frame sizes.
func sizes(msgs [][][]byte) string {
	var all [][]int
	for _, msg := range msgs {
		var frames []int
		for _, f := range msg {
			frames = append(frames, len(f))
		}
		all = append(all, frames)
	}
	return fmt.Sprint(all)
}

// One of two receivers goes amid a message. The other gets the message whole, or not at all. The
// second frame is large, so that libzmq notices before it.
func TestCutMessageGoesWholeToAnother(t *testing.T) {
	if !withLeaksOfLibzmq(t) {
		return
	}
	for _, frames := range []int{2, 4} {
		msg := [][]byte{[]byte("head"), make([]byte, 16<<20), {2}, {3}}[:frames]
		t.Run(fmt.Sprintf("%d frames", frames), func(t *testing.T) { cutBetweenTwo(t, msg) })
	}
}

func cutBetweenTwo(t *testing.T, msg [][]byte) {
	buf, table := encode(msg)
	for try := range 10 {
		endpoint := fmt.Sprintf("inproc://whole%d", try)
		ctx := newContext(t)
		z, s := open(t, ctx, zmq4.PUSH)
		must(t, z.Bind(endpoint))
		goes, _ := open(t, ctx, zmq4.PULL)
		must(t, goes.Connect(endpoint))
		zr, r := open(t, ctx, zmq4.PULL)
		must(t, zr.Connect(endpoint))
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			goes.SetLinger(0)
			goes.Close()
		}()
		for range 3 {
			if sent := s.Send(Batch{Buf: buf, Table: table}, RefusalOf(zmq.PUSH), false); sent.Errno != 0 || sent.Frames != len(msg) {
				t.Fatalf("%+v", sent)
			}
		}
		<-gone
		got := recvAll(t, r)
		for _, m := range got {
			if len(m) != len(msg) || len(m[0]) != 4 {
				t.Fatalf("a message of %d frames, the first of %d bytes", len(m), len(m[0]))
			}
		}
		if len(got) == 0 {
			t.Error("the receiver that stayed got nothing")
		}
	}
}

// withLeaksOfLibzmq runs a test in a process of its own, and reports whether this is it. There
// LeakSanitizer ignores what libzmq has allocated. If a receiver goes after the large frame of a
// message and before the last, libzmq never frees the large frame.
func withLeaksOfLibzmq(t *testing.T) bool {
	t.Helper()
	const variable = "ZMQIO_SOCK_TEST"
	if os.Getenv(variable) == t.Name() {
		return true
	}
	list := filepath.Join(t.TempDir(), "lsan.supp")
	must(t, os.WriteFile(list, []byte("leak:libzmq.so\n"), 0o600))
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v")
	if end, bounded := t.Deadline(); bounded { // a process that hangs shows its goroutines before this one must end
		cmd.Args = append(cmd.Args, fmt.Sprintf("-test.timeout=%v", time.Until(end)*9/10))
	}
	cmd.Env = append(os.Environ(), "LSAN_OPTIONS=print_suppressions=0:suppressions="+list, variable+"="+t.Name())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}
