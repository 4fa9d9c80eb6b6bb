package zmqio

import (
	"context"
	"runtime"
	"testing"
)

// Waiting for room is tested in tests/conformance, and the order of the waiters in
// internal/flow. What is left needs a turn that comes without room, every time.

func countWaiters(tr *Transport) int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.flow.Waiting()
}

// waiting starts a WriteContext that has to wait, and returns where its error comes
// when it waits.
func waiting(ctx context.Context, tr *Transport, m [][]byte) <-chan error {
	before := countWaiters(tr)
	result := make(chan error, 1)
	go func() { result <- tr.WriteContext(ctx, m) }()
	for countWaiters(tr) == before && len(result) == 0 {
		runtime.Gosched()
	}
	return result
}

// turnWithoutRoom waits until a writer waits, and lets its turn come, but the room is
// gone again: the message is of one byte, as is what the buffer has and its mark.
func turnWithoutRoom(tr *Transport, before func()) {
	for countWaiters(tr) == 0 {
		runtime.Gosched()
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	before()
	tr.flow.SetMarks(100, 0, tr.pendingLocked())
	tr.flow.SetMarks(1, 0, tr.pendingLocked())
}

// A protocol that fills the buffer in each ResumeWriting takes the room of the writer
// that is being woken, but only once.
func TestWriteContextTakesItsSecondTurn(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.SetWriteBufferLimits(1, 1))
	must(t, tr.Write(msg("x")))
	w := waiting(bounded(t), tr, msg("y"))
	turnWithoutRoom(tr, func() {})
	turnWithoutRoom(tr, func() {
		if len(w) > 0 {
			t.Error("the first turn was without room, and yet taken")
		}
	})
	must(t, <-w)
	if n := tr.WriteBufferSize(); n != 2 {
		t.Errorf("%d bytes in the buffer", n)
	}
}
