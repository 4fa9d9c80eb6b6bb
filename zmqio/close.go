package zmqio

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
	"weak"

	"github.com/zmqio/zmq"
)

// lingerGrace is what Close allows libzmq beyond its linger period to come to an
// end: time enough for its threads, even on a busy machine.
const lingerGrace = 500 * time.Millisecond

// Close closes the loop and all its residents for good. What the buffers of transports hold
// goes to libzmq as far as it takes it, the rest is dropped; other residents are aborted. A ZAP
// handler ends last.
//
// Every ConnectionLost is called before Close returns; callbacks in the queue, timers,
// readers, writers and signal handlers are dropped. Then, if the context is the
// loop's own, Close waits for libzmq to send what it has, up to LoopConfig.Linger in
// all. For what is on its way over ipc it waits with any context, until the receivers
// have read it; see Transport.Close.
//
// A run that Start began is stopped first, and Close waits for its end. Otherwise Close returns
// ErrLoopRunning if the loop runs, as it does in the loop's own callbacks. Inside a ConnectionMade
// that is called while no goroutine runs the loop, Close returns ErrWouldDeadlock. It returns nil
// if the loop is closed already.
//
// An error that is ErrUndelivered counts what was dropped, resident by resident. Of what was on
// its way over ipc it gives the size, an upper bound. An error that is os.ErrDeadlineExceeded says
// that libzmq used the whole linger: it may have dropped messages. For transports that were closed
// before with a longer ZMQ_LINGER it goes on in the background. libzmq does not count such
// messages.
func (l *EventLoop) Close() (err error) {
	var begin time.Time
	var lost []error
	defer func() { // also after a ConnectionLost that called runtime.Goexit
		if begin.IsZero() {
			return
		}
		ctx, cancel := context.WithDeadline(context.Background(), begin.Add(l.linger))
		defer cancel()
		lost = append(lost, l.awaitDepartures(ctx, l.ownContext, true)...)
		err = errors.Join(joinLosses(lost), l.terminate(begin), err)
		close(l.over)
	}()
	lost, err = l.reactor.Close(l.linger, func() {
		begin = time.Now()
		l.letGo()
	})
	if errors.Is(err, ErrLoopClosed) {
		return nil
	}
	return err
}

// letGo is the first that happens when the loop is closed: nothing is called back any more,
// and all that has the loop drops it.
func (l *EventLoop) letGo() {
	unlist(weak.Make(l))
	l.end()
	l.mu.Lock()
	for sig, w := range l.signals {
		l.dropSignalLocked(sig, w)
	}
	followers := slices.Clone(l.followers)
	l.mu.Unlock()
	for _, f := range followers {
		f.forget(l)
	}
	l.refuseFunctions()
}

// terminate ends a context of the loop's own, for which it has had time since begin.
func (l *EventLoop) terminate(begin time.Time) error {
	if !l.ownContext {
		return nil
	}
	result := make(chan error, 1)
	go func() { result <- l.context.Term() }()
	timeout := time.NewTimer(l.linger - time.Since(begin) + lingerGrace)
	defer timeout.Stop()
	select {
	case err := <-result:
		if l.hurried.Load() && time.Since(begin) > l.linger-time.Millisecond { // its timers are so exact
			return fmt.Errorf("zmqio: libzmq took all of %v to send, and may have dropped messages: %w", l.linger, os.ErrDeadlineExceeded)
		}
		return zmq.Translate("zmq_ctx_term", err)
	case <-timeout.C:
		return fmt.Errorf("zmqio: libzmq still has messages to send after %v: %w", l.linger, os.ErrDeadlineExceeded)
	}
}
