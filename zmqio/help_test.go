package zmqio

import (
	"testing"

	"github.com/zmqio/zmq"
)

// runAside runs l on a goroutine of its own until the test ends.
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

// blocked returns a transport that libzmq takes nothing from before a peer connects.
func blocked(t testing.TB, l *EventLoop, p Protocol) *Transport {
	t.Helper()
	return create(t, l, p, zmq.PUSH, bindTo(anyPort))
}

// pauser calls a function when it is paused.
type pauser struct {
	recorder
	onPause func()
}

func (p *pauser) PauseWriting() {
	p.recorder.PauseWriting()
	p.onPause()
}
