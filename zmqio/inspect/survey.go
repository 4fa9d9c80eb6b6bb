package inspect

import (
	"reflect"
	"sync"
	"time"
)

// How long a survey waits for one answer, and for all of them.
const (
	patience      = 100 * time.Millisecond
	patienceInAll = time.Second
)

// A survey asks residents of loops for what may take long: an answer may wait for a lock, or call a
// method of the program. A survey omits a resident that does not answer in time. It does not ask
// that resident again before it has answered.
type survey struct {
	patience, inAll time.Duration // the two constants, except in tests

	mu      sync.Mutex
	pending map[any]struct{} // calls that have not returned; under mu
}

func newSurvey() *survey { return &survey{patience: patience, inAll: patienceInAll} }

// ask calls fn for each element of list, one after the other, on another goroutine. It returns the
// answers in the same order, or nil for a missing one. key identifies an element.
func ask[R, T any](s *survey, list []R, key func(R) any, fn func(R) T) []*T {
	answers := make([]*T, len(list))
	timer := time.NewTimer(0)
	defer timer.Stop()
	end := time.Now().Add(s.inAll)
	for next := 0; next < len(list) && time.Now().Before(end); {
		in, done := make(chan *T), make(chan struct{})
		go func(rest []R) {
			for _, r := range rest {
				select {
				case in <- askOne(s, key(r), func() T { return fn(r) }):
				case <-done:
					return
				}
			}
		}(list[next:])
		for late := false; !late && next < len(list); next++ {
			timer.Reset(max(min(s.patience, time.Until(end)), 0))
			select {
			case answers[next] = <-in:
			case <-timer.C:
				late = true
			}
		}
		close(done)
	}
	return answers
}

// askOne calls fn, unless an earlier call with the same key has not returned.
func askOne[T any](s *survey, key any, fn func() T) *T {
	if !reflect.ValueOf(key).Comparable() {
		key = nil // keys that cannot be compared share one
	}
	if !s.begin(key) {
		return nil
	}
	defer s.end(key)
	answer := fn()
	return &answer
}

func (s *survey) begin(key any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, pending := s.pending[key]; pending {
		return false
	}
	if s.pending == nil {
		s.pending = make(map[any]struct{})
	}
	s.pending[key] = struct{}{}
	return true
}

func (s *survey) end(key any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, key)
}
