package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// Short names for functions of package zmqiotest.
var (
	must      = zmqiotest.Must
	leakCheck = zmqiotest.CheckLeaks
)

const (
	anyPort = "tcp://127.0.0.1:*"
	// asProgram is an environment variable that turns the test binary into zmqcat.
	asProgram = "ZMQCAT_AS_PROGRAM"
	tooLong   = 2 * time.Minute // only a test that hangs takes so long
)

func TestMain(m *testing.M) {
	grace, demoPatience = tooLong, tooLong // a machine may be busy for a second
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// giveUpSoon gives close a second for delivery, in a test in which it must give up.
func giveUpSoon(t *testing.T) { setGrace(t, time.Second) }

func setGrace(t *testing.T, d time.Duration) {
	grace = d
	t.Cleanup(func() { grace = tooLong })
}

// eventually polls for a change that no signal reports.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(tooLong); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// A transcript has what a program has written. Readers can wait for text.
type transcript struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{} // closed by the next Write
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{})} }

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	return s.buf.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// await waits until enough returns true for the text.
func (s *transcript) await(t *testing.T, enough func(text string) bool) string {
	t.Helper()
	timeout := time.After(tooLong)
	for {
		s.mu.Lock()
		text, changed := s.buf.String(), s.changed
		s.mu.Unlock()
		if enough(text) {
			return text
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("waited too long, and only got %.1000q", text)
		}
	}
}

// A process is zmqcat, run in this process.
type process struct {
	t              *testing.T
	stdin          *io.PipeWriter
	stdout, stderr *transcript
	stop           context.CancelCauseFunc
	status         chan int
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	r, w := io.Pipe()
	return startWith(t, r, w, args...)
}

func startWith(t *testing.T, stdin io.Reader, w *io.PipeWriter, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	p := &process{t: t, stdin: w, stdout: newTranscript(), stderr: newTranscript(), stop: cancel, status: make(chan int, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.status <- run(ctx, args, stdin, p.stdout, p.stderr)
	}()
	t.Cleanup(func() {
		cancel(errors.New("the test has ended"))
		p.endInput()
		<-ended
	})
	return p
}

// give writes text to standard input.
func (p *process) give(text string) {
	p.t.Helper()
	_, err := io.WriteString(p.stdin, text)
	must(p.t, err)
}

func (p *process) endInput() {
	if p.stdin != nil {
		p.stdin.Close()
	}
}

const (
	boundPrefix = "zmqcat: bound "
	hintPrefix  = "zmqcat: waiting for a peer: " // appears on a machine that is busy for a second
)

// bound waits for the first bound endpoint.
func (p *process) bound() string {
	p.t.Helper()
	text := p.stderr.await(p.t, func(s string) bool {
		return strings.HasPrefix(s, boundPrefix) && strings.Contains(s, "\n")
	})
	return firstBound(text)
}

// firstBound returns the endpoint of the first line that standard error has. Hints may follow.
func firstBound(text string) string {
	line, _, _ := strings.Cut(strings.TrimPrefix(text, boundPrefix), "\n")
	return line
}

// prints waits until standard output is want.
func (p *process) prints(want string) {
	p.t.Helper()
	if got := p.stdout.await(p.t, func(s string) bool { return len(s) >= len(want) }); got != want {
		p.t.Fatalf("printed %.1000q, want %.1000q", got, want)
	}
}

// wait waits for the end of the program.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case status := <-p.status:
		return status
	case <-time.After(tooLong):
		p.t.Fatalf("does not end; standard error: %s", p.stderr)
		return 0
	}
}

// ends waits for the end of the program. It checks the status, and the last lines of standard
// error, which are about failures.
func (p *process) ends(status int, failures ...string) {
	p.t.Helper()
	if got := p.wait(); got != status {
		p.t.Errorf("exit status %d, want %d", got, status)
	}
	var got []string
	for line := range strings.Lines(p.stderr.String()) {
		if !strings.HasPrefix(line, boundPrefix) && !strings.HasPrefix(line, "zmqcat: sent ") && !strings.HasPrefix(line, hintPrefix) {
			got = append(got, strings.TrimSuffix(line, "\n"))
		}
	}
	if want := strings.Join(failures, "\n"); strings.Join(got, "\n") != want {
		p.t.Errorf("standard error says %q, want %q", got, want)
	}
}

// parse returns the config of a command line for a socket type.
func parse(t *testing.T, args []string) (cfg *config) {
	t.Helper()
	typ, err := zmq.ParseSocketType(args[0])
	must(t, err)
	cmd := newSocketCommand(typ, newConsole(io.Discard), func(_ *cobra.Command, c *config) error {
		cfg = c
		return nil
	})
	cmd.SetArgs(args[1:])
	must(t, cmd.Execute())
	return cfg
}

// startCat runs a cat that the test can inspect. ended gets the result of run.
func startCat(ctx context.Context, t *testing.T, stdin io.Reader, args ...string) (c *cat, ended <-chan error) {
	t.Helper()
	var err error
	c, err = newCat(parse(t, args), io.Discard, newConsole(io.Discard))
	must(t, err)
	must(t, c.open(ctx))
	result := make(chan error, 1)
	go func() { result <- c.run(ctx, stdin) }()
	return c, result
}

// A peer is a transport on its own loop, with which the test talks to zmqcat.
type peer struct {
	zmqio.BaseProtocol
	t         *testing.T
	transport *zmqio.Transport
	msgs      chan [][]byte
}

func newPeer(t *testing.T, typ zmq.SocketType, cfg zmqio.ConnectionConfig) *peer {
	t.Helper()
	loop, err := zmqio.NewEventLoop(nil)
	must(t, err)
	p := &peer{t: t, msgs: make(chan [][]byte, 1<<20)}
	p.transport, _, err = loop.CreateZmqConnection(context.Background(), func() zmqio.Protocol { return p }, typ, cfg)
	if err != nil {
		t.Fatal(errors.Join(err, loop.Close()))
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = loop.RunForever(ctx) // ends with ctx
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		_ = loop.Close() // unreceived messages are no error here
	})
	return p
}

func (p *peer) MsgReceived(msg [][]byte) { p.msgs <- msg }

func (p *peer) send(frames ...string) {
	p.t.Helper()
	must(p.t, p.transport.Write(message(frames...)))
}

// receive waits for a message, and returns its frames with | between them.
func (p *peer) receive() string {
	p.t.Helper()
	select {
	case msg := <-p.msgs:
		return string(bytes.Join(msg, []byte("|")))
	case <-time.After(tooLong):
		p.t.Fatal("waited too long for a message")
		return ""
	}
}

func (p *peer) receives(want ...string) {
	p.t.Helper()
	for _, w := range want {
		if got := p.receive(); got != w {
			p.t.Fatalf("received %.1000q, want %.1000q", got, w)
		}
	}
}

func message(frames ...string) [][]byte {
	msg := make([][]byte, len(frames))
	for i, f := range frames {
		msg[i] = []byte(f)
	}
	return msg
}

func bindTo(endpoint string) zmqio.ConnectionConfig {
	return zmqio.ConnectionConfig{Bind: []string{endpoint}}
}

func connectTo(endpoint string) zmqio.ConnectionConfig {
	return zmqio.ConnectionConfig{Connect: []string{endpoint}}
}

// socketFile returns a new ipc endpoint, which can be bound later.
func socketFile(t *testing.T) string { return zmqiotest.FreeEndpoint(t, "ipc") }
