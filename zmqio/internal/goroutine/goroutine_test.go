package goroutine

import (
	"testing"

	"github.com/petermattis/goid"
)

// ID uses goid.Get only if its numbers are those of the stack traces.
func TestWrongIDIsNoticed(t *testing.T) {
	for name, test := range map[string]struct {
		get  func() int64
		want bool
	}{
		"goid":            {goid.Get, works},
		"stack":           {fromStack, true},
		"zero":            {func() int64 { return 0 }, false},
		"off by one":      {func() int64 { return fromStack() + 1 }, false},
		"always this one": {func() func() int64 { id := fromStack(); return func() int64 { return id } }(), false},
	} {
		if got := agrees(test.get); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if !works {
		t.Error("goid.Get does not know this Go: everything is slower than it need be")
	}
}

// fromStack returns the same numbers as goid.Get.
func TestFromStack(t *testing.T) {
	defer func(fast bool) { works = fast }(works)
	works = false
	ids := make(chan int64)
	go func() { ids <- ID() }()
	if here, there := ID(), <-ids; here != goid.Get() || there == here || there <= 0 {
		t.Errorf("this goroutine is %d by its stack and %d by goid, another is %d", here, goid.Get(), there)
	}
}

func BenchmarkID(b *testing.B) {
	for b.Loop() {
		ID()
	}
}
