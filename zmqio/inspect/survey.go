package inspect

import (
	"reflect"
	"sync"
	"time"
)

// What a survey waits for one answer, and for all of them, before it goes on without.
const (
	patience      = 100 * time.Millisecond
	patienceInAll = time.Second
)

// A survey asks residents of loops what may take long to answer: it waits for a lock, or calls
// what a program has written. One that does not answer in time is left out, and not asked
// again before it has answered.
type survey struct {
	patience, inAll time.Duration // the two constants, but for tests

	mu      sync.Mutex
	pending map[any]struct{} // those that have not answered; under mu
}

func newSurvey() *survey { return &survey{patience: patience, inAll: patienceInAll} }

// ask calls fn for each of list, one after the other, on a goroutine that ends when fn has
// returned for the last. It returns the answers in the same order, nil for none. What key
// returns tells one from another.
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

// askOne calls fn, unless an earlier call for the same key has not returned.
func askOne[T any](s *survey, key any, fn func() T) *T {
	if !reflect.ValueOf(key).Comparable() {
		key = nil // those share one
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
