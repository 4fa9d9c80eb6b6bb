package netio

// A backlog has bytes that were accepted and not sent. An empty one has no memory.
type backlog struct {
	buf  []byte
	sent int // at the front of buf
}

func (q *backlog) len() int { return len(q.buf) - q.sent }

// bytes returns the unsent bytes. They are valid until the next add.
func (q *backlog) bytes() []byte { return q.buf[q.sent:] }

// add appends a copy of b.
func (q *backlog) add(b []byte) {
	// The move copies no more bytes than were sent since the last move.
	if q.sent > 0 && q.sent >= q.len() && len(q.buf)+len(b) > cap(q.buf) {
		q.buf = q.buf[:copy(q.buf, q.bytes())]
		q.sent = 0
	}
	q.buf = append(q.buf, b...)
}

// drop removes the first n bytes.
func (q *backlog) drop(n int) {
	if q.sent += n; q.sent == len(q.buf) {
		*q = backlog{}
	}
}
