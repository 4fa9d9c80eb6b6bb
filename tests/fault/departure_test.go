package fault

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// few is a number of messages of 250 bytes that fit in the kernel, however libzmq groups them.
// libzmq sends more only when three quarters of the buffer are free.
const few = 60

// receiveWhenTold receives with libzmq alone, and only when its standard input has ended. It ends
// with the job's last message, or when no message has come for the time of Pace.
func receiveWhenTold(j job, in io.Reader, out io.Writer) error {
	endpoint := j.Endpoint
	if j.Relative {
		path := strings.TrimPrefix(endpoint, "ipc://")
		if err := os.Chdir(filepath.Dir(path)); err != nil {
			return err
		}
		endpoint = "ipc://" + filepath.Base(path)
	}
	ctx, err := zmq4.NewContext()
	if err != nil {
		return err
	}
	pull, err := ctx.NewSocket(zmq4.PULL)
	if err != nil {
		return err
	}
	attach := pull.Connect
	if j.Bind {
		attach = pull.Bind
	}
	if err := errors.Join(pull.SetRcvhwm(j.HWM), pull.SetRcvtimeo(j.Pace), attach(endpoint)); err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	for number := uint64(0); number != j.Last; {
		frame, err := pull.RecvBytes(0)
		if errors.Is(zmq.Translate("zmq_msg_recv", err), zmq.EAGAIN) {
			return nil
		}
		if err != nil {
			return err
		}
		var name uint64
		if name, number, err = (stream{size: j.Size}).parseMessage([][]byte{frame}); err != nil {
			return err
		}
		fmt.Fprintf(out, "got %d %d\n", name, number)
	}
	return nil
}

// A parting is a PUSH over ipc with messages on their way. Their receiver is another process, which
// does not read yet.
type parting struct {
	name     string
	endpoint string        // empty: a file of the test
	connects bool          // the PUSH connects, and the receiver binds
	relative bool          // the receiver binds a relative path
	hwm      int           // the receiver's high-water mark
	last     uint64        // the number of messages
	size     int           // of each message, in bytes; 0 means 250
	patience time.Duration // of the receiver; 0 means a minute, as it ends with the last message

	t        *testing.T
	loop     *zmqio.EventLoop
	push     *zmqio.Transport
	peer     *peer
	receiver *process
	log      *logged
}

// partings returns one of each kind. Of few messages the kernel holds all that the receiver has not
// taken, and of 3,000 it does not. A receiver takes at least 50 messages and 8 KiB if its
// high-water mark is 50.
func partings() (all []*parting) {
	for _, connects := range []bool{true, false} {
		for _, p := range []parting{{hwm: 1, last: few}, {hwm: 1, last: 3000}, {hwm: 50, last: few + 10, size: 1000}, {hwm: 50, last: 3000}} {
			p.name = fmt.Sprintf("connects=%t,hwm=%d,messages=%d", connects, p.hwm, p.last)
			p.connects = connects
			all = append(all, &p)
		}
	}
	abstract := fmt.Sprintf("ipc://@zmqio-parting-%d", os.Getpid())
	return append(all,
		&parting{name: "abstract/connects", endpoint: abstract, connects: true, hwm: 1, last: few},
		&parting{name: "abstract/binds", endpoint: abstract, hwm: 1, last: few},
		&parting{name: "wildcard", endpoint: "ipc://*", hwm: 1, last: few},
		&parting{name: "relative", connects: true, relative: true, hwm: 1, last: few},
	)
}

func eachParting(t *testing.T, test func(*testing.T, *parting)) {
	for _, p := range partings() {
		t.Run(p.name, func(t *testing.T) {
			checkLeaks(t)
			test(t, p)
		})
	}
}

// begin makes a loop, the PUSH and the receiver, and writes all messages. The receiver comes before
// or after the PUSH. When begin returns, libzmq has the messages, and no goroutine runs the loop.
func (p *parting) begin(ctx context.Context, t *testing.T, linger time.Duration) {
	t.Helper()
	p.t, p.log, p.peer, p.size = t, new(logged), newPeer(nil), cmp.Or(p.size, 250)
	var err error
	p.loop, err = zmqio.NewEventLoop(&zmqio.LoopConfig{Linger: linger, Logger: slog.New(slog.NewTextHandler(p.log, nil))})
	must(t, err)
	t.Cleanup(func() { p.loop.Close() })
	endpoint := p.endpoint
	if endpoint == "" {
		endpoint = freeEndpoint(t, "ipc")
	}
	cfg := zmqio.ConnectionConfig{Configure: func(s zmq.Sockopts) error { return s.SetSndHWM(0) }}
	if p.connects {
		p.receive(endpoint)
		cfg.Connect = []string{endpoint}
	} else {
		cfg.Bind = []string{endpoint}
	}
	p.push = create(t, p.loop, p.peer, zmq.PUSH, cfg)
	if !p.connects {
		p.receive(p.push.Listeners()[0])
	}
	must(t, p.push.SetWriteBufferLimits(0, 0))
	must(t, p.loop.Run(ctx, func(ctx context.Context) error {
		for number := uint64(1); number <= p.last; number++ {
			if err := p.push.WriteContext(ctx, [][]byte{stream{1, p.size}.frame(number)}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// receive starts the receiver.
func (p *parting) receive(endpoint string) {
	p.receiver = start(p.t, job{
		Role: "idle", Endpoint: endpoint, Bind: p.connects, Relative: p.relative, HWM: p.hwm, Size: p.size, Last: p.last,
		Pace: cmp.Or(p.patience, time.Minute),
	})
}

// read makes the receiver begin to read.
func (p *parting) read() { p.receiver.in.Close() }

// arrived waits for all messages.
func (p *parting) arrived() {
	p.t.Helper()
	p.receiver.finish()
	if got := p.receiver.track(1); got.count != p.last {
		p.t.Errorf("%d of %d messages arrived", got.count, p.last)
	}
}

// closed waits until libzmq has let the PUSH go.
func (p *parting) closed(ctx context.Context, closed <-chan struct{}) {
	p.t.Helper()
	select {
	case <-closed:
	case <-ctx.Done():
		p.t.Fatal(context.Cause(ctx))
	}
}

// logged has the lines that a logger wrote.
type logged struct {
	condition
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.Change(func() { l.text.Write(b) })
	return len(b), nil
}

func (l *logged) String() string {
	l.Lock()
	defer l.Unlock()
	return l.text.String()
}

// wait waits until the logger has written a line.
func (l *logged) wait(ctx context.Context) error {
	return l.Until(ctx, func() bool { return l.text.Len() > 0 })
}

// Messages of a closed PUSH arrive, even if the receiver reads nothing before the loop's Close
// waits. If the kernel holds all messages, the receiver reads nothing until libzmq has closed the
// socket.
func TestCloseOverIPC(t *testing.T) {
	eachParting(t, func(t *testing.T, p *parting) {
		ctx := bounded(t, hang)
		p.begin(ctx, t, hang)
		closed := p.push.Closed()
		must(t, p.push.Close())
		if p.last < 1000 {
			p.closed(ctx, closed)
		}
		p.read()
		must(t, p.loop.Close())
		p.closed(ctx, closed)
		p.arrived()
		if log := p.log.String(); log != "" {
			t.Errorf("logged %s", log)
		}
	})
}

// Close and Shutdown of the loop do the same for open transports.
func TestLoopCloseOverIPC(t *testing.T) {
	for name, end := range map[string]func(context.Context, *zmqio.EventLoop) error{
		"Close":    func(_ context.Context, l *zmqio.EventLoop) error { return l.Close() },
		"Shutdown": func(ctx context.Context, l *zmqio.EventLoop) error { return l.Shutdown(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			eachParting(t, func(t *testing.T, p *parting) {
				ctx := bounded(t, hang)
				p.begin(ctx, t, hang)
				closed := p.push.Closed()
				ended := make(chan error, 1)
				go func() { ended <- end(ctx, p.loop) }()
				if p.last < 1000 {
					p.closed(ctx, closed)
				}
				p.read()
				must(t, <-ended)
				p.arrived()
			})
		})
	}
}

// Close of the loop also waits for a departure that still looks for its connections among all
// descriptors. The calls come at various times after the beginning of that search.
func TestLoopCloseAtOnceOverIPC(t *testing.T) {
	checkLeaks(t)
	ctx := bounded(t, hang)
	null, err := os.Open(os.DevNull)
	must(t, err)
	defer null.Close()
	for range 3000 {
		fd, err := syscall.Dup(int(null.Fd()))
		must(t, err)
		defer syscall.Close(fd)
	}
	for try := range form(20, 200) {
		p := &parting{connects: true, hwm: 1, last: few}
		p.begin(ctx, t, hang)
		var told atomic.Bool
		time.AfterFunc(20*time.Millisecond, func() { // a Close that does not wait returns before this
			told.Store(true)
			p.read()
		})
		must(t, p.push.Close())
		for begin := time.Now(); time.Since(begin) < time.Duration(try%20)*200*time.Microsecond; {
			runtime.Gosched()
		}
		err := p.loop.Close()
		if must(t, err); !told.Load() {
			t.Fatal("Close returned before the receiver had read anything")
		}
		p.arrived()
	}
}

// ErrUndelivered and the log say what the receiver has not read in time. A busy machine may have
// sent nothing by then, so the test goes on with more time until the kernel holds messages.
func TestOverIPCTooLate(t *testing.T) {
	for _, connects := range []bool{true, false} {
		for _, end := range []string{"Close", "Shutdown", "ZMQ_LINGER"} {
			t.Run(fmt.Sprintf("%s/connects=%t", end, connects), func(t *testing.T) {
				checkLeaks(t)
				const most = 20 * time.Second
				for limit := 100 * time.Millisecond; !endTooLate(t, end, connects, limit); limit *= 4 {
					if limit > most {
						t.Fatalf("libzmq sent nothing in %v", limit)
					}
				}
			})
		}
	}
}

// endTooLate ends a parting whose receiver reads nothing within limit. It reports whether libzmq
// has sent messages by then.
func endTooLate(t *testing.T, end string, connects bool, limit time.Duration) (sent bool) {
	ctx := bounded(t, hang)
	p := &parting{connects: connects, hwm: 1, last: few}
	linger := hang
	if end == "Close" {
		linger = limit
	}
	p.begin(ctx, t, linger)
	closed := p.push.Closed()
	var err error
	switch end {
	case "Close":
		err = p.loop.Close()
	case "Shutdown":
		short, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		err = p.loop.Shutdown(short)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	case "ZMQ_LINGER":
		must(t, p.push.Sockopts().SetLinger(limit))
		must(t, p.push.Close())
		must(t, p.log.wait(ctx))
		err = p.loop.Close()
	}
	if !errors.Is(err, zmqio.ErrUndelivered) || !strings.Contains(err.Error(), p.push.String()) {
		t.Fatalf("got %v", err)
	}
	sent = strings.Contains(err.Error(), "bytes that the receiver has not read")
	if !sent && !strings.Contains(err.Error(), "what libzmq has not sent") {
		t.Errorf("got %v", err)
	}
	p.closed(ctx, closed)
	if end == "Shutdown" { // Shutdown leaves the rest of the time to Close
		p.read()
		must(t, p.loop.Close())
		p.arrived()
		return sent
	}
	must(t, p.log.wait(ctx))
	if warnings := strings.Count(p.log.String(), "level=WARN"); warnings != 1 {
		t.Errorf("logged %d warnings: %s", warnings, p.log)
	}
	return sent
}

// Abort does not wait, and keeps no connection open.
func TestAbortOverIPC(t *testing.T) {
	checkLeaks(t)
	ctx := bounded(t, hang)
	p := &parting{connects: true, hwm: 1, last: few, patience: 500 * time.Millisecond}
	p.begin(ctx, t, hang)
	closed := p.push.Closed()
	must(t, p.push.Abort())
	p.closed(ctx, closed)
	must(t, p.loop.Close())
	p.read()
	p.receiver.finish()
	if got := p.receiver.track(1); got.count == p.last {
		t.Error("all messages arrived, so that the test shows nothing about those that do")
	}
}

// A receiver that comes after the Close of the sender gets everything. A receiver that replaces
// another gets what that one has not taken.
func TestLateReceiverOverIPC(t *testing.T) {
	for range form(3, 50) {
		checkLeaks(t)
		ctx := bounded(t, hang)
		p := &parting{connects: true, hwm: 1, last: 3000}
		p.begin(ctx, t, hang)
		closed := p.push.Closed()
		must(t, p.push.Close())
		p.receiver.kill()
		p.receive(p.push.Connections()[0])
		p.read()
		if err := p.loop.Close(); err != nil && !errors.Is(err, zmqio.ErrUndelivered) {
			t.Error(err)
		}
		p.closed(ctx, closed)
		p.receiver.finish()
		if got := p.receiver.track(1); got.last != p.last || got.lost > 0 {
			t.Errorf("got %+v", got)
		}
	}
}

// A child of this process does not inherit the duplicates of connections.
func TestChildrenDoNotInheritDepartures(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip(err)
	}
	checkLeaks(t)
	ctx := bounded(t, hang)
	sockets := func() int {
		out, err := exec.CommandContext(ctx, "ls", "-l", "/proc/self/fd").Output()
		must(t, err)
		return strings.Count(string(out), "socket:")
	}
	before := sockets()
	p := &parting{connects: true, hwm: 1, last: few}
	p.begin(ctx, t, hang)
	closed := p.push.Closed()
	must(t, p.push.Close())
	p.closed(ctx, closed) // so the open descriptor is the duplicate
	if n := sockets(); n > before {
		t.Errorf("a child has %d sockets, %d before", n, before)
	}
	p.read()
	must(t, p.loop.Close())
	p.arrived()
}
