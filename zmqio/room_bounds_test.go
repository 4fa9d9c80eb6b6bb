package zmqio

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/outbox"
)

// A nosy context looks at the transport.
type nosy struct {
	context.Context
	tr *Transport
}

func (c nosy) Value(key any) any {
	_ = fmt.Sprint(c.tr)
	return c.Context.Value(key)
}

// A context's methods are the user's: they are called without a lock.
func TestWriteContextAsksTheContextUnlocked(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	runAside(t, l)
	tr := blocked(t, l, BaseProtocol{})
	must(t, tr.SetWriteBufferLimits(1, 1))
	must(t, tr.Write(msg("x")))
	ctx, cancel := context.WithCancelCause(bounded(t))
	result := waiting(nosy{ctx, tr}, tr, msg("y"))
	reason := errors.New("reason")
	cancel(reason)
	if err := <-result; !errors.Is(err, reason) {
		t.Error(err)
	}
	must(t, tr.Abort())
}

// What fits into the buffer just so is taken, at whatever way it goes.
func TestMaxWriteBufferJustFits(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	large := make([]byte, 2*outbox.BatchBytes)
	for _, m := range [][][]byte{{large}, {large, large}, msg("12345", "678")} {
		cfg := bindTo(anyPort)
		cfg.MaxWriteBuffer = sizeOf(m).Bytes
		tr := create(t, l, BaseProtocol{}, zmq.PUSH, cfg)
		must(t, tr.Write(m))
		if err := tr.Write(msg("x")); !errors.Is(err, ErrBufferFull) || tr.WriteBufferSize() != sizeOf(m).Bytes {
			t.Errorf("one byte more: %v, with %d bytes in the buffer", err, tr.WriteBufferSize())
		}
		must(t, tr.Abort())
	}
}
