package zmqio

// A Protocol has the callbacks of a transport. The loop calls them one at a time, on the loop
// goroutine, and holds no lock. PauseWriting is the exception: the transport calls it on the
// writer's goroutine. What PauseWriting shares with other callbacks therefore needs a lock.
//
// ConnectionMade comes first, ConnectionLost last, each once. The others come between, any
// number of times. A protocol must not be a nil pointer.
//
// Embed [BaseProtocol] to write only the methods that matter. BaseProtocol hides a misspelt
// method: Msgreceived compiles and is never called. [Check] finds that in a test.
//
// If a callback panics, the loop's exception handler gets the panic and the transport goes on.
// A REP in MsgReceived is the exception.
//
// aiozmq: ZmqProtocol
type Protocol interface {
	// ConnectionMade is called when the transport is ready to use. That is before the first
	// Bind or Connect of its ConnectionConfig, and before CreateZmqConnection returns. A
	// protocol that writes keeps t here. It may write here too: the write buffer keeps messages
	// until a peer has come, except on types that drop.
	//
	// asyncio: connection_made
	ConnectionMade(t *Transport)

	// ConnectionLost is called when the transport's socket has been closed. err is nil after
	// Close and Abort, and otherwise says what ended the transport. libzmq closes in the
	// background, so the endpoints may still be in use: see Transport.Closed.
	//
	// asyncio: connection_lost
	ConnectionLost(err error)

	// PauseWriting is called when the write buffer grows above the high-water mark. The
	// transport calls it inside the Write or SetWriteBufferLimits that did that, on the
	// writer's goroutine. A call on the loop would come too late for a writer that goes on.
	// Guard with a lock what PauseWriting shares with other callbacks.
	//
	// The write buffer may grow above the mark while ResumeWriting runs. PauseWriting is then
	// called on the loop goroutine as soon as ResumeWriting has returned.
	//
	// asyncio: pause_writing
	PauseWriting()

	// ResumeWriting is called once for each PauseWriting, when the write buffer is at or below
	// the low-water mark again. It is not called after ConnectionLost.
	//
	// asyncio: resume_writing
	ResumeWriting()

	// MsgReceived is called with each message received: one frame or more. The protocol owns
	// the frames, and may keep and change them, unless ConnectionConfig.BorrowFrames lends
	// them. A [BatchProtocol] gets a batch at a time, and a [MessageProtocol] also gets what
	// libzmq knows of the peer.
	//
	// Small frames that were received together share one allocation. A frame that is kept
	// therefore keeps up to 64 KiB; clone it where that matters.
	//
	// A REP ends if MsgReceived panics, or calls runtime.Goexit, before it has written the
	// reply. ConnectionLost gets the *PanicError or ErrGoexit. libzmq gives a REP no other
	// request before that reply, so every client would wait for ever.
	//
	// aiozmq: msg_received
	MsgReceived(msg [][]byte)
}

// A BatchProtocol is a Protocol that gets messages a batch at a time: MsgsReceived is called
// instead of MsgReceived. A transport looks for MsgsReceived when it is made, and in
// SetProtocol.
type BatchProtocol interface {
	Protocol

	// MsgsReceived is called with the messages of a batch, in order: at least one, and as a
	// rule 256 at most. The outer slice is lent until MsgsReceived returns. The protocol owns
	// the messages and frames, unless ConnectionConfig.BorrowFrames lends them.
	//
	// What MsgsReceived writes goes out together when it has returned. PauseReading and
	// SetProtocol take effect with the next batch. A panic or runtime.Goexit drops the rest of
	// the batch, and ends a REP as in MsgReceived.
	MsgsReceived(msgs [][][]byte)
}

// A callee is the protocol of a transport together with its optional interfaces. A type assertion
// for each message would cost too much.
type callee struct {
	protocol Protocol
	message  MessageProtocol // the same protocol, or nil
	batch    BatchProtocol   // the same protocol, or nil; nil if message is set
}

func newCallee(p Protocol) *callee {
	if message, ok := p.(MessageProtocol); ok {
		return &callee{protocol: p, message: message}
	}
	batch, _ := p.(BatchProtocol)
	return &callee{protocol: p, batch: batch}
}

// receiving returns the name of the protocol's method that gets messages.
func (c *callee) receiving() string {
	switch {
	case c.message != nil:
		return "MessageReceived"
	case c.batch != nil:
		return "MsgsReceived"
	}
	return "MsgReceived"
}

// BaseProtocol has all methods of Protocol, each of which does nothing. Embed it to write only
// the methods that matter. It also hides a method whose name is misspelt: [Check] finds those.
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
