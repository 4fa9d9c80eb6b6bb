package zmqio

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"syscall"
)

// A ChildWatcher calls a function on a loop when a child process has ended. [SafeChildWatcher]
// works on every Unix, [PidfdChildWatcher] on Linux. The methods are safe for concurrent use,
// and may be called from handlers.
//
// A watcher reaps the children that have a handler and touches no others. Each child can be
// reaped only once. So a program that gives a pid to a watcher must not wait for that child
// itself. With os/exec that means:
//
//   - Start the child with Cmd.Start or os.StartProcess, and pass Process.Pid to
//     AddChildHandler. Do not call Wait, Run, Output or CombinedOutput. The handler gets what
//     Wait would return.
//   - Give Stdin, Stdout and Stderr as *os.File, or leave them nil. Only Wait ends the
//     goroutines that copy for other readers and writers, and the pipes of StdinPipe and the
//     like.
//   - Do not use exec.CommandContext, which watches its context until Wait.
//   - Use Process.Signal and Process.Kill only until the handler is called. Call
//     Process.Release when the Process is no longer needed.
//
// To use Cmd.Wait all the same, call it in [Go] and use no watcher. Children of package
// subprocess need no watcher, and must not be given to one.
//
// asyncio: AbstractChildWatcher
type ChildWatcher interface {
	// AddChildHandler makes the loop call fn once, when the child pid has ended. code is the
	// exit status or, if a signal killed the child, the negative number of that signal. fn
	// replaces an earlier handler for pid.
	//
	// The order of ending, adding and attaching does not matter. fn is called for a child that
	// has ended before. A watcher without a loop keeps its handlers until AttachLoop. If pid is
	// not a child of this process, or was reaped elsewhere, code is 255 and the logger gets a
	// warning.
	//
	// asyncio: add_child_handler
	AddChildHandler(pid int, fn func(pid, code int)) error
	// RemoveChildHandler removes the handler for pid and reports whether there was one. The
	// watcher then does not reap the child; the caller must.
	//
	// asyncio: remove_child_handler
	RemoveChildHandler(pid int) bool
	// AttachLoop makes l the loop on which the handlers are called, in place of the loop
	// before. nil detaches the loop. The watcher keeps its handlers, and logs a warning if nil
	// leaves some of them waiting.
	//
	// asyncio: attach_loop
	AttachLoop(l *EventLoop) error
	// IsActive reports whether the watcher has a loop that runs.
	//
	// asyncio: is_active
	IsActive() bool
	// Close removes all handlers and detaches the loop, for good. Close may be repeated.
	//
	// asyncio: close
	Close() error
}

// unknownChild is the exit code of a child for which wait4 returns ECHILD.
const unknownChild = 255

// children is the part that all child watchers share. Only the loop goroutine reaps a child, and it
// calls the handler right after. So no exit is lost when the loop stops, closes or is replaced.
type children struct {
	// open is nil in a watcher that no constructor of this package made.
	open   func(pid int) (child, error)
	listen func(l *EventLoop) (stop func()) // reports exits of children to l; nil where each child reports its own

	mu       sync.Mutex
	closed   bool
	loop     *EventLoop
	stop     func() // ends listen
	handlers map[int]*childHandler
}

// A child is a process that has a handler.
type child interface {
	// reap calls wait4 for the process, without blocking. ECHILD means that the process is no
	// child, or was reaped elsewhere.
	reap() (code int, ended bool, err error)
	// release frees what watching the child took.
	release()
}

type childHandler struct {
	child
	fn func(pid, code int)
}

// AddChildHandler implements [ChildWatcher].
//
// Errors:
//   - [ErrInvalidArgument]: pid is not positive, fn is nil, or the watcher is a zero one.
//   - [ErrWatcherClosed]: the watcher is closed.
//   - Those of pidfd_open, from a PidfdChildWatcher.
//
// asyncio: add_child_handler
func (c *children) AddChildHandler(pid int, fn func(pid, code int)) error {
	switch {
	case pid <= 0: // waitpid takes such a pid for any child
		return invalid("AddChildHandler: %d is no process id", pid)
	case fn == nil:
		return invalid("AddChildHandler: nil function")
	case c.open == nil:
		return errZeroWatcher()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return refuse(fmt.Sprintf("AddChildHandler: process %d", pid), ErrWatcherClosed)
	}
	if h := c.handlers[pid]; h != nil {
		h.fn = fn
		return nil
	}
	ch, err := c.open(pid)
	if err != nil {
		return fmt.Errorf("zmqio: AddChildHandler: process %d: %w", pid, err)
	}
	c.handlers[pid] = &childHandler{ch, fn}
	c.postLocked(pid) // the child may have ended before this call
	return nil
}

func errZeroWatcher() error {
	return invalid("the child watcher is a zero one; NewSafeChildWatcher and NewPidfdChildWatcher make others")
}

// RemoveChildHandler implements [ChildWatcher].
//
// asyncio: remove_child_handler
func (c *children) RemoveChildHandler(pid int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.removeLocked(pid)
}

// removeLocked removes the handler of pid and reports whether there was one. Caller holds c.mu.
func (c *children) removeLocked(pid int) bool {
	h := c.handlers[pid]
	if h == nil {
		return false
	}
	delete(c.handlers, pid)
	h.release()
	return true
}

// AttachLoop implements [ChildWatcher]. A loop that is closed detaches itself.
//
// Errors:
//   - [ErrLoopClosed]: l is closed. The watcher keeps the loop that it had.
//   - [ErrWatcherClosed]: the watcher is closed.
//   - [ErrInvalidArgument]: the watcher is a zero one.
//
// asyncio: attach_loop
func (c *children) AttachLoop(l *EventLoop) error {
	switch {
	case l == nil:
		c.detach(func(*EventLoop) bool { return true })
		return nil
	case c.open == nil:
		return errZeroWatcher()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case l == c.loop:
		return nil
	case c.closed:
		return refuse("AttachLoop", ErrWatcherClosed)
	case !l.belongTo(c):
		return l.refuse("AttachLoop", ErrLoopClosed)
	}
	c.detachLocked()
	c.loop = l
	if c.listen != nil {
		c.stop = c.listen(l)
	}
	c.postLocked(slices.Sorted(maps.Keys(c.handlers))...) // these may have ended while no loop was attached
	return nil
}

// detach detaches the watcher from its loop if goes returns true for the loop.
func (c *children) detach(goes func(*EventLoop) bool) {
	c.mu.Lock()
	l, pending := c.loop, len(c.handlers)
	if l == nil || !goes(l) {
		c.mu.Unlock()
		return
	}
	c.detachLocked()
	c.mu.Unlock()
	if pending > 0 {
		l.reactor.Logger().Warn("zmqio: event loop detached from a child watcher with pending handlers", "handlers", pending)
	}
}

// detachLocked ends the listening and detaches the loop. Caller holds c.mu.
func (c *children) detachLocked() {
	if c.loop == nil {
		return
	}
	c.loop.leave(c)
	c.loop = nil
	if c.stop != nil {
		c.stop()
	}
}

// forget implements follower: it detaches l, which is closing.
func (c *children) forget(l *EventLoop) {
	c.detach(func(attached *EventLoop) bool { return attached == l })
}

// IsActive implements [ChildWatcher].
//
// asyncio: is_active
func (c *children) IsActive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loop != nil && c.loop.IsRunning()
}

// Close implements [ChildWatcher]. The error is always nil.
//
// asyncio: close
func (c *children) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for pid := range c.handlers {
		c.removeLocked(pid)
	}
	c.detachLocked()
	return nil
}

// post makes the loop check pid.
func (c *children) post(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.postLocked(pid)
}

// postLocked makes the loop check pids, if a loop is attached. Caller holds c.mu.
func (c *children) postLocked(pids ...int) {
	if l := c.loop; l != nil && len(pids) > 0 {
		_, _ = l.CallSoon(func() { c.check(l, pids) }) // fails only if l is closing; l then calls forget
	}
}

// checkAll checks every child that has a handler.
func (c *children) checkAll(l *EventLoop) {
	c.mu.Lock()
	pids := slices.Sorted(maps.Keys(c.handlers))
	c.mu.Unlock()
	c.check(l, pids)
}

// check calls the handlers of those children among pids that have ended. Loop
// goroutine only.
func (c *children) check(l *EventLoop, pids []int) {
	defer func() { // Goexit in a handler leaves pids: a later iteration checks them.
		if len(pids) > 0 {
			_, _ = l.CallSoon(func() { c.check(l, pids) })
		}
	}()
	for len(pids) > 0 {
		pid := pids[0]
		pids = pids[1:]
		if fn, code := c.reap(l, pid); fn != nil {
			l.protect(ExceptionContext{Message: "child handler panicked"}, func() { fn(pid, code) })
		}
	}
}

// reap removes the handler of pid and returns it if that child has ended. It does nothing after the
// watcher has left l.
func (c *children) reap(l *EventLoop, pid int) (fn func(pid, code int), code int) {
	c.mu.Lock()
	h := c.handlers[pid]
	if h == nil || c.loop != l {
		c.mu.Unlock()
		return nil, 0
	}
	code, ended, err := h.reap()
	unknown := errors.Is(err, syscall.ECHILD)
	if ended || unknown {
		fn = h.fn
		c.removeLocked(pid)
	}
	c.mu.Unlock()
	switch {
	case unknown:
		l.reactor.Logger().Warn("zmqio: unknown child process, its exit code will be 255", "pid", pid)
		return fn, unknownChild
	case err != nil:
		l.CallExceptionHandler(ExceptionContext{
			Message: "cannot wait for a child process",
			Err:     fmt.Errorf("zmqio: process %d: %w", pid, err),
		})
	}
	return fn, code
}
