package sock

import (
	"slices"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"
)

// Messages that are put back come before those of Detach and of libzmq, whole and in order. The
// kind of Receiver and the number of PutBacks do not matter. Messages that are put back do not
// count towards the bounds of Detach.
func TestPutBack(t *testing.T) {
	for name, rec := range map[string]Receiver{"copier": NewCopier(false), "lender": NewLender()} {
		t.Run(name, func(t *testing.T) {
			s, r := pair(t, zmq4.PUSH, zmq4.PULL)
			var msgs [][][]byte
			for _, msg := range copies("a", settledMessages+2*maxMessages, 2) {
				msgs = append(msgs, append(msg, make([]byte, len(msgs)%2*(maxCopy+1))))
			}
			sendAll(t, s, msgs)
			var got [][][]byte
			for round := 0; len(got) < len(msgs); round++ {
				batch, errno := rec.Recv(r)
				if errno != 0 && errno != syscall.EAGAIN || len(batch) == 0 {
					t.Fatalf("%d messages, %v, after %d of %d", len(batch), errno, len(got), len(msgs))
				}
				some := (len(batch) + 1) / 2
				for _, msg := range batch[:some] {
					got = append(got, slices.Clone(msg))
					cloneAll(got[len(got)-1])
				}
				kept, _ := rec.Return(batch[some:], true)
				if len(kept) > 0 {
					r.PutBack(kept)
				}
				if round == 0 {
					must(t, r.Detach(func() error { return nil }))
					if n, _ := r.inbox.settled(); n == 0 || len(r.inbox.msgs) != n+len(kept) {
						t.Errorf("%d messages are settled and %d put back; %d are in the inbox", n, len(kept), len(r.inbox.msgs))
					}
				}
				if events, errno := r.Events(); len(kept) > 0 && (errno != 0 || !events.Readable()) {
					t.Fatalf("events %d, %v, with messages put back", events, errno)
				}
			}
			wantMessages(t, got, msgs)
			if n, _ := r.inbox.settled(); n != 0 || r.inbox.msgs != nil || r.inbox.back != 0 {
				t.Errorf("left: %d messages, %d put back", len(r.inbox.msgs), r.inbox.back)
			}
		})
	}
}
