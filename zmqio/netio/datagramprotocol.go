package netio

import "net"

// A DatagramProtocol has the callbacks of a DatagramTransport. The loop calls them one at a
// time, on the loop goroutine. PauseWriting is the exception: the transport calls it on the
// writer's goroutine. A protocol must not be a nil pointer.
//
// ConnectionMade comes first, ConnectionLost last, each once. If a callback panics, the loop's
// exception handler gets the panic and the transport goes on.
//
// asyncio: DatagramProtocol
type DatagramProtocol interface {
	// ConnectionMade is called when the transport is ready to use: addresses are known, and
	// SendTo works. The creator returns after it.
	//
	// asyncio: connection_made
	ConnectionMade(t *DatagramTransport)

	// DatagramReceived is called with a datagram, which may be empty, and its sender: a
	// *net.UDPAddr or a *net.UnixAddr. All transports of a loop share one buffer, so data is
	// lent until DatagramReceived returns; copy what you keep. from may be kept, and must not
	// be changed.
	//
	// asyncio: datagram_received
	DatagramReceived(data []byte, from net.Addr)

	// ErrorReceived is called when the system refuses to send or to receive; the transport goes
	// on. zmq.ErrConnectionRefused means that a peer is absent; over UDP it concerns an earlier
	// datagram. syscall.EMSGSIZE means that a datagram is too long to send, or that one of more
	// than 256 KiB was received and dropped.
	//
	// asyncio: error_received
	ErrorReceived(err error)

	// PauseWriting is called when the write buffer grows above the high-water mark. The
	// transport calls it inside the SendTo or SetWriteBufferLimits that did that, on the
	// writer's goroutine. Guard with a lock what PauseWriting shares with other callbacks.
	//
	// asyncio: pause_writing
	PauseWriting()

	// ResumeWriting is called once for each PauseWriting, when the write buffer is at or below
	// the low-water mark again. It is not called after ConnectionLost.
	//
	// asyncio: resume_writing
	ResumeWriting()

	// ConnectionLost is called when the transport has ended. err is nil after Close and Abort,
	// and otherwise says what ended the transport. The descriptor is closed when ConnectionLost
	// has returned.
	//
	// asyncio: connection_lost
	ConnectionLost(err error)
}

// BaseDatagramProtocol has all methods of DatagramProtocol, each of which does nothing. Embed
// it to write only the methods that matter. A misspelt method compiles and is never called.
type BaseDatagramProtocol struct{}

// ConnectionMade does nothing.
func (BaseDatagramProtocol) ConnectionMade(*DatagramTransport) {}

// DatagramReceived does nothing.
func (BaseDatagramProtocol) DatagramReceived([]byte, net.Addr) {}

// ErrorReceived does nothing.
func (BaseDatagramProtocol) ErrorReceived(error) {}

// PauseWriting does nothing.
func (BaseDatagramProtocol) PauseWriting() {}

// ResumeWriting does nothing.
func (BaseDatagramProtocol) ResumeWriting() {}

// ConnectionLost does nothing.
func (BaseDatagramProtocol) ConnectionLost(error) {}
