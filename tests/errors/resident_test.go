package errors_test

import (
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A guest is a Resident that does nothing.
type guest struct{ place *zmqio.Residence }

func (g *guest) Close() error          { g.place.Leave(); return nil }
func (g *guest) Abort() error          { g.place.Leave(); return nil }
func (*guest) Undelivered() (int, int) { return 0, 0 }
func (*guest) String() string          { return "guest" }
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	zmqiotest.Must(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// lodger returns a residence on a loop.
func lodger(t *testing.T) (*zmqio.EventLoop, *zmqio.Residence) {
	t.Helper()
	loop := zmqiotest.NewLoop(t, nil)
	g := new(guest)
	var err error
	g.place, err = loop.Adopt(g)
	zmqiotest.Must(t, err)
	return loop, g.place
}

var residentCases = []provocation{
	{"AddReader, no descriptor", zmqio.ErrInvalidArgument, says{"AddReader", "-1"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).AddReader(-1, func() {})
	}},
	{"AddReader, nil function", zmqio.ErrInvalidArgument, says{"AddReader"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).AddReader(0, nil)
	}},
	{"AddWriter, nil function", zmqio.ErrInvalidArgument, says{"AddWriter"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).AddWriter(0, nil)
	}},
	{"AddReader, descriptor that is not open", syscall.EBADF, says{"AddReader", "123456"}, func(t *testing.T) error {
		return zmqiotest.NewLoop(t, nil).AddReader(123456, func() {})
	}},
	{"AddReader, descriptor of a resident", zmqio.ErrInvalidArgument, says{"AddReader", "descriptor"}, func(t *testing.T) error {
		loop, p := lodger(t)
		r, _ := pipe(t)
		w, err := p.Watch(int(r.Fd()), func() {}, nil)
		zmqiotest.Must(t, err)
		defer w.Stop()
		return loop.AddReader(int(r.Fd()), func() {})
	}},
	{"AddReader, closed loop", zmqio.ErrLoopClosed, nil, func(t *testing.T) error { return closedLoop(t).AddReader(0, func() {}) }},
	{"Watch, no descriptor", zmqio.ErrInvalidArgument, says{"Watch", "-1"}, func(t *testing.T) error {
		_, p := lodger(t)
		_, err := p.Watch(-1, func() {}, nil)
		return err
	}},
	{"Watch, nil functions", zmqio.ErrInvalidArgument, says{"Watch"}, func(t *testing.T) error {
		_, p := lodger(t)
		_, err := p.Watch(0, nil, nil)
		return err
	}},
	{"Watch, descriptor of another resident", zmqio.ErrInvalidArgument, says{"Watch", "descriptor"}, func(t *testing.T) error {
		loop, p := lodger(t)
		r, _ := pipe(t)
		w, err := p.Watch(int(r.Fd()), func() {}, nil)
		zmqiotest.Must(t, err)
		defer w.Stop()
		g := new(guest)
		g.place, err = loop.Adopt(g)
		zmqiotest.Must(t, err)
		_, err = g.place.Watch(int(r.Fd()), func() {}, nil)
		return err
	}},
	{"Want, no function", zmqio.ErrInvalidArgument, says{"Want"}, func(t *testing.T) error {
		_, p := lodger(t)
		r, _ := pipe(t)
		w, err := p.Watch(int(r.Fd()), func() {}, nil)
		zmqiotest.Must(t, err)
		defer w.Stop()
		return w.Want(false, true)
	}},
	{"Want, after Stop", os.ErrClosed, says{"Want"}, func(t *testing.T) error {
		_, p := lodger(t)
		r, _ := pipe(t)
		w, err := p.Watch(int(r.Fd()), func() {}, nil)
		zmqiotest.Must(t, err)
		w.Stop()
		return w.Want(true, false)
	}},
}

// completed runs the loop until the future is done, and returns its error.
func completed[T any](t *testing.T, loop *zmqio.EventLoop, f *zmqio.Future[T]) error {
	t.Helper()
	_, err := zmqio.RunUntilComplete(bounded(t), loop, f)
	return err
}

// looksUp returns the provocation of a lookup with hints.
func looksUp(host, service string, hints ...zmqio.AddrInfoHints) func(t *testing.T) error {
	return func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, nil)
		return completed(t, loop, loop.GetAddrInfo(bounded(t), host, service, hints...))
	}
}

// resolves returns the provocation of an endpoint that cannot be resolved.
func resolves(endpoint string) func(t *testing.T) error {
	return func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, nil)
		return completed(t, loop, loop.ResolveEndpoint(bounded(t), endpoint))
	}
}

var resolveCases = []provocation{
	{"GetAddrInfo, nil context", zmqio.ErrInvalidArgument, says{"GetAddrInfo"}, func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, nil)
		return completed(t, loop, loop.GetAddrInfo(noContext, "127.0.0.1", "80"))
	}},
	{"GetAddrInfo, nothing", zmqio.ErrInvalidArgument, says{"GetAddrInfo"}, looksUp("", "")},
	{"GetAddrInfo, Family", zmqio.ErrInvalidArgument, says{"Family", "77"}, looksUp("127.0.0.1", "80", zmqio.AddrInfoHints{Family: 77})},
	{"GetAddrInfo, Type", zmqio.ErrInvalidArgument, says{"Type", "77"}, looksUp("127.0.0.1", "80", zmqio.AddrInfoHints{Type: 77})},
	{"GetAddrInfo, Proto", zmqio.ErrInvalidArgument, says{"Proto", "77"}, looksUp("127.0.0.1", "80", zmqio.AddrInfoHints{Proto: 77})},
	{
		"GetAddrInfo, Type and Proto", zmqio.ErrInvalidArgument,
		says{"Type", "Proto"},
		looksUp("127.0.0.1", "80", zmqio.AddrInfoHints{Type: syscall.SOCK_STREAM, Proto: syscall.IPPROTO_UDP}),
	},
	{"GetAddrInfo, two hints", zmqio.ErrInvalidArgument, says{"hints", "2"}, looksUp("127.0.0.1", "80", zmqio.AddrInfoHints{}, zmqio.AddrInfoHints{})},
	{"GetAddrInfo, NumericHost", errAny, says{"localhost"}, looksUp("localhost", "80", zmqio.AddrInfoHints{NumericHost: true})},
	{"GetAddrInfo, unknown service", errAny, says{"no-such-service"}, looksUp("127.0.0.1", "no-such-service")},
	{"GetNameInfo, no address", errAny, says{"lookup"}, func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, nil)
		return completed(t, loop, loop.GetNameInfo(bounded(t), netip.AddrPort{}))
	}},
	{"GetNameInfo, nil context", zmqio.ErrInvalidArgument, says{"GetNameInfo"}, func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, nil)
		return completed(t, loop, loop.GetNameInfo(noContext, netip.AddrPort{}))
	}},
	{"GetAddrInfo, closed loop", zmqio.ErrLoopClosed, says{"GetAddrInfo"}, func(t *testing.T) error {
		_, err := closedLoop(t).GetAddrInfo(bounded(t), "127.0.0.1", "80").Result()
		return err
	}},
	{"GetNameInfo, closed loop", zmqio.ErrLoopClosed, says{"GetNameInfo"}, func(t *testing.T) error {
		_, err := closedLoop(t).GetNameInfo(bounded(t), netip.AddrPort{}).Result()
		return err
	}},
	{"ResolveEndpoint, nil context", zmqio.ErrInvalidArgument, says{"ResolveEndpoint"}, func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, nil)
		return completed(t, loop, loop.ResolveEndpoint(noContext, "tcp://localhost:1"))
	}},
	{"ResolveEndpoint, closed loop", zmqio.ErrLoopClosed, says{"ResolveEndpoint"}, func(t *testing.T) error {
		_, err := closedLoop(t).ResolveEndpoint(bounded(t), "tcp://localhost:1").Result()
		return err
	}},
	{"ResolveEndpoint, no port", zmq.EINVAL, says{"tcp://localhost"}, resolves("tcp://localhost")},
	{"ResolveEndpoint, wildcard", zmqio.ErrDNSEndpoint, says{"tcp://*:5555"}, resolves("tcp://*:5555")},
	{"ResolveEndpoint, port out of range", zmq.EINVAL, says{"tcp://localhost:65536"}, resolves("tcp://localhost:65536")},
	{"ResolveEndpoint, unknown service", errAny, says{"tcp://localhost:no-such-service"}, resolves("tcp://localhost:no-such-service")},
}
