package subprocess_test

import (
	"context"
	"fmt"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/subprocess"
)

// A reader prints what its child writes.
type reader struct {
	subprocess.BaseProtocol
	transport *subprocess.Transport
}

func (r *reader) ConnectionMade(t *subprocess.Transport) {
	r.transport = t
	_ = t.Pipe(0).Write([]byte("hello\n"))
	_ = t.Pipe(0).WriteEOF()
}

func (r *reader) PipeDataReceived(fd int, data []byte) { fmt.Printf("%d: %s", fd, data) }

func (r *reader) ConnectionLost(error) {
	code, _ := r.transport.ReturnCode()
	fmt.Println("code", code)
}

// A child that turns its input into capitals.
func Example() {
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer loop.Close()
	err = loop.Run(context.Background(), func(ctx context.Context) error {
		t, _, err := subprocess.Exec(ctx, loop, func() *reader { return new(reader) }, subprocess.Config{}, "tr", "a-z", "A-Z")
		if err != nil {
			return err
		}
		<-t.Closed()
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1: HELLO
	// code 0
}
