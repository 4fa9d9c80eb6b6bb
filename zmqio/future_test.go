package zmqio

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestFutureStates(t *testing.T) {
	l := newLoop(t)
	f := NewFuture[string](l)
	if _, err := f.Result(); f.Done() || f.Cancelled() || !errors.Is(err, ErrInvalidState) {
		t.Errorf("pending: %v", err)
	}
	must(t, f.SetResult("x"))
	if v, err := f.Result(); v != "x" || err != nil || !f.Done() {
		t.Errorf("%q, %v", v, err)
	}
	if !errors.Is(f.SetResult("y"), ErrInvalidState) || !errors.Is(f.SetError(errors.New("e")), ErrInvalidState) || f.Cancel() {
		t.Error("done twice")
	}
	f = NewFuture[string](l)
	if !f.Cancel() || f.Cancel() || !f.Cancelled() {
		t.Error("cancel")
	}
	if _, err := f.Result(); !errors.Is(err, ErrCancelled) {
		t.Errorf("%v", err)
	}
	if !errors.Is(f.SetResult("y"), ErrInvalidState) {
		t.Error("a result after a cancel")
	}
	if f = NewFuture[string](l); !errors.Is(f.SetError(nil), ErrInvalidArgument) || f.Done() {
		t.Error("nil error")
	}
}

func TestFutureCallbacks(t *testing.T) {
	l := newLoop(t)
	f := NewFuture[int](l)
	var got []int
	add := func(n int) CallbackID { return f.AddDoneCallback(func(*Future[int]) { got = append(got, n) }) }
	add(42)
	removed := add(1)
	add(17)
	if !f.RemoveDoneCallback(removed) || f.RemoveDoneCallback(removed) || f.RemoveDoneCallback(f.AddDoneCallback(nil)) {
		t.Error("remove")
	}
	must(t, f.SetResult(0))
	add(3)
	if len(got) != 0 {
		t.Errorf("called at once: %v", got)
	}
	soon(t, l, l.Stop)
	must(t, l.RunForever(bounded(t)))
	if !slices.Equal(got, []int{42, 17, 3}) {
		t.Errorf("got %v", got)
	}
}

func TestFutureWait(t *testing.T) {
	l := newLoop(t)
	f := NewFuture[int](l)
	ctx, cancel := context.WithCancel(bounded(t))
	cancel()
	if _, err := f.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		soon(t, l, func() {
			if _, err := f.Wait(ctx); !errors.Is(err, ErrWouldDeadlock) {
				t.Errorf("on the loop: %v", err)
			}
			must(t, f.SetResult(7))
			if v, err := f.Wait(ctx); v != 7 || err != nil {
				t.Errorf("done, on the loop: %v %v", v, err)
			}
		})
		if v, err := f.Wait(ctx); v != 7 || err != nil {
			t.Errorf("got %v %v", v, err)
		}
		return nil
	}))
}
