package zmqio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"
	"weak"

	"github.com/zmqio/zmq"
)

// lingerGrace is what Close allows libzmq beyond its linger period to come to an
// end: time enough for its threads, even on a busy machine.
const lingerGrace = 500 * time.Millisecond

// Close closes the loop and all its transports for good. What their buffers hold
// goes to libzmq as far as it takes it, the rest is dropped; every ConnectionLost
// that is due is called before Close returns; callbacks in the queue, timers,
// readers, writers and signal handlers are dropped. Then, if the context is the
// loop's own, Close waits for libzmq to send what it has, up to LoopConfig.Linger in
// all. For what is on its way over ipc it waits with any context, until the receivers
// have read it; see Transport.Close.
//
// It returns ErrLoopRunning if the loop runs, ErrWouldDeadlock inside a
// ConnectionMade that is called while nobody runs it, and nil if it is closed
// already. An error that is ErrUndelivered counts what was dropped, transport by
// transport. Of what was on its way over ipc it gives the size, an upper bound. One that is
// os.ErrDeadlineExceeded says that libzmq took its time to the end: it may have dropped
// messages, or, for transports that were closed before with a longer ZMQ_LINGER, goes on
// in the background. How many these are libzmq does not say.
func (l *EventLoop) Close() (err error) {
	if err := l.acquire(context.Background(), forClosing); err != nil {
		if errors.Is(err, ErrLoopClosed) {
			return nil
		}
		return err
	}
	defer l.release()
	l.end()
	unlist(weak.Make(l))
	begin := time.Now()
	deadline := begin.Add(l.linger)
	transports, followers := l.dropCallbacks()
	for _, f := range followers {
		f.forget(l)
	}
	left := l.endAll(transports)
	defer func() { // also after a ConnectionLost that called runtime.Goexit
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		left = append(left, l.awaitDepartures(ctx, l.ownContext, true)...)
		err = errors.Join(undelivered(left), l.terminate(begin), l.poller.Close())
		close(l.over)
	}()
	loseAll(transports, deadline)
	return err
}

// dropCallbacks drops all that the loop would have called. It returns what it has
// left: its transports, oldest first, and its followers.
func (l *EventLoop) dropCallbacks() ([]*Transport, []follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.timers {
		h.index = -1
	}
	l.ready, l.timers = nil, nil
	l.leak.Stop()
	maps.DeleteFunc(l.watches, func(_ int, w *watch) bool { return !w.transport })
	for sig, w := range l.signals {
		l.dropSignal(sig, w)
	}
	return sorted(l.transports), slices.Clone(l.followers)
}

// sorted returns transports, oldest first.
func sorted(transports map[uint64]*Transport) []*Transport {
	return slices.SortedFunc(maps.Values(transports), func(a, b *Transport) int { return cmp.Compare(a.id, b.id) })
}

// endAll ends the transports. It returns what was left in their buffers, also of those
// that an error has ended before.
func (l *EventLoop) endAll(transports []*Transport) (left []string) {
	for _, t := range transports {
		t.flush()
		if dropped := t.finish(nil, l.lingeringSocket); dropped.messages > 0 {
			left = append(left, fmt.Sprintf("%v: %v", t, dropped))
		}
	}
	return left
}

// loseAll has every ConnectionLost called, the others too when one calls
// runtime.Goexit.
func loseAll(transports []*Transport, deadline time.Time) {
	if len(transports) == 0 {
		return
	}
	defer loseAll(transports[1:], deadline)
	transports[0].awaitPause(deadline)
	transports[0].lose()
}

// lingeringSocket is an ending: what libzmq has is sent within the loop's linger.
func (l *EventLoop) lingeringSocket(t *Transport) {
	opts := rawSockopts(t.sock)
	if d, err := opts.Linger(); err == nil && (d < 0 || d > l.linger) {
		_ = opts.SetLinger(l.linger) // an error means that the context is gone
		l.hurried = l.hurried || t.handed
	}
	closeSocket(t)
}

// awaitPause waits until a PauseWriting in progress has returned, so that
// ConnectionLost can follow it.
func (t *Transport) awaitPause(deadline time.Time) {
	t.mu.Lock()
	returned, pauser := t.flow.Pausing()
	t.mu.Unlock()
	if returned == nil || pauser == goroutineID() { // from inside it there is nothing to wait for
		return
	}
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()
	select {
	case <-returned:
	case <-timeout.C:
	}
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
		if l.hurried && time.Since(begin) > l.linger-time.Millisecond { // its timers are so exact
			return fmt.Errorf("zmqio: libzmq took all of %v to send, and may have dropped messages: %w", l.linger, os.ErrDeadlineExceeded)
		}
		return zmq.Translate("zmq_ctx_term", err)
	case <-timeout.C:
		return fmt.Errorf("zmqio: libzmq still has messages to send after %v: %w", l.linger, os.ErrDeadlineExceeded)
	}
}

// A tally counts messages and their payload.
type tally struct{ messages, bytes int }

func (t tally) String() string { return fmt.Sprintf("%d messages, %d bytes", t.messages, t.bytes) }
