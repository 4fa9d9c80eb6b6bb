package conformance

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A pipeParty is a protocol of a pipe that records its callbacks. It fails its test if one comes
// outside the loop goroutine or out of order.
type pipeParty struct {
	zmqiotest.Condition
	t    testing.TB
	loop *zmqio.EventLoop
	log  []string // the callbacks; several DataReceived in a row count as one
	got  []byte
	err  error // the error of ConnectionLost

	onData func(tr *netio.Transport, b []byte)
	onEOF  func() bool
	tr     *netio.Transport
}

func newPipeParty(t testing.TB, l *zmqio.EventLoop) *pipeParty { return &pipeParty{t: t, loop: l} }

func (p *pipeParty) note(event string, notAfter ...string) {
	if zmqio.RunningLoop() != p.loop && !p.loop.IsClosed() && p.loop.IsRunning() {
		p.t.Errorf("%s outside the loop", event)
	}
	p.Change(func() {
		if len(p.log) == 0 && event != "made" {
			p.t.Errorf("%s came first", event)
		}
		for _, e := range append(notAfter, "lost") {
			if slices.Contains(p.log, e) {
				p.t.Errorf("%s after %s", event, e)
			}
		}
		if len(p.log) == 0 || p.log[len(p.log)-1] != event {
			p.log = append(p.log, event)
		}
	})
}

func (p *pipeParty) ConnectionMade(tr *netio.Transport) {
	p.tr = tr
	p.note("made", "made")
}

func (p *pipeParty) DataReceived(b []byte) {
	p.note("data", "eof")
	p.Change(func() { p.got = append(p.got, b...) })
	if p.onData != nil {
		p.onData(p.tr, b)
	}
}

func (p *pipeParty) EOFReceived() bool {
	p.note("eof", "eof")
	return p.onEOF != nil && p.onEOF()
}

func (p *pipeParty) PauseWriting() { p.Change(func() { p.log = append(p.log, "pause") }) }
func (p *pipeParty) ResumeWriting() {
	p.note("resume")
}

func (p *pipeParty) ConnectionLost(err error) {
	p.note("lost", "lost")
	p.Change(func() { p.err = err })
}

// until waits until cond holds.
func (p *pipeParty) until(what string, cond func() bool) {
	p.t.Helper()
	if err := p.Until(bounded(p.t), cond); err != nil {
		p.t.Fatalf("waited for %s: %v; there was %q", what, err, p.events())
	}
}

// receives waits until the received bytes are want.
func (p *pipeParty) receives(want string) {
	p.t.Helper()
	p.until("data", func() bool { return len(p.got) >= len(want) })
	p.Change(func() {
		if string(p.got) != want {
			p.t.Errorf("received %q, want %q", p.got, want)
		}
	})
}

func (p *pipeParty) awaits(event string) {
	p.t.Helper()
	p.until(event, func() bool { return slices.Contains(p.log, event) })
}

// ends waits for ConnectionLost, and returns its error.
func (p *pipeParty) ends() (err error) {
	p.t.Helper()
	p.awaits("lost")
	<-p.tr.Closed()
	p.Change(func() { err = p.err })
	return err
}

func (p *pipeParty) events() (all string) {
	p.Change(func() { all = strings.Join(p.log, " ") })
	return all
}

func (p *pipeParty) saw(want string) {
	p.t.Helper()
	if got := p.events(); got != want {
		p.t.Errorf("callbacks were %q, want %q", got, want)
	}
}

// pipeLoop returns a loop that runs until the test ends. An error that reaches its exception
// handler fails the test.
func pipeLoop(t testing.TB) *zmqio.EventLoop {
	t.Helper()
	l := newLoop(t, nil)
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
		t.Errorf("exception handler: %s: %v\n%s", c.Message, c.Err, c.Stack)
	})
	must(t, l.Start())
	return l
}

// osPipe returns a pipe. The end of the test closes its ends.
func osPipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	for _, f := range [...]*os.File{r, w} {
		must(t, f.SetDeadline(time.Now().Add(zmqiotest.Patience)))
	}
	return r, w
}

// socketPair returns two connected stream sockets.
func socketPair(t testing.TB) (a, b *os.File) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	must(t, err)
	files := make([]*os.File, 2)
	for i, fd := range fds {
		syscall.CloseOnExec(fd)
		must(t, syscall.SetNonblock(fd, true))
		files[i] = os.NewFile(uintptr(fd), fmt.Sprint("socket ", i))
		t.Cleanup(func() { files[i].Close() })
	}
	return files[0], files[1]
}

func readPipe(t testing.TB, l *zmqio.EventLoop, f *os.File) (*netio.Transport, *pipeParty) {
	t.Helper()
	p := newPipeParty(t, l)
	tr, got, err := netio.ConnectReadPipe(bounded(t), l, func() *pipeParty { return p }, f)
	must(t, err)
	if got != p || p.tr != tr || tr.Protocol() != netio.Protocol(p) {
		t.Error("ConnectReadPipe did not return the protocol, or ConnectionMade not the transport")
	}
	if !strings.HasPrefix(p.events(), "made") {
		t.Error("ConnectionMade comes after the creator's end")
	}
	return tr, p
}

func writePipe(t testing.TB, l *zmqio.EventLoop, f *os.File) (*netio.Transport, *pipeParty) {
	t.Helper()
	p := newPipeParty(t, l)
	tr, got, err := netio.ConnectWritePipe(bounded(t), l, func() *pipeParty { return p }, f)
	must(t, err)
	if got != p || p.tr != tr || tr.Protocol() != netio.Protocol(p) {
		t.Error("ConnectWritePipe did not return the protocol, or ConnectionMade not the transport")
	}
	if !strings.HasPrefix(p.events(), "made") {
		t.Error("ConnectionMade comes after the creator's end")
	}
	return tr, p
}

// takes reads bytes from r, and compares them with want.
func takes(t testing.TB, r io.Reader, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(r, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v; want %q", b, err, want)
	}
}

func puts(t testing.TB, w io.Writer, text string) {
	t.Helper()
	_, err := io.WriteString(w, text)
	must(t, err)
}

// fillPipe writes to tr until its descriptor takes no more, and returns what it wrote.
func fillPipe(t testing.TB, tr *netio.Transport) string {
	t.Helper()
	var all strings.Builder
	for tr.WriteBufferSize() == 0 {
		b := strings.Repeat(fmt.Sprint(all.Len()%7), 60_000)
		must(t, tr.Write([]byte(b)))
		all.WriteString(b)
	}
	return all.String()
}

func onPipeLoop(t testing.TB, l *zmqio.EventLoop, fn func()) {
	t.Helper()
	must(t, l.Do(bounded(t), func() error { fn(); return nil }))
}

func fdOf(t testing.TB, f *os.File) (fd int) {
	t.Helper()
	raw, err := f.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(n uintptr) { fd = int(n) }))
	return fd
}
