package subprocess

import "reflect"

// A Protocol is what a Transport calls. The loop calls its methods one at a time on its own
// goroutine, except PauseWriting. A protocol must not be a nil pointer.
//
// ConnectionMade comes first and ConnectionLost last, once each. In between there is
// ProcessExited, once, and for each pipe PipeDataReceived any number of times and then
// PipeConnectionLost, once. ProcessExited may come before the last data of a pipe: what the
// child has written stays in the pipe, and a grandchild may hold it open.
//
// A panic goes to the loop's exception handler. In PipeDataReceived it also ends the pipe,
// whose PipeConnectionLost gets the *zmqio.PanicError.
//
// asyncio: SubprocessProtocol
type Protocol interface {
	// ConnectionMade is called when the child has been started. Its pipes work. Exec and
	// Shell return after it.
	//
	// asyncio: connection_made
	ConnectionMade(t *Transport)

	// PipeDataReceived is called with what the child has written to descriptor fd: 1 is its
	// standard output, 2 its standard error. data is lent until PipeDataReceived returns.
	//
	// asyncio: pipe_data_received
	PipeDataReceived(fd int, data []byte)

	// PipeConnectionLost is called when the pipe at descriptor fd of the child has ended,
	// with nil or with what went wrong. For 0, the standard input, that is syscall.EPIPE when
	// the last reader went and bytes were still buffered.
	//
	// asyncio: pipe_connection_lost
	PipeConnectionLost(fd int, err error)

	// ProcessExited is called when the child has exited. ReturnCode knows how.
	//
	// asyncio: process_exited
	ProcessExited()

	// PauseWriting is called when the buffer of the pipe to the standard input goes strictly
	// over its high-water mark. See netio.Protocol.
	//
	// asyncio: pause_writing
	PauseWriting()

	// ResumeWriting is called once for every PauseWriting, when the buffer of the pipe is at
	// or below the low-water mark again. It is not called if the pipe ends first.
	//
	// asyncio: resume_writing
	ResumeWriting()

	// ConnectionLost is called when the child has exited and all its pipes have ended. err is
	// nil.
	//
	// asyncio: connection_lost
	ConnectionLost(err error)
}

// BaseProtocol has all methods of Protocol and does nothing in any. Embed it to write only
// those that matter.
type BaseProtocol struct{}

// ConnectionMade does nothing.
func (BaseProtocol) ConnectionMade(*Transport) {}

// PipeDataReceived does nothing.
func (BaseProtocol) PipeDataReceived(int, []byte) {}

// PipeConnectionLost does nothing.
func (BaseProtocol) PipeConnectionLost(int, error) {}

// ProcessExited does nothing.
func (BaseProtocol) ProcessExited() {}

// PauseWriting does nothing.
func (BaseProtocol) PauseWriting() {}

// ResumeWriting does nothing.
func (BaseProtocol) ResumeWriting() {}

// ConnectionLost does nothing.
func (BaseProtocol) ConnectionLost(error) {}

// isNil reports whether p is nil, or holds a nil pointer.
func isNil(p Protocol) bool {
	if p == nil {
		return true
	}
	v := reflect.ValueOf(p)
	return v.Kind() == reflect.Pointer && v.IsNil()
}
