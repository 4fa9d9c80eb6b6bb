package zmqiotest_test

import (
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// testReconnect is a test, which a program would call TestReconnect.
func testReconnect(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	loop := zmqiotest.RunLoop(t, nil)
	pull := zmqiotest.NewPeer(t, loop, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
	cable := zmqiotest.NewCable(t, pull.Transport().Listeners()[0])
	push := zmqiotest.NewPeer(t, loop, zmq.PUSH, zmqio.ConnectionConfig{Connect: []string{cable.Endpoint()}})
	push.Send("one")
	pull.Want("one")

	cable.Cut()
	cable.Mend()
	zmqiotest.Must(t, cable.WaitConnections(zmqiotest.Bounded(t, zmqiotest.Patience), 1))
	push.Send("two")
	pull.Want("two")
}

// A test cuts the connection of a client, which connects again after Mend.
func ExampleCable() {
	_ = testReconnect
}
