package interop

import "github.com/zmqio/zmq/zmqio/zmqiotest"

// What zmqiotest has, by shorter names.
var (
	must       = zmqiotest.Must
	checkLeaks = zmqiotest.CheckLeaks
)
