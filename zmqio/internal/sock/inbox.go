package sock

// An inbox is what has been received from a socket and is not delivered yet, in the order in
// which it came.
type inbox struct {
	msgs    [][][]byte // whole messages
	back    int        // how many of them, the first ones, were put back
	partial [][]byte   // frames of the message behind them, whose last one has not been taken
}

// PutBack puts messages of the batch that was received last in front of the inbox: the next
// Recv returns them first. They must be the caller's own, and are no longer.
func (s *Socket) PutBack(msgs [][][]byte) {
	s.inbox.back += len(msgs)
	s.inbox.msgs = append(msgs, s.inbox.msgs...)
}

// take moves a batch of messages to the end of msgs.
func (in *inbox) take(msgs [][][]byte) [][][]byte {
	n := min(len(in.msgs), maxMessages)
	if n == 0 {
		return msgs
	}
	msgs = append(msgs, in.msgs[:n]...)
	clear(in.msgs[:n])
	if in.msgs = in.msgs[n:]; len(in.msgs) == 0 {
		in.msgs = nil
	}
	in.back = max(0, in.back-n)
	return msgs
}

// settled returns how many messages Detach received, and their payload in bytes.
func (in *inbox) settled() (messages, bytes int) {
	return Tally(in.msgs[in.back:])
}

// Inbox returns how many messages have been received and are not delivered, and their payload
// in bytes, properties included.
func (s *Socket) Inbox() (messages, bytes int) { return Tally(s.inbox.msgs) }

// Tally returns how many messages msgs has, and their payload in bytes.
func Tally(msgs [][][]byte) (messages, bytes int) {
	for _, msg := range msgs {
		bytes += Size(msg)
	}
	return len(msgs), bytes
}

// Size returns the payload of a message, in bytes.
func Size(msg [][]byte) (bytes int) {
	for _, f := range msg {
		bytes += len(f)
	}
	return bytes
}

// complete returns the message of which last are the frames that end it.
func (in *inbox) complete(last [][]byte) [][]byte {
	if in.partial == nil {
		return last
	}
	msg := append(in.partial, last...)
	in.partial = nil
	return msg
}
