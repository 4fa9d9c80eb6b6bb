package netio

import "testing"

// An empty backlog has no memory. A backlog that is sent in turn does not grow.
func TestBacklog(t *testing.T) {
	var q backlog
	q.add(make([]byte, 1000))
	most := 0
	for range 1000 {
		q.drop(900)
		q.add(make([]byte, 900))
		most = max(most, cap(q.buf))
	}
	if q.len() != 1000 || most > 8000 {
		t.Errorf("%d bytes wait in %d", q.len(), most)
	}
	q.drop(q.len())
	if q.len() != 0 || q.buf != nil {
		t.Errorf("%d bytes wait in %d", q.len(), cap(q.buf))
	}
}
