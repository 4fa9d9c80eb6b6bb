package zmqio

import (
	"errors"
	"os"
	"time"

	"github.com/zmqio/zmq/zmqio/internal/outbox"
	"github.com/zmqio/zmq/zmqio/internal/reactor"
)

// A Resident is what lives on a loop and ends with it: a Transport, or a transport of
// another kind that [EventLoop.Adopt] has put there. Shutdown of the loop closes it, and
// Close of the loop aborts it. Its methods may be called from every goroutine, and Close and
// Abort may be repeated.
type Resident interface {
	// Close begins the end in good order, and does not wait for it. When the end has come,
	// the resident must call [Residence.Leave]: Shutdown waits for that.
	Close() error
	// Abort ends the resident at once. Its Leave has been posted when Abort returns, or is
	// posted soon: Close of the loop waits for that, for up to LoopConfig.Linger.
	Abort() error
	// Undelivered returns what the resident has accepted and not passed on, in its own items
	// and in bytes. After the end it is what was dropped, and becomes a part of the
	// ErrUndelivered that Shutdown and Close of the loop return.
	Undelivered() (items, bytes int)
	// String names the resident, for messages.
	String() string
}

// Adopt makes r a resident of the loop, until r leaves. The errors are ErrInvalidArgument for
// a nil r, or a nil pointer in r, and ErrLoopClosed.
func (l *EventLoop) Adopt(r Resident) (*Residence, error) {
	if isNil(r) {
		return nil, invalid("Adopt: nil resident")
	}
	p := &Residence{loop: l, resident: r, residence: l.reactor.NewResidence(guest{r, l})}
	if l.Debug() {
		p.created = reactor.NewTrace()
	}
	if err := p.residence.Enter(); err != nil {
		return nil, err
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

// An inhabitant is what package reactor knows of a Resident.
type inhabitant interface {
	reactor.Resident
	// public returns the Resident.
	public() Resident
	// loss returns what the Resident dropped before it left, without being told to; nil if
	// that is nothing.
	loss() error
}

// A Residence is a Resident's place on its loop. Its methods may be called from every
// goroutine. Those of a zero Residence panic.
type Residence struct {
	loop      *EventLoop
	resident  Resident
	residence *reactor.Residence
	created   *reactor.Trace // in debug mode
}

// Post is EventLoop.CallSoon for what must not be lost, as ConnectionLost must not: Close of
// the loop calls fn before it returns. Once it has returned, Post does nothing. A nil fn is
// ignored.
func (p *Residence) Post(fn func()) {
	if fn != nil {
		p.residence.Post(p.residence.NewHandle(fn, p.loop.reactor.Origin(fn)))
	}
}

// Report calls the loop's exception handler, on the calling goroutine, with err, which has no
// caller to go to. The handler gets the resident as the Source, and its protocol, which may be
// nil. Of a *PanicError it gets the stack as well: see [NewPanicError].
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

// Leave ends the residence: the loop no longer closes or aborts the resident, and does not
// wait for it. It may be repeated.
func (p *Residence) Leave() { p.residence.Leave() }

// Watch reserves descriptor fd, for which AddReader and AddWriter then return
// ErrInvalidArgument. [Watch.Want] says what to look for; nothing at first. While fd can be
// read, or written, the loop calls read, or write, once in each iteration, read before write.
//
// A function that makes other goroutines ready to run calls [EventLoop.Share].
//
// fd is watched, not owned: call [Watch.Stop] before closing it. It takes the place of
// readers and writers that were not removed when a file of the same number was closed.
//
// ErrInvalidArgument means a number that cannot be a descriptor, one that another resident
// watches, or nil for both read and write. ErrLoopClosed means that the loop is closed.
func (p *Residence) Watch(fd int, read, write func()) (*Watch, error) {
	if err := checkDescriptor("Watch", fd); err != nil {
		return nil, err
	}
	if read == nil && write == nil {
		return nil, invalid("Watch: descriptor %d: nil functions", fd)
	}
	w := &Watch{read: p.task(read), write: p.task(write)}
	var err error
	w.watch, err = p.residence.Watch(fd, w.read, w.write)
	if errors.Is(err, reactor.ErrReserved) {
		return nil, invalid("Watch: descriptor %d: a resident of the loop watches it", fd)
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

func (p *Residence) task(fn func()) *reactor.Task {
	if fn == nil {
		return nil
	}
	return p.residence.NewTask(fn, p.loop.reactor.Origin(fn))
}

// A Watch is a descriptor that a Resident watches. Its methods may be called from every
// goroutine. Those of a zero Watch panic.
type Watch struct {
	watch       *reactor.Watch
	read, write *reactor.Task // nil where there is no function
}

// Want says what the loop is to look for, from now on, with at most one system call. What is
// no longer wanted is not called again, not even if it is due in the same iteration; off the
// loop, a call that is just starting there may still come.
//
// The errors are ErrInvalidArgument for what Watch was given no function for, os.ErrClosed
// after Stop, ErrLoopClosed, and that of the system call. What was wanted before then stays.
func (w *Watch) Want(read, write bool) error {
	if read && w.read == nil || write && w.write == nil {
		return invalid("Want: Watch was given no function for that")
	}
	switch err := w.watch.Want(read, write); {
	case err == os.ErrClosed:
		return errWatchStopped
	case err != nil:
		return err
	}
	if !read && w.read != nil {
		w.read.Unschedule()
	}
	if !write && w.write != nil {
		w.write.Unschedule()
	}
	return nil
}

// Stop ends the watch, and must be called before the descriptor is closed. Nothing is called
// after it, as after Want. It may be repeated, and does not touch another watch that has the
// same number by now.
func (w *Watch) Stop() {
	w.watch.Stop()
	for _, task := range [...]*reactor.Task{w.read, w.write} {
		if task != nil {
			task.Cancel()
		}
	}
}

// A guest is a Resident that Adopt was given.
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

// Rest implements reactor.Resident. A task of a guest is queued because its descriptor is
// ready.
func (guest) Rest() (needed bool) { return true }
