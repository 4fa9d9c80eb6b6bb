package conformance

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/zmqio/zmq/zmqio"
)

// A fakeWatcher records its calls.
type fakeWatcher struct {
	loop   *zmqio.EventLoop
	calls  int // calls of AttachLoop
	closed int
	err    error // error of AttachLoop and Close
}

func (w *fakeWatcher) AddChildHandler(int, func(pid, code int)) error { return w.err }
func (w *fakeWatcher) RemoveChildHandler(int) bool                    { return false }
func (w *fakeWatcher) IsActive() bool                                 { return false }

func (w *fakeWatcher) AttachLoop(l *zmqio.EventLoop) error {
	w.loop = l
	w.calls++
	return w.err
}

func (w *fakeWatcher) Close() error {
	w.closed++
	return w.err
}

// A brokenPolicy returns errors from every method.
type brokenPolicy struct{}

var errBroken = errors.New("broken policy")

func (brokenPolicy) EventLoop() (*zmqio.EventLoop, error)      { return nil, errBroken }
func (brokenPolicy) NewEventLoop() (*zmqio.EventLoop, error)   { return nil, errBroken }
func (brokenPolicy) SetEventLoop(*zmqio.EventLoop) error       { return errBroken }
func (brokenPolicy) ChildWatcher() (zmqio.ChildWatcher, error) { return nil, errBroken }
func (brokenPolicy) SetChildWatcher(zmqio.ChildWatcher) error  { return errBroken }

// mainLoop makes a loop with p for the main goroutine. The caller must close it.
func mainLoop(p zmqio.EventLoopPolicy) (*zmqio.EventLoop, error) {
	l, err := p.NewEventLoop()
	if err != nil {
		return nil, err
	}
	return l, p.SetEventLoop(l)
}

// watches reports whether w watches on l. It runs l to find out.
func watches(w zmqio.ChildWatcher, l *zmqio.EventLoop) (active bool, err error) {
	_, err = l.CallSoon(func() {
		active = w.IsActive()
		l.Stop()
	})
	if err != nil {
		return false, err
	}
	return active, l.RunForever(context.Background())
}

// The global policy may be any EventLoopPolicy.
func TestPolicyEventLoopPolicy(t *testing.T) {
	defer zmqio.SetEventLoopPolicy(nil)
	zmqio.SetEventLoopPolicy(brokenPolicy{})
	if _, err := zmqio.GetEventLoop(); err != errBroken {
		t.Errorf("GetEventLoop: %v", err)
	}
	if err := zmqio.SetEventLoop(nil); err != errBroken {
		t.Errorf("SetEventLoop: %v", err)
	}
}

func TestPolicyGetEventLoop(t *testing.T) {
	checkLeaks(t)
	onMain(t, func() error {
		p := zmqio.NewPolicy(nil)
		l, err := p.EventLoop()
		if err != nil {
			return err
		}
		if again, err := p.EventLoop(); again != l || err != nil {
			t.Errorf("another loop: %v, %v", again, err)
		}
		other := zmqio.NewPolicy(nil) // has loops of its own
		if theirs, err := other.EventLoop(); theirs == l || err != nil {
			t.Errorf("another policy: %v, %v", theirs, err)
		} else if err := theirs.Close(); err != nil {
			return err
		}
		if err := l.Close(); err != nil {
			return err
		}
		l2, err := p.EventLoop() // a closed loop is forgotten
		if err != nil || l2 == l {
			return fmt.Errorf("after Close: %v, %w", l2, err)
		}
		return l2.Close()
	})
}

func TestPolicyGetEventLoopCallsSetEventLoop(t *testing.T) {
	checkLeaks(t)
	onMain(t, func() error {
		p := zmqio.NewPolicy(nil)
		w := new(fakeWatcher)
		if err := p.SetChildWatcher(w); err != nil {
			return err
		}
		l, err := p.EventLoop()
		if err != nil {
			return err
		}
		if w.loop != l || w.calls != 1 {
			t.Errorf("the watcher was attached %d times, to %v", w.calls, w.loop)
		}
		return l.Close()
	})
}

func TestPolicyGetEventLoopAfterSetNone(t *testing.T) {
	onMain(t, func() error {
		p := zmqio.NewPolicy(nil)
		if err := p.SetEventLoop(nil); err != nil {
			return err
		}
		if l, err := p.EventLoop(); l != nil || !errors.Is(err, zmqio.ErrNoEventLoop) {
			t.Errorf("%v, %v", l, err)
		}
		return nil
	})
}

func TestPolicyGetEventLoopThread(t *testing.T) {
	checkLeaks(t)
	p := zmqio.NewPolicy(nil)
	onMain(t, func() error {
		_, err := mainLoop(p)
		return err
	})
	if l, err := p.EventLoop(); l != nil || !errors.Is(err, zmqio.ErrNoEventLoop) {
		t.Errorf("%v, %v", l, err)
	}
	onMain(t, func() error {
		l, err := p.EventLoop()
		if err != nil {
			return err
		}
		return l.Close()
	})
}

func TestPolicyNewEventLoop(t *testing.T) {
	checkLeaks(t)
	p := zmqio.NewPolicy(nil)
	a, err := p.NewEventLoop()
	must(t, err)
	defer a.Close()
	b, err := p.NewEventLoop()
	must(t, err)
	defer b.Close()
	if a == b {
		t.Error("the same loop twice")
	}
	if _, err := p.EventLoop(); !errors.Is(err, zmqio.ErrNoEventLoop) {
		t.Errorf("a new loop was registered: %v", err)
	}
	bad := zmqio.NewPolicy(&zmqio.LoopConfig{IOThreads: -1}) // the configuration reaches the loops
	if _, err := bad.NewEventLoop(); !errors.Is(err, zmqio.ErrInvalidArgument) {
		t.Errorf("a wrong config: %v", err)
	}
}

func TestPolicySetEventLoop(t *testing.T) {
	checkLeaks(t)
	onMain(t, func() error {
		p := zmqio.NewPolicy(nil)
		closed, err := p.NewEventLoop()
		if err != nil {
			return err
		}
		if err := closed.Close(); err != nil {
			return err
		}
		if err := p.SetEventLoop(closed); !errors.Is(err, zmqio.ErrLoopClosed) {
			t.Errorf("a closed loop: %v", err)
		}
		old, err := p.EventLoop() // a loop is still made on demand after a failed call
		if err != nil {
			return err
		}
		l, err := mainLoop(p)
		if err != nil {
			return err
		}
		if got, err := p.EventLoop(); got != l || l == old || err != nil {
			t.Errorf("not replaced: %v, %v", got, err)
		}
		if err := p.SetEventLoop(closed); !errors.Is(err, zmqio.ErrLoopClosed) {
			t.Errorf("a closed loop: %v", err)
		}
		if got, err := p.EventLoop(); got != l || err != nil {
			t.Errorf("a failed call changed the loop: %v, %v", got, err)
		}
		return errors.Join(old.Close(), l.Close())
	})
}

func TestPolicyGetEventLoopPolicy(t *testing.T) {
	defer zmqio.SetEventLoopPolicy(nil)
	zmqio.SetEventLoopPolicy(nil)
	p := zmqio.CurrentEventLoopPolicy()
	if p == nil || zmqio.CurrentEventLoopPolicy() != p {
		t.Error("not the same policy again")
	}
}

func TestPolicySetEventLoopPolicy(t *testing.T) {
	defer zmqio.SetEventLoopPolicy(nil)
	old, p := zmqio.CurrentEventLoopPolicy(), zmqio.NewPolicy(nil)
	zmqio.SetEventLoopPolicy(p)
	if got := zmqio.CurrentEventLoopPolicy(); got != p || got == old {
		t.Errorf("got %v", got)
	}
}

// In a callback GetEventLoop returns the running loop, even if the policy has another loop or
// fails.
func TestPolicyGetEventLoopReturnsRunningLoop(t *testing.T) {
	checkLeaks(t)
	defer zmqio.SetEventLoopPolicy(nil)
	zmqio.SetEventLoopPolicy(brokenPolicy{})
	l, _ := openLoop(t)
	for range 2 { // and again in a second run
		_, err := l.CallSoon(func() {
			if got, err := zmqio.GetEventLoop(); got != l || err != nil {
				t.Errorf("in a callback: %v, %v", got, err)
			}
			if got := zmqio.RunningLoop(); got != l {
				t.Errorf("RunningLoop in a callback: %v", got)
			}
			l.Stop()
		})
		must(t, err)
		must(t, l.RunForever(bounded(t)))
		if l, err := zmqio.GetEventLoop(); l != nil || err != errBroken {
			t.Errorf("outside: %v, %v", l, err)
		}
		if l := zmqio.RunningLoop(); l != nil {
			t.Errorf("RunningLoop outside: %v", l)
		}
	}
}

func TestPolicyGetDefaultChildWatcher(t *testing.T) {
	checkLeaks(t)
	onMain(t, func() error {
		p := zmqio.NewPolicy(nil)
		w, err := p.ChildWatcher()
		if err != nil {
			return err
		}
		if _, is := w.(*zmqio.SafeChildWatcher); !is {
			t.Errorf("a %T", w)
		}
		if again, err := p.ChildWatcher(); again != w || err != nil {
			t.Errorf("another watcher: %v, %v", again, err)
		}
		l, err := p.NewEventLoop()
		if err != nil {
			return err
		}
		if active, err := watches(w, l); active || err != nil {
			t.Errorf("attached to a loop that is not main's: %v", err)
		}
		return errors.Join(l.Close(), w.Close())
	})
}

func TestPolicyGetChildWatcherAfterSet(t *testing.T) {
	p := zmqio.NewPolicy(nil)
	w := new(fakeWatcher)
	must(t, p.SetChildWatcher(w))
	if got, err := p.ChildWatcher(); got != w || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if w.calls != 0 {
		t.Error("SetChildWatcher attached a loop")
	}
	must(t, p.SetChildWatcher(w)) // the same again is no change
	if w.closed != 0 {
		t.Error("the watcher was closed though it stays")
	}
}

// A new watcher replaces the default watcher, which is closed, and so does the next.
func TestPolicyGetChildWatcherToOverrideExistingOne(t *testing.T) {
	p := zmqio.NewPolicy(nil)
	first, err := p.ChildWatcher()
	must(t, err)
	w := &fakeWatcher{err: errors.New("cannot close")}
	must(t, p.SetChildWatcher(w))
	if err := first.AddChildHandler(1, func(int, int) {}); !errors.Is(err, zmqio.ErrWatcherClosed) {
		t.Errorf("the default was not closed: %v", err)
	}
	if err := p.SetChildWatcher(nil); !errors.Is(err, w.err) || w.closed != 1 {
		t.Errorf("closed %d times: %v", w.closed, err)
	}
	fresh, err := p.ChildWatcher()
	must(t, err)
	if _, is := fresh.(*zmqio.SafeChildWatcher); !is || fresh == first {
		t.Errorf("after nil: a %T, %t", fresh, fresh == first)
	}
}

func TestPolicyGetChildWatcherWithMainloopExisting(t *testing.T) {
	checkLeaks(t)
	onMain(t, func() error {
		p := zmqio.NewPolicy(nil)
		l, err := p.EventLoop()
		if err != nil {
			return err
		}
		w, err := p.ChildWatcher()
		if err != nil {
			return err
		}
		if active, err := watches(w, l); !active || err != nil {
			t.Errorf("not attached to main's loop: %v", err)
		}
		return errors.Join(l.Close(), w.Close())
	})
}

func TestPolicyGetChildWatcherThread(t *testing.T) {
	checkLeaks(t)
	p := zmqio.NewPolicy(nil)
	onMain(t, func() error {
		_, err := mainLoop(p)
		return err
	})
	l, _ := openLoop(t)
	must(t, p.SetEventLoop(l))
	w, err := p.ChildWatcher()
	must(t, err)
	if active, err := watches(w, l); active || err != nil {
		t.Errorf("attached to the loop of another goroutine: %v", err)
	}
	must(t, p.SetEventLoop(l)) // nor by this, away from main
	if active, err := watches(w, l); active || err != nil {
		t.Errorf("attached by another goroutine: %v", err)
	}
	onMain(t, func() error {
		l, err := p.EventLoop()
		if err != nil {
			return err
		}
		if active, err := watches(w, l); active || err != nil {
			t.Errorf("attached to main's loop: %v", err)
		}
		return errors.Join(l.Close(), w.Close())
	})
}

func TestPolicyChildWatcherReplaceMainloopExisting(t *testing.T) {
	checkLeaks(t)
	onMain(t, func() error {
		p := zmqio.NewPolicy(nil)
		a, err := p.EventLoop()
		if err != nil {
			return err
		}
		w, err := p.ChildWatcher()
		if err != nil {
			return err
		}
		b, err := mainLoop(p)
		if err != nil {
			return err
		}
		if active, err := watches(w, b); !active || err != nil {
			t.Errorf("not attached to the new loop: %v", err)
		}
		if active, err := watches(w, a); active || err != nil {
			t.Errorf("still attached to the old loop: %v", err)
		}
		if err := p.SetEventLoop(nil); err != nil {
			return err
		}
		if active, err := watches(w, b); active || err != nil {
			t.Errorf("still attached after SetEventLoop(nil): %v", err)
		}
		return errors.Join(a.Close(), b.Close(), w.Close())
	})
}

// SetChildWatcher returns the error of a watcher's AttachLoop. A closed watcher counts as none.
func TestPolicyWatcherCannotAttach(t *testing.T) {
	checkLeaks(t)
	onMain(t, func() error {
		p := zmqio.NewPolicy(nil)
		w := &fakeWatcher{err: errors.New("cannot attach")}
		if err := p.SetChildWatcher(w); err != nil {
			return err
		}
		l, err := p.NewEventLoop()
		if err != nil {
			return err
		}
		if err := p.SetEventLoop(l); !errors.Is(err, w.err) {
			t.Errorf("SetEventLoop: %v", err)
		}
		if got, err := p.EventLoop(); got != l || err != nil {
			t.Errorf("the loop was not set: %v, %v", got, err)
		}
		w.err = nil
		closed := zmqio.NewSafeChildWatcher()
		if err := errors.Join(closed.Close(), p.SetChildWatcher(closed), p.SetEventLoop(l)); err != nil {
			return err
		}
		fresh, err := p.ChildWatcher()
		if err != nil || fresh == closed {
			t.Errorf("the closed watcher is still there: %v", err)
		}
		if active, err := watches(fresh, l); !active || err != nil {
			t.Errorf("the fresh one is not attached: %v", err)
		}
		return errors.Join(l.Close(), fresh.Close())
	})
}

func TestPolicyContext(t *testing.T) {
	ctx := context.Background()
	if l, has := zmqio.FromContext(ctx); l != nil || has {
		t.Errorf("%v, %t", l, has)
	}
	l, _ := openLoop(t)
	inner, cancel := context.WithCancel(zmqio.NewContext(ctx, l))
	defer cancel()
	if got, has := zmqio.FromContext(inner); got != l || !has {
		t.Errorf("%v, %t", got, has)
	}
	if l, has := zmqio.FromContext(zmqio.NewContext(inner, nil)); l != nil || has {
		t.Errorf("nil hides the outer one: %v, %t", l, has)
	}
}
