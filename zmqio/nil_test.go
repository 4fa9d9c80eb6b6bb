package zmqio

import (
	"context"
	"errors"
	"testing"

	"github.com/zmqio/zmq"
)

// A nil pointer in an interface is refused as a policy, watcher, protocol or resident.
func TestTypedNil(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	_, p, err := CreateZmqConnection(bounded(t), l, func() *recorder { return nil }, zmq.PULL, bindTo(anyPort))
	if p != nil || !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("a nil protocol: %v, %v", p, err)
	}
	r := &recorder{}
	tr := create(t, l, r, zmq.PULL, bindTo(anyPort))
	tr.SetProtocol((*recorder)(nil))
	if tr.Protocol() != r {
		t.Error("SetProtocol took a nil pointer")
	}

	if p, err := l.Adopt((*Transport)(nil)); p != nil || !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("a nil resident: %v, %v", p, err)
	}

	before := CurrentEventLoopPolicy()
	defer SetEventLoopPolicy(before)
	SetEventLoopPolicy((*Policy)(nil))
	if p := CurrentEventLoopPolicy(); isNil(p) || p == before {
		t.Errorf("policy %v", p)
	}
	if _, err := GetEventLoop(); !errors.Is(err, ErrNoEventLoop) {
		t.Errorf("%v", err)
	}

	policy := NewPolicy(nil)
	w, err := policy.ChildWatcher()
	must(t, err)
	for _, none := range []ChildWatcher{(*SafeChildWatcher)(nil), (*struct{ ChildWatcher })(nil)} {
		if err := policy.SetChildWatcher(none); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%T: %v", none, err)
		}
	}
	if got, err := policy.ChildWatcher(); got != w || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	must(t, policy.SetChildWatcher(nil))
}

// The zero Policy has the default configuration.
func TestZeroPolicy(t *testing.T) {
	leakCheck(t)
	var p Policy
	if _, err := p.EventLoop(); !errors.Is(err, ErrNoEventLoop) {
		t.Errorf("%v", err)
	}
	l, err := p.NewEventLoop()
	must(t, err)
	must(t, p.SetEventLoop(l))
	if got, err := p.EventLoop(); got != l || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	w, err := p.ChildWatcher()
	must(t, err)
	must(t, w.AttachLoop(l))
	must(t, p.SetChildWatcher(nil))
	must(t, l.Close())
	if _, err := p.EventLoop(); !errors.Is(err, ErrNoEventLoop) {
		t.Errorf("a closed loop: %v", err)
	}
}

// A zero watcher returns errors.
func TestZeroWatcher(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	for _, w := range zeroWatchers() {
		if err := w.AttachLoop(l); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%T: AttachLoop: %v", w, err)
		}
		if err := w.AddChildHandler(1, func(int, int) {}); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%T: AddChildHandler: %v", w, err)
		}
		if w.RemoveChildHandler(1) || w.IsActive() {
			t.Errorf("%T has a handler or a loop", w)
		}
		must(t, w.AttachLoop(nil))
		must(t, w.Close())
	}
	var h TimerHandle
	h.Cancel()
}

func TestNilContext(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo(anyPort))
	f := NewFuture[int](l)
	var none context.Context
	_, _, created := l.CreateZmqConnection(none, func() Protocol { return BaseProtocol{} }, zmq.PULL, bindTo(anyPort))
	_, completed := RunUntilComplete(none, l, f)
	_, waited := f.Wait(none)
	_, went := Go(none, l, func(context.Context) (int, error) { return 0, nil }).Result()
	for name, err := range map[string]error{
		"CreateZmqConnection": created, "RunUntilComplete": completed, "Wait": waited, "Go": went,
		"RunForever": l.RunForever(none), "Shutdown": l.Shutdown(none), "ShutdownDefault": ShutdownDefault(none), "WriteContext": tr.WriteContext(none, msg("x")),
		"Do":  l.Do(none, func() error { return nil }),
		"Run": l.Run(none, func(context.Context) error { return nil }),
	} {
		if !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
