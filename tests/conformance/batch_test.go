package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A batcher is a recorder that gets messages in batches.
type batcher struct {
	*recorder
	onBatch func([][][]byte)
	sizes   []int
}

func (b *batcher) MsgReceived([][]byte) { panic("a BatchProtocol got a single message") }

func (b *batcher) MsgsReceived(msgs [][][]byte) {
	b.mu.Lock()
	b.sizes = append(b.sizes, len(msgs))
	for _, m := range msgs {
		b.msgs = append(b.msgs, msg(frames(m)...)) // frames may be lent
	}
	b.mu.Unlock()
	defer b.tell()
	if b.onBatch != nil {
		b.onBatch(msgs)
	}
}

func frames(m [][]byte) (all []string) {
	for _, f := range m {
		all = append(all, string(f))
	}
	return all
}

// pushed returns a transport with buffered messages and no receiver.
func pushed(t *testing.T, l *zmqio.EventLoop, texts ...string) *zmqio.Transport {
	t.Helper()
	push := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, bindTo("inproc://"+t.Name()))
	writeAll(t, push, texts...)
	return push
}

// A BatchProtocol gets all waiting messages at once, in order. It owns the frames, but not the
// outer slice.
func TestBatchProtocol(t *testing.T) {
	for _, borrow := range []bool{false, true} {
		t.Run(fmt.Sprintf("borrow=%v", borrow), func(t *testing.T) {
			l := newLoop(t, nil)
			l.SetDebug(true)
			all := numbers(1000)
			push := pushed(t, l, all...)
			var outer [][][]byte
			var kept [][]byte
			b := &batcher{recorder: &recorder{}}
			b.onBatch = func(msgs [][][]byte) {
				if cap(msgs) != len(msgs) {
					t.Errorf("a batch of %d has capacity %d", len(msgs), cap(msgs))
				}
				if outer == nil {
					outer, kept = msgs, msgs[0]
				}
			}
			cfg := connectTo(push.Listeners()...)
			cfg.BorrowFrames = borrow
			create(t, l, b, zmq.PULL, cfg)
			await(t, l, b.has(len(all)))
			b.wants(t, "made", all...)
			if n := len(b.sizes); n > 10 {
				t.Errorf("%d messages came in %d batches: %v", len(all), n, b.sizes)
			}
			if outer[0] != nil {
				t.Error("the outer slice was not taken back")
			}
			if still := string(kept[0]) == "0"; still == borrow {
				t.Errorf("the first message is %q", kept)
			}
		})
	}
}

// A PauseReading in MsgsReceived takes effect after the batch, and no message comes twice. Writes
// of the batch are sent together.
func TestBatchPauseReading(t *testing.T) {
	l := newLoop(t, nil)
	sink := &batcher{recorder: &recorder{}}
	sinkAt := create(t, l, sink, zmq.PULL, bindTo(anyPort)).Listeners()
	onward := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, connectTo(sinkAt...))
	all := numbers(600)
	push := pushed(t, l, all...)
	b := &batcher{recorder: &recorder{}}
	var pull *zmqio.Transport
	b.onBatch = func(msgs [][][]byte) {
		must(t, pull.PauseReading())
		for _, m := range msgs {
			must(t, onward.Write(m))
		}
	}
	pull = create(t, l, b, zmq.PULL, connectTo(push.Listeners()...))
	for n := 0; n < len(all); {
		await(t, l, b.has(n+1))
		n = len(b.msgs)
		await(t, l, pullAlong(t, l).has(1))
		await(t, l, sink.has(n))
		b.wants(t, "made", all[:n]...)
		must(t, pull.ResumeReading())
	}
	sink.wants(t, "made", all...)
}

// SetProtocol may replace a BatchProtocol by another kind of protocol and the reverse, amid a batch
// too.
func TestBatchSetProtocol(t *testing.T) {
	l := newLoop(t, nil)
	all := numbers(200)
	push := pushed(t, l, all[:100]...)
	single, b := &recorder{}, &batcher{recorder: &recorder{}}
	var pull *zmqio.Transport
	single.onMsg = func([][]byte) {
		if len(single.msgs) == 10 {
			pull.SetProtocol(b)
		}
	}
	b.onBatch = func([][][]byte) { pull.SetProtocol(single) }
	pull = create(t, l, single, zmq.PULL, connectTo(push.Listeners()...))
	b.loop = l
	await(t, l, b.has(90))
	single.wants(t, "made", all[:10]...)
	b.wants(t, "", all[10:100]...)
	writeAll(t, push, all[100:]...)
	await(t, l, single.has(110))
	single.wants(t, "made", append(slices.Clone(all[:10]), all[100:]...)...)
	b.wants(t, "", all[10:100]...)
}

// A batch that panics, or calls runtime.Goexit, is not delivered again. The next batches are, and
// writes are sent.
func TestBatchPanic(t *testing.T) {
	cause := errors.New("cause")
	for name, fail := range map[string]func(){"panic": func() { panic(cause) }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t, nil)
			told := caught(l)
			sinkAt := &recorder{}
			sink := create(t, l, sinkAt, zmq.PULL, bindTo(anyPort))
			onward := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, connectTo(sink.Listeners()...))
			all := numbers(600)
			push := pushed(t, l, all...)
			b := &batcher{recorder: &recorder{}}
			failures := 0
			b.onBatch = func(msgs [][][]byte) {
				for _, m := range msgs {
					must(t, onward.Write(m))
				}
				failures++
				fail()
			}
			create(t, l, b, zmq.PULL, connectTo(push.Listeners()...))
			for !b.has(len(all))() {
				onGoroutine(func() { await(t, l, b.has(len(all))) })
			}
			await(t, l, sinkAt.has(len(all)))
			b.wants(t, "made", all...)
			sinkAt.wants(t, "made", all...)
			if name == "Goexit" {
				failures = 0
			}
			if len(*told) != failures {
				t.Fatalf("%d failures, told %+v", failures, *told)
			}
			for _, ctx := range *told {
				if ctx.Message != "MsgsReceived panicked" || !errors.Is(ctx.Err, cause) || ctx.Protocol != zmqio.Protocol(b) {
					t.Errorf("told %+v", ctx)
				}
			}
		})
	}
}

// A REP whose MsgsReceived fails before the reply ends, as with MsgReceived.
func TestBatchRepPanic(t *testing.T) {
	ctx, l := newContext(t)
	caught(l)
	cause := errors.New("cause")
	b := &batcher{recorder: &recorder{}, onBatch: func([][][]byte) { panic(cause) }}
	rep := create(t, l, b, zmq.REP, bindTo(anyPort))
	request(t, newClient(t, ctx, rep.Listeners()[0]), "lost")
	await(t, l, b.did("lost"))
	b.wants(t, "made lost", "lost")
	wants(t, b.lostWith(), cause)
	wantSocketClosed(t, rep)
}

// After Close in MsgsReceived no batch comes.
func TestBatchClose(t *testing.T) {
	l := newLoop(t, nil)
	push := pushed(t, l, numbers(600)...)
	b := &batcher{recorder: &recorder{}}
	var pull *zmqio.Transport
	b.onBatch = func([][][]byte) { must(t, pull.Close()) }
	pull = create(t, l, b, zmq.PULL, connectTo(push.Listeners()...))
	await(t, l, b.did("lost"))
	if len(b.sizes) != 1 {
		t.Errorf("batches of %v", b.sizes)
	}
}

// Messages that come one after another arrive whole and in order, large ones too.
func TestBatchStream(t *testing.T) {
	l := newLoop(t, nil)
	const total = 3000
	message := func(i int) [][]byte {
		m := msg(fmt.Sprint(i), strings.Repeat("x", i%50))
		if i%100 == 0 {
			m = append(m, bytes.Repeat([]byte("large"), 20_000))
		}
		return m
	}
	push := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, bindTo("inproc://stream"))
	n := 0
	b := &batcher{recorder: &recorder{live: true}}
	b.onBatch = func(msgs [][][]byte) {
		for _, m := range msgs {
			if text(m) != text(message(n)) {
				t.Errorf("message %d is %.40q", n, text(m))
			}
			n++
		}
		b.msgs = nil
	}
	cfg := connectTo("inproc://stream")
	cfg.BorrowFrames = true
	create(t, l, b, zmq.PULL, cfg)
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		for i := range total {
			if err := push.WriteContext(ctx, message(i)); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, push.Close())
	for ctx := bounded(t); n < total; {
		must(t, ctx.Err())
		pass(t, l)
	}
}

// Debug mode logs a slow MsgsReceived by its name.
func TestBatchIsLoggedByName(t *testing.T) {
	j, l := newJournal(t)
	l.SetDebug(true)
	l.SetSlowCallbackDuration(0)
	tr := create(t, l, &batcher{recorder: &recorder{}}, zmq.PULL, bindTo("inproc://named"))
	j.records = nil // drop the records of the creation
	pass(t, l)
	found := slices.ContainsFunc(j.entries(), func(e map[string]string) bool {
		return strings.HasSuffix(e["callback"], "conformance.(*batcher).MsgsReceived")
	})
	if !found {
		t.Errorf("%v", j.entries())
	}
	must(t, tr.Abort())
}
