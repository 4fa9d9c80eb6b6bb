package reactor

import (
	"context"
	"log/slog"
	"maps"
	"runtime"
	"strings"
	"testing"
	"time"
)

// logged is a slog.Handler that sends its records.
type logged chan slog.Record

func (c logged) Enabled(context.Context, slog.Level) bool      { return true }
func (c logged) WithAttrs([]slog.Attr) slog.Handler            { return c }
func (c logged) WithGroup(string) slog.Handler                 { return c }
func (c logged) Handle(_ context.Context, r slog.Record) error { c <- r.Clone(); return nil }

// attrs returns the attributes of a record as text.
func attrs(r slog.Record) map[string]string {
	m := make(map[string]string)
	r.Attrs(func(a slog.Attr) bool {
		m[a.Key] = a.Value.String()
		return true
	})
	return m
}

// Patience of the watchdog in tests. A busy machine may keep a goroutine from running for longer
// than the short ones, so tests that want no record use endless.
const (
	unrunSoon = 2 * time.Millisecond
	stuckSoon = 20 * time.Millisecond
	endless   = time.Hour
)

// guarded returns a loop with this patience, and its log records.
func guarded(t *testing.T, unrun, stuck time.Duration) (*Loop, logged) {
	t.Helper()
	records := make(logged, 100)
	l := newLoopWith(t, Config{Logger: slog.New(records), Panicked: func(message string, _ *Handle, value any) { t.Errorf("%s: %v", message, value) }})
	l.SetPatience(unrun, stuck)
	return l, records
}

// isGuarded reports whether the watchdog will look at l.
func isGuarded(l *Loop) bool {
	watchdog.mu.Lock()
	defer watchdog.mu.Unlock()
	_, guarded := watchdog.loops[l.self]
	return guarded
}

// unguarded waits until the watchdog no longer watches l.
func unguarded(t *testing.T, l *Loop) {
	t.Helper()
	for ctx := bounded(t); isGuarded(l); runtime.Gosched() {
		must(t, ctx.Err())
	}
	l.mu.Lock() // waits for inspect to let go of it
	defer l.mu.Unlock()
}

// expect waits for a record.
func expect(t *testing.T, records logged, message string) map[string]string {
	t.Helper()
	select {
	case r := <-records:
		if r.Level != slog.LevelWarn || !strings.Contains(r.Message, message) {
			t.Fatalf("logged %v %q, want %q", r.Level, r.Message, message)
		}
		return attrs(r)
	case <-bounded(t).Done():
		t.Fatal("nothing was logged")
	}
	return nil
}

const unrunMessage = "no goroutine runs it"

// The watchdog logs a loop that has a callback or a due timer and does not run. It does so once for
// each time that the loop does not run.
func TestWatchdogTellsOfUnrunLoop(t *testing.T) {
	for name, give := range map[string]func(*Loop){
		"callback": func(l *Loop) { soon(t, l, func() {}) },
		"timer":    func(l *Loop) { later(t, l, time.Millisecond, func() {}) },
		"posted":   func(l *Loop) { l.NewResidence(&worker{}).Post(NewHandle(func() {}, nil)) },
		"task":     func(l *Loop) { l.NewTask(func() {}).Schedule() },
		"resident": func(l *Loop) {
			enter(t, l, &tenant{name: "x", needed: true}).place.NewTask(func() {}, nil).Schedule()
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, records := guarded(t, unrunSoon, endless)
			give(l)
			if got := expect(t, records, unrunMessage); !strings.Contains(got["created"], "newLoopWith") {
				t.Errorf("created %q", got["created"])
			}
			unguarded(t, l)
			soon(t, l, func() {})
			if isGuarded(l) {
				t.Error("the loop is watched after the logger was told")
			}
			pass(t, l)
			give(l)
			expect(t, records, unrunMessage)
			unguarded(t, l)
			if len(records) > 0 {
				t.Errorf("logged as well: %v", <-records)
			}
		})
	}
}

// Callbacks that a run leaves behind are work for the watchdog to report.
func TestWatchdogTellsOfCallbacksAfterARun(t *testing.T) {
	l, records := guarded(t, unrunSoon, endless)
	soon(t, l, func() {
		l.Stop()
		soon(t, l, func() {})
	})
	run(t, l)
	expect(t, records, unrunMessage)
}

// The watchdog logs nothing for loops without work, loops that run, and cancelled callbacks. It
// stops watching them.
func TestWatchdogIsQuiet(t *testing.T) {
	l, records := guarded(t, endless, endless)
	quietly := func(do func()) { // there is no work by the time when the watchdog loses patience
		t.Helper()
		l.SetPatience(endless, endless)
		do()
		l.SetPatience(unrunSoon, endless)
		lookAround()
		unguarded(t, l)
	}
	if isGuarded(l) {
		t.Error("a new loop is watched")
	}
	quietly(func() { soon(t, l, func() {}).Cancel() })
	pass(t, l)
	x := enter(t, l, &tenant{name: "waits"})
	quietly(func() { x.place.NewTask(func() {}, nil).Schedule() })
	for ctx := bounded(t); x.rested.Load() == 0; runtime.Gosched() { // the watchdog calls Rest without the lock
		if ctx.Err() != nil {
			t.Fatal("the resident was not asked")
		}
	}
	pass(t, l)
	quietly(func() { l.CancelTimer(later(t, l, time.Millisecond, func() {})) })

	l.SetPatience(endless, endless)
	must(t, l.Start(nothingFails(t)))
	called := make(chan struct{})
	for range 100 {
		soon(t, l, func() { called <- struct{}{} })
		lookAround()
		<-called
	}
	for ctx := bounded(t); isGuarded(l); lookAround() { // until the loop waits
		must(t, ctx.Err())
	}
	must(t, closeLoop(l))
	if len(records) > 0 {
		t.Errorf("logged %v", <-records)
	}
}

// While all loops are idle or closed, the watchdog sets no timer.
func TestWatchdogSleeps(t *testing.T) {
	l, _ := guarded(t, endless, endless)
	later(t, l, time.Hour, func() {})
	if !isGuarded(l) {
		t.Error("not watched")
	}
	must(t, closeLoop(l))
	if isGuarded(l) {
		t.Error("a closed loop is watched")
	}
	for ctx := bounded(t); ; runtime.Gosched() { // loops of other tests may still be watched
		watchdog.mu.Lock()
		set, left := !watchdog.next.IsZero(), len(watchdog.loops)
		for p := range maps.Keys(watchdog.loops) {
			if p.Value() == nil {
				left--
			}
		}
		watchdog.mu.Unlock()
		if !set {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the timer is set for %d loops", left)
		}
	}
}

// The watchdog logs a callback that does not return once, by name, while it runs.
func TestWatchdogTellsOfStuckCallback(t *testing.T) {
	l, records := guarded(t, endless, stuckSoon)
	must(t, l.Start(nothingFails(t)))
	for range 2 {
		free := make(chan struct{})
		l.mu.Lock() // so that all are one batch
		for _, fn := range []func(){func() {}, func() { <-free }, func() {}} {
			l.makeReadyLocked(NewHandle(fn, nil))
		}
		l.wakeLocked()
		l.mu.Unlock()
		got := expect(t, records, "callback has not returned")
		if !strings.Contains(got["callback"], "TestWatchdogTellsOfStuckCallback.func") || !strings.Contains(got["place"], "watchdog_test.go") {
			t.Errorf("got %v", got)
		}
		l.inspect() // as the watchdog does again and again
		if len(records) > 0 {
			t.Errorf("logged as well: %v", <-records)
		}
		close(free)
	}
	must(t, closeLoop(l))
	if len(records) > 0 {
		t.Errorf("logged as well: %v", <-records)
	}
}

// The watchdog logs a task that does not return with the attributes of its Source.
func TestWatchdogNamesTheSource(t *testing.T) {
	l, records := guarded(t, endless, stuckSoon)
	must(t, l.Start(nothingFails(t)))
	free := make(chan struct{})
	x := enter(t, l, &tenant{name: "x"})
	x.place.NewTask(func() { <-free }, NewOrigin(source{}, nil)).Schedule()
	if got := expect(t, records, "callback has not returned"); got["transport"] != "named" || got["callback"] != "unknown" {
		t.Errorf("got %v", got)
	}
	close(free)
	must(t, closeLoop(l))
}

type source struct{}

func (source) Func() uintptr { return 0 }
func (source) Attrs() []any  { return []any{"transport", "named"} }

// The watchdog does not log a batch that takes long if none of its callbacks does. Each callback
// pretends to have run for three quarters of the patience when the watchdog looks again.
func TestWatchdogLooksAtEachCallback(t *testing.T) {
	l, records := guarded(t, endless, endless)
	must(t, l.Start(nothingFails(t)))
	ran := make(chan struct{})
	l.mu.Lock()
	for range 8 {
		l.makeReadyLocked(NewHandle(func() {
			lookAround()
			l.mu.Lock()
			l.guard.seen -= endless * 3 / 4
			l.mu.Unlock()
			l.inspect()
		}, nil))
	}
	l.makeReadyLocked(NewHandle(func() { close(ran) }, nil))
	l.wakeLocked()
	l.mu.Unlock()
	<-ran
	must(t, closeLoop(l))
	if len(records) > 0 {
		t.Errorf("logged %v", <-records)
	}
}

// A logger that panics ends neither the watchdog nor the program.
func TestWatchdogSurvivesTheLogger(t *testing.T) {
	told := make(chan any, 1)
	l := newLoopWith(t, Config{Logger: slog.New(panicking{}), Panicked: func(_ string, _ *Handle, value any) { told <- value }})
	l.SetPatience(time.Millisecond, time.Hour)
	soon(t, l, func() {})
	if got := <-told; got != "logger" {
		t.Errorf("panicked with %v", got)
	}
	other, records := guarded(t, unrunSoon, endless)
	soon(t, other, func() {})
	expect(t, records, unrunMessage)
}

// panicking is a slog.Handler that panics.
type panicking struct{ slog.Handler }

func (panicking) Enabled(context.Context, slog.Level) bool  { return true }
func (panicking) Handle(context.Context, slog.Record) error { panic("logger") }

// The watchdog does not keep a forgotten loop from being collected.
func TestWatchdogKeepsNoLoop(t *testing.T) {
	leakCheck(t)
	collected := make(chan struct{})
	func() {
		l := new(Loop)
		must(t, l.Init(Config{Panicked: func(string, *Handle, any) {}}))
		soon(t, l, func() {})
		runtime.AddCleanup(l, func(c chan struct{}) { close(c) }, collected)
	}()
	for ctx := bounded(t); ; {
		select {
		case <-collected:
			return
		default:
			must(t, ctx.Err())
			runtime.GC()
		}
	}
}
