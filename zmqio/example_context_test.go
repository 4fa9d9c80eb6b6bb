package zmqio_test

import (
	"fmt"
	"log"

	"github.com/zmqio/zmq/zmqio"
)

// Options of libzmq's threads must be set before the loop's first transport.
func ExampleContextOptions() {
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer loop.Close()
	opts, err := zmqio.ContextOptions(loop.Context())
	if err != nil {
		log.Fatal(err)
	}
	if err := opts.SetIOThreads(4); err != nil {
		log.Fatal(err)
	}
	fmt.Println(opts.IOThreads())
	// Output: 4 <nil>
}
