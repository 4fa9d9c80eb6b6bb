package fault

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// frameSizes are around the bounds of libzmq and of its wire format. A zmq_msg_t holds 33 bytes
// itself, and a short frame has at most 255. An encoder's buffer has 8192. A transport copies
// frames of up to 8192 bytes twice.
var frameSizes = []int{0, 1, 32, 33, 34, 255, 256, 8191, 8192, 8193, 64 * kib, mib, 16 * mib, 64 * mib}

// newNoise returns the bytes that frames are cut from.
func newNoise() []byte {
	b := make([]byte, 64*mib+257)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// Frames of every size arrive unchanged: alone, together in one message, and many in one message,
// in both directions at once.
func TestFrameSizes(t *testing.T) {
	noise := newNoise()
	cut := func(i, size int) []byte { return noise[i%257:][:size] }
	var alone [][][]byte
	var together [][]byte
	for i, size := range frameSizes {
		alone = append(alone, [][]byte{cut(i, size)})
		together = append(together, cut(7*i, frameSizes[len(frameSizes)-1-i]), cut(i, i%2))
	}
	many := make([][]byte, 10_000)
	for i := range many {
		many[i] = cut(i, i%300)
	}
	lots := map[string][][][]byte{"alone": alone, "together": {together}, "many": {many, {cut(1, 1)}, many}}
	for _, transport := range []string{"tcp", "ipc", "inproc"} {
		for name, lot := range lots {
			t.Run(transport+"/"+name, func(t *testing.T) { exchange(t, transport, lot) })
		}
	}
}

// exchange sends messages from either end of a connection to the other.
func exchange(t *testing.T, transport string, msgs [][][]byte) {
	checkLeaks(t)
	ctx := bounded(t, hang)
	begin := time.Now()
	loop := newLoop(t, nil)
	endpoint := freeEndpoint(t, transport)
	var ends [2]*end
	for i, cfg := range []zmqio.ConnectionConfig{{Bind: []string{endpoint}}, {Connect: []string{endpoint}}} {
		e := &end{want: msgs, done: make(chan error, 1)}
		e.peer = newPeer(e.compare)
		e.transport = create(t, loop, e.peer, zmq.DEALER, cfg)
		ends[i] = e
	}
	for _, msg := range msgs {
		for _, e := range ends {
			must(t, e.transport.Write(msg))
		}
	}
	for _, e := range ends {
		must(t, e.wait(ctx))
	}
	for _, e := range ends {
		must(t, e.transport.Close())
		must(t, e.peer.ended(ctx))
	}
	bytes, frames := 0, 0
	for _, msg := range msgs {
		frames += len(msg)
		for _, f := range msg {
			bytes += len(f)
		}
	}
	t.Logf("%d messages, %d frames, %s each way in %v; resident memory %s", len(msgs), frames, quantity(bytes),
		time.Since(begin).Round(time.Millisecond), quantity(rss()))
}

// An end of a connection knows which messages should come.
type end struct {
	transport *zmqio.Transport
	peer      *peer
	want      [][][]byte
	got       int
	done      chan error
}

func (e *end) wait(ctx context.Context) error {
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// compare takes the next message.
func (e *end) compare(msg [][]byte) {
	if e.got == len(e.want) {
		e.tell(fmt.Errorf("a message too many, of %d frames", len(msg)))
		return
	}
	want := e.want[e.got]
	if len(msg) != len(want) {
		e.tell(fmt.Errorf("message %d has %d frames, want %d", e.got, len(msg), len(want)))
		return
	}
	for i, f := range msg {
		if !bytes.Equal(f, want[i]) {
			e.tell(fmt.Errorf("message %d: frame %d of %d bytes differs, want %d bytes", e.got, i, len(f), len(want[i])))
			return
		}
	}
	if e.got++; e.got == len(e.want) {
		e.tell(nil)
	}
}

func (e *end) tell(err error) {
	select {
	case e.done <- err:
	default:
	}
}
