package zmqio

import (
	"bytes"
	"runtime"
	"strconv"
	"testing"

	"github.com/zmqio/zmq"
)

func borrowFrom(endpoint string) ConnectionConfig {
	return ConnectionConfig{Connect: []string{endpoint}, BorrowFrames: true}
}

// numbered returns message number i. Every seventh has a large frame, and every third has two
// frames.
func numbered(i int) [][]byte {
	m := msg(strconv.Itoa(i))
	if i%7 == 0 {
		m = append(m, bytes.Repeat(m[0], 10_000))
	}
	if i%3 == 0 {
		m = append(m, []byte("end"))
	}
	return m
}

// Lent frames are right during MsgReceived, even if it pauses reading amid a batch and the rest
// comes later.
func TestBorrowFrames(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	l.SetDebug(true) // overwrites frames after their time
	const total = 3000
	push := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo("inproc://borrow"))
	cfg := borrowFrom("inproc://borrow")
	n := 0
	var pull *Transport
	pull = create(t, l, &receiver{fn: func(m [][]byte) {
		if want := numbered(n); text(m) != text(want) {
			t.Errorf("message %d has %d frames and begins with %q", n, len(m), m[0])
			l.Stop()
		}
		if n++; n%50 == 0 {
			must(t, pull.PauseReading())
			soon(t, l, func() { must(t, pull.ResumeReading()) })
		}
		if n == total {
			l.Stop()
		}
	}}, zmq.PULL, cfg)
	for i := range total {
		must(t, push.Write(numbered(i)))
	}
	must(t, l.RunForever(bounded(t)))
	if n != total {
		t.Errorf("%d messages came", n)
	}
}

// In debug mode lent frames are overwritten when MsgReceived has returned.
func TestBorrowedFrameIsSpoilt(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	l.SetDebug(true)
	push := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo("inproc://spoilt"))
	cfg := borrowFrom("inproc://spoilt")
	var kept []byte
	create(t, l, &receiver{fn: func(m [][]byte) {
		kept = m[0]
		l.Stop()
	}}, zmq.PULL, cfg)
	must(t, push.Write(msg("kept")))
	must(t, l.RunForever(bounded(t)))
	if string(kept) == "kept" {
		t.Error("a frame that was kept too long did not change")
	}
}

// Lent frames are not copied: receiving many bytes takes little memory.
func TestBorrowedFramesCostNoMemory(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	const total, size = 200, 256 << 10
	push := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo("inproc://memory"))
	cfg := borrowFrom("inproc://memory")
	n := 0
	create(t, l, &receiver{fn: func([][]byte) {
		if n++; n == total {
			l.Stop()
		}
	}}, zmq.PULL, cfg)
	large := [][]byte{make([]byte, size)}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range total {
		must(t, push.Write(large))
	}
	must(t, l.RunForever(bounded(t)))
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > total*size/10 {
		t.Errorf("receiving %d bytes allocated %d", total*size, got)
	}
}
