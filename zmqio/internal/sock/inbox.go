package sock

// An inbox has what was received from a socket and not delivered, in order.
type inbox struct {
	msgs    [][][]byte // whole messages
	back    int        // the first ones, which were put back
	partial [][]byte   // frames of an incomplete message behind msgs
}

// PutBack puts messages of the last batch in front of the inbox, for the next Recv. The caller
// gives up their memory, which must not be a Lender's.
func (s *Socket) PutBack(msgs [][][]byte) {
	s.inbox.back += len(msgs)
	s.inbox.msgs = append(msgs, s.inbox.msgs...)
}

// take appends a batch of the inbox to msgs.
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

// settled returns how many messages Detach has received into the inbox, and their payload in bytes.
func (in *inbox) settled() (messages, bytes int) {
	return Tally(in.msgs[in.back:])
}

// Inbox returns how many received messages are not delivered, and their payload in bytes, including
// properties.
func (s *Socket) Inbox() (messages, bytes int) { return Tally(s.inbox.msgs) }

// Tally returns the number of msgs, and their payload in bytes.
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

// complete returns the message that ends with the frames last.
func (in *inbox) complete(last [][]byte) [][]byte {
	if in.partial == nil {
		return last
	}
	msg := append(in.partial, last...)
	in.partial = nil
	return msg
}
