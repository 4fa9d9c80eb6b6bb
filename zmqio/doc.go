// Package zmqio drives ZeroMQ sockets from an event loop, as aiozmq does for
// Python: a socket becomes a [Transport], which calls the methods of a [Protocol]
// that the user writes.
//
//	loop, err := zmqio.NewEventLoop(nil)
//	...
//	defer loop.Close()
//	t, _, err := loop.CreateZmqConnection(ctx, func() zmqio.Protocol { return &echo{} },
//		zmq.REP, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:5555"}})
//	...
//	err = loop.RunForever(ctx)
//
// # Goroutines
//
// Every method of every type may be called from every goroutine, and from every
// callback. Callbacks run on the goroutine that runs the loop, one at a time, and
// never with a lock held. There are two exceptions. PauseWriting runs inside the
// Write that fills the buffer, on the goroutine that called it. And while nobody
// runs the loop, CreateZmqConnection calls ConnectionMade itself.
//
// # The life of a message
//
// A message that is sent goes through write.go (Write takes it, at once or through
// outbox.go) to libzmq; flow.go pauses and resumes the writer. One that is received
// comes through read.go, a batch at a time, to MsgReceived. Which goroutine does it
// and when is in run.go.
//
// # Child processes
//
// A [ChildWatcher] calls a function on the loop when a child process has ended. Its
// documentation says what may and may not be mixed with os/exec.
//
// # Errors
//
// A failed libzmq call gives an [*os.SyscallError] that holds a [zmq.Errno]; see
// package zmq for what errors.Is makes of it. All else is one of the Err values
// below, wrapped with what it is about.
//
// # Debug mode
//
// With the environment variable ZMQIO_DEBUG set to 1, or after [EventLoop.SetDebug], slow
// callbacks are logged, and loops and transports that nobody closed.
//
// [zmq.Errno]: https://pkg.go.dev/github.com/zmqio/zmq#Errno
package zmqio
