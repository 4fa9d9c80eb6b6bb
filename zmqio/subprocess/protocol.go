package subprocess

import "reflect"

// A Protocol has the callbacks of a Transport. The loop calls them one at a time, on the loop
// goroutine. PauseWriting is the exception: the pipe calls it on the writer's goroutine. A
// protocol must not be a nil pointer.
//
// ConnectionMade comes first, ConnectionLost last, each once. Between them comes ProcessExited,
// once. For each pipe comes PipeDataReceived any number of times, and then PipeConnectionLost,
// once. ProcessExited may come before the last data of a pipe: bytes that the child has written
// stay in the pipe, and a grandchild may hold it open.
//
// If a callback panics, the loop's exception handler gets the panic. A panic in
// PipeDataReceived also ends the pipe, and PipeConnectionLost gets the *zmqio.PanicError.
//
// asyncio: SubprocessProtocol
type Protocol interface {
	// ConnectionMade is called when the child has been started and its pipes work. Exec and
	// Shell return after it.
	//
	// asyncio: connection_made
	ConnectionMade(t *Transport)

	// PipeDataReceived is called with bytes that the child has written to descriptor fd: 1 is
	// its standard output, 2 its standard error. data is lent until PipeDataReceived returns;
	// copy what you keep.
	//
	// asyncio: pipe_data_received
	PipeDataReceived(fd int, data []byte)

	// PipeConnectionLost is called when the pipe at descriptor fd of the child has ended. err
	// is nil, or says what ended the pipe. For 0, the standard input, it is syscall.EPIPE if
	// the last reader went while bytes were buffered.
	//
	// asyncio: pipe_connection_lost
	PipeConnectionLost(fd int, err error)

	// ProcessExited is called when the child has exited. Transport.ReturnCode returns its code.
	//
	// asyncio: process_exited
	ProcessExited()

	// PauseWriting is called when the write buffer of the pipe to the standard input grows
	// above its high-water mark. See netio.Protocol. Guard with a lock what PauseWriting shares
	// with other callbacks.
	//
	// asyncio: pause_writing
	PauseWriting()

	// ResumeWriting is called once for each PauseWriting, when the write buffer of the pipe is
	// at or below the low-water mark again. It is not called if the pipe ends first.
	//
	// asyncio: resume_writing
	ResumeWriting()

	// ConnectionLost is called when the child has exited and all its pipes have ended. err is
	// nil.
	//
	// asyncio: connection_lost
	ConnectionLost(err error)
}

// BaseProtocol has all methods of Protocol, each of which does nothing. Embed it to write only
// the methods that matter. A misspelt method compiles and is never called.
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
