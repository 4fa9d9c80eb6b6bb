package fault

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A job is the task of a process that a test starts. The process works until its standard input
// ends, and then ends in good order.
type job struct {
	Role     string
	Endpoint string
	Bind     bool
	HWM      int // both high-water marks
	Buffer   int // SNDBUF and RCVBUF, bytes
	Size     int // of a frame
	Name     uint64
	First    uint64        // the first number
	Pace     time.Duration // sender: time between lots of ten messages, 0 for WriteContext without a pause; idle receiver: its patience

	Heartbeat time.Duration // its interval; the timeout is three intervals

	Last     uint64 // the last number
	Relative bool   // bind the last element of Endpoint's path
}

// roles are the tasks of a process, which is this test binary run again.
var roles = map[string]func(j job, in io.Reader, out io.Writer) error{
	"receive": receiveStream,
	"send":    sendStream,
	"idle":    receiveWhenTold,
	"alive":   receiveAlive,
}

// jobVariable has the job of a process, or the name of the only test to run.
const jobVariable = "ZMQIO_FAULT_JOB"

// jobOfProcess returns the job of this process, and whether a test started it.
func jobOfProcess() (job, bool) {
	var j job
	err := json.Unmarshal([]byte(os.Getenv(jobVariable)), &j)
	return j, err == nil
}

func (j job) config() zmqio.ConnectionConfig {
	cfg := zmqio.ConnectionConfig{Configure: j.configure}
	if j.Bind {
		cfg.Bind = []string{j.Endpoint}
	} else {
		cfg.Connect = []string{j.Endpoint}
	}
	return cfg
}

func (j job) configure(s zmq.Sockopts) error {
	errs := []error{
		s.SetSndHWM(j.HWM), s.SetRcvHWM(j.HWM), s.SetReconnectInterval(10 * time.Millisecond),
		s.SetSndBuf(j.Buffer), s.SetRcvBuf(j.Buffer),
	}
	if j.Heartbeat > 0 {
		// A sender that cannot send messages cannot send heartbeats either. It must miss its peer's
		// heartbeats or, before the first of these, rely on TCP.
		errs = append(errs, s.SetHeartbeatInterval(j.Heartbeat), s.SetHeartbeatTimeout(3*j.Heartbeat),
			s.SetHeartbeatTTL(3*j.Heartbeat), s.SetConnectTimeout(3*j.Heartbeat),
			s.SetTCPMaxRetransmit(10*j.Heartbeat))
	}
	return errors.Join(errs...)
}

// receiveStream writes a line for each message with its own write(2). So a killed process has
// reported all that it received.
func receiveStream(j job, in io.Reader, out io.Writer) error {
	return perform(j, zmq.PULL, in, out, func(msg [][]byte) {
		name, number, err := stream{size: j.Size}.parseMessage(msg)
		if err != nil {
			fmt.Fprintf(out, "wrong %v\n", err)
			return
		}
		fmt.Fprintf(out, "got %d %d\n", name, number)
	}, nil)
}

// sendStream writes a line for each message that Write has taken.
func sendStream(j job, in io.Reader, out io.Writer) error {
	return perform(j, zmq.PUSH, in, out, nil, func(ctx context.Context, t *zmqio.Transport) error {
		s := stream{j.Name, j.Size}
		for number := j.First; ctx.Err() == nil; number++ {
			if err := j.write(ctx, t, s.frame(number), number%10 == 0); err != nil {
				if errors.Is(err, context.Canceled) {
					break
				}
				return err
			}
			fmt.Fprintf(out, "got %d %d\n", j.Name, number)
		}
		return nil
	})
}

func (j job) write(ctx context.Context, t *zmqio.Transport, frame []byte, rest bool) error {
	if j.Pace == 0 {
		return t.WriteContext(ctx, [][]byte{frame})
	}
	if rest {
		select {
		case <-time.After(j.Pace):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return t.Write([][]byte{frame})
}

// perform makes a transport, and closes it when in has ended and work has returned. The context of
// work ends with in.
func perform(j job, typ zmq.SocketType, in io.Reader, out io.Writer, received func([][]byte),
	work func(context.Context, *zmqio.Transport) error,
) error {
	loop, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Linger: time.Minute})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, in)
	}()
	err = loop.Run(context.Background(), func(context.Context) error {
		p := newPeer(received)
		t, _, err := loop.CreateZmqConnection(context.Background(), func() zmqio.Protocol { return p }, typ, j.config())
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "ready")
		if work != nil {
			err = work(ctx, t)
		}
		<-ctx.Done()
		t.Close()
		return errors.Join(err, <-p.lost)
	})
	return errors.Join(err, loop.Close())
}

// A process is one that a test started, and what it has reported.
type process struct {
	condition
	t      *testing.T
	cmd    *exec.Cmd
	in     io.Closer
	stderr bytes.Buffer
	done   chan struct{} // closed at the end of its output

	ready  bool
	wrong  error
	tracks map[uint64]*track // by stream name
	told   []string          // its other lines
}

// start starts a process, with the words of a command before its own, and waits until it is ready.
// The end of the test kills it.
func start(t *testing.T, j job, before ...string) *process {
	t.Helper()
	p := &process{t: t, done: make(chan struct{}), tracks: make(map[uint64]*track)}
	self, err := os.Executable()
	must(t, err)
	words := append(before, self)
	p.cmd = exec.Command(words[0], words[1:]...)
	text, err := json.Marshal(j)
	must(t, err)
	p.cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", jobVariable+"="+string(text)) // else it takes a second to exit
	p.cmd.Stderr = &p.stderr
	p.in, err = p.cmd.StdinPipe()
	must(t, err)
	out, err := p.cmd.StdoutPipe()
	must(t, err)
	must(t, p.cmd.Start())
	go p.read(out)
	t.Cleanup(p.kill)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if p.Until(ctx, func() bool { return p.ready || p.wrong != nil }) != nil || p.wrong != nil {
		p.kill()
		t.Fatalf("the process did not start: %v; standard error: %s", p.wrong, &p.stderr)
	}
	return p
}

// read records what the process writes.
func (p *process) read(out io.Reader) {
	defer close(p.done)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.Change(func() {
			if err := p.note(lines.Text()); err != nil && p.wrong == nil {
				p.wrong = err
			}
		})
	}
	p.Change(func() {
		if !p.ready && p.wrong == nil {
			p.wrong = io.ErrUnexpectedEOF
		}
	})
}

func (p *process) note(line string) error {
	switch word, rest, _ := strings.Cut(line, " "); word {
	case "ready":
		p.ready = true
		return nil
	case "told":
		p.told = append(p.told, rest)
		return nil
	case "got":
		var name, number uint64
		if _, err := fmt.Sscan(rest, &name, &number); err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		r := p.tracks[name]
		if r == nil {
			r = &track{last: number - 1}
			p.tracks[name] = r
		}
		return r.add(number)
	}
	return errors.New(line)
}

// reach waits until the process has reported the frame number of stream name.
func (p *process) reach(ctx context.Context, name, number uint64) {
	p.t.Helper()
	err := p.Until(ctx, func() bool {
		return p.wrong != nil || p.tracks[name] != nil && p.tracks[name].last >= number
	})
	p.check()
	if err != nil {
		p.t.Fatalf("waiting for message %d of stream %d, at %+v: %v", number, name, p.track(name), err)
	}
}

// track returns what the process has reported of a stream.
func (p *process) track(name uint64) track {
	p.Lock()
	defer p.Unlock()
	if r := p.tracks[name]; r != nil {
		return *r
	}
	return track{}
}

// check fails the test if the process has reported an error.
func (p *process) check() {
	p.t.Helper()
	p.Lock()
	defer p.Unlock()
	if p.wrong != nil {
		p.t.Fatal(p.wrong)
	}
}

// kill ends the process with SIGKILL, and waits for the rest of its output.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
	_ = p.cmd.Wait()
}

// finish ends the process in good order.
func (p *process) finish() {
	p.t.Helper()
	p.in.Close()
	<-p.done
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("the process ended with %v: %s", err, &p.stderr)
	}
	p.check()
}
