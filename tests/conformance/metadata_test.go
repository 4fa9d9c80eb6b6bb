package conformance

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A reader gets messages with metadata. It keeps frames, so the transport must copy.
type reader struct {
	zmqio.BaseProtocol
	zmqiotest.Condition
	t   testing.TB
	tr  *zmqio.Transport
	all []zmqio.Message
}

func (r *reader) ConnectionMade(tr *zmqio.Transport) { r.tr = tr }

func (r *reader) MsgReceived(msg [][]byte) { r.t.Errorf("MsgReceived was called, with %q", msg) }

func (r *reader) MessageReceived(msg zmqio.Message) {
	r.Change(func() { r.all = append(r.all, msg) })
}

// wait waits until n messages have come.
func (r *reader) wait(n int) []zmqio.Message {
	r.t.Helper()
	must(r.t, r.Until(bounded(r.t), func() bool { return len(r.all) >= n }))
	r.Lock()
	defer r.Unlock()
	return r.all
}

// want compares message i.
func (r *reader) want(i int, frames string, metadata map[string]string) {
	r.t.Helper()
	if m := r.wait(i + 1)[i]; text(m.Frames) != frames || !maps.Equal(m.Metadata, metadata) {
		r.t.Errorf("message %d is %q with %v, want %q with %v", i, m.Frames, m.Metadata, frames, metadata)
	}
}

// all has the properties that messages over TCP have, and two that they lack.
var all = []string{"User-Id", "Peer-Address", "Socket-Type", "Routing-Id", "X-None"}

func named(id string) func(zmq.Sockopts) error {
	return func(o zmq.Sockopts) error { return o.SetRoutingID([]byte(id)) }
}

// Each message has the properties of its own peer, on every type that receives. On a ROUTER the
// test reads ZMQ_EVENTS between messages. libzmq before 4.3.5 then has no properties for the first
// frame.
func TestMetadata(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	l := zmqiotest.RunLoop(t, nil)
	r := &reader{t: t}
	server := create(t, l, r, zmq.ROUTER, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}, Metadata: all})
	const each = 500
	var peers sync.WaitGroup
	for _, user := range []string{"ann", "bob"} {
		peer := create(t, l, zmqio.BaseProtocol{}, zmq.DEALER, zmqio.ConnectionConfig{
			Connect: server.Listeners(), Configure: named("id of " + user),
		})
		peers.Go(func() {
			for i := range each {
				if err := peer.Write(msg(user, strings.Repeat("x", 10_000*(i%2)), fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	peers.Wait()
	next := make(map[string]int)
	for _, m := range r.wait(2 * each) {
		user := string(m.Frames[1])
		want := map[string]string{"Peer-Address": "127.0.0.1", "Socket-Type": "DEALER", "Routing-Id": "id of " + user}
		if !maps.Equal(m.Metadata, want) || len(m.Frames) != 4 || string(m.Frames[0]) != "id of "+user || string(m.Frames[3]) != fmt.Sprint(next[user]) {
			t.Fatalf("message %d of %s is %q with %v", next[user], user, m.Frames, m.Metadata)
		}
		next[user]++
	}
}

// A protocol that does not ask for properties gets the frames alone. So does one that asks for no
// names.
func TestMetadataUnasked(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	l := zmqiotest.RunLoop(t, nil)
	for name, c := range map[string]struct {
		metadata []string
		borrow   bool
	}{"asked": {all, false}, "asked and lent": {all, true}, "not asked": {nil, false}} {
		t.Run(name, func(t *testing.T) {
			single, batch, both := new(gatherer), new(batches), &reader{t: t}
			tr := create(t, l, single, zmq.PULL, zmqio.ConnectionConfig{
				Bind: []string{"tcp://127.0.0.1:*"}, Metadata: c.metadata, BorrowFrames: c.borrow,
			})
			push := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Connect: tr.Listeners()})
			large := strings.Repeat("large", 10_000)
			for i, p := range []zmqio.Protocol{single, batch, both} {
				tr.SetProtocol(p)
				must(t, push.Write(msg("a", "", "b")))
				must(t, push.Write(msg(large)))
				if i == 2 {
					want := map[string]string{"Peer-Address": "127.0.0.1", "Socket-Type": "PUSH"}
					if c.metadata == nil {
						want = nil
					}
					if c.borrow {
						both.wait(2)
						continue
					}
					both.want(0, "a||b", want)
					both.want(1, large, want)
					continue
				}
				got := []*gatherer{single, &batch.gatherer}[i]
				must(t, got.Until(bounded(t), func() bool { return len(got.all) == 2 }))
				if got.all[0] != "a||b" || got.all[1] != large {
					t.Errorf("%T got %.10q", p, got.all)
				}
			}
			must(t, tr.Abort())
			must(t, push.Abort())
		})
	}
}

// A gatherer keeps the texts of messages.
type gatherer struct {
	zmqio.BaseProtocol
	zmqiotest.Condition
	all []string
}

func (c *gatherer) MsgReceived(m [][]byte) {
	c.Change(func() { c.all = append(c.all, text(m)) })
}

// batches get messages in batches.
type batches struct{ gatherer }

func (b *batches) MsgsReceived(msgs [][][]byte) {
	for _, m := range msgs {
		b.MsgReceived(m)
	}
}

// Messages keep their metadata while reading is paused, while a protocol replaces another, and when
// a disconnect of another peer takes them out of libzmq.
func TestMetadataIsKept(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	l := zmqiotest.RunLoop(t, nil)
	r := &reader{t: t}
	const n = 2000
	pull := create(t, l, &pausing{reader: r}, zmq.PULL, zmqio.ConnectionConfig{
		Bind: []string{"tcp://127.0.0.1:*", "tcp://127.0.0.1:*"}, Metadata: []string{"Peer-Address", "Socket-Type"},
	})
	ends := pull.Listeners()
	push := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Connect: ends[:1]})
	for i := range n {
		must(t, push.Write(msg(fmt.Sprint(i), "end")))
		if i == n/2 {
			must(t, pull.Unbind(ends[1]))
		}
	}
	for i := range n {
		r.want(i, fmt.Sprintf("%d|end", i), map[string]string{"Peer-Address": "127.0.0.1", "Socket-Type": "PUSH"})
	}
}

// pausing pauses reading after every tenth message, until the next iteration.
type pausing struct {
	*reader
	n int
}

func (p *pausing) MessageReceived(m zmqio.Message) {
	p.reader.MessageReceived(m)
	if p.n++; p.n%10 == 0 {
		must(p.t, p.tr.PauseReading())
		soon(p.t, p.tr.Loop(), func() { must(p.t, p.tr.ResumeReading()) })
	}
}

// A panic in MessageReceived is reported by its name, and loses one message.
func TestMetadataPanic(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	l := zmqiotest.RunLoop(t, nil)
	told := make(chan string, 1)
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) { told <- c.Message })
	r := &reader{t: t}
	pull := create(t, l, &panicking{reader: r}, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}, Metadata: []string{"Socket-Type"}})
	push := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Connect: pull.Listeners()})
	for i := range 3 {
		must(t, push.Write(msg(fmt.Sprint(i))))
	}
	for i := range 2 {
		r.want(i, fmt.Sprint(i+1), map[string]string{"Socket-Type": "PUSH"})
	}
	if got := <-told; got != "MessageReceived panicked" {
		t.Errorf("told of %q", got)
	}
}

// panicking panics at its first message.
type panicking struct {
	*reader
	n int
}

func (p *panicking) MessageReceived(m zmqio.Message) {
	if p.n++; p.n == 1 {
		panic(m.Metadata)
	}
	p.reader.MessageReceived(m)
}

// Over inproc messages have no properties.
func TestMetadataOverInproc(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	l := zmqiotest.RunLoop(t, nil)
	r := &reader{t: t}
	create(t, l, r, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{"inproc://metadata"}, Metadata: all})
	push := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Connect: []string{"inproc://metadata"}})
	must(t, push.Write(msg("a", "b")))
	r.want(0, "a|b", nil)
}

func TestMetadataArguments(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	l := newLoop(t, nil)
	for _, names := range [][]string{{""}, {"a\x00"}, {strings.Repeat("x", 256)}, slices.Repeat([]string{"a"}, zmqio.MaxMetadata+1)} {
		_, _, err := l.CreateZmqConnection(t.Context(), func() zmqio.Protocol { return zmqio.BaseProtocol{} }, zmq.PULL,
			zmqio.ConnectionConfig{Bind: []string{}, Metadata: names})
		wants(t, err, zmqio.ErrInvalidArgument)
		_, err = zmqio.Open(t.Context(), zmq.PULL, zmqio.StreamConfig{Loop: l, Bind: []string{}, Metadata: names})
		wants(t, err, zmqio.ErrInvalidArgument)
	}
	for _, names := range [][]string{{}, {strings.Repeat("x", 255)}, slices.Repeat([]string{"a"}, zmqio.MaxMetadata)} {
		must(t, create(t, l, zmqio.BaseProtocol{}, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}, Metadata: names}).Abort())
	}
}

// RecvMessage of a Stream returns metadata, and every other call only the frames. A message that
// Chan gives back keeps its metadata.
func TestStreamMetadata(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	l := zmqiotest.RunLoop(t, nil)
	ctx := bounded(t)
	s := zmqiotest.Open(t, zmq.REP, zmqio.StreamConfig{Loop: l, Bind: []string{"tcp://127.0.0.1:*"}, Metadata: all})
	req := zmqiotest.Open(t, zmq.REQ, zmqio.StreamConfig{Loop: l, Connect: []string{s.Addr()}, Configure: named("me")})
	plain := func(frames [][]byte, err error) (zmqio.Message, error) { return zmqio.Message{Frames: frames}, err }
	want := map[string]string{"Peer-Address": "127.0.0.1", "Socket-Type": "REQ", "Routing-Id": "me"}
	for name, recv := range map[string]func() (zmqio.Message, error){
		"RecvMessage": func() (zmqio.Message, error) { return s.RecvMessage(ctx) },
		"Recv":        func() (zmqio.Message, error) { return plain(s.Recv(ctx)) },
		"TryRecv": func() (zmqio.Message, error) {
			for {
				if frames, err := s.TryRecv(); frames != nil || err != nil {
					return plain(frames, err)
				}
				if err := l.Do(ctx, func() error { return nil }); err != nil {
					return zmqio.Message{}, err
				}
			}
		},
		"Messages": func() (zmqio.Message, error) {
			for frames, err := range s.Messages(ctx) {
				return plain(frames, err)
			}
			return zmqio.Message{}, nil
		},
		"Chan": func() (zmqio.Message, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			return plain(<-s.Chan(ctx), nil)
		},
	} {
		must(t, req.Send(ctx, []byte("a"), []byte{}, []byte("b")))
		got, err := recv()
		must(t, err)
		if text(got.Frames) != "a||b" || name == "RecvMessage" && !maps.Equal(got.Metadata, want) {
			t.Errorf("%s: %q with %v", name, got.Frames, got.Metadata)
		}
		must(t, s.Send(ctx, got.Frames...))
		reply, err := req.RecvMessage(ctx)
		if must(t, err); text(reply.Frames) != "a||b" || reply.Metadata != nil {
			t.Errorf("%s: the reply is %q with %v", name, reply.Frames, reply.Metadata)
		}
	}
}

// A message that a channel gives back keeps its metadata.
func TestStreamMetadataGivenBack(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := bounded(t)
	pull, push := zmqiotest.Streams(t, zmq.PULL, zmq.PUSH, zmqio.StreamConfig{Metadata: []string{"Socket-Type"}})
	const n = 10
	for i := range n {
		must(t, push.Send(ctx, []byte(fmt.Sprint(i))))
	}
	reading, cancel := context.WithCancel(ctx)
	ch := pull.Chan(reading)
	next := 0
	take := func(frames [][]byte) {
		t.Helper()
		if text(frames) != fmt.Sprint(next) {
			t.Errorf("got %q, want %d", frames, next)
		}
		next++
	}
	take(<-ch)
	cancel()
	for frames := range ch { // Chan may have offered one already
		take(frames)
	}
	for next < n {
		m, err := pull.RecvMessage(ctx)
		must(t, err)
		take(m.Frames)
		if m.Metadata["Socket-Type"] != "PUSH" {
			t.Errorf("message %s has %v", m.Frames[0], m.Metadata)
		}
	}
}

// An XPUB with metadata has the properties of subscriptions, which are messages.
func TestStreamMetadataOfSubscriptions(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	ctx := bounded(t)
	pub, sub := zmqiotest.Streams(t, zmq.XPUB, zmq.SUB, zmqio.StreamConfig{Metadata: []string{"Socket-Type"}})
	must(t, sub.Subscribe("topic"))
	must(t, pub.WaitSubscribed(ctx, "topic", 1))
	m, err := pub.RecvMessage(ctx)
	if must(t, err); text(m.Frames) != "\x01topic" || m.Metadata["Socket-Type"] != "SUB" {
		t.Errorf("got %q with %v", m.Frames, m.Metadata)
	}
	must(t, pub.Send(ctx, []byte("topic"), []byte("news")))
	m, err = sub.RecvMessage(ctx)
	if must(t, err); text(m.Frames) != "topic|news" || m.Metadata["Socket-Type"] != "XPUB" {
		t.Errorf("got %q with %v", m.Frames, m.Metadata)
	}
}

// Debug mode logs a slow MessageReceived by its name.
func TestMetadataIsLoggedByName(t *testing.T) {
	j, l := newJournal(t)
	l.SetDebug(true)
	l.SetSlowCallbackDuration(0)
	tr := create(t, l, &reader{t: t}, zmq.PULL, bindTo("inproc://named"))
	j.records = nil // drop the records of the creation
	pass(t, l)
	found := slices.ContainsFunc(j.entries(), func(e map[string]string) bool {
		return strings.HasSuffix(e["callback"], "conformance.(*reader).MessageReceived")
	})
	if !found {
		t.Errorf("%v", j.entries())
	}
	must(t, tr.Abort())
}

// A ROUTER can use Peers and metadata at the same time.
func TestStreamMetadataWithPeers(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	l := zmqiotest.RunLoop(t, nil)
	ctx := bounded(t)
	router := zmqiotest.Open(t, zmq.ROUTER, zmqio.StreamConfig{Loop: l, Bind: []string{"tcp://127.0.0.1:*"}, Metadata: all})
	reading, stop := context.WithCancel(ctx)
	defer stop()
	peers, end := iter.Pull2(router.Peers(reading))
	defer end()
	for i := range 40 {
		id := fmt.Sprint("peer-", i)
		dealer := zmqiotest.Open(t, zmq.DEALER, zmqio.StreamConfig{Loop: l, Connect: []string{router.Addr()}, Configure: named(id)})
		large := strings.Repeat("x", 10_000*(i%2))
		for range 3 {
			must(t, dealer.Send(ctx, []byte(id), []byte(large)))
		}
		for range 3 {
			m, err := router.RecvMessage(ctx)
			if must(t, err); text(m.Frames) != id+"|"+id+"|"+large || m.Metadata["Routing-Id"] != id {
				t.Fatalf("%s sent %.20q with %v", id, m.Frames, m.Metadata)
			}
		}
		ev, err, _ := peers()
		if must(t, err); ev.Gone || string(ev.RoutingID) != id {
			t.Fatalf("%s came as %v", id, ev)
		}
	}
}
