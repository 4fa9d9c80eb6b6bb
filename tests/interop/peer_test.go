package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"testing"
	"time"
)

// deadline bounds everything that one test does with its peer. Only a test that hangs takes so long.
const deadline = 3 * time.Minute

// A peer is a running testdata/peer.py. It answers one command at a time.
type peer struct {
	t      *testing.T
	ctx    context.Context // ends at the deadline, which also ends the process
	in     io.Writer
	out    *bufio.Reader
	stderr bytes.Buffer
}

// args are the arguments of a command.
type args map[string]any

// A reply is the outcome of a command. Each command sets its own fields.
type reply struct {
	Error    string // a Python traceback
	Library  string // the library's version, in the first line
	Libzmq   string // libzmq's version, in the first line
	Endpoint string // of open: the bound endpoint
	Received int    // of receive, echo and exchange
	Wrong    string // of the same: the first difference
	Extra    int    // of close: messages that no test asked for
	Seen     bool   // of probed
}

// startPeer starts a peer. It ends with the test: in good order if the test passed. It is killed if
// the test failed, or at the deadline.
func startPeer(t *testing.T, python, library string) *peer {
	t.Helper()
	ctx, kill := context.WithTimeout(context.Background(), deadline)
	p := &peer{t: t, ctx: ctx}
	cmd := exec.CommandContext(ctx, python, "-B", "testdata/peer.py", library)
	cmd.Stderr = &p.stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	p.in, p.out = in, bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		kill()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer kill()
		failed := t.Failed()
		if failed {
			kill() // it may be waiting for a message that does not come
		}
		in.Close()
		if err := cmd.Wait(); err != nil && !failed {
			t.Errorf("%s: %v", library, err)
		}
		if p.stderr.Len() != 0 {
			t.Logf("%s: standard error:\n%s", library, p.stderr.Bytes())
		}
	})
	hello := p.finish()
	t.Logf("%s: %s %s, libzmq %s", python, library, hello.Library, hello.Libzmq)
	return p
}

// begin sends a command, for finish to wait for.
func (p *peer) begin(do string, a args) {
	p.t.Helper()
	command := args{"do": do}
	for k, v := range a {
		command[k] = v
	}
	line, err := json.Marshal(command)
	must(p.t, err)
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		p.t.Fatalf("peer: %s: %v", do, err)
	}
}

// finish waits for the outcome of the last command, which must be a success.
func (p *peer) finish() reply {
	p.t.Helper()
	r := p.reply()
	if r.Error != "" {
		p.t.Fatalf("peer: %s", r.Error)
	}
	if r.Wrong != "" {
		p.t.Fatalf("peer: after %d messages: %s", r.Received, r.Wrong)
	}
	return r
}

// reply waits for the outcome of the last command.
func (p *peer) reply() reply {
	p.t.Helper()
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		p.t.Fatal("peer: no reply:", errors.Join(err, p.ctx.Err()))
	}
	var r reply
	if err := json.Unmarshal(line, &r); err != nil {
		p.t.Fatalf("peer: %v: %q", err, line)
	}
	return r
}

func (p *peer) call(do string, a args) reply {
	p.t.Helper()
	p.begin(do, a)
	return p.finish()
}

// close closes the peer's socket, and checks that no message is left.
func (p *peer) close() {
	p.t.Helper()
	if r := p.call("close", nil); r.Extra != 0 {
		p.t.Errorf("the peer was sent %d messages too many", r.Extra)
	}
}
