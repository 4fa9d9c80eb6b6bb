package errors_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// full returns a transport whose buffer has no room.
func full(t *testing.T, loop *zmqio.EventLoop) *zmqio.Transport {
	t.Helper()
	tr := create(t, loop, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{}, MaxWriteBuffer: 8})
	zmqiotest.Must(t, tr.Write(frames("12345678")))
	return tr
}

// over returns a transport whose buffer is over the high mark.
func over(t *testing.T, loop *zmqio.EventLoop) *zmqio.Transport {
	t.Helper()
	tr := create(t, loop, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{}})
	zmqiotest.Must(t, tr.SetWriteBufferLimits(0, 0))
	zmqiotest.Must(t, tr.Write(frames("x")))
	return tr
}

// write returns the provocation of a message that libzmq refuses. It writes on the loop goroutine,
// where no other goroutine has the socket, so that libzmq gets the message at once.
func write(typ zmq.SocketType, configure func(zmq.Sockopts) error, msg ...string) func(t *testing.T) error {
	return func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		tr := create(t, loop, typ, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}, Configure: configure})
		return onLoop(t, loop, func() error { return tr.Write(frames(msg...)) })
	}
}

var writeCases = []provocation{
	{"Write, closed transport", zmqio.ErrTransportClosed, says{"write"}, func(t *testing.T) error {
		return closedTransport(t, zmq.PUSH).Write(frames("x"))
	}},
	{"Write, full buffer", zmqio.ErrBufferFull, says{"write", "9 bytes"}, func(t *testing.T) error {
		return full(t, zmqiotest.RunLoop(t, nil)).Write(frames("123456789"))
	}},
	{"Write, type that cannot send", zmq.ENOTSUP, says{"write", "PULL"}, write(zmq.PULL, nil, "x")},
	{"Write, REP out of turn", zmq.EFSM, says{"write", "REP"}, write(zmq.REP, nil, "x")},
	{"Write, REQ out of turn", zmq.EFSM, says{"write", "REQ"}, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		peer := zmqiotest.NewPeer(t, loop, zmq.REP, zmqio.ConnectionConfig{Bind: []string{"inproc://here"}})
		tr := create(t, loop, zmq.REQ, zmqio.ConnectionConfig{Connect: []string{"inproc://here"}})
		zmqiotest.Must(t, tr.Write(frames("x")))
		peer.Want("x")
		return onLoop(t, loop, func() error { return tr.Write(frames("y")) })
	}},
	{
		"Write, ROUTER to an unknown peer", zmq.EHOSTUNREACH,
		says{"write", `"nobody"`},
		write(zmq.ROUTER, func(o zmq.Sockopts) error { return o.SetRouterMandatory(true) }, "nobody", "x"),
	},
	{
		"Write, several frames with CONFLATE", zmqio.ErrMultipart,
		says{"write", "CONFLATE", "2 frames"},
		write(zmq.PUSH, func(o zmq.Sockopts) error { return o.SetConflate(true) }, "a", "b"),
	},
	{"Write, STREAM without routing id", zmq.EHOSTUNREACH, says{"write"}, write(zmq.STREAM, nil, "nobody", "x")},
	{"WriteContext, nil context", zmqio.ErrInvalidArgument, says{"WriteContext"}, func(t *testing.T) error {
		return full(t, zmqiotest.RunLoop(t, nil)).WriteContext(noContext, frames("x"))
	}},
	{"WriteContext, ended context", context.Canceled, nil, func(t *testing.T) error {
		return full(t, zmqiotest.RunLoop(t, nil)).WriteContext(ended(), frames("x"))
	}},
	{"WriteContext, no room in time", context.DeadlineExceeded, nil, func(t *testing.T) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		return over(t, zmqiotest.RunLoop(t, nil)).WriteContext(ctx, frames("x"))
	}},
	{"WriteContext, loop's own goroutine", zmqio.ErrWouldDeadlock, says{"write"}, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		tr := over(t, loop)
		return onLoop(t, loop, func() error { return tr.WriteContext(context.Background(), frames("x")) })
	}},
	{"WriteContext, message that never fits", zmqio.ErrBufferFull, says{"write", "9 bytes"}, func(t *testing.T) error {
		return full(t, zmqiotest.RunLoop(t, nil)).WriteContext(bounded(t), frames("123456789"))
	}},
	{"WriteBatch, nil batch", zmqio.ErrInvalidArgument, says{"WriteBatch"}, func(t *testing.T) error {
		_, err := full(t, zmqiotest.RunLoop(t, nil)).WriteBatch(nil)
		return err
	}},
	{"WriteBatch, full buffer", zmqio.ErrBufferFull, says{"write", "9 bytes"}, func(t *testing.T) error {
		_, err := full(t, zmqiotest.RunLoop(t, nil)).WriteBatch(batch("123456789"))
		return err
	}},
	{"WriteBatch, closed transport", zmqio.ErrTransportClosed, says{"write"}, func(t *testing.T) error {
		_, err := closedTransport(t, zmq.PUSH).WriteBatch(batch("x"))
		return err
	}},
	{"WriteBatch, type that cannot send", zmq.ENOTSUP, says{"write"}, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		tr := create(t, loop, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}})
		return onLoop(t, loop, func() error {
			_, err := tr.WriteBatch(batch("x"))
			return err
		})
	}},
	{"WriteBatchContext, nil context", zmqio.ErrInvalidArgument, says{"WriteBatchContext"}, func(t *testing.T) error {
		_, err := full(t, zmqiotest.RunLoop(t, nil)).WriteBatchContext(noContext, batch("x"))
		return err
	}},
	{"Unroutable, peer that has gone", zmq.EHOSTUNREACH, says{"write"}, unroutable},
	{"exception handler, peer that has gone", zmq.EHOSTUNREACH, says{`"gone"`}, unroutableReport},
}

func batch(messages ...string) *zmqio.Batch {
	b := new(zmqio.Batch)
	for _, m := range messages {
		b.Append([]byte(m))
	}
	return b
}

// unroutable returns the error for a message whose peer has gone when the loop sends it.
func unroutable(t *testing.T) error {
	loop := zmqiotest.RunLoop(t, nil)
	got := make(chan error, 1)
	tr := create(t, loop, zmq.ROUTER, zmqio.ConnectionConfig{
		Bind: []string{}, Configure: func(o zmq.Sockopts) error { return o.SetRouterMandatory(true) },
		Unroutable: func(_ [][]byte, err error) { got <- err },
	})
	b := new(zmqio.Batch)
	b.Append([]byte("gone"), []byte("x"))
	_, err := tr.WriteBatch(b)
	zmqiotest.Must(t, err)
	return <-got
}

// unroutableReport returns the error that the exception handler gets for such a message.
func unroutableReport(t *testing.T) error {
	loop := zmqiotest.RunLoop(t, nil)
	got := make(chan error, 1)
	loop.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) { got <- c.Err })
	tr := create(t, loop, zmq.ROUTER, zmqio.ConnectionConfig{
		Bind: []string{}, Configure: func(o zmq.Sockopts) error { return o.SetRouterMandatory(true) },
	})
	b := new(zmqio.Batch)
	b.Append([]byte("gone"), []byte("x"))
	_, err := tr.WriteBatch(b)
	zmqiotest.Must(t, err)
	return <-got
}

var transportCases = []provocation{
	{"PauseReading twice", zmqio.ErrAlreadyPaused, says{"reading"}, option(zmq.PULL, func(tr *zmqio.Transport) error {
		return errors.Join(tr.PauseReading(), tr.PauseReading())
	})},
	{"PauseReading, closed transport", zmqio.ErrTransportClosed, nil, func(t *testing.T) error { return closedTransport(t, zmq.PULL).PauseReading() }},
	{"ResumeReading, not paused", zmqio.ErrNotPaused, says{"reading"}, option(zmq.PULL, (*zmqio.Transport).ResumeReading)},
	{
		"SetWriteBufferLimits, low over high", zmqio.ErrInvalidArgument,
		says{"SetWriteBufferLimits", "high 1, low 2"},
		option(zmq.PUSH, func(tr *zmqio.Transport) error { return tr.SetWriteBufferLimits(1, 2) }),
	},
	{
		"EnableMonitor, protocol without EventReceived", zmqio.ErrInvalidArgument,
		says{"monitor", "zmqio.BaseProtocol", "EventReceived"},
		option(zmq.PULL, func(tr *zmqio.Transport) error { return tr.EnableMonitor(zmq.EVENT_ALL) }),
	},
	{"EnableMonitor, unknown event", zmqio.ErrInvalidArgument, says{"monitor", "0x10000000000"}, func(t *testing.T) error {
		tr := zmqiotest.Create(t, zmqiotest.RunLoop(t, nil), observer{}, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}})
		defer tr.Abort()
		return tr.EnableMonitor(1 << 40)
	}},
	{"EnableMonitor, no event", zmqio.ErrInvalidArgument, says{"monitor"}, func(t *testing.T) error {
		tr := zmqiotest.Create(t, zmqiotest.RunLoop(t, nil), observer{}, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}})
		defer tr.Abort()
		return tr.EnableMonitor(0)
	}},
	{"EnableMonitor, closed transport", zmqio.ErrTransportClosed, says{"monitor"}, func(t *testing.T) error {
		tr := zmqiotest.Create(t, zmqiotest.RunLoop(t, nil), observer{}, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}})
		zmqiotest.Must(t, tr.Abort())
		return tr.EnableMonitor(zmq.EVENT_ALL)
	}},
	{"ConnectionLost, several frames with CONFLATE", zmqio.ErrMultipart, says{"CONFLATE"}, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		loop.SetExceptionHandler(func(*zmqio.EventLoop, zmqio.ExceptionContext) {})
		peer := zmqiotest.NewPeer(t, loop, zmq.PULL, conflating())
		sendMore(t, peer.Transport().Listeners()[0])
		return peer.Lost(bounded(t))
	}},
}

// conflating returns the configuration of a PULL with CONFLATE.
func conflating() zmqio.ConnectionConfig {
	return zmqio.ConnectionConfig{
		Bind: []string{"tcp://127.0.0.1:*"}, Configure: func(o zmq.Sockopts) error { return o.SetConflate(true) },
	}
}

// sendMore speaks ZMTP as a PUSH, and sends the first of two frames. libzmq's own PUSH keeps
// messages of several frames from such a peer.
func sendMore(t *testing.T, endpoint string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "tcp://"))
	zmqiotest.Must(t, err)
	t.Cleanup(func() { conn.Close() })
	greeting := make([]byte, 64)
	copy(greeting, "\xFF\x00\x00\x00\x00\x00\x00\x00\x00\x7F\x03\x00NULL")
	_, err = conn.Write(append(greeting, "\x04\x1A\x05READY\x0BSocket-Type\x00\x00\x00\x04PUSH"...))
	zmqiotest.Must(t, err)
	// libzmq takes a frame for a part of the handshake until its own READY has gone out.
	answer := make([]byte, len(greeting)+2)
	_, err = io.ReadFull(conn, answer)
	zmqiotest.Must(t, err)
	_, err = io.CopyN(io.Discard, conn, int64(answer[len(greeting)+1]))
	zmqiotest.Must(t, err)
	_, err = conn.Write([]byte{1, 1, 'a'})
	zmqiotest.Must(t, err)
}

type observer struct{ zmqio.BaseProtocol }

func (observer) EventReceived(zmq.MonitorEvent) {}
