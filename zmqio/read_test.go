package zmqio

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zmqio/zmq"
)

// Every third message pauses reading, and another goroutine resumes it. So old messages and new
// ones are there at the same time.
func TestOrderWhenResumedOffTheLoop(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	const total = 100_000
	push := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo("inproc://order"))
	resume := make(chan struct{}, 1)
	var pull *Transport
	n := 0
	pull = create(t, l, &receiver{fn: func(m [][]byte) {
		if text(m) != fmt.Sprint(n) {
			t.Errorf("message %d is %s", n, text(m))
			l.Stop()
		}
		if n++; n%3 == 0 && pull.PauseReading() == nil {
			resume <- struct{}{}
		}
		if n == total {
			l.Stop()
		}
	}}, zmq.PULL, connectTo("inproc://order"))
	go func() {
		for range resume {
			_ = pull.ResumeReading()
		}
	}()
	go func() {
		for i := range total {
			if push.Write(msg(fmt.Sprint(i))) != nil {
				return
			}
		}
	}()
	must(t, l.RunForever(bounded(t)))
	close(resume)
	must(t, push.Abort())
}

// A receiver is a Protocol that keeps nothing.
type receiver struct {
	BaseProtocol
	fn func([][]byte)
}

func (r *receiver) MsgReceived(m [][]byte) { r.fn(m) }

// A delivered message must not stay in the slice that brought it.
func TestNothingDeliveredIsKept(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	push := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo("inproc://kept"))
	freed := make(chan struct{})
	n := 0
	var pull *Transport
	pull = create(t, l, &receiver{fn: func(m [][]byte) {
		switch n++; n {
		case 1:
			must(t, pull.PauseReading())
			soon(t, l, func() { must(t, pull.ResumeReading()) })
		case 2:
			runtime.AddCleanup(&m[0][0], func(struct{}) { close(freed) }, struct{}{})
			l.Stop()
		}
	}}, zmq.PULL, connectTo("inproc://kept"))
	must(t, push.Write(msg("small")))
	must(t, push.Write([][]byte{make([]byte, 1<<20)}))
	must(t, l.RunForever(bounded(t)))
	pass(t, l)
	for ctx := bounded(t); ; {
		runtime.GC()
		select {
		case <-freed:
			return
		case <-ctx.Done():
			t.Fatal("the large frame is still held")
		default:
		}
	}
}

// A pause keeps the rest of a batch, and a disconnect takes more messages out of libzmq. Both stay
// in order, also if a callback calls runtime.Goexit.
func TestOrderThroughPauseDisconnectAndGoexit(t *testing.T) {
	for _, borrow := range []bool{false, true} {
		leakCheck(t)
		l := newLoop(t)
		const total, endpoint = 100, "inproc://disconnected"
		push := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo(endpoint))
		cfg := connectTo(endpoint)
		cfg.BorrowFrames = borrow
		n := 0
		var pull *Transport
		pull = create(t, l, &receiver{fn: func(m [][]byte) {
			if want := numbered(n); text(m) != text(want) {
				t.Errorf("message %d has %d frames and begins with %q", n, len(m), m[0])
			}
			switch n++; n {
			case 10:
				must(t, pull.PauseReading())
				must(t, pull.Disconnect(endpoint))
				soon(t, l, func() { must(t, pull.ResumeReading()) })
			case 20:
				runtime.Goexit()
			case total:
				l.Stop()
			}
		}}, zmq.PULL, cfg)
		for i := range total {
			must(t, push.Write(numbered(i)))
		}
		ran := make(chan struct{})
		go func() {
			defer close(ran)
			_ = l.RunForever(bounded(t))
		}()
		<-ran
		if n != 20 {
			t.Errorf("%d messages came before runtime.Goexit", n)
		}
		must(t, l.RunForever(bounded(t)))
		if n != total {
			t.Errorf("%d messages came", n)
		}
	}
}

// PauseReading with ResumeReading and holdReading with releaseReading do not affect one another, in
// any order. The loop looks for messages when the last reason ends.
func TestReasonsForNotReadingAreASet(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := create(t, l, BaseProtocol{}, zmq.PULL, bindTo("inproc://reasons"))
	const ops, length = 4, 5
	paused, full := false, false
	for plan := range 1 << (2 * length) { // two bits encode an operation
		for i := range length {
			tr.task.Unschedule()
			var err, want error
			before := tr.reads()
			switch plan >> (2 * i) % ops {
			case 0:
				if err = tr.PauseReading(); paused {
					want = ErrAlreadyPaused
				}
				paused = true
			case 1:
				if err = tr.ResumeReading(); !paused {
					want = ErrNotPaused
				}
				paused = false
			case 2:
				tr.holdReading()
				full = true
			case 3:
				tr.releaseReading()
				full = false
			}
			reads := !paused && !full
			if err != want || tr.reads() != reads || tr.task.Queued() != (reads && !before) {
				t.Fatalf("plan %o, operation %d: %v, want %v; reads: %v, want %v; the loop looks: %v",
					plan, i, err, want, tr.reads(), reads, tr.task.Queued())
			}
		}
	}
	must(t, tr.Close())
	tr.holdReading()
	tr.releaseReading()
	if tr.reads() {
		t.Error("a transport that is closed reads")
	}
}

// Goroutines hold and release reading, and another one pauses and resumes it. No message comes
// while reading is held or paused, and all come in the end.
func TestReadingIsHeldFromEveryGoroutine(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	const total = 20_000
	push := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo("inproc://held"))
	n, lift := 0, make(chan func(), 2)
	var pull *Transport
	var held atomic.Int32 // reasons that no goroutine will end
	stop := func(hold, release func()) {
		held.Add(1)
		hold()
		lift <- func() {
			held.Add(-1)
			release()
		}
	}
	pull = create(t, l, &receiver{fn: func(m [][]byte) {
		if held.Load() != 0 || text(m) != fmt.Sprint(n) {
			t.Errorf("message %d is %s, with %d reasons not to read", n, text(m), held.Load())
		}
		if n++; n == total {
			l.Stop()
			return
		}
		if n%3 == 0 {
			stop(func() { must(t, pull.PauseReading()) }, func() { _ = pull.ResumeReading() })
		}
		if n%5 == 0 {
			stop(pull.holdReading, pull.releaseReading)
		}
	}}, zmq.PULL, connectTo("inproc://held"))
	var lifting sync.WaitGroup
	for range 2 {
		lifting.Go(func() {
			for fn := range lift {
				fn()
			}
		})
	}
	go func() {
		for i := range total {
			if push.Write(msg(fmt.Sprint(i))) != nil {
				return
			}
		}
	}()
	must(t, l.RunForever(bounded(t)))
	close(lift)
	lifting.Wait()
	if n != total {
		t.Errorf("%d messages came", n)
	}
	must(t, push.Abort())
}

// A message that waits because reading is paused does not keep the loop awake.
func TestPausedTransportLooksOnce(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	pull := create(t, l, BaseProtocol{}, zmq.PULL, bindTo("inproc://looks"))
	must(t, pull.PauseReading())
	push := create(t, l, BaseProtocol{}, zmq.PUSH, connectTo("inproc://looks"))
	must(t, push.Write(msg("x")))
	look := func() bool {
		pull.sockMu.Lock()
		defer pull.sockMu.Unlock()
		again, err := pull.lookLocked()
		must(t, err)
		return again
	}
	if look() {
		t.Error("the loop would look again and again")
	}
	must(t, pull.ResumeReading())
	if !look() {
		t.Error("the loop would not receive the message")
	}
}
