package interop

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"os/exec"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

var long = flag.Bool("long", false, "run the long form of the tests")

// nap is how many messages a slow receiver takes before it pauses for 0.1 s.
const nap = 4000

func napping(s series) args {
	a := args{"nap": nap}
	maps.Copy(a, s.args(nil))
	return a
}

// Every line of `seq 100000 | zmqcat push` arrives over ipc at a receiver that pauses sometimes.
// The long form tries this twenty times.
func TestZmqcatPushToSlowReceiver(t *testing.T) {
	python := pythonWith(t, "pyzmq")
	buildZmqcat(t) // before the peer's time begins
	checkLeaks(t)
	runs := 2
	if *long {
		runs = 20
	}
	for run := range runs {
		t.Run(fmt.Sprint(run), func(t *testing.T) { pushToSlowReceiver(t, python) })
	}
}

func pushToSlowReceiver(t *testing.T, python string) {
	t.Helper()
	p := startPeer(t, python, "pyzmq")
	endpoint := p.call("open", args{
		"type": "PULL", "bind": link{scheme: "ipc"}.endpoint(t), "options": args{"RCVTIMEO": deadline.Milliseconds()},
	}).Endpoint
	var stderr bytes.Buffer
	cmd := startZmqcat(t, func(cmd *exec.Cmd) {
		cmd.Stdin = bytes.NewReader(lines.text())
		cmd.Stderr = &stderr
	}, "push", "--connect", endpoint)
	p.begin("receive", napping(lines))
	received := p.reply()
	if received.Wrong != "" || received.Error != "" {
		_ = cmd.Process.Kill()
	}
	if err := cmd.Wait(); err != nil || received.Wrong != "" || received.Error != "" {
		t.Fatalf("%+v; zmqcat: %v\n%s", received, err, stderr.Bytes())
	}
	p.close()
}

// Messages of a PUSH over ipc arrive although the PUSH is closed at once and its loop shut down.
func TestCloseBeforeSlowReceiver(t *testing.T) {
	python := pythonWith(t, "pyzmq")
	for _, l := range links {
		if l.scheme != "ipc" {
			continue
		}
		t.Run(l.name, func(t *testing.T) {
			checkLeaks(t)
			loop, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Linger: deadline})
			must(t, err)
			defer loop.Close()
			p := startPeer(t, python, "pyzmq")
			s, c := &station{t: t, ctx: p.ctx, link: l, loop: loop, peer: p}, newClient()
			tr := s.join(c, zmq.PUSH, nil, args{"type": "PULL", "options": args{"RCVHWM": 50, "RCVTIMEO": deadline.Milliseconds()}})
			sent := oneWay[0]
			p.begin("receive", napping(sent))
			err = loop.Run(s.ctx, func(ctx context.Context) error {
				return c.send(ctx, tr, sent.messages())
			})
			must(t, err)
			if err := tr.Close(); err != nil {
				t.Error(err)
			}
			if err := loop.Shutdown(s.ctx); err != nil {
				t.Error(err)
			}
			if err := loop.Close(); err != nil {
				t.Error(err)
			}
			p.finish()
			p.close()
		})
	}
}
