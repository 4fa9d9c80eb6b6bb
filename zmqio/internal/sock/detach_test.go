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

// copies returns n messages of frames frames. Each frame has name and its numbers.
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

// One of three peers is disconnected after its message, and acknowledges at once. The next message
// is the last peer's. Without Detach libzmq would handle the acknowledgement amid this message, and
// go on with the first peer's, or end the process.
func TestDetachMixesNothing(t *testing.T) {
	for _, typ := range []zmq4.Type{zmq4.PULL, zmq4.DEALER} {
		for frames := 2; frames < 100; frames++ {
			detachAfterTurn(t, typ, 3, frames, 2)
		}
		for frames := 2; frames < 100; frames += 5 { // up to more than Detach takes, which stops after b's messages
			detachAfterTurn(t, typ, settledMessages, frames, 2+2*settledMessages%3)
		}
	}
}

// detachAfterTurn makes n messages of each peer wait. It disconnects b when the last peer is next,
// after first messages and those that Detach takes.
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
		defer peers[1].Events() //nolint:errcheck // handles commands, and so acknowledges
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

// Detach receives a bounded number of messages, even if it is called repeatedly. Recv returns them
// in order, in batches of the usual size.
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

// Detach receives a message that ZMQ_EVENTS has begun whole, whatever the inbox has: a SUB could
// not read the rest after the end of its peer.
func TestDetachReceivesBegunMessage(t *testing.T) {
	ctx := newContext(t)
	zp, p := open(t, ctx, zmq4.XPUB)
	zs, s := open(t, ctx, zmq4.SUB)
	must(t, zp.SetSndhwm(0))
	must(t, zs.SetRcvhwm(0))
	must(t, zs.SetSubscribe(""))
	must(t, zp.Bind("inproc://pub"))
	must(t, zs.Connect("inproc://pub"))
	recvAll(t, p) // takes the subscription
	msgs := copies("a", settledMessages+10, 3)
	sendAll(t, p, msgs)
	must(t, s.Detach(func() error { return nil }))
	if len(s.inbox.msgs) != settledMessages {
		t.Fatalf("%d messages are settled", len(s.inbox.msgs))
	}
	buf := make([]byte, 4)
	if _, errno := s.GetRaw(zmqEvents, buf); errno != 0 { // as a user of the option would
		t.Fatal(errno)
	}
	must(t, s.Detach(func() error { return zs.Disconnect("inproc://pub") }))
	wantMessages(t, recvAll(t, s), msgs[:settledMessages+1])
}

// A REP that owes a reply cannot be emptied. Recv is wary when its turn comes. Until then Events
// promises no messages, or the loop would look again at once.
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
