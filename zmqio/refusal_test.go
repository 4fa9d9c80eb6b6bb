package zmqio

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// A transport knows what libzmq does with the rest of a message after it has refused a frame in the
// middle. The next receiver gets this message whole, and then the next one. With the rule of
// another release it would get a part of the message, or nothing.
func TestRefusedMessageGoesToTheNextReceiver(t *testing.T) {
	for from, to := range map[zmq.SocketType]zmq.SocketType{zmq.PUSH: zmq.PULL, zmq.DEALER: zmq.DEALER} {
		t.Run(from.String(), func(t *testing.T) {
			leakCheck(t)
			l := newLoop(t)
			runAside(t, l)
			// The receiver goes at a time that depends on the machine, so the length varies. Of a
			// hundred tries some meet a message.
			lengths := []int{30_000, 20_000, 10_000, 40_000, 80_000}
			ctx := bounded(t)
			for try, cut := 0, 0; cut < 5; try++ {
				if ctx.Err() != nil {
					t.Fatalf("in %d tries the receiver went %d times amid the message", try, cut)
				}
				if cutWrite(t, l, from, to, fmt.Sprintf("inproc://refused-%v-%d", from, try), lengths[try%len(lengths)]) {
					cut++
				}
			}
		})
	}
}

// cutWrite writes three messages for a receiver that goes after the first, while libzmq gets the
// many frames of the second. It reports whether libzmq refused the second message. The next
// receiver must then get it.
func cutWrite(t *testing.T, l *EventLoop, from, to zmq.SocketType, endpoint string, frames int) bool {
	t.Helper()
	ctx := bounded(t)
	long := make([][]byte, frames)
	for i := range long {
		long[i] = []byte{byte(i), byte(i >> 8)}
	}
	out := create(t, l, BaseProtocol{}, from, bindTo(endpoint))
	defer func() { must(t, out.Abort()) }()
	for _, m := range [][][]byte{msg("before"), long, msg("behind")} {
		must(t, out.Write(m))
	}
	goes, err := l.context.NewSocket(zmq4.Type(to))
	must(t, err)
	must(t, goes.SetRcvtimeo(2*time.Minute))
	must(t, goes.SetLinger(0))
	must(t, goes.Connect(endpoint))
	_, err = goes.RecvMessageBytes(0)
	must(t, err)
	must(t, goes.Close())
	awaitUnwritable(t, ctx, out)
	if out.WriteBufferSize() < len(long) {
		return false
	}
	got := make(chan [][]byte, 2)
	in := create(t, l, &recorder{onMsg: func(m [][]byte) { got <- m }}, to, connectTo(endpoint))
	defer func() { must(t, in.Abort()) }()
	for _, want := range [][][]byte{long, msg("behind")} {
		select {
		case m := <-got:
			if !bytes.Equal(bytes.Join(m, nil), bytes.Join(want, nil)) {
				t.Fatalf("a message of %d frames, want one of %d", len(m), len(want))
			}
		case <-ctx.Done():
			t.Fatalf("a message of %d frames never came", len(want))
		}
	}
	return true
}

// awaitUnwritable waits until libzmq has no peer for t, and no write is in progress.
func awaitUnwritable(tb testing.TB, ctx context.Context, t *Transport) {
	tb.Helper()
	for {
		events, err := t.Sockopts().Events()
		must(tb, err)
		if events&zmq.POLLOUT == 0 {
			return
		}
		select {
		case <-time.After(50 * time.Microsecond):
		case <-ctx.Done():
			tb.Fatal(context.Cause(ctx))
		}
	}
}

// The traits of a transport are those of the spec.
func TestTraits(t *testing.T) {
	discards, requests := sock.Discards, sock.Requests
	if before(4, 3, 1) {
		discards, requests = sock.Forgets, sock.Headless
	}
	pubOnce := !before(4, 2, 4)
	for typ, want := range map[zmq.SocketType]traits{
		zmq.PAIR:   {receives: true},
		zmq.PUB:    {connectsOnce: pubOnce},
		zmq.SUB:    {receives: true, eager: true, connectsOnce: true},
		zmq.REQ:    {receives: true, eager: true, connectsOnce: true, refusal: requests},
		zmq.REP:    {receives: true, eager: true},
		zmq.DEALER: {receives: true, connectsOnce: true, refusal: discards},
		zmq.ROUTER: {receives: true},
		zmq.PULL:   {receives: true, eager: true},
		zmq.PUSH:   {refusal: discards},
		zmq.XPUB:   {receives: true},
		zmq.XSUB:   {receives: true},
		zmq.STREAM: {receives: true},
	} {
		if got := traitsOf(typ); got != want {
			t.Errorf("%v: %+v, want %+v", typ, got, want)
		}
	}
}
