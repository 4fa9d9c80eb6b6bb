package live

import (
	"net"
	"testing"
	"time"

	"github.com/pebbe/zmq4"
	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// TestSocketTypeInfo checks the spec's facts about the stable types with the running library.
func TestSocketTypeInfo(t *testing.T) {
	for _, typ := range zmq.SocketTypes() {
		if info := typ.Info(); !info.Draft {
			t.Run(info.Name, func(t *testing.T) { tryType(t, newBench(t, typ), info) })
		}
	}
}

func tryType(t *testing.T, b bench, info zmq.SocketTypeInfo) {
	s, err := b.ctx.NewSocket(zmq4.Type(info.Type))
	must(t, err)
	defer s.Close()
	must(t, s.SetLinger(0))
	twice, other := listen(t), listen(t)
	for _, l := range []*net.TCPListener{twice, twice, other} {
		must(t, s.Connect("tcp://"+l.Addr().String()))
	}
	// libzmq's I/O thread connects in order. The first connections have come by now, and before the
	// test's own.
	accept(t, other)
	own, err := net.Dial("tcp", twice.Addr().String())
	must(t, err)
	defer own.Close()
	connected := 0
	for accept(t, twice) != own.LocalAddr().String() {
		connected++
	}
	if want := map[bool]int{false: 2, true: 1}[info.ConnectsOnce]; connected != want {
		t.Errorf("after two connects it is connected %d times, want %d", connected, want)
	}

	eager := false
	for range 2 { // a REQ gets its turn once
		_, err := s.Send("\x01", zmq4.DONTWAIT)
		errno := zmq4.AsErrno(err)
		eager = eager || errno == zmq4.EFSM || errno == zmq4.Errno(zmq.ENOTSUP)
	}
	if eager != info.Eager {
		t.Errorf("a send fails whatever room there is: %t, want %t", eager, info.Eager)
	}

	byOption := s.SetSubscribe("topic") == nil
	if want := info.Subscribes == zmq.SubscribesByOption; byOption != want {
		t.Errorf("the type takes SUBSCRIBE: %t, want %t", byOption, want)
	}
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// accept waits for a connection, and returns its address.
func accept(t *testing.T, l *net.TCPListener) string {
	t.Helper()
	must(t, l.SetDeadline(time.Now().Add(time.Minute)))
	conn, err := l.Accept()
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn.RemoteAddr().String()
}

var must = zmqiotest.Must
