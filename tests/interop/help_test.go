package interop

import "github.com/zmqio/zmq/zmqio/zmqiotest"

// Short names for functions of zmqiotest.
var (
	must       = zmqiotest.Must
	checkLeaks = zmqiotest.CheckLeaks
)
