package sock

import (
	"bytes"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"
)

const zmqEvents = 15 // ZMQ_EVENTS

// copies returns n messages of frames frames, each of which says what it is of.
func copies(name string, n, frames int) (msgs [][][]byte) {
	for i := range n {
		msgs = append(msgs, slices.Repeat([][]byte{fmt.Append(nil, name, i)}, frames))
	}
	return msgs
}

func sendAll(t *testing.T, s *Socket, msgs [][][]byte) {
	t.Helper()
	buf, table := encode(msgs...)
	if sent := s.Send(Batch{Buf: buf, Table: table}, Forgets, false); sent.Errno != 0 {
		t.Fatal(sent.Errno)
	}
}

// One of three peers is disconnected after its message, and acknowledges that at once. The
// last peer's message is the next. Without Detach libzmq handles the acknowledgement amid
// one of these, and goes on with the first peer's, or ends the process.
func TestDetachMixesNothing(t *testing.T) {
	for _, typ := range []zmq4.Type{zmq4.PULL, zmq4.DEALER} {
		for frames := 2; frames < 100; frames++ {
			detachAfterTurn(t, typ, 3, frames, 2)
		}
		for frames := 2; frames < 100; frames += 5 { // more than Detach takes, which ends behind b's
			detachAfterTurn(t, typ, settledMessages, frames, 2+2*settledMessages%3)
		}
	}
}

// detachAfterTurn has n messages of each peer waiting. It disconnects b when it is the last
// peer's turn, after first messages and those that Detach takes.
func detachAfterTurn(t *testing.T, typ zmq4.Type, n, frames, first int) {
	t.Helper()
	ctx := newContext(t)
	z, s := open(t, ctx, typ)
	must(t, z.SetRcvhwm(0))
	from := zmq4.PUSH
	if typ != zmq4.PULL {
		from = typ
	}
	var peers [3]*Socket
	for i := range peers {
		var p *zmq4.Socket
		p, peers[i] = open(t, ctx, from)
		must(t, p.SetSndhwm(0))
		endpoint := fmt.Sprint("inproc://", i)
		must(t, p.Bind(endpoint))
		must(t, z.Connect(endpoint))
		sendAll(t, peers[i], copies(string(rune('a'+i)), n, frames))
	}
	r := NewCopier(false)
	got, errno := r.recv(s, first)
	if errno != 0 || len(got) != first {
		t.Fatalf("received %d messages, %v", len(got), errno)
	}
	got = slices.Clone(got)
	must(t, s.Detach(func() error {
		defer peers[1].Events() //nolint:errcheck // it acknowledges
		return z.Disconnect("inproc://1")
	}))
	got = append(got, recvAll(t, s)...)
	count := make(map[byte]int)
	for i, msg := range got {
		if want := slices.Repeat(msg[:1], frames); !slices.EqualFunc(msg, want, bytes.Equal) {
			t.Fatalf("%v, message %d of %d: %d frames: %q", typ, i, len(got), len(msg), msg)
		}
		name := msg[0][0]
		if want := fmt.Append(nil, string(name), count[name]); !bytes.Equal(msg[0], want) {
			t.Fatalf("%v: %q came instead of %q", typ, msg[0], want)
		}
		count[name]++
	}
	if count['a'] != n || count['c'] != n {
		t.Errorf("%v: messages came: %v; want %d each of a and c", typ, count, n)
	}
}

// What Detach receives is bounded, also when it is called again and again, and comes in
// order from Recv, in batches of the usual size.
func TestDetachIsBounded(t *testing.T) {
	for name, size := range map[string]int{"messages": 10, "bytes": 16 << 10} {
		t.Run(name, func(t *testing.T) {
			s, r := pair(t, zmq4.PUSH, zmq4.PULL)
			var msgs [][][]byte
			for i := range 4 * settledMessages {
				msgs = append(msgs, [][]byte{fmt.Appendf(nil, "%0*d", size, i)})
			}
			sendAll(t, s, msgs)
			for range 10 {
				must(t, r.Detach(func() error { return nil }))
			}
			messages, bytes := r.inbox.settled()
			if max := 2 * settledBytes; messages > settledMessages || bytes > max || messages == 0 {
				t.Errorf("%d messages, %d bytes are settled; want at most %d and %d", messages, bytes, settledMessages, max)
			}
			rec := NewCopier(false)
			var got [][][]byte
			for {
				if events, errno := r.Events(); len(got) < len(msgs) && (errno != 0 || !events.Readable()) {
					t.Fatalf("after %d messages: events %d, %v", len(got), events, errno)
				}
				batch, errno := rec.Recv(r)
				if got = append(got, batch...); errno == syscall.EAGAIN {
					break
				} else if errno != 0 {
					t.Fatal(errno)
				}
				if len(batch) > maxMessages {
					t.Fatalf("a batch of %d", len(batch))
				}
			}
			wantMessages(t, got, msgs)
			if _, bytes := r.inbox.settled(); bytes != 0 || r.inbox.msgs != nil || r.wary != 0 {
				t.Errorf("left: %d bytes, %d messages, wary %d", bytes, len(r.inbox.msgs), r.wary)
			}
		})
	}
}

// A message that ZMQ_EVENTS has begun is taken whole, whatever is settled already: a SUB
// could not read the rest of it when its peer is gone.
func TestDetachTakesWhatIsBegun(t *testing.T) {
	ctx := newContext(t)
	zp, p := open(t, ctx, zmq4.XPUB)
	zs, s := open(t, ctx, zmq4.SUB)
	must(t, zp.SetSndhwm(0))
	must(t, zs.SetRcvhwm(0))
	must(t, zs.SetSubscribe(""))
	must(t, zp.Bind("inproc://pub"))
	must(t, zs.Connect("inproc://pub"))
	recvAll(t, p) // the subscription
	msgs := copies("a", settledMessages+10, 3)
	sendAll(t, p, msgs)
	must(t, s.Detach(func() error { return nil }))
	if len(s.inbox.msgs) != settledMessages {
		t.Fatalf("%d messages are settled", len(s.inbox.msgs))
	}
	buf := make([]byte, 4)
	if _, errno := s.GetRaw(zmqEvents, buf); errno != 0 { // as a user does
		t.Fatal(errno)
	}
	must(t, s.Detach(func() error { return zs.Disconnect("inproc://pub") }))
	wantMessages(t, recvAll(t, s), msgs[:settledMessages+1])
}

// A REP that has to reply first cannot be emptied. Recv is wary when its turn comes, and
// until then Events does not promise messages, for which the loop would look again at once.
func TestDetachOutOfTurn(t *testing.T) {
	q, s := pair(t, zmq4.REQ, zmq4.REP)
	r := NewCopier(false)
	ask := func(from, to *Socket, text string) {
		t.Helper()
		sendAll(t, from, [][][]byte{{[]byte(text), []byte("more")}})
		got, _ := r.Recv(to)
		wantMessages(t, got, [][][]byte{{[]byte(text), []byte("more")}})
	}
	ask(q, s, "question")
	must(t, s.Detach(func() error { return nil }))
	if events, errno := s.Events(); errno != 0 || events.Readable() || s.wary != waryMessages {
		t.Errorf("events %d, %v, wary %d", events, errno, s.wary)
	}
	ask(s, q, "answer")
	if events, errno := s.Events(); errno != 0 || events.Readable() {
		t.Errorf("in turn: events %d, %v", events, errno)
	}
	ask(q, s, "again")
}
