package zmqiotest_test

import (
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// testService is a test, which a program would call TestService.
func testService(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	loop := zmqiotest.RunLoop(t, nil)
	client, service := zmqiotest.Pair(t, loop, zmq.REQ, zmq.REP)
	client.Send("are you there?")
	service.Want("are you there?")
	service.Send("yes")
	client.Want("yes")
}

func Example() {
	_ = testService
}
