package zmqio

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/zmqio/zmq"
)

// Errors of a transport's operations are OpErrors that wrap libzmq's error and the sentinels.
func TestOpError(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	taken := create(t, l, BaseProtocol{}, zmq.PULL, bindTo(anyPort)).Listeners()[0]
	cfg := ConnectionConfig{Bind: []string{}, MaxWriteBuffer: 1}
	push := create(t, l, BaseProtocol{}, zmq.PUSH, cfg)
	must(t, push.Write(msg("x")))
	pull := create(t, l, BaseProtocol{}, zmq.PULL, bindTo(anyPort))
	closed := create(t, l, BaseProtocol{}, zmq.PUSH, bindTo(anyPort))
	must(t, closed.Abort())
	err2 := func(_ string, err error) error { return err }
	for _, c := range []struct {
		err                error
		op, endpoint       string
		is                 []error
		timeout, temporary bool
	}{
		{err2(push.Bind(taken)), "bind", taken, []error{zmq.EADDRINUSE, syscall.EADDRINUSE}, false, false},
		{err2(push.Connect("tcp://name:1")), "connect", "tcp://name:1", []error{ErrDNSEndpoint, ErrInvalidArgument}, false, false},
		{push.Unbind("tcp://127.0.0.1:1"), "unbind", "tcp://127.0.0.1:1", []error{zmq.ENOENT, os.ErrNotExist}, false, false},
		{push.Disconnect("inproc://x"), "disconnect", "inproc://x", []error{zmq.ENOENT}, false, false},
		{push.Write(msg("too much")), "write", "", []error{ErrBufferFull}, false, true},
		{pull.Write(msg("x")), "write", "", []error{zmq.ENOTSUP}, false, false},
		{closed.Write(msg("x")), "write", "", []error{ErrTransportClosed, net.ErrClosed}, false, false},
		{err2(closed.Bind("inproc://y")), "bind", "inproc://y", []error{ErrTransportClosed}, false, false},
		{pull.EnableMonitor(zmq.EVENT_ALL), "monitor", "", []error{ErrInvalidArgument}, false, false},
	} {
		t.Run(fmt.Sprint(c.err), func(t *testing.T) {
			var op *OpError
			if !errors.As(c.err, &op) || op.Op != c.op || op.Endpoint != c.endpoint || op.Timeout() != c.timeout || op.Temporary() != c.temporary {
				t.Fatalf("%#v", op)
			}
			for _, target := range c.is {
				if !errors.Is(c.err, target) {
					t.Errorf("is not %v", target)
				}
			}
		})
	}
	must(t, push.Abort())
	if e := (&OpError{Op: "write", Err: zmq.Translate("zmq_send", zmq.EAGAIN)}); !e.Timeout() || !e.Temporary() || e.Error() != "write: zmq_send: Resource temporarily unavailable" {
		t.Errorf("%v: timeout %t, temporary %t", e, e.Timeout(), e.Temporary())
	}
}
