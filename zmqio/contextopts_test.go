package zmqio

import (
	"errors"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

func TestContextOptions(t *testing.T) {
	leakCheck(t)
	ctx, err := zmq4.NewContext()
	must(t, err)
	opts, err := ContextOptions(ctx)
	must(t, err)
	must(t, opts.SetMaxSockets(17))
	must(t, opts.SetIPv6(true))
	if n, err := ctx.GetMaxSockets(); n != 17 || err != nil {
		t.Errorf("pebbe/zmq4 reads MAX_SOCKETS %d, %v", n, err)
	}
	if on, err := opts.IPv6(); !on || err != nil {
		t.Errorf("IPv6: %t, %v", on, err)
	}
	z, err := ctx.NewSocket(zmq4.PAIR)
	must(t, err)
	of, err := SocketOptions(z)
	must(t, err)
	if on, err := of.IPv6(); !on || err != nil {
		t.Errorf("a new socket has IPV6 %t, %v", on, err)
	}
	if err := opts.SetMaxSockets(0); !errors.Is(err, zmq.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("no sockets: %v", err)
	}
	if n, err := opts.ThreadSchedPolicy(); runningLibrary().Compare(zmq.Version{Major: 4, Minor: 3}) >= 0 && (n != -1 || err != nil) {
		t.Errorf("the default of THREAD_SCHED_POLICY, which libzmq answers as it does an error: %d, %v", n, err)
	}
	must(t, z.Close())
	must(t, ctx.Term())
	if _, err := opts.MaxSockets(); !errors.Is(err, zmq.ETERM) {
		t.Errorf("a context that was terminated: %v", err)
	}
	if err := opts.SetMaxSockets(1); !errors.Is(err, zmq.ETERM) {
		t.Errorf("a context that was terminated: %v", err)
	}
	if _, err := ContextOptions(nil); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("no context: %v", err)
	}
}

// Options that must be set before the first socket can be set on the context of a new loop.
func TestContextOptionsOfALoop(t *testing.T) {
	leakCheck(t)
	l, err := NewEventLoop(&LoopConfig{IOThreads: 2})
	must(t, err)
	defer l.Close()
	opts, err := ContextOptions(l.Context())
	must(t, err)
	if n, err := opts.IOThreads(); n != 2 || err != nil {
		t.Errorf("IOThreads: %d, %v", n, err)
	}
	must(t, opts.SetBlocky(false))
	must(t, opts.SetIOThreads(3))
	third := func(o zmq.Sockopts) error { return o.SetAffinity(1 << 2) }
	tr, _, err := l.CreateZmqConnection(bounded(t), func() Protocol { return BaseProtocol{} }, zmq.PAIR,
		ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}, Configure: third})
	must(t, err) // EMTHREAD if the option has not added a third thread
	if v, err := tr.Sockopts().Linger(); v != 0 || err != nil {
		t.Errorf("LINGER of a context that is not BLOCKY: %v, %v", v, err)
	}
}
