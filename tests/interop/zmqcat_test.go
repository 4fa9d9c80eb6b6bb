package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"sync"
	"testing"
)

// lines is the input of zmqcat, and its expected output.
var lines = series{"numbered", 100_000}

func (s series) text() []byte {
	var text []byte
	for msg := range s.messages() {
		text = append(append(text, msg[0]...), '\n')
	}
	return text
}

// programs is the directory of the built programs, or "".
var programs string

func TestMain(m *testing.M) {
	status := m.Run()
	if programs != "" {
		os.RemoveAll(programs)
	}
	os.Exit(status)
}

// builtZmqcat builds the program, with the race detector when the tests have it.
var builtZmqcat = sync.OnceValues(func() (program string, err error) {
	if programs, err = os.MkdirTemp("", "interop"); err != nil {
		return "", err
	}
	program = filepath.Join(programs, "zmqcat")
	build := exec.Command("go", "build", "-race="+raceDetector(), "-o", program, "github.com/zmqio/zmq/zmqio/cmd/zmqcat")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v: %w\n%s", build, err, out)
	}
	return program, nil
})

// buildZmqcat returns the program.
func buildZmqcat(t *testing.T) string {
	t.Helper()
	program, err := builtZmqcat()
	must(t, err)
	return program
}

func raceDetector() string {
	info, _ := debug.ReadBuildInfo()
	for _, setting := range info.Settings {
		if setting.Key == "-race" {
			return setting.Value
		}
	}
	return "false"
}

// startZmqcat starts the program. The end of the test ends it.
func startZmqcat(t *testing.T, configure func(*exec.Cmd), arguments ...string) *exec.Cmd {
	t.Helper()
	program := buildZmqcat(t) // first: a build takes as long as it takes
	ctx, kill := context.WithTimeout(context.Background(), deadline)
	cmd := exec.CommandContext(ctx, program, arguments...)
	configure(cmd)
	if err := cmd.Start(); err != nil {
		kill()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kill()
		cmd.Wait() // an error when the test has waited already
	})
	return cmd
}

// Every line of `seq 100000 | zmqcat push` arrives, in order.
func TestZmqcatPush(t *testing.T) {
	python := pythonWith(t, "pyzmq")
	buildZmqcat(t) // before the peer's time begins
	checkLeaks(t)
	p := startPeer(t, python, "pyzmq")
	endpoint := p.call("open", args{"type": "PULL", "bind": "tcp://127.0.0.1:*"}).Endpoint

	var stderr bytes.Buffer
	cmd := startZmqcat(t, func(cmd *exec.Cmd) {
		cmd.Stdin = bytes.NewReader(lines.text())
		cmd.Stderr = &stderr
	}, "push", "--connect", endpoint)
	p.call("receive", lines.args(nil))
	if err := cmd.Wait(); err != nil {
		t.Fatalf("zmqcat: %v\n%s", err, stderr.Bytes())
	}
	t.Logf("%s", stderr.Bytes())
	p.close()
}

var boundEndpoint = regexp.MustCompile(`tcp://127\.0\.0\.1:[0-9]+`)

// `zmqcat pull` prints the messages of a PUSH in order, and not more than --count.
func TestZmqcatPull(t *testing.T) {
	python := pythonWith(t, "pyzmq")
	buildZmqcat(t) // before the peer's time begins
	checkLeaks(t)
	p := startPeer(t, python, "pyzmq")

	var stdout bytes.Buffer
	var stderr io.Reader
	cmd := startZmqcat(t, func(cmd *exec.Cmd) {
		cmd.Stdout = &stdout
		stderr, _ = cmd.StderrPipe()
	}, "pull", "--bind", "tcp://127.0.0.1:*", "--count", "100001")

	messages := bufio.NewReader(stderr)
	first, err := messages.ReadString('\n')
	if err != nil {
		t.Fatalf("zmqcat: %v: %q", err, first)
	}
	endpoint := boundEndpoint.FindString(first)
	if endpoint == "" {
		t.Fatalf("zmqcat names no endpoint: %q", first)
	}
	p.call("open", args{"type": "PUSH", "connect": endpoint})
	p.call("send", lines.args(nil))
	figures, err := io.ReadAll(messages)
	must(t, err)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("zmqcat: %v\n%s%s", err, first, figures)
	}
	t.Logf("%s%s", first, figures)
	if diff := difference(stdout.Bytes(), lines.text()); diff != "" {
		t.Error(diff)
	}
	p.close()
}

// difference describes the first line in which two texts differ.
func difference(got, want []byte) string {
	for n := 1; len(got) > 0 || len(want) > 0; n++ {
		var g, w []byte
		g, got, _ = bytes.Cut(got, []byte("\n"))
		w, want, _ = bytes.Cut(want, []byte("\n"))
		if !bytes.Equal(g, w) {
			return fmt.Sprintf("line %d: got %.40q, want %.40q", n, g, w)
		}
	}
	return ""
}
