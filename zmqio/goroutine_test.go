package zmqio

import (
	"context"
	"testing"

	"github.com/petermattis/goid"
)

// A way to the goroutine's number is only taken if its answers are those of the stack.
func TestWrongGoroutineIDIsNoticed(t *testing.T) {
	for name, test := range map[string]struct {
		get  func() int64
		want bool
	}{
		"goid":            {goid.Get, goidWorks},
		"stack":           {goroutineIDFromStack, true},
		"zero":            {func() int64 { return 0 }, false},
		"off by one":      {func() int64 { return goroutineIDFromStack() + 1 }, false},
		"always this one": {func() func() int64 { id := goroutineIDFromStack(); return func() int64 { return id } }(), false},
	} {
		if got := agrees(test.get); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if !goidWorks {
		t.Error("goid.Get does not know this Go: everything is slower than it need be")
	}
}

// With the slow way a loop runs as with the fast one.
func TestGoroutineIDFromStack(t *testing.T) {
	defer func(works bool) { goidWorks = works }(goidWorks)
	goidWorks = false
	ids := make(chan int64)
	go func() { ids <- goroutineID() }()
	if here, there := goroutineID(), <-ids; here != goid.Get() || there == here || there <= 0 {
		t.Errorf("this goroutine is %d by its stack and %d by goid, another is %d", here, goid.Get(), there)
	}
	l, err := NewEventLoop(nil)
	must(t, err)
	defer func() { must(t, l.Close()) }()
	must(t, SetEventLoop(l))
	if got, err := GetEventLoop(); got != l || err != nil {
		t.Errorf("%v, %v, want %v", got, err, l)
	}
	must(t, SetEventLoop(nil))
	f := NewFuture[bool](l)
	_, err = l.CallSoon(func() { must(t, f.SetResult(RunningLoop() == l && l.onLoop())) })
	must(t, err)
	if on, err := RunUntilComplete(context.Background(), l, f); !on || err != nil {
		t.Errorf("the callback was on the loop: %t, %v", on, err)
	}
}

func BenchmarkGoroutineID(b *testing.B) {
	for b.Loop() {
		goroutineID()
	}
}
