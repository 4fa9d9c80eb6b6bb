package netio

import "net"

// A DatagramProtocol is what a DatagramTransport calls. The loop calls its methods one at a
// time on its own goroutine, except PauseWriting. It must not be a nil pointer.
//
// ConnectionMade comes first and ConnectionLost last, once each. A panic goes to the loop's
// exception handler, and the transport lives on: each datagram stands for itself.
//
// asyncio: DatagramProtocol
type DatagramProtocol interface {
	// ConnectionMade is called when the transport is ready to use. Addresses are known, and
	// SendTo works. The creator returns after it.
	//
	// asyncio: connection_made
	ConnectionMade(t *DatagramTransport)

	// DatagramReceived is called with a datagram, which may be empty, and its sender: a
	// *net.UDPAddr or a *net.UnixAddr. data is lent until DatagramReceived returns, because
	// all transports of a loop share one buffer; what is to be kept must be copied. from may
	// be kept and must not be changed.
	//
	// asyncio: datagram_received
	DatagramReceived(data []byte, from net.Addr)

	// ErrorReceived is called when the system refuses to send or to receive, and the
	// transport lives on: a peer is not there (zmq.ErrConnectionRefused), a datagram is too
	// long (syscall.EMSGSIZE), also one received of more than 256 KiB, which is dropped.
	// Over UDP a peer's refusal concerns a datagram that has been sent before.
	//
	// asyncio: error_received
	ErrorReceived(err error)

	// PauseWriting is called when the transport's buffer goes strictly over the high-water
	// mark, inside the SendTo or SetWriteBufferLimits that did it and on that goroutine.
	//
	// asyncio: pause_writing
	PauseWriting()

	// ResumeWriting is called once for every PauseWriting, when the buffer is at or below
	// the low-water mark again, unless ConnectionLost comes first.
	//
	// asyncio: resume_writing
	ResumeWriting()

	// ConnectionLost is called when the transport has ended: with nil after Close and Abort,
	// else with what went wrong. The descriptor is closed when it has returned.
	//
	// asyncio: connection_lost
	ConnectionLost(err error)
}

// BaseDatagramProtocol has all methods of DatagramProtocol and does nothing in any. Embed it
// to write only those that matter.
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
