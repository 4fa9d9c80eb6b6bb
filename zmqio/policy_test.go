package zmqio

import (
	"errors"
	"os"
	"testing"
)

// mainGoroutineErr has what TestMain saw on the main goroutine, on which no test runs.
var mainGoroutineErr error

func TestMain(m *testing.M) {
	mainGoroutineErr = checkPolicyOnMain()
	os.Exit(m.Run())
}

func checkPolicyOnMain() error {
	p := NewPolicy(&LoopConfig{IOThreads: 5})
	first, err := p.EventLoop()
	if err != nil {
		return err
	}
	if n, err := first.context.GetIoThreads(); n != 5 || err != nil {
		return errors.New("the loop was not made with the policy's config")
	}
	if again, err := p.EventLoop(); err != nil || again != first {
		return errors.New("the main goroutine got another loop")
	}
	if err := first.Close(); err != nil {
		return err
	}
	second, err := p.EventLoop()
	if err != nil || second == first {
		return errors.New("a closed loop was not dropped")
	}
	if err := p.SetEventLoop(nil); err != nil {
		return err
	}
	if _, err := p.EventLoop(); !errors.Is(err, ErrNoEventLoop) {
		return errors.New("the main goroutine has a loop after SetEventLoop(nil)")
	}
	return second.Close()
}

func TestPolicyOnTheMainGoroutine(t *testing.T) { must(t, mainGoroutineErr) }

func TestPolicyElsewhere(t *testing.T) {
	leakCheck(t)
	p := NewPolicy(nil)
	if l, err := p.EventLoop(); l != nil || !errors.Is(err, ErrNoEventLoop) {
		t.Errorf("%v, %v", l, err)
	}
	l, err := p.NewEventLoop()
	must(t, err)
	if _, err := p.EventLoop(); !errors.Is(err, ErrNoEventLoop) {
		t.Errorf("NewEventLoop registered: %v", err)
	}
	must(t, p.SetEventLoop(l))
	if got, err := p.EventLoop(); got != l || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	other := make(chan error)
	go func() {
		_, err := p.EventLoop()
		other <- err
	}()
	if err := <-other; !errors.Is(err, ErrNoEventLoop) {
		t.Errorf("another goroutine: %v", err)
	}
	must(t, l.Close())
	if _, err := p.EventLoop(); !errors.Is(err, ErrNoEventLoop) {
		t.Errorf("a closed loop is still there: %v", err)
	}
	if err := p.SetEventLoop(l); !errors.Is(err, ErrLoopClosed) {
		t.Errorf("a closed loop was set: %v", err)
	}
}

func TestCurrentPolicy(t *testing.T) {
	defer SetEventLoopPolicy(nil)
	p := NewPolicy(nil)
	SetEventLoopPolicy(p)
	if CurrentEventLoopPolicy() != p {
		t.Error("not the policy that was set")
	}
	l, other := newLoop(t), newLoop(t)
	must(t, SetEventLoop(other))
	if got, err := GetEventLoop(); got != other || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	soon(t, l, func() { // the running loop comes first
		if got, err := GetEventLoop(); got != l || err != nil {
			t.Errorf("%v, %v", got, err)
		}
		l.Stop()
	})
	must(t, l.RunForever(bounded(t)))
	SetEventLoopPolicy(nil)
	if CurrentEventLoopPolicy() == p {
		t.Error("still the policy that was set")
	}
}
