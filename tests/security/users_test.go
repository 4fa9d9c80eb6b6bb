package security

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zap"
)

// A ledger checks that each message has its own peer's user id. It pauses reading after every tenth
// message, until the next iteration.
type ledger struct {
	zmqio.BaseProtocol
	t  testing.TB
	tr *zmqio.Transport
	condition
	n    int
	next map[string]int // by user
}

func (l *ledger) ConnectionMade(tr *zmqio.Transport) { l.tr = tr }

func (l *ledger) MessageReceived(m zmqio.Message) {
	user := m.Metadata["User-Id"]
	var want [][]byte
	l.Change(func() {
		l.n++
		want = letter(user, l.next[user])
		l.next[user]++
	})
	got := m.Frames[1:] // the body behind the routing id
	if m.Metadata["X-Role"] != "role of "+user || m.Metadata["Socket-Type"] != "DEALER" || len(m.Metadata) != 3 || !equal(got, want) || cap(m.Frames) != len(m.Frames) {
		l.t.Errorf("%d frames, beginning with %.20q, have %v", len(got), got[0], m.Metadata)
	}
	if l.n%10 == 0 {
		must(l.t, l.tr.PauseReading())
		_, err := l.tr.Loop().CallSoon(func() { must(l.t, l.tr.ResumeReading()) })
		must(l.t, err)
	}
}

func equal(a, b [][]byte) bool {
	return len(a) == len(b) && bytes.Equal(bytes.Join(a, []byte{0}), bytes.Join(b, []byte{0}))
}

// letter returns message i of a user. It has one to four frames, some of which are large.
func letter(user string, i int) [][]byte {
	msg := [][]byte{fmt.Append(nil, user, i)}
	for n := range i % 4 {
		msg = append(msg, bytes.Repeat([]byte(user[:1]), []int{0, 10, 9_000, 100_000}[(i/4+n)%4]))
	}
	return msg
}

// Messages of several users arrive interleaved, and each has its own user's id: copied or lent,
// large, in one frame or several. So has a message that waits while reading is paused, and one that
// another call on the socket has begun to receive.
func TestUsersAtOnce(t *testing.T) {
	for name, lent := range map[string]bool{"copied": false, "lent": true} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			loop := newLoop(t, nil)
			users := zap.Passwords{"ann": "a", "bob": "b", "cleo": "c", "dan": "d"}
			guard, err := zap.Serve(loop, func(ctx context.Context, r zap.Request) (zap.Identity, error) {
				who, err := users.Authenticate(ctx, r)
				who.Metadata = map[string]string{"X-Role": "role of " + who.UserID}
				return who, err
			})
			must(t, err)
			defer func() { must(t, guard.Close()) }()
			const each = 400
			l := &ledger{t: t, next: make(map[string]int)}
			names := []string{"Socket-Type", "X-Role", "X-None", "User-Id"}
			server, _, err := loop.CreateZmqConnection(bounded(t), func() zmqio.Protocol { return l }, zmq.ROUTER, zmqio.ConnectionConfig{
				Bind: []string{anyPort}, Configure: plainServer(true), BorrowFrames: lent,
				Metadata: names,
			})
			must(t, err)
			clear(names) // which the transport does not share
			var writers sync.WaitGroup
			for user, word := range users {
				client, err := create(t, loop, zmqio.ConnectionConfig{Connect: server.Listeners()}, username(user), password(word))
				must(t, err)
				writers.Go(func() {
					for i := range each {
						if err := client.tr.Write(letter(user, i)); err != nil {
							t.Error(err)
						}
						_, _ = server.Getsockopt(zmq.EVENTS)
					}
				})
			}
			writers.Wait()
			must(t, l.Until(bounded(t), func() bool { return l.n == len(users)*each }))
			for user := range users {
				if l.next[user] != each {
					t.Errorf("%d messages of %q", l.next[user], user)
				}
			}
		})
	}
}
