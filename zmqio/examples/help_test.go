package examples

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// binaries is the directory in which TestMain builds the programs.
var binaries string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "examples")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if out, err := exec.Command("go", "build", "-o", dir+"/", "./...").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	binaries = dir
	return m.Run()
}

// A process runs beside a test, which reads the lines of its output.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	in    io.WriteCloser
	ended chan error // gets the result, once
}

// program starts one of the example programs.
func program(t *testing.T, name string, args ...string) *process {
	t.Helper()
	return start(t, filepath.Join(binaries, name), args...)
}

// script starts a Python program with zmq, a context ctx, and its arguments in args. The function
// bound(socket) of the program prints the endpoint that the socket is bound to.
func script(t *testing.T, body string, args ...string) *process {
	t.Helper()
	const prelude = `
import sys, zmq
ctx = zmq.Context()
args = sys.argv[1:]
def bound(s):
    s.bind("tcp://127.0.0.1:*")
    print(s.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
`
	return start(t, python(t), append([]string{"-u", "-c", prelude + body}, args...)...)
}

// python returns a Python that has pyzmq. Without one it skips the test, or fails it if CI is set.
func python(t *testing.T) string {
	t.Helper()
	name, err := findPython()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	return name
}

var findPython = sync.OnceValues(func() (string, error) {
	for _, name := range []string{os.Getenv("ZMQIO_PYTHON"), "/usr/bin/python3", "python3"} {
		if name != "" && exec.Command(name, "-c", "import zmq").Run() == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("no Python with pyzmq")
})

// start starts a process, which ends with the test. If the test fails, start logs the standard
// error.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*zmqiotest.Patience)
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	zmqiotest.Must(t, err)
	out, w, err := os.Pipe() // Wait would close StdoutPipe
	zmqiotest.Must(t, err)
	cmd.Stdout = w
	zmqiotest.Must(t, cmd.Start())
	zmqiotest.Must(t, w.Close())
	p := &process{t: t, cmd: cmd, lines: bufio.NewScanner(out), in: in, ended: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = out.Close()
		if t.Failed() {
			t.Logf("%s: %s", filepath.Base(name), stderr.Bytes())
		}
	})
	return p
}

// line reads one line of the output.
func (p *process) line() string {
	p.t.Helper()
	if !p.lines.Scan() {
		p.t.Fatalf("%s has ended its output: %v", filepath.Base(p.cmd.Path), p.lines.Err())
	}
	return p.lines.Text()
}

// want reads one line of the output, and compares it.
func (p *process) want(line string) {
	p.t.Helper()
	if got := p.line(); got != line {
		p.t.Fatalf("%s printed %q, want %q", filepath.Base(p.cmd.Path), got, line)
	}
}

// goOn sends a script the line that it waits for.
func (p *process) goOn() {
	p.t.Helper()
	_, err := io.WriteString(p.in, "\n")
	zmqiotest.Must(p.t, err)
}

// terminate sends SIGTERM.
func (p *process) terminate() {
	p.t.Helper()
	zmqiotest.Must(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
}

// rest returns the remaining lines of the output.
func (p *process) rest() (lines []string) {
	for p.lines.Scan() {
		lines = append(lines, p.lines.Text())
	}
	return lines
}

// exits waits until the process ends, and checks that its status is 0.
func (p *process) exits() {
	p.t.Helper()
	if err := <-p.ended; err != nil {
		p.t.Errorf("%s: %v", filepath.Base(p.cmd.Path), err)
	}
}

// fails waits until the process ends, and checks that its status is not 0.
func (p *process) fails() {
	p.t.Helper()
	if err := <-p.ended; err == nil {
		p.t.Errorf("%s did not fail", filepath.Base(p.cmd.Path))
	}
}
