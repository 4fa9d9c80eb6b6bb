package netio

import "reflect"

// A Protocol has the callbacks of a Transport. The loop calls them one at a time, on the loop
// goroutine. PauseWriting is the exception: the transport calls it on the writer's goroutine. A
// protocol must not be a nil pointer.
//
// The order is ConnectionMade, DataReceived any number of times, EOFReceived at most once,
// ConnectionLost. ConnectionMade and ConnectionLost come once each. PauseWriting and
// ResumeWriting alternate in between.
//
// If a callback panics, the loop's exception handler gets the panic. A panic in DataReceived,
// EOFReceived, Buffer or BufferUpdated also ends the transport, because the protocol has lost
// its place in the stream. ConnectionLost then gets the *zmqio.PanicError, or zmqio.ErrGoexit
// after runtime.Goexit.
//
// asyncio: Protocol
type Protocol interface {
	// ConnectionMade is called when the transport is ready to use, with TLS after the
	// handshake. Addresses are known, and Write works. The creator returns after it.
	//
	// asyncio: connection_made
	ConnectionMade(t *Transport)

	// DataReceived is called with bytes of the stream: at least one, cut anywhere. All
	// transports of a loop share one buffer, so data is lent until DataReceived returns; copy
	// what you keep. Write copies what it does not send at once.
	//
	// asyncio: data_received
	DataReceived(data []byte)

	// EOFReceived is called when the peer has ended its side of the stream. If it returns true,
	// the transport stays open for writing; otherwise it closes. With TLS it closes in any
	// case.
	//
	// asyncio: eof_received
	EOFReceived() (keepOpen bool)

	// PauseWriting is called when the write buffer grows above the high-water mark. The
	// transport calls it inside the Write or SetWriteBufferLimits that did that, on the
	// writer's goroutine. Guard with a lock what PauseWriting shares with other callbacks.
	//
	// asyncio: pause_writing
	PauseWriting()

	// ResumeWriting is called once for each PauseWriting, when the write buffer is at or below
	// the low-water mark again. It is not called after ConnectionLost.
	//
	// asyncio: resume_writing
	ResumeWriting()

	// ConnectionLost is called when the transport has ended. err is nil after Close, Abort and
	// the end of the peer's stream, and otherwise says what ended the transport. The descriptor
	// is closed when ConnectionLost has returned.
	//
	// asyncio: connection_lost
	ConnectionLost(err error)
}

// A BufferedProtocol is a Protocol that receives into memory of its own: Buffer and
// BufferUpdated are called instead of DataReceived. A transport looks for them when it is made,
// and in SetProtocol.
//
// asyncio: BufferedProtocol
type BufferedProtocol interface {
	Protocol

	// Buffer returns the memory into which the transport reads the next bytes. hint is how many
	// bytes there are, or -1 for unknown; today it is always -1. An empty buffer ends the
	// transport as a panic does, with zmqio.ErrInvalidArgument.
	//
	// asyncio: get_buffer
	Buffer(hint int) []byte

	// BufferUpdated is called when the first n bytes of the buffer have been filled.
	//
	// asyncio: buffer_updated
	BufferUpdated(n int)
}

// BaseProtocol has all methods of Protocol, each of which does nothing. Embed it to write only
// the methods that matter. A misspelt method compiles and is never called.
type BaseProtocol struct{}

// ConnectionMade does nothing.
func (BaseProtocol) ConnectionMade(*Transport) {}

// DataReceived does nothing.
func (BaseProtocol) DataReceived([]byte) {}

// EOFReceived returns false, which closes the transport.
func (BaseProtocol) EOFReceived() (keepOpen bool) { return false }

// PauseWriting does nothing.
func (BaseProtocol) PauseWriting() {}

// ResumeWriting does nothing.
func (BaseProtocol) ResumeWriting() {}

// ConnectionLost does nothing.
func (BaseProtocol) ConnectionLost(error) {}

// A callee is the protocol of a transport together with its optional interface.
type callee struct {
	protocol Protocol
	buffered BufferedProtocol // the same protocol, or nil
}

func newCallee(p Protocol) *callee {
	buffered, _ := p.(BufferedProtocol)
	return &callee{p, buffered}
}

// isNil reports whether v is nil, or holds a nil pointer.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return !r.IsValid() || r.Kind() == reflect.Pointer && r.IsNil()
}
