package sock

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"
)

var asked = []string{"Peer-Address", "none", "Routing-Id", "Socket-Type"}

// described receives n messages, and takes the properties off each.
func described(t *testing.T, s *Socket, rec Receiver, n int) (msgs [][][]byte, properties []map[string]string) {
	t.Helper()
	for len(msgs) < n {
		batch, errno := rec.Recv(s)
		if errno != 0 && errno != syscall.EAGAIN {
			t.Fatal(errno)
		}
		for _, msg := range batch {
			msg = slices.Clone(msg)
			cloneAll(msg)
			last := len(msg) - 1
			msgs, properties = append(msgs, msg[:last]), append(properties, Properties(msg[last], asked))
		}
		rec.Return(nil, true)
		if len(batch) == 0 {
			s.Launched() // waits for a signal
		}
	}
	return msgs, properties
}

// Messages of all shapes come with the properties of their peers. The kind of Receiver and earlier
// looks at the socket do not matter.
func TestProperties(t *testing.T) {
	for name, rec := range map[string]Receiver{"copier": NewCopier(false), "lender": NewLender()} {
		t.Run(name, func(t *testing.T) {
			router, err := zmq4.NewSocket(zmq4.ROUTER)
			must(t, err)
			defer router.Close()
			must(t, router.SetRcvhwm(0))
			must(t, router.Bind("tcp://127.0.0.1:*"))
			endpoint, err := router.GetLastEndpoint()
			must(t, err)
			s, err := New(router)
			must(t, err)
			s.AskProperties(asked)
			const peers, each = 3, 400
			var sent [peers][][][]byte
			for i := range peers {
				dealer, err := zmq4.NewSocket(zmq4.DEALER)
				must(t, err)
				defer dealer.Close()
				must(t, dealer.SetSndhwm(0))
				must(t, dealer.SetIdentity(fmt.Sprint("peer-", i)))
				must(t, dealer.Connect(endpoint))
				for n := range each {
					msg := [][]byte{fmt.Append(nil, n), {}, bytes.Repeat([]byte{byte(n)}, []int{0, 1, 100, maxCopy, maxCopy + 1, 3 * maxCopy}[n%6])}
					switch n % 4 {
					case 1:
						msg = msg[:1]
					case 2:
						slices.Reverse(msg[1:])
					case 3:
						msg = append(msg, slices.Repeat([][]byte{[]byte("frame")}, n)...)
					}
					sent[i] = append(sent[i], msg)
					_, err := dealer.SendMessage(msg)
					must(t, err)
				}
			}
			var got [peers][][][]byte
			for n := 0; n < peers*each; {
				_, errno := s.Events() // may make libzmq fetch a message
				if errno != 0 {
					t.Fatal(errno)
				}
				if n == peers*each/2 {
					must(t, s.Detach(func() error { return nil }))
				}
				msgs, properties := described(t, s, rec, 1)
				n += len(msgs)
				for i, msg := range msgs {
					want := map[string]string{"Peer-Address": "127.0.0.1", "Socket-Type": "DEALER", "Routing-Id": string(msg[0])}
					if !maps.Equal(properties[i], want) {
						t.Fatalf("message %d has %v, want %v", n, properties[i], want)
					}
					peer := msg[0][len("peer-")] - '0'
					got[peer] = append(got[peer], msg[1:])
				}
			}
			for i := range peers {
				wantMessages(t, got[i], sent[i])
			}
		})
	}
}

// Over inproc messages have no properties, and end with an empty frame of properties.
func TestPropertiesOfNone(t *testing.T) {
	for name, rec := range map[string]Receiver{"copier": NewCopier(false), "lender": NewLender()} {
		t.Run(name, func(t *testing.T) {
			s, r := pair(t, zmq4.PUSH, zmq4.PULL)
			r.AskProperties(asked)
			want := copies("none", 3*maxFrames, 3)
			for frames := maxFrames - 2; frames <= maxFrames+2; frames++ { // fills the frame table
				want = append(want, copies("long", 2, frames)...)
			}
			sendAll(t, s, want)
			got, properties := described(t, r, rec, len(want))
			wantMessages(t, got, want)
			if i := slices.IndexFunc(properties, func(p map[string]string) bool { return len(p) > 0 }); i >= 0 {
				t.Errorf("message %d has %v", i, properties[i])
			}
		})
	}
}

// The properties of a message have room in the memory of a C call, even if the message just fits.
func TestPropertiesFit(t *testing.T) {
	for name, rec := range map[string]Receiver{"copier": NewCopier(true), "lender": NewLender()} {
		t.Run(name, func(t *testing.T) {
			s, r := pair(t, zmq4.PUSH, zmq4.PULL)
			r.AskProperties(asked)
			var want [][][]byte
			for n := 1; n < scratchSize/maxCopy; n++ { // each fills 1/8 with an empty value of each property
				want = append(want, [][]byte{bytes.Repeat([]byte{byte(n)}, maxCopy-len(asked))})
			}
			want = append(want, [][]byte{bytes.Repeat([]byte{0xff}, maxCopy)}) // leaves no room for properties
			sendAll(t, s, want)
			got, _ := described(t, r, rec, len(want))
			wantMessages(t, got, want)
		})
	}
}

// Properties returns what a frame has.
func TestPropertiesOfFrame(t *testing.T) {
	long := strings.Repeat("x", MaxProperty)
	for frame, want := range map[string]map[string]string{
		"\x00\x00\x00\x00":                      {},
		"\x01\x00\x00\x01\x01\x00\x01" + "\x00": {"Peer-Address": "", "Routing-Id": "\x01", "Socket-Type": ""},
		"\x00\x01" + long + "\x00\x00\x01y\x00": {"none": long, "Socket-Type": "y"},
		"":                                      {},
	} {
		if got := Properties([]byte(frame), asked); !maps.Equal(got, want) {
			t.Errorf("%q is %v, want %v", frame, got, want)
		}
	}
}
