package zmqio

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/zmqio/zmq"
)

// runAside runs l on another goroutine until the test ends.
func runAside(t *testing.T, l *EventLoop) {
	t.Helper()
	stopped := make(chan error, 1)
	go func() { stopped <- l.RunForever(bounded(t)) }()
	started := make(chan struct{})
	soon(t, l, func() { close(started) })
	<-started
	t.Cleanup(func() {
		l.Stop()
		must(t, <-stopped)
	})
}

// blocked returns a transport whose messages libzmq refuses until a peer connects.
func blocked(t testing.TB, l *EventLoop, p Protocol) *Transport {
	t.Helper()
	return create(t, l, p, zmq.PUSH, bindTo(anyPort))
}

// A pauser calls a function in PauseWriting.
type pauser struct {
	recorder
	onPause func()
}

func (p *pauser) PauseWriting() {
	p.recorder.PauseWriting()
	p.onPause()
}

// untilBlocked waits until a goroutine is in a function, in a state as runtime.Stack writes it, or
// until done has its result.
func untilBlocked(t *testing.T, state, function string, done <-chan error) {
	t.Helper()
	buf := make([]byte, 1<<20)
	for ctx := bounded(t); len(done) == 0; runtime.Gosched() {
		must(t, ctx.Err())
		for stack := range bytes.SplitSeq(buf[:runtime.Stack(buf, true)], []byte("\n\n")) {
			first, _, _ := bytes.Cut(stack, []byte("\n"))
			if bytes.Contains(first, []byte("["+state)) && bytes.Contains(stack, []byte(function)) {
				return
			}
		}
	}
}
