package conformance

import (
	"slices"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A SUB receives the topics that it has subscribed to, by any means, and Subscriptions lists them.
// An XPUB shows when libzmq has each subscription.
func TestSubscribe(t *testing.T) {
	l := newLoop(t, nil)
	p, s := &recorder{}, &recorder{}
	pub := create(t, l, p, zmq.XPUB, bindTo("inproc://topics"))
	sub := create(t, l, s, zmq.SUB, zmqio.ConnectionConfig{
		Connect:   []string{"inproc://topics"},
		Configure: func(o zmq.Sockopts) error { return o.SetSubscribe([]byte("end")) },
	})
	changes := 1
	// check writes a message to each topic, and checks which messages arrive.
	check := func(subscribed string, want ...string) {
		t.Helper()
		await(t, l, p.has(changes)) // libzmq passes on only subscriptions that change something
		if got := strings.Join(sub.Subscriptions(), " "); got != subscribed {
			t.Errorf("subscribed to %q, want %q", got, subscribed)
		}
		before := len(s.got())
		writeAll(t, pub, "a", "ab", "b", "bc", "c", "d", "end")
		var got []string
		await(t, l, func() bool {
			got = s.got()[before:]
			return len(got) > 0 && got[len(got)-1] == "end"
		})
		if got = got[:len(got)-1]; !slices.Equal(got, want) {
			t.Errorf("received %q, want %q", got, want)
		}
	}
	check("end")
	must(t, sub.Subscribe("a"))
	changes++
	check("a end", "a", "ab")
	must(t, sub.Setsockopt(zmq.SUBSCRIBE, []byte("b")))
	changes++
	check("a b end", "a", "ab", "b", "bc")
	must(t, sub.Subscribe("b"))
	must(t, sub.Unsubscribe("b")) // one of two subscriptions
	check("a b end", "a", "ab", "b", "bc")
	must(t, sub.Setsockopt(zmq.UNSUBSCRIBE, []byte("b")))
	changes++
	check("a end", "a", "ab")
	must(t, sub.Sockopts().SetSubscribe([]byte("bc")))
	changes++
	check("a bc end", "a", "ab", "bc")
	must(t, sub.Unsubscribe("a"))
	changes++
	check("bc end", "bc")
	must(t, sub.Subscribe(""))
	changes++
	check(" bc end", "a", "ab", "b", "bc", "c", "d")
	must(t, sub.Sockopts().SetUnsubscribe(nil))
	changes++
	check("bc end", "bc")
}

func TestSubscribeErrors(t *testing.T) {
	l := newLoop(t, nil)
	for _, typ := range []zmq.SocketType{zmq.PUB, zmq.XSUB, zmq.XPUB, zmq.PULL, zmq.DEALER} {
		p := &recorder{}
		tr := create(t, l, p, typ, zmqio.ConnectionConfig{Bind: []string{}})
		wants(t, tr.Subscribe("x"), zmqio.ErrSocketType)
		wants(t, tr.Unsubscribe("x"), zmqio.ErrSocketType)
		if got := tr.Subscriptions(); len(got) != 0 || tr.IsClosing() {
			t.Errorf("%v: %q", tr, got)
		}
	}
	sub := create(t, l, &recorder{}, zmq.SUB, zmqio.ConnectionConfig{Bind: []string{}})
	wants(t, sub.Unsubscribe("x"), zmqio.ErrInvalidArgument)
	must(t, sub.Subscribe("x"))
	must(t, sub.Subscribe(""))
	topics := sub.Subscriptions()
	if !slices.Equal(topics, []string{"", "x"}) {
		t.Errorf("%q", topics)
	}
	topics[0] = "changed"
	if got := sub.Subscriptions(); !slices.Equal(got, []string{"", "x"}) {
		t.Errorf("not a snapshot: %q", got)
	}
	for _, end := range []func(*zmqio.Transport) error{(*zmqio.Transport).Close, (*zmqio.Transport).Abort} {
		sub := create(t, l, &recorder{}, zmq.SUB, zmqio.ConnectionConfig{Bind: []string{}})
		must(t, sub.Subscribe("x"))
		must(t, end(sub))
		wants(t, sub.Subscribe("y"), zmqio.ErrTransportClosed)
		wants(t, sub.Unsubscribe("x"), zmqio.ErrTransportClosed)
	}
}
