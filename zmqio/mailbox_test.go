package zmqio

import (
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/zmqio/zmq"
)

// A mailbox holds reading at max bytes, and at max frames. It releases reading at a quarter.
func TestMailboxIsBounded(t *testing.T) {
	for name, m := range map[string][][]byte{"bytes": msg("abcd"), "frames": msg("", "", "", "")} {
		t.Run(name, func(t *testing.T) {
			s := openStream(t, zmq.PULL, StreamConfig{Loop: newLoop(t), Bind: []string{anyPort}, MaxReadBuffer: 16})
			reads := func(left int, want bool) {
				t.Helper()
				if got := s.t.IsReading(); got != want {
					t.Errorf("with %d messages reading is %t", left, got)
				}
			}
			for n := range 4 {
				reads(n, true)
				s.mailbox.put([][][]byte{m})
			}
			for left := 4; left > 1; left-- {
				reads(left, false)
				if got, err := s.TryRecv(); text(got) != text(m) || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
			}
			reads(1, true)
		})
	}
}

// A message that is given back goes to the receiver that waits. Without one it is unread again.
func TestMailboxTakesAMessageBack(t *testing.T) {
	s := openStream(t, zmq.PULL, StreamConfig{Loop: newLoop(t), Bind: []string{anyPort}})
	s.unreceived(msg("abc", "d"))
	wantTraffic(t, "unread", s.t.Stats().Unread, 1, 4)
	if got, err := s.TryRecv(); text(got) != "abc|d" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	wantTraffic(t, "unread, received again", s.t.Stats().Unread, 0, 0)
	got := make(chan string, 1)
	ctx := bounded(t)
	go func() {
		m, err := s.Recv(ctx)
		if err != nil {
			t.Error(err)
		}
		got <- text(m)
	}()
	for waits := 0; waits == 0; runtime.Gosched() {
		must(t, ctx.Err())
		s.mailbox.mu.Lock()
		waits = len(s.mailbox.waiting)
		s.mailbox.mu.Unlock()
	}
	s.unreceived(msg("back"))
	if m := <-got; m != "back" {
		t.Errorf("got %q", m)
	}
}

// Each end of a stream decides whether its readers still get what it has received. Abort after
// Close drops it.
func TestUnreadMessagesAtTheEnd(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(*Stream) error
		kept bool
		want error
	}{
		"Close":             {func(s *Stream) error { return s.t.loop.Do(t.Context(), s.Close) }, true, io.EOF},
		"Close, then Abort": {func(s *Stream) error { return errors.Join(s.t.loop.Do(t.Context(), s.Close), s.Abort()) }, false, ErrTransportClosed},
		"Abort":             {(*Stream).Abort, false, ErrTransportClosed},
		"Transport.Close":   {func(s *Stream) error { return s.t.Close() }, false, ErrTransportClosed},
		"EventLoop.Close":   {func(s *Stream) error { return s.t.loop.Close() }, false, ErrTransportClosed},
		"an error":          {func(s *Stream) error { s.t.fatal(io.ErrNoProgress); return nil }, true, io.ErrNoProgress},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t)
			l.SetExceptionHandler(func(*EventLoop, ExceptionContext) {})
			s := streamWith(t, l, "a", "b")
			must(t, test.end(s))
			if !l.IsClosed() {
				passUntil(t, l, func() bool { return s.t.in(phaseLost) })
			}
			var got []string
			for {
				m, err := s.TryRecv()
				if m == nil {
					if !errors.Is(err, test.want) || !errors.Is(s.Err(), test.want) {
						t.Errorf("ended with %v, Err %v", err, s.Err())
					}
					break
				}
				got = append(got, text(m))
			}
			if dropped := s.t.Stats().Dropped.Unread.Messages; (len(got) == 2) != test.kept || uint64(len(got))+dropped != 2 {
				t.Errorf("got %q, %d were dropped", got, dropped)
			}
		})
	}
}

// A stream that has ended leaves no timer of its Liveness on the loop.
func TestEndedStreamLeavesNoTimer(t *testing.T) {
	l := newLoop(t)
	s := openStream(t, zmq.PULL, StreamConfig{Loop: l, Bind: []string{anyPort}, Liveness: Liveness{Idle: time.Hour}})
	timers := func() (n int) {
		_, n = l.reactor.Queued()
		return n
	}
	if timers() != 1 {
		t.Fatalf("%d timers, want that of Liveness", timers())
	}
	must(t, s.Abort())
	passUntil(t, l, func() bool { return s.t.in(phaseLost) })
	if timers() != 0 {
		t.Errorf("%d timers at the end", timers())
	}
}

// A full mailbox that is emptied at once releases reading.
func TestEmptiedMailboxReleasesReading(t *testing.T) {
	for name, empty := range map[string]func(*mailbox){"drain": func(m *mailbox) { m.drain() }, "clear": (*mailbox).clear} {
		s := openStream(t, zmq.PULL, StreamConfig{Loop: newLoop(t), Bind: []string{anyPort}, MaxReadBuffer: 1})
		s.mailbox.put([][][]byte{msg("x")})
		if s.t.IsReading() {
			t.Errorf("%s: a full stream reads", name)
		}
		if empty(&s.mailbox); !s.t.IsReading() {
			t.Errorf("%s: an empty stream does not read", name)
		}
	}
}

// The queue of a mailbox reuses its memory.
func TestMailboxReusesItsMemory(t *testing.T) {
	s := openStream(t, zmq.PULL, StreamConfig{Loop: newLoop(t), Bind: []string{anyPort}})
	for _, unread := range []int{0, 1, 5} {
		s.mailbox.clear()
		for n := range 10_000 {
			s.mailbox.put([][][]byte{msg("x")})
			if n < unread {
				continue
			}
			if m, err := s.TryRecv(); m == nil || err != nil {
				t.Fatalf("%q, %v", m, err)
			}
		}
		if c := cap(s.mailbox.queue); c > 100 {
			t.Errorf("%d unread messages take the memory of %d", unread, c)
		}
	}
}

// A message behind the end of a mailbox is dropped.
func TestMailboxDropsWhatComesLate(t *testing.T) {
	l := newLoop(t)
	s := streamWith(t, l, "a")
	must(t, l.Do(t.Context(), s.Close))
	s.mailbox.put([][][]byte{msg("late")})
	wantTraffic(t, "dropped", s.t.Stats().Dropped.Unread, 1, 4)
	wantTraffic(t, "unread", s.t.Stats().Unread, 1, 1)
}

// TrySend of a REQ with REQ_RELAXED drops the reply to the previous request.
func TestTrySendAsksAnew(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	s := openStream(t, zmq.REQ, StreamConfig{
		Loop: l, Bind: []string{"inproc://anew"}, Configure: func(o zmq.Sockopts) error { return o.SetReqRelaxed(true) },
	})
	var rep *Transport
	rep = create(t, l, &recorder{onMsg: func(m [][]byte) { must(t, rep.Write(m)) }}, zmq.REP, connectTo("inproc://anew"))
	must(t, s.TrySend([]byte("old")))
	passUntil(t, l, func() bool { return s.t.Stats().Unread.Messages == 1 })
	must(t, s.TrySend([]byte("new")))
	wantTraffic(t, "unread", s.t.Stats().Unread, 0, 0)
	passUntil(t, l, func() bool { return s.t.Stats().Unread.Messages == 1 })
	if m, err := s.TryRecv(); text(m) != "new" || err != nil {
		t.Errorf("got %q, %v", m, err)
	}
}
