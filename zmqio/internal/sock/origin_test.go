package sock

import (
	"fmt"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
)

// TakeOrigins returns each connection once, with its routing id, whatever it sends. A closed origin
// comes again.
func TestOrigins(t *testing.T) {
	for _, r := range []Receiver{NewCopier(false), NewLender()} {
		router, err := zmq4.NewSocket(zmq4.ROUTER)
		if err != nil {
			t.Fatal(err)
		}
		defer router.Close()
		if err := router.Bind("tcp://127.0.0.1:*"); err != nil {
			t.Fatal(err)
		}
		endpoint, err := router.GetLastEndpoint()
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(router)
		if err != nil {
			t.Fatal(err)
		}
		s.TrackOrigins(true)
		const peers, each = 90, 3 // more than one call can report, and than the table has room for at first
		var dealers []*zmq4.Socket
		for i := range peers {
			dealer, err := zmq4.NewSocket(zmq4.DEALER)
			if err != nil {
				t.Fatal(err)
			}
			defer dealer.Close()
			dealers = append(dealers, dealer)
			if err := dealer.SetIdentity(fmt.Sprint("peer-", i)); err != nil {
				t.Fatal(err)
			}
			if err := dealer.Connect(endpoint); err != nil {
				t.Fatal(err)
			}
			for _, size := range [each]int{0, 2 * maxCopy, 10} {
				if _, err := dealer.SendMessage("head", make([]byte, size)); err != nil {
					t.Fatal(err)
				}
			}
		}
		receive := func(n int) (origins []Origin) {
			t.Helper()
			for end := time.Now().Add(2 * time.Minute); n > 0; {
				s.Events() // begins a message, and before 4.3.5 loses its origin
				msgs, _ := r.Recv(s)
				for _, msg := range msgs {
					if len(msg) != 3 {
						t.Errorf("a message of %d frames", len(msg))
					}
				}
				n -= len(msgs)
				r.Return(nil, true)
				origins = append(origins, s.TakeOrigins()...)
				if time.Now().After(end) {
					t.Fatalf("%d messages did not come", n)
				}
			}
			return origins
		}
		known := make(map[uint64]Origin)
		ids, fds := make(map[string]bool), make(map[int]bool)
		for _, o := range receive(peers * each) {
			if _, ok := known[o.number]; ok {
				t.Errorf("%s came up again", o.Head)
			}
			known[o.number] = o
			ids[o.Head] = true
			fds[o.FD()] = true
		}
		if len(known) != peers || len(ids) != peers || len(fds) != peers || fds[-1] {
			t.Errorf("%d origins with %d ids and %d descriptors, want %d", len(known), len(ids), len(fds), peers)
		}
		// Every other origin is closed. Those that it displaced in the hash table must stay there.
		open := make(map[string]bool)
		for id := range ids {
			open[id] = len(open)%2 == 0
		}
		for _, o := range known {
			if open[o.Head] {
				defer o.Close()
			} else {
				s.CloseOrigin(o)
			}
		}
		for _, dealer := range dealers {
			if _, err := dealer.SendMessage("head", "again"); err != nil {
				t.Fatal(err)
			}
		}
		for _, o := range receive(peers) {
			id := o.Head
			if open[id] {
				t.Errorf("%s came up again, and was not closed", id)
			}
			open[id] = true
			s.CloseOrigin(o)
		}
		for id, is := range open {
			if !is {
				t.Errorf("%s did not come up again", id)
			}
		}
		s.TrackOrigins(false)
		if got := s.TakeOrigins(); got != nil {
			t.Errorf("%d origins without tracking", len(got))
		}
	}
}
