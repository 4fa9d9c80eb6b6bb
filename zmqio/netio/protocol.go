package netio

import "reflect"

// A Protocol is what a Transport calls. The loop calls its methods one at a time on its own
// goroutine, except PauseWriting. A protocol must not be a nil pointer.
//
// The order is ConnectionMade, DataReceived any number of times, EOFReceived at most once,
// ConnectionLost. The first and the last come once each. PauseWriting and ResumeWriting
// alternate in between.
//
// A panic goes to the loop's exception handler. In DataReceived, EOFReceived, Buffer and
// BufferUpdated it also ends the transport, and ConnectionLost gets the *zmqio.PanicError:
// the protocol has lost its place in the stream. runtime.Goexit does the same with
// zmqio.ErrGoexit.
//
// asyncio: Protocol
type Protocol interface {
	// ConnectionMade is called when the transport is ready to use, over TLS after the
	// handshake. Addresses are known, and Write works. The creator returns after it.
	//
	// asyncio: connection_made
	ConnectionMade(t *Transport)

	// DataReceived is called with bytes of the stream: at least one, cut anywhere. data is
	// lent until DataReceived returns, because all transports of a loop share one buffer.
	// What is to be kept must be copied. Write copies what it does not send.
	//
	// asyncio: data_received
	DataReceived(data []byte)

	// EOFReceived is called when the peer has ended its side of the stream. True keeps the
	// transport open for writing, false closes it. Over TLS the transport is closed in any
	// case.
	//
	// asyncio: eof_received
	EOFReceived() (keepOpen bool)

	// PauseWriting is called when the transport's buffer goes strictly over the high-water
	// mark, inside the Write or SetWriteBufferLimits that did it and on that goroutine.
	//
	// asyncio: pause_writing
	PauseWriting()

	// ResumeWriting is called once for every PauseWriting, when the buffer is at or below
	// the low-water mark again, unless ConnectionLost comes first.
	//
	// asyncio: resume_writing
	ResumeWriting()

	// ConnectionLost is called when the transport has ended: with nil after Close, Abort or
	// the peer's end of the stream, else with what went wrong. The descriptor is closed when
	// it has returned.
	//
	// asyncio: connection_lost
	ConnectionLost(err error)
}

// A BufferedProtocol is a Protocol that receives into memory of its own: Buffer and
// BufferUpdated are called instead of DataReceived. A transport looks for it when it is
// made, and in SetProtocol.
//
// asyncio: BufferedProtocol
type BufferedProtocol interface {
	Protocol

	// Buffer returns where the transport reads the next bytes to. hint is how many bytes are
	// there, or -1 where that is not known, as it never is today. An empty buffer ends the
	// transport as a panic does, with zmqio.ErrInvalidArgument.
	//
	// asyncio: get_buffer
	Buffer(hint int) []byte

	// BufferUpdated is called when the first n bytes of the buffer have been filled.
	//
	// asyncio: buffer_updated
	BufferUpdated(n int)
}

// BaseProtocol has all methods of Protocol and does nothing in any. Embed it to write only
// those that matter.
type BaseProtocol struct{}

// ConnectionMade does nothing.
func (BaseProtocol) ConnectionMade(*Transport) {}

// DataReceived does nothing.
func (BaseProtocol) DataReceived([]byte) {}

// EOFReceived returns false: the transport is closed.
func (BaseProtocol) EOFReceived() (keepOpen bool) { return false }

// PauseWriting does nothing.
func (BaseProtocol) PauseWriting() {}

// ResumeWriting does nothing.
func (BaseProtocol) ResumeWriting() {}

// ConnectionLost does nothing.
func (BaseProtocol) ConnectionLost(error) {}

// A callee is the protocol of a transport, with what it may implement beside Protocol.
type callee struct {
	protocol Protocol
	buffered BufferedProtocol // the same, or nil
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
