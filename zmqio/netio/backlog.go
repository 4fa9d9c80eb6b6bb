package netio

// A backlog is bytes that were accepted and wait to be sent. It holds no memory while it is
// empty.
type backlog struct {
	buf  []byte
	sent int // at the front of buf
}

func (q *backlog) len() int { return len(q.buf) - q.sent }

// bytes returns what waits. It is valid until the next add.
func (q *backlog) bytes() []byte { return q.buf[q.sent:] }

// add appends a copy of b.
func (q *backlog) add(b []byte) {
	// Moving what waits costs no more than sending what made the room did.
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
