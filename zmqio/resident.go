package zmqio

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/zmqio/zmq/zmqio/internal/outbox"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// A Resident lives on a loop and ends with it: a Transport, or a value that EventLoop.Adopt has
// put there. Shutdown of the loop closes residents, and Close of the loop aborts those that are
// not Transports. The methods must be safe for concurrent use. Close and Abort may be repeated.
type Resident interface {
	// Close begins an orderly end and does not wait for it. At that end the resident calls
	// [Residence.Leave]; Shutdown waits for that.
	Close() error
	// Abort ends the resident at once. Its Leave has been posted when Abort returns, or is
	// posted soon. Close of the loop waits for that, for up to LoopConfig.Linger.
	Abort() error
	// Undelivered returns what the resident has accepted and not passed on, in its own items
	// and in bytes. After the end it returns what was dropped. Shutdown and Close of the loop
	// report that in ErrUndelivered.
	Undelivered() (items, bytes int)
	// String names the resident, for messages and logs.
	String() string
}

// Adopt makes r a resident of the loop, until r leaves.
//
// Errors:
//   - [ErrInvalidArgument]: r is nil, or holds a nil pointer.
//   - [ErrLoopClosed]: the loop is closed.
func (l *EventLoop) Adopt(r Resident) (*Residence, error) {
	if isNil(r) {
		return nil, invalid("Adopt: nil resident")
	}
	p := &Residence{loop: l, resident: r, residence: l.reactor.NewResidence(guest{r, l})}
	if l.Debug() {
		p.created = reactor.NewTrace()
	}
	if err := p.residence.Enter(); err != nil {
		return nil, l.refuse("Adopt", err)
	}
	return p, nil
}

// Residents returns the residents of the loop, transports among them, oldest first.
func (l *EventLoop) Residents() []Resident {
	places := l.reactor.Residents()
	residents := make([]Resident, len(places))
	for i, p := range places {
		residents[i] = p.Resident().(inhabitant).public()
	}
	return residents
}

// An inhabitant is a Resident in the form that package reactor needs.
type inhabitant interface {
	reactor.Resident
	// public returns the Resident.
	public() Resident
	// loss returns what the Resident dropped before it left of its own accord, or nil.
	loss() error
}

// A Residence is a Resident's place on its loop. Its methods are safe for concurrent use. Those
// of a zero Residence panic.
type Residence struct {
	loop      *EventLoop
	resident  Resident
	residence *reactor.Residence
	created   *reactor.Trace // nil outside debug mode
}

// Post queues fn to be called on the loop, as EventLoop.CallSoon does. Close of the loop calls
// fn before it returns, so that a ConnectionLost is not lost. After Close, Post does nothing.
// Post ignores a nil fn.
func (p *Residence) Post(fn func()) {
	if fn != nil {
		p.residence.Post(p.residence.NewHandle(fn, p.loop.reactor.Origin(fn)))
	}
}

// Report calls the loop's exception handler, on the calling goroutine, with an err that has no
// caller to go to. The handler gets the resident as Source and protocol, which may be nil, as
// SourceProtocol. For a *PanicError the handler also gets the stack: see NewPanicError.
//
// asyncio: call_exception_handler
func (p *Residence) Report(message string, protocol any, err error) {
	ctx := ExceptionContext{Message: message, Err: err, Source: p.resident, SourceProtocol: protocol, Created: p.created.Text()}
	var panicked *PanicError
	if errors.As(err, &panicked) {
		ctx.Stack = panicked.Stack
	}
	p.loop.CallExceptionHandler(ctx)
}

// Leave ends the residence. The loop then no longer closes or aborts the resident, and does not
// wait for it. Leave may be repeated.
func (p *Residence) Leave() { p.residence.Leave() }

// Watch reserves descriptor fd for the resident; AddReader and AddWriter then return
// ErrInvalidArgument for fd. The loop looks for nothing until Watch.Want. While fd can be read
// it calls read, and while fd can be written it calls write. It calls each once in an
// iteration, read first.
//
// If read or write makes goroutines ready to run, it should call [EventLoop.Share].
//
// The caller keeps fd, and must call Watch.Stop before closing it. Watch replaces readers and
// writers that were not removed when a file of the same number was closed.
//
// Errors:
//   - [ErrInvalidArgument]: fd cannot be a descriptor, another resident watches it, or both
//     functions are nil.
//   - [ErrLoopClosed]: the loop is closed.
func (p *Residence) Watch(fd int, read, write func()) (*Watch, error) {
	if err := checkDescriptor("Watch", fd); err != nil {
		return nil, err
	}
	if read == nil && write == nil {
		return nil, invalid("Watch: descriptor %d: nil functions", fd)
	}
	w := &Watch{loop: p.loop, read: p.task(read), write: p.task(write)}
	var err error
	w.watch, err = p.residence.Watch(fd, w.read, w.write)
	if errors.Is(err, reactor.ErrReserved) {
		return nil, invalid("Watch: descriptor %d: a resident of the loop watches it", fd)
	}
	if err != nil {
		return nil, p.loop.refuse(fmt.Sprintf("Watch: descriptor %d", fd), err)
	}
	return w, nil
}

func (p *Residence) task(fn func()) *reactor.Task {
	if fn == nil {
		return nil
	}
	return p.residence.NewTask(fn, p.loop.reactor.Origin(fn))
}

// A Watch is a descriptor that a Resident watches. Its methods are safe for concurrent use.
// Those of a zero Watch panic.
type Watch struct {
	loop        *EventLoop
	watch       *reactor.Watch
	read, write *reactor.Task // nil for a nil function
}

// Want sets what the loop looks for from now on, with at most one system call. The loop does
// not call a function that is no longer wanted, even if it is due in the same iteration. Off
// the loop goroutine, a call that is just starting may still come.
//
// Errors, after which the earlier wish stays:
//   - [ErrInvalidArgument]: Watch got no function for read or write.
//   - os.ErrClosed: Stop was called.
//   - [ErrLoopClosed]: the loop is closed.
//   - The error of the system call.
func (w *Watch) Want(read, write bool) error {
	switch {
	case read && w.read == nil:
		return invalid("Want: Watch got no function for read")
	case write && w.write == nil:
		return invalid("Want: Watch got no function for write")
	}
	switch err := w.watch.Want(read, write); {
	case err == os.ErrClosed:
		return errWatchStopped
	case err != nil:
		return w.loop.refuse("Want", err)
	}
	if !read && w.read != nil {
		w.read.Unschedule()
	}
	if !write && w.write != nil {
		w.write.Unschedule()
	}
	return nil
}

// Stop ends the watch. Call it before closing the descriptor. The loop then calls neither
// function; off the loop goroutine, a call that is just starting may still come. Stop may be
// repeated. It does not touch a later watch of the same number.
func (w *Watch) Stop() {
	w.watch.Stop()
	for _, task := range [...]*reactor.Task{w.read, w.write} {
		if task != nil {
			task.Cancel()
		}
	}
}

// A guest is a Resident that was given to Adopt.
type guest struct {
	Resident
	loop *EventLoop
}

func (g guest) exception(method string) ExceptionContext {
	return ExceptionContext{Message: method + " of a resident panicked", Source: g.Resident}
}

func (g guest) public() Resident { return g.Resident }

func (g guest) loss() error {
	items, bytes := g.Undelivered()
	return newLoss(g.Resident, outbox.Tally{Messages: items, Bytes: bytes})
}

// Close implements reactor.Resident.
func (g guest) Close() error {
	defer g.loop.recovered(g.exception("Close"))
	return g.Resident.Close()
}

// End implements reactor.Resident.
func (g guest) End(time.Time) error {
	defer g.loop.recovered(g.exception("Abort"))
	if err := g.Abort(); err != nil {
		return errors.Join(g.loss(), err)
	}
	return g.loss()
}

// Rest implements reactor.Resident. The task of a guest is queued when its descriptor is ready, so
// the next run must serve it.
func (guest) Rest() (needed bool) { return true }
