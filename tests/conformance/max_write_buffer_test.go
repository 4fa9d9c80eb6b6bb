package conformance

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// MaxWriteBuffer refuses messages that neither libzmq nor the buffer has room for. Accepted
// messages arrive in order and whole, as do those written when there is room again.
func TestMaxWriteBuffer(t *testing.T) {
	l := newLoop(t, nil)
	p := &recorder{}
	push := create(t, l, p, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{anyPort}, MaxWriteBuffer: 10})
	endpoint := push.Listeners()[0]
	var accepted []string
	for _, m := range [][][]byte{msg("12345"), msg("12", "34", "567"), msg("1234", "5"), msg("x"), msg("12345678901")} {
		err := push.Write(m)
		if err == nil {
			accepted = append(accepted, text(m))
			continue
		}
		wants(t, err, zmqio.ErrBufferFull)
	}
	if got := strings.Join(accepted, " "); got != "12345 1234|5" || push.WriteBufferSize() != 10 || push.IsClosing() {
		t.Errorf("accepted %s, %v with %d bytes", got, push, push.WriteBufferSize())
	}
	pull := &recorder{}
	create(t, l, pull, zmq.PULL, connectTo(endpoint))
	await(t, l, pull.has(2))
	for _, s := range numbers(100) { // libzmq takes them, so none is refused
		s = strings.Repeat(s, 20)
		must(t, push.Write(msg(s)))
		accepted = append(accepted, s)
	}
	await(t, l, pull.has(len(accepted)))
	pull.wants(t, "made", accepted...)
	p.wants(t, "made")
}

// Many concurrent writers do not exceed the limit.
func TestMaxWriteBufferOfManyWriters(t *testing.T) {
	l := newLoop(t, nil)
	push := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{anyPort}, MaxWriteBuffer: 100})
	r := &recorder{live: true}
	accepted := 0
	var mu sync.Mutex
	must(t, l.Run(bounded(t), func(ctx context.Context) error {
		var writers sync.WaitGroup
		for range 50 {
			writers.Go(func() {
				for range 20 {
					err := push.Write(msg("123", "456"))
					if n := push.WriteBufferSize(); n > 100 {
						t.Errorf("%d bytes", n)
					}
					if err == nil {
						mu.Lock()
						accepted++
						mu.Unlock()
					} else {
						wants(t, err, zmqio.ErrBufferFull)
					}
				}
			})
		}
		writers.Wait()
		if accepted != 16 {
			t.Errorf("%d were accepted", accepted)
		}
		_, _, err := l.CreateZmqConnection(ctx, func() zmqio.Protocol { return r }, zmq.PULL, connectTo(push.Listeners()...))
		return errors.Join(err, r.until(ctx, r.has(accepted)))
	}))
	r.wants(t, "made", slices.Repeat([]string{"123|456"}, accepted)...)
}

// Each frame counts, of empty messages too. WriteContext does not wait for a message that can never
// fit.
func TestMaxWriteBufferCountsFrames(t *testing.T) {
	l := newLoop(t, nil)
	push := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{anyPort}, MaxWriteBuffer: 10})
	for _, m := range [][][]byte{msg("12345678901"), msg("12345", "678901")} {
		wants(t, push.Write(m), zmqio.ErrBufferFull)
		wants(t, push.WriteContext(bounded(t), m), zmqio.ErrBufferFull)
	}
	must(t, push.Write(msg("12345", "")))
	wants(t, push.WriteContext(bounded(t), msg("12345678901")), zmqio.ErrBufferFull)
	must(t, push.Write(msg("12345")))
	ended, cancel := context.WithCancel(bounded(t))
	cancel()
	wants(t, push.WriteContext(ended, msg("x")), context.Canceled)
	wants(t, push.Write(msg("x")), zmqio.ErrBufferFull)
	for range 7 { // ten frames in all
		must(t, push.Write(msg("")))
	}
	wants(t, push.Write(msg("")), zmqio.ErrBufferFull)
	pull := pullFrom(t, l, push)
	await(t, l, pull.has(9))
	must(t, push.Write(msg("123456789012"))) // libzmq takes it
	await(t, l, pull.has(10))
	pull.wants(t, "made", "12345|", "12345", "", "", "", "", "", "", "", "123456789012")
}

// An empty buffer takes a message of more frames than the limit, or it could never be sent.
func TestMaxWriteBufferOfManyFrames(t *testing.T) {
	l := newLoop(t, nil)
	push := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{anyPort}, MaxWriteBuffer: 2})
	must(t, push.Write(msg("", "", "")))
	wants(t, push.Write(msg("")), zmqio.ErrBufferFull)
	pull := pullFrom(t, l, push)
	await(t, l, pull.has(1))
	pull.wants(t, "made", "||")
}

// A message that just fits is accepted, by each call.
func TestMaxWriteBufferJustFits(t *testing.T) {
	l := newLoop(t, nil)
	large := make([]byte, 64<<10)
	for _, m := range [][][]byte{{large}, {large, large}, msg("12345", "678")} {
		size := len(bytes.Join(m, nil))
		push := create(t, l, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{anyPort}, MaxWriteBuffer: size})
		must(t, push.Write(m))
		wants(t, push.Write(msg("x")), zmqio.ErrBufferFull)
		if n := push.WriteBufferSize(); n != size {
			t.Errorf("%d bytes buffered, not %d", n, size)
		}
		must(t, push.Abort())
	}
}

func TestMaxWriteBufferInvalid(t *testing.T) {
	l := newLoop(t, nil)
	_, _, err := l.CreateZmqConnection(bounded(t), func() zmqio.Protocol { return &recorder{} }, zmq.PUSH,
		zmqio.ConnectionConfig{Bind: []string{}, MaxWriteBuffer: -1})
	wants(t, err, zmqio.ErrInvalidArgument)
}
