package fault

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// Each callback does each misdeed on the loop. The loop goes on, open transports work, each
// ConnectionMade gets a ConnectionLost, and nothing is left behind.
func TestMisdeeds(t *testing.T) {
	for _, callback := range []string{"ConnectionMade", "EventReceived", "PauseWriting", "ResumeWriting", "MsgReceived", "ConnectionLost"} {
		for _, m := range misdeeds {
			t.Run(callback+"/"+m.name, func(t *testing.T) {
				checkLeaks(t)
				commit(t, callback, m)
			})
		}
	}
}

// A misdeed is something that a callback should not do. may has the errors that it can return. With
// must it must return one of them.
type misdeed struct {
	name string
	do   func(v *villain) error
	may  []error
	must bool
}

var (
	errMisdeed   = errors.New("a misdeed")
	tooLate      = []error{zmqio.ErrTransportClosed}
	wrongPlace   = []error{zmqio.ErrLoopRunning}
	wouldBlock   = []error{zmqio.ErrWouldDeadlock}
	pauseRefused = []error{zmqio.ErrAlreadyPaused, zmqio.ErrTransportClosed}
)

// misdeeds is filled in by init, because callbacks refer to it.
var misdeeds []misdeed

func init() {
	misdeeds = []misdeed{
		{"panic", func(*villain) error { panic(errMisdeed) }, nil, false},
		{"Goexit", func(*villain) error { runtime.Goexit(); return nil }, nil, false},
		{"Close", func(v *villain) error { return v.t.Close() }, nil, false},
		{"Abort", func(v *villain) error { return v.t.Abort() }, nil, false},
		{"Close and Abort, twice", func(v *villain) error {
			return errors.Join(v.t.Close(), v.t.Close(), v.t.Abort(), v.t.Abort())
		}, nil, false},
		{"Abort and panic", func(v *villain) error { _ = v.t.Abort(); panic(errMisdeed) }, nil, false},
		{"Write", func(v *villain) error { return v.t.Write([][]byte{[]byte("more")}) }, tooLate, false},
		{"much Write", func(v *villain) error {
			for range 1000 {
				// The messages have one frame. If both ends of a connection are aborted amid a
				// longer message, libzmq may end the process.
				if err := v.t.Write([][]byte{make([]byte, kib)}); err != nil {
					return err
				}
			}
			return nil
		}, tooLate, false},
		{"WriteContext", func(v *villain) error {
			return v.t.WriteContext(context.Background(), [][]byte{[]byte("more")})
		}, []error{zmqio.ErrWouldDeadlock, zmqio.ErrTransportClosed}, false},
		{"create", func(v *villain) error {
			_, _, err := v.loop.CreateZmqConnection(context.Background(), func() zmqio.Protocol { return &bystander{counts: v.counts} },
				zmq.PULL, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
			return err
		}, nil, false},
		{"Stop", func(v *villain) error { v.loop.Stop(); return nil }, nil, false},
		{"Loop.Close", func(v *villain) error { return v.loop.Close() }, wrongPlace, true},
		{"RunForever", func(v *villain) error { return v.loop.RunForever(context.Background()) }, wrongPlace, true},
		{"RunUntilComplete", func(v *villain) error {
			_, err := zmqio.RunUntilComplete(context.Background(), v.loop, zmqio.NewFuture[int](v.loop))
			return err
		}, wrongPlace, true},
		{"Shutdown", func(v *villain) error { return v.loop.Shutdown(context.Background()) }, wouldBlock, true},
		{"Future.Wait", func(v *villain) error {
			_, err := zmqio.NewFuture[int](v.loop).Wait(context.Background())
			return err
		}, wouldBlock, true},
		{"SetProtocol", func(v *villain) error { v.t.SetProtocol(mask{v}); v.t.SetProtocol(nil); return nil }, nil, false},
		{"PauseReading twice", func(v *villain) error {
			_ = v.t.PauseReading()
			err := v.t.PauseReading()
			return errors.Join(err, v.t.ResumeReading())
		}, pauseRefused, true},
		{"ResumeReading", func(v *villain) error { return v.t.ResumeReading() }, []error{zmqio.ErrNotPaused}, false},
		{"SetWriteBufferLimits", func(v *villain) error {
			return errors.Join(v.t.SetWriteBufferLimits(1<<20, 1<<20), v.t.SetWriteBufferLimits(0, 0))
		}, nil, false},
		{"monitor", func(v *villain) error {
			return errors.Join(v.t.DisableMonitor(), v.t.EnableMonitor(zmq.EVENT_ALL))
		}, tooLate, false},
		{"Bind and Connect", func(v *villain) error {
			place, err := v.t.Bind("tcp://127.0.0.1:*")
			if err != nil {
				return err
			}
			// The transport does not connect to itself, because libzmq would take Disconnect for
			// Unbind as well.
			there, err := v.t.Connect("tcp://127.0.0.1:1")
			return errors.Join(err, v.t.Disconnect(there), v.t.Unbind(place))
		}, tooLate, false},
		{"call itself", func(v *villain) error {
			_, err := v.loop.CallSoon(func() { v.callback("again") })
			return err
		}, nil, false},
	}
}

// commit lets a villain commit a misdeed, and checks the loop afterwards.
func commit(t *testing.T, callback string, m misdeed) {
	ctx := bounded(t, hang)
	loop, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Linger: time.Minute}) // as in newLoop
	must(t, err)
	v := &villain{test: t, loop: loop, when: callback, misdeed: m, counts: new(counts), committed: make(chan struct{}), after: make(chan struct{}), lost: make(chan error, 2)}
	var panics atomic.Int64
	loop.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
		if panics.Add(1); !errors.Is(c.Err, errMisdeed) {
			t.Errorf("exception handler: %s: %v\n%s", c.Message, c.Err, c.Stack)
		}
	})
	stop := runAgain(t, loop)
	soonOrNot(ctx, t, loop, func() {}) // else CreateZmqConnection would work in the loop's place

	_, _, err = loop.CreateZmqConnection(ctx, func() zmqio.Protocol { return v }, zmq.DEALER, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
	open := err == nil
	if !open && (callback != "ConnectionMade" || !isOneOf(err, []error{zmqio.ErrGoexit, zmqio.ErrTransportClosed})) {
		t.Errorf("create: %v", err)
	}
	honest := newPeer(nil)
	if open {
		// Without a peer the write pauses the villain. With the peer it resumes.
		soonOrNot(ctx, t, loop, func() { _ = v.t.Write([][]byte{[]byte("first")}) })
		if l := v.t.Listeners(); len(l) > 0 {
			to := create(t, loop, honest, zmq.DEALER, zmqio.ConnectionConfig{Connect: l[:1]})
			must(t, to.Write([][]byte{[]byte("to MsgReceived")}))
			if callback != "ConnectionLost" {
				v.await(ctx, v.committed, "the misdeed")
			}
			must(t, to.Write([][]byte{[]byte("after")}))
			if !v.t.IsClosing() {
				v.await(ctx, v.after, "a message after the misdeed")
			}
			must(t, to.Abort())
		}
		must(t, v.t.Abort())
	}
	v.await(ctx, v.committed, "the misdeed")
	select {
	case err := <-v.lost:
		if err != nil && !(callback == "ConnectionMade" && errors.Is(err, zmqio.ErrGoexit)) {
			t.Errorf("ConnectionLost(%v)", err)
		}
	case <-ctx.Done():
		t.Error("no ConnectionLost")
	}
	soonOrNot(ctx, t, loop, func() {}) // the loop goes on
	stop()
	if err := loop.Close(); err != nil && !errors.Is(err, zmqio.ErrUndelivered) {
		t.Errorf("Close: %v", err)
	}
	if made, lost := v.counts.made.Load(), v.counts.lost.Load(); made != lost {
		t.Errorf("%d transports were made, and %d lost", made, lost)
	}
	if wants := m.name == "panic" || m.name == "Abort and panic"; wants != (panics.Load() == 1) {
		t.Errorf("the exception handler was called %d times", panics.Load())
	}
}

// runAgain runs a loop again after each Stop and Goexit, until the caller calls the result.
func runAgain(t *testing.T, loop *zmqio.EventLoop) (stop func()) {
	var over atomic.Bool
	ended := make(chan struct{})
	var run func()
	run = func() {
		defer func() {
			if over.Load() {
				close(ended)
			} else {
				go run()
			}
		}()
		if err := loop.RunForever(context.Background()); err != nil {
			t.Errorf("RunForever: %v", err)
			over.Store(true)
		}
	}
	go run()
	return func() {
		over.Store(true)
		loop.Stop()
		<-ended
	}
}

// soonOrNot calls fn on the loop. It waits until fn has returned, or ended in another way.
func soonOrNot(ctx context.Context, t *testing.T, loop *zmqio.EventLoop, fn func()) {
	t.Helper()
	done := make(chan struct{})
	_, err := loop.CallSoon(func() { defer close(done); fn() })
	must(t, err)
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatal("the loop does not go on")
	}
}

// counts counts the callbacks of all transports of a loop.
type counts struct{ made, lost atomic.Int64 }

// A bystander is a transport that a misdeed made.
type bystander struct {
	zmqio.BaseProtocol
	*counts
}

func (b *bystander) ConnectionMade(*zmqio.Transport) { b.made.Add(1) }
func (b *bystander) ConnectionLost(error)            { b.lost.Add(1) }

// A villain commits a misdeed when a callback comes for the first time.
type villain struct {
	*counts
	test    *testing.T
	loop    *zmqio.EventLoop
	t       *zmqio.Transport
	when    string
	misdeed misdeed
	done    bool // on the loop

	committed, after chan struct{}
	lost             chan error
}

func (v *villain) callback(name string) {
	if name != v.when || v.done {
		return
	}
	v.done = true
	defer close(v.committed)
	switch err := v.misdeed.do(v); {
	case err == nil && v.misdeed.must, err != nil && !isOneOf(err, v.misdeed.may):
		v.test.Errorf("the misdeed returned %v, want one of %v", err, v.misdeed.may)
	}
}

func (v *villain) await(ctx context.Context, what <-chan struct{}, name string) {
	v.test.Helper()
	select {
	case <-what:
	case <-ctx.Done():
		v.test.Errorf("no sign of %s: %v", name, context.Cause(ctx))
	}
}

// ConnectionMade sets marks at which any buffered message pauses the writer.
func (v *villain) ConnectionMade(t *zmqio.Transport) {
	v.t = t
	v.made.Add(1)
	if err := errors.Join(t.SetWriteBufferLimits(0, 0), t.EnableMonitor(zmq.EVENT_ALL)); err != nil {
		v.test.Error(err)
	}
	v.callback("ConnectionMade")
}

// ConnectionLost must come once.
func (v *villain) ConnectionLost(err error) {
	v.counts.lost.Add(1)
	v.lost <- err
	v.callback("ConnectionLost")
}

func (v *villain) PauseWriting()                    { v.callback("PauseWriting") }
func (v *villain) ResumeWriting()                   { v.callback("ResumeWriting") }
func (v *villain) EventReceived(_ zmq.MonitorEvent) { v.callback("EventReceived") }

// MsgReceived recognizes the last message.
func (v *villain) MsgReceived(msg [][]byte) {
	if string(msg[0]) == "after" {
		close(v.after)
	}
	v.callback("MsgReceived")
}

// A mask is a villain as a protocol of another type, for SetProtocol.
type mask struct{ *villain }
