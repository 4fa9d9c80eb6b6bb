package sock

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// around returns messages before a large frame that nearly reach, reach and exceed a limit of a C
// call: messages of one frame each, or one message.
func around(limit int, single bool) (befores [][][][]byte) {
	for n := max(limit-3, 0); n <= limit+1; n++ {
		switch {
		case single:
			befores = append(befores, copies("one", n, 1))
		case n > 0:
			befores = append(befores, copies("many", 1, n))
		}
	}
	return befores
}

// A large frame ends the C call that brings it. At every position of a message, and at every limit
// of a call, it arrives in its place, with what comes behind it. So it does with properties, lent,
// and where a busy Copier gives its memory away. No Recv ends amid a message.
func TestLargeFramesAnywhere(t *testing.T) {
	var msgs [][][]byte
	befores := slices.Concat(around(0, true), around(maxMessages, true), around(maxFrames, true), around(maxFrames, false))
	for i, before := range befores {
		for frames := 1; frames <= 3; frames++ {
			for large := range frames {
				msg := copies(fmt.Sprint("message", i), 1, frames)[0]
				msg[large] = bytes.Repeat([]byte{byte(len(msgs))}, maxCopy+1+len(msgs)%3)
				msgs = append(append(msgs, before...), msg)
			}
		}
	}
	still := time.Now()
	for name, make := range map[string]func() Receiver{
		"copier": func() Receiver { return NewCopier(true) },
		"busy copier": func() Receiver {
			c := NewCopier(true)
			c.pace = pace{now: func() time.Time { return still }, since: still, busy: true}
			return c
		},
		"lender": func() Receiver { return NewLender() },
	} {
		for _, names := range [][]string{nil, asked} {
			t.Run(fmt.Sprint(name, len(names)), func(t *testing.T) {
				s, r := pair(t, zmq4.PUSH, zmq4.PULL)
				r.AskProperties(names)
				sendAll(t, s, msgs)
				rec := make()
				var got [][][]byte
				for len(got) < len(msgs) {
					batch, errno := rec.Recv(r)
					if errno != 0 && len(batch) == 0 {
						t.Fatalf("%v after %d messages of %d", errno, len(got), len(msgs))
					}
					for _, msg := range batch {
						msg = slices.Clone(msg)
						cloneAll(msg)
						if names != nil {
							msg = msg[:len(msg)-1]
						}
						got = append(got, msg)
					}
					if r.inbox.partial != nil {
						t.Fatalf("Recv has left a message amid its frames, after %d messages", len(got))
					}
					rec.Return(nil, true)
				}
				wantMessages(t, got, msgs)
			})
		}
	}
}
