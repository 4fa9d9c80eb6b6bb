package zmqio

import (
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
