package zmqio

// A Protocol is what a transport calls. The loop calls its methods one at a time on its
// own goroutine, except PauseWriting.
//
// The order is ConnectionMade, then any number of the others, then ConnectionLost;
// the first and the last come once each. A protocol must not be a nil pointer, not even
// of a type whose methods would bear it.
//
// A panic in any of them goes to the loop's exception handler, and the transport lives
// on, except for a REP in MsgReceived.
//
// aiozmq: ZmqProtocol
type Protocol interface {
	// ConnectionMade is called when the transport is ready to use, before the
	// first Bind or Connect of its ConnectionConfig and before
	// CreateZmqConnection returns.
	//
	// asyncio: connection_made
	ConnectionMade(t *Transport)

	// ConnectionLost is called when the transport's socket has been closed: with
	// nil after Close or Abort, else with what went wrong. libzmq closes in the
	// background, so the endpoints may still be in use: see Transport.Closed.
	//
	// asyncio: connection_lost
	ConnectionLost(err error)

	// PauseWriting is called when the transport's buffer goes strictly over the
	// high-water mark, inside the Write or SetWriteBufferLimits that did it and on
	// that goroutine: posted to the loop, it would come too late for one that
	// keeps writing.
	//
	// The buffer may go over the mark while ResumeWriting is running on the loop. PauseWriting
	// is then called on the loop as soon as ResumeWriting has returned.
	//
	// asyncio: pause_writing
	PauseWriting()

	// ResumeWriting is called once for every PauseWriting, when the buffer is at
	// or below the low-water mark again, unless ConnectionLost comes first.
	//
	// asyncio: resume_writing
	ResumeWriting()

	// MsgReceived is called with each message received: at least one frame, which
	// are the receiver's to keep and to change, or lent to it: see
	// ConnectionConfig.BorrowFrames. A [BatchProtocol] gets messages a batch at a time, and
	// a [MessageProtocol] with what is known of the peer.
	//
	// Small frames that were received together share one allocation, so that a
	// frame which is kept keeps up to 64 KiB; clone it where that matters.
	//
	// A REP whose MsgReceived panics before the reply has been written ends, and
	// ConnectionLost gets the *PanicError: libzmq gives a REP no other request until it
	// has sent that reply, and every client would wait for ever. runtime.Goexit ends it in
	// the same way, with ErrGoexit. A REP that has written its reply lives on.
	//
	// aiozmq: msg_received
	MsgReceived(msg [][]byte)
}

// A BatchProtocol is a Protocol that gets messages a batch at a time: MsgsReceived is called
// instead of MsgReceived. A transport looks for it when it is made, and in SetProtocol.
type BatchProtocol interface {
	Protocol

	// MsgsReceived is called with the messages that came together, in order: at least one,
	// and as a rule 256 at most. The outer slice is lent until it returns. The messages are
	// the receiver's to keep and to change, as those of MsgReceived are, or all lent with
	// their frames: see ConnectionConfig.BorrowFrames.
	//
	// What MsgsReceived writes goes out together when it has returned. PauseReading and
	// SetProtocol count from the next batch on. A panic and runtime.Goexit drop what is left
	// of the batch, and end a REP as they do in MsgReceived.
	MsgsReceived(msgs [][][]byte)
}

// A callee is the protocol of a transport, with what it may implement beside Protocol: a
// type assertion for each message would cost too much.
type callee struct {
	protocol Protocol
	message  MessageProtocol // the same, or nil
	batch    BatchProtocol   // the same, or nil; nil where message is not
}

func newCallee(p Protocol) *callee {
	if message, ok := p.(MessageProtocol); ok {
		return &callee{protocol: p, message: message}
	}
	batch, _ := p.(BatchProtocol)
	return &callee{protocol: p, batch: batch}
}

// receiving returns the name of the method that gets messages.
func (c *callee) receiving() string {
	switch {
	case c.message != nil:
		return "MessageReceived"
	case c.batch != nil:
		return "MsgsReceived"
	}
	return "MsgReceived"
}

// BaseProtocol has all methods of Protocol and does nothing in any. Embed it to
// write only those that matter.
type BaseProtocol struct{}

// ConnectionMade does nothing.
func (BaseProtocol) ConnectionMade(*Transport) {}

// ConnectionLost does nothing.
func (BaseProtocol) ConnectionLost(error) {}

// PauseWriting does nothing.
func (BaseProtocol) PauseWriting() {}

// ResumeWriting does nothing.
func (BaseProtocol) ResumeWriting() {}

// MsgReceived does nothing.
func (BaseProtocol) MsgReceived([][]byte) {}
