package inspect

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

var must = testkit.Must

func itself[R any](r R) any { return r }

// shown returns the answers, with -1 for a missing one.
func shown(answers []*int) []int {
	var list []int
	for _, a := range answers {
		if a == nil {
			list = append(list, -1)
		} else {
			list = append(list, *a)
		}
	}
	return list
}

// A resident that does not answer is omitted. The others are still asked, and it is not asked again
// before it has answered.
func TestSurveyGoesOn(t *testing.T) {
	testkit.CheckLeaks(t)
	s := newSurvey()
	s.patience, s.inAll = time.Second, time.Minute // the machine may be busy
	var asked [6]atomic.Int32
	free := make(chan struct{})
	var stuck atomic.Bool
	stuck.Store(true)
	look := func(i int) int {
		asked[i].Add(1)
		if (i == 1 || i == 4) && stuck.Load() {
			<-free
		}
		return 10 * i
	}
	list := []int{0, 1, 2, 3, 4, 5}
	for range 3 {
		if got := shown(ask(s, list, itself, look)); !slices.Equal(got, []int{0, -1, 20, 30, -1, 50}) {
			t.Fatal(got)
		}
	}
	if a, b := asked[1].Load(), asked[4].Load(); a != 1 || b != 1 || asked[0].Load() != 3 {
		t.Errorf("asked %d and %d times", a, b)
	}
	stuck.Store(false)
	close(free)
	for ctx := testkit.Bounded(t, time.Minute); ; {
		must(t, ctx.Err())
		if got := shown(ask(s, list, itself, look)); slices.Equal(got, []int{0, 10, 20, 30, 40, 50}) {
			break
		}
	}
}

// A survey ends in bounded time, however many residents do not answer.
func TestSurveyEnds(t *testing.T) {
	testkit.CheckLeaks(t)
	s := newSurvey()
	free := make(chan struct{})
	list := make([]int, 1000)
	for i := range list {
		list[i] = i
	}
	var asked atomic.Int32
	got := ask(s, list, itself, func(int) int { asked.Add(1); <-free; return 0 })
	if n := asked.Load(); n > int32(patienceInAll/patience)+2 {
		t.Errorf("%d were asked", n)
	}
	if slices.ContainsFunc(got, func(a *int) bool { return a != nil }) {
		t.Error("a resident has answered")
	}
	close(free)
}

// A resident that cannot be compared can be asked.
func TestSurveyOfTheIncomparable(t *testing.T) {
	s := newSurvey()
	list := [][]int{{1}, {2}}
	if got := shown(ask(s, list, itself, func(r []int) int { return r[0] })); !slices.Equal(got, []int{1, 2}) {
		t.Error(got)
	}
	if len(s.pending) != 0 {
		t.Errorf("%v did not answer", s.pending)
	}
}
