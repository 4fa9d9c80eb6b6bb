package fault

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zmqio/zmq"
)

// A peer that reads nothing stops a writer that waits for room, and memory does not grow. When the
// peer goes on, everything arrives in order.
func TestStalledPeer(t *testing.T) {
	if !alone(t) {
		return
	}
	const size, hwm, high, stalls = 64 * kib, 8, 256 * kib, 5
	messages := uint64(form(128*mib, 1024*mib) / size)
	checkLeaks(t)
	ctx := bounded(t, form(hang, 2*hang))
	begin := time.Now()
	j := job{Endpoint: freeEndpoint(t, "tcp"), Bind: true, HWM: hwm, Buffer: 64 * kib}

	// The peer stops again and again, the first time before any message has come.
	var got track
	var wrong error
	done := make(chan struct{})
	reader := newPeer(nil)
	pull := create(t, newLoop(t, nil), reader, zmq.PULL, j.config())
	must(t, pull.PauseReading())
	reader.received = func(msg [][]byte) {
		_, number, err := stream{size: size}.parseMessage(msg)
		if err == nil {
			err = got.add(number)
		}
		wrong = errors.Join(wrong, err)
		if step := messages / stalls; number%step == 0 && number/step < stalls {
			wrong = errors.Join(wrong, pull.PauseReading())
		}
		if number == messages {
			close(done)
		}
	}

	j.Bind = false
	writer := newPeer(nil)
	push := create(t, newLoop(t, nil), writer, zmq.PUSH, j.config())
	must(t, push.SetWriteBufferLimits(high, high/4))
	s, waited, before, early, peak, buffered := stream{1, size}, 0, 0, 0, 0, 0
	for number := uint64(1); number <= messages; number++ {
		frame := s.frame(number)
		for {
			// The test offers a message again that was not taken in time. A message that was taken
			// all the same would arrive twice.
			try, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
			err := push.WriteContext(try, [][]byte{frame})
			cancel()
			buffered = max(buffered, push.WriteBufferSize())
			if err == nil {
				break
			}
			if must(t, context.Cause(ctx)); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			if waited++; before == 0 {
				before = kept() // all buffers are full for the first time
			}
			_ = pull.ResumeReading() // fails if the machine, and not a pause, made the writer wait
		}
		switch { // the first stretch shows what the buffers and the receiver keep
		case number%16 != 0:
		case number <= messages/stalls:
			early = max(early, kept())
		default:
			peak = max(peak, kept())
		}
	}
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatal(context.Cause(ctx))
	}
	must(t, push.Close())
	must(t, writer.ended(ctx))
	must(t, pull.Close())
	must(t, reader.ended(ctx))
	must(t, wrong)
	t.Logf("%s in %v; the writer waited %d times; the buffer held up to %d bytes; resident memory was %s at the first stall, up to %s in the first fifth and up to %s later",
		quantity(int(messages)*size), time.Since(begin).Round(time.Millisecond), waited, buffered, quantity(before), quantity(early), quantity(peak))
	if got.count != messages || got.lost != 0 {
		t.Errorf("got %d of %d messages", got.count, messages)
	}
	if waited < stalls {
		t.Errorf("the writer waited %d times, and the peer stalled %d times", waited, stalls)
	}
	if buffered > high {
		t.Errorf("the buffer held %d bytes, over its high-water mark of %d", buffered, high)
	}
	if allowed := 16 * mib; peak > early+allowed {
		t.Errorf("resident memory grew with what was written, from %s to %s", quantity(early), quantity(peak))
	}
	if allowed := 64 * mib; early > before+allowed {
		t.Errorf("resident memory grew from %s to %s", quantity(before), quantity(early))
	}
}
