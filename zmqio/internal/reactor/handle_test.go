package reactor

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// A task is in the queue once, however often it is scheduled, and runs once.
func TestTaskIsQueuedOnce(t *testing.T) {
	l := newLoop(t)
	ran := 0
	task := l.NewTask(func() { ran++ })
	for range 3 {
		task.Schedule()
	}
	if ready, _ := l.Queued(); ready != 1 || !task.Queued() {
		t.Fatalf("%d in the queue", ready)
	}
	pass(t, l)
	if pass(t, l); ran != 1 || task.Queued() {
		t.Errorf("the task ran %d times", ran)
	}
	task.Schedule()
	if pass(t, l); ran != 2 {
		t.Errorf("the task ran %d times", ran)
	}
}

// A task that is scheduled during its run runs once more, in the next iteration. The caller of
// Schedule does not matter.
func TestTaskRunsAgain(t *testing.T) {
	l := newLoop(t)
	ran := 0
	var task *Task
	task = l.NewTask(func() {
		if ran++; ran > 1 {
			return
		}
		task.Schedule()
		var group sync.WaitGroup
		group.Go(task.Schedule)
		group.Wait()
		if ready, _ := l.Queued(); ready != 0 {
			t.Error("in the queue while it runs")
		}
	})
	task.Schedule()
	if pass(t, l); ran != 1 {
		t.Errorf("the task ran %d times in one pass", ran)
	}
	pass(t, l)
	if pass(t, l); ran != 2 {
		t.Errorf("the task ran %d times", ran)
	}
}

// A task that was scheduled during its run runs again, even if the run ends in a panic or in
// runtime.Goexit.
func TestTaskRunsAgainAfterPanicAndGoexit(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic(1) }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			l := newLoopWith(t, Config{Panicked: func(string, *Handle, any) {}})
			ran := 0
			var task *Task
			task = l.NewTask(func() {
				if ran++; ran == 1 {
					task.Schedule()
					end()
				}
			})
			task.Schedule()
			done := make(chan struct{})
			go func() {
				defer close(done)
				pass(t, l)
			}()
			<-done
			if pass(t, l); ran != 2 {
				t.Errorf("the task ran %d times", ran)
			}
		})
	}
}

// A task gets its bit only when it is in the queue: a goroutine that sees the bit without the lock
// relies on the queue.
func TestTaskIsMarkedUnderTheLock(t *testing.T) {
	l := newLoop(t)
	task := l.NewTask(func() {})
	var group sync.WaitGroup
	l.mu.Lock()
	group.Go(task.Schedule)
	for range 1000 { // many tries, to meet the race
		if task.Queued() {
			t.Error("marked before it is in the queue")
			break
		}
		runtime.Gosched()
	}
	l.mu.Unlock()
	group.Wait()
	if ready, _ := l.Queued(); ready != 1 || !task.Queued() {
		t.Errorf("%d in the queue", ready)
	}
}

// Unschedule keeps a task from running. The task can be scheduled again.
func TestUnschedule(t *testing.T) {
	l := newLoop(t)
	ran := 0
	task := l.NewTask(func() { ran++ })
	task.Schedule()
	task.Unschedule()
	if pass(t, l); ran != 0 {
		t.Error("the task ran")
	}
	task.Schedule()
	task.Unschedule()
	task.Schedule()
	pass(t, l)
	if pass(t, l); ran != 1 {
		t.Errorf("the task ran %d times", ran)
	}
}

func TestCancelledTaskDoesNotRun(t *testing.T) {
	l := newLoop(t)
	task := l.NewTask(func() { t.Error("the task ran") })
	task.Schedule()
	task.Cancel()
	pass(t, l)
	task.Schedule()
	pass(t, l)
	if !task.Cancelled() {
		t.Error("not cancelled")
	}
}

// A handle that is cancelled concurrently runs at most once. Cancel does not race with the run.
func TestCancelWhileItRuns(t *testing.T) {
	l := newLoop(t)
	var ran atomic.Int64
	for range 1000 {
		h := soon(t, l, func() { ran.Add(1) })
		var group sync.WaitGroup
		group.Go(h.Cancel)
		pass(t, l)
		group.Wait()
		if !h.Cancelled() {
			t.Fatal("not cancelled")
		}
		h.Cancel()
	}
	if ran.Load() > 1000 {
		t.Errorf("%d runs", ran.Load())
	}
}

// After a callback that calls runtime.Goexit, the rest of its batch runs first in the next run.
func TestGoexitKeepsTheOrder(t *testing.T) {
	l := newLoop(t)
	var got []int
	soon(t, l, func() {
		soon(t, l, func() { got = append(got, 3) })
		runtime.Goexit()
	})
	soon(t, l, func() { got = append(got, 1) })
	soon(t, l, func() { got = append(got, 2) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = l.Run(t.Context(), never)
	}()
	<-done
	if pass(t, l); len(got) != 3 || got[0] != 1 || got[1] != 2 || got[2] != 3 {
		t.Errorf("got %v", got)
	}
}
