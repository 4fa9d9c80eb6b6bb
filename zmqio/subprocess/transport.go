package subprocess

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// unknownCode is the return code of a child that was reaped elsewhere, as with zmqio.ChildWatcher.
const unknownCode = 255

// A Transport is a child process on an event loop. Exec and Shell make it, and the loop calls
// the methods of its Protocol. All methods of a Transport are safe for concurrent use, and may
// be called from callbacks. Those of a zero Transport panic.
//
// asyncio: SubprocessTransport
type Transport struct {
	loop      *zmqio.EventLoop
	child     *child
	pid       int
	pipes     [3]*netio.Transport // nil: no pipe
	residence *zmqio.Residence    // nil on a discarded transport
	protocol  atomic.Pointer[Protocol]

	// Loop goroutine only.
	open int  // pipes that have not ended
	told bool // ProcessExited has returned

	exited chan struct{} // closed when the child has been reaped
	code   int           // valid after exited

	// mu comes before the locks of the loop. No callback is called with mu held. Signals are sent
	// with mu held, so that none reaches a process that has been reaped.
	mu      sync.Mutex
	watch   *zmqio.Watch // of the child's pidfd; nil if a goroutine waits for the child
	closing bool
	lost    bool
	gone    chan struct{} // the result of Closed; nil before the first call
}

// Loop returns the loop of the transport.
func (t *Transport) Loop() *zmqio.EventLoop { return t.loop }

// PID returns the process id of the child, also after its end, when the system may give the
// number to another process.
//
// asyncio: get_pid
func (t *Transport) PID() int { return t.pid }

// ReturnCode returns the exit status of the child or, if a signal killed it, the negative
// number of that signal. ok is false until the loop has learnt that the child has exited. A
// code of 255 may mean that another part of the program has reaped the child.
//
// asyncio: get_returncode
func (t *Transport) ReturnCode() (code int, ok bool) {
	select {
	case <-t.exited:
		return t.code, true
	default:
		return 0, false
	}
}

// Wait waits until the child has exited, and returns its code: see ReturnCode. Pipes may then
// still have data; Closed waits for those too. While no goroutine runs the loop, Wait waits for
// that.
//
// Errors:
//   - The cause of ctx: ctx ended first.
//   - zmqio.ErrWouldDeadlock: it would wait on the loop goroutine.
//   - zmqio.ErrInvalidArgument: ctx is nil.
//
// asyncio: asyncio.subprocess.Process.wait
func (t *Transport) Wait(ctx context.Context) (code int, err error) {
	if ctx == nil {
		return 0, invalid("Transport.Wait: nil context")
	}
	if code, ok := t.ReturnCode(); ok {
		return code, nil
	}
	if t.loop.InLoop() {
		return 0, fmt.Errorf("subprocess.Transport.Wait: %w", zmqio.ErrWouldDeadlock)
	}
	select {
	case <-t.exited:
		return t.code, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// Pipe returns the transport of the pipe at descriptor fd of the child, from 0 to 2, or nil if
// there is no pipe. Do not call SetProtocol on it: the child's protocol would never see the end
// of the pipe.
//
// asyncio: get_pipe_transport
func (t *Transport) Pipe(fd int) *netio.Transport {
	if fd < 0 || fd >= len(t.pipes) {
		return nil
	}
	return t.pipes[fd]
}

// Signal sends sig to the child. The error is os.ErrProcessDone if the child has exited, or
// that of the system.
//
// asyncio: send_signal
func (t *Transport) Signal(sig os.Signal) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.ReturnCode(); ok {
		return os.ErrProcessDone
	}
	return t.child.cmd.Process.Signal(sig)
}

// Terminate is Signal with SIGTERM.
//
// asyncio: terminate
func (t *Transport) Terminate() error { return t.Signal(syscall.SIGTERM) }

// Kill is Signal with SIGKILL.
//
// asyncio: kill
func (t *Transport) Kill() error { return t.Signal(os.Kill) }

// Protocol returns the transport's protocol.
//
// asyncio: get_protocol
func (t *Transport) Protocol() Protocol { return *t.protocol.Load() }

// SetProtocol makes p the transport's protocol from the next callback on. It does not call
// ConnectionMade. SetProtocol ignores a nil p and a nil pointer in p.
//
// asyncio: set_protocol
func (t *Transport) SetProtocol(p Protocol) {
	if !isNil(p) {
		t.protocol.Store(&p)
	}
}

// String returns the program and the state, for messages and logs.
func (t *Transport) String() string {
	text := fmt.Sprintf("<Transport %s pid %d", t.child.cmd.Path, t.PID())
	if code, ok := t.ReturnCode(); ok {
		text += fmt.Sprintf(" returned %d", code)
	} else {
		text += " running"
	}
	if t.IsClosing() {
		text += " closing"
	}
	return text + ">"
}

// Close kills the child unless it has exited, and closes its pipes. What is buffered for its
// standard input is sent if a process still reads that. Close does not wait. It may be
// repeated, and returns nil.
//
// asyncio: close
func (t *Transport) Close() error {
	t.mu.Lock()
	first := !t.closing
	t.closing = true
	t.mu.Unlock()
	if first {
		_ = t.Kill() // before the child can exit because of a closed pipe
		t.eachPipe((*netio.Transport).Close)
	}
	return nil
}

// Abort is Close that also drops what is buffered for the child's standard input. Abort may be
// repeated, also after Close, and returns nil.
func (t *Transport) Abort() error {
	t.mu.Lock()
	t.closing = true
	t.mu.Unlock()
	_ = t.Kill()
	t.eachPipe((*netio.Transport).Abort)
	if t.loop.IsClosed() && t.claim() { // the loop watches no descriptors any more
		go t.reap()
	}
	return nil
}

func (t *Transport) eachPipe(end func(*netio.Transport) error) {
	for _, p := range t.pipes {
		if p != nil {
			_ = end(p)
		}
	}
}

// IsClosing reports whether Close or Abort has been called.
//
// asyncio: is_closing
func (t *Transport) IsClosing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closing
}

// Closed returns a channel that is closed at the end: ConnectionLost has returned, and the
// transport has left its loop.
func (t *Transport) Closed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone == nil {
		t.gone = make(chan struct{})
		if t.lost {
			close(t.gone)
		}
	}
	return t.gone
}

// Undelivered returns 0, 0: the pipe to the standard input counts for itself.
func (t *Transport) Undelivered() (items, bytes int) { return 0, 0 }

// await makes the loop reap the child after its exit. Without a pidfd a goroutine waits for the
// exit.
func (t *Transport) await() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.child.pidfd >= 0 {
		w, err := t.residence.Watch(t.child.pidfd, t.pidfdReady, nil)
		if err == nil {
			err = w.Want(true, false)
		}
		if err == nil {
			t.watch = w
			return
		}
		t.child.closePidfd()
	}
	go t.reap()
}

// pidfdReady reaps the child after its exit. Loop goroutine only.
func (t *Transport) pidfdReady() {
	if t.claim() {
		t.reap()
	}
}

// claim ends the watch. It reports whether the caller must reap the child.
func (t *Transport) claim() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.watch == nil {
		return false
	}
	t.watch.Stop()
	t.watch = nil
	t.child.closePidfd()
	return true
}

// reap waits until the child has exited, and makes the loop tell the protocol.
func (t *Transport) reap() {
	process := t.child.cmd.Process
	state, err := process.Wait()
	t.mu.Lock()
	t.code = codeOf(state)
	close(t.exited)
	if err != nil {
		_ = process.Release() // Wait has failed, and not released it
	}
	t.mu.Unlock()
	t.loop.Share() // a goroutine that waits for the end may be ready
	if err != nil {
		t.residence.Report("the child was reaped elsewhere", t.Protocol(), err)
	}
	t.residence.Post(t.tell)
}

// codeOf returns the return code for state. A nil state means that the child was reaped elsewhere.
func codeOf(state *os.ProcessState) int {
	if state == nil {
		return unknownCode
	}
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return -int(status.Signal())
	}
	return state.ExitCode()
}

// tell calls ProcessExited. Loop goroutine only.
func (t *Transport) tell() {
	defer func() { // runs even after runtime.Goexit
		t.told = true
		t.endIfOver()
	}()
	p := t.Protocol()
	t.callback("ProcessExited", p, p.ProcessExited)
}

// endIfOver calls ConnectionLost if the child and its pipes have ended. Loop goroutine only.
func (t *Transport) endIfOver() {
	if t.told && t.open == 0 {
		t.residence.Post(t.lose)
	}
}

// lose calls ConnectionLost, and leaves the loop. Loop goroutine only.
func (t *Transport) lose() {
	defer t.leave() // runs even after runtime.Goexit
	p := t.Protocol()
	t.callback("ConnectionLost", p, func() { p.ConnectionLost(nil) })
}

func (t *Transport) leave() {
	t.residence.Leave()
	t.mu.Lock() // last, so that everything is over when the channel of Closed closes
	t.lost = true
	if t.gone != nil {
		close(t.gone)
	}
	t.mu.Unlock()
	t.loop.Share() // a goroutine that waits for the end may be ready
}

// callback calls fn, which calls the method of p with the name given. A panic goes to the
// exception handler.
func (t *Transport) callback(name string, p Protocol, fn func()) {
	defer func() {
		if v := recover(); v != nil {
			t.residence.Report(name+" panicked", p, zmqio.NewPanicError(v))
		}
	}()
	fn()
}
