//go:build !linux

package ipc

// Find returns nothing here.
func Find([]End) ([]Found, error) { return nil, nil }

// A Conn is a connection that is kept open. There is none here.
type Conn struct{}

// Keep returns nil here.
func Keep(Found) (*Conn, error) { return nil, nil }

// Take returns nil here. It is never called, because there are no duplicates.
func Take(int, int, []End) *Conn { return nil }

// ID returns the zero ID.
func (*Conn) ID() ID { return ID{} }

// FD returns 0.
func (*Conn) FD() int { return 0 }

// InUse returns false.
func (*Conn) InUse() bool { return false }

// Unread returns 0.
func (*Conn) Unread() int { return 0 }

// Drain returns that the peer has closed its end.
func (*Conn) Drain() (closed, reset bool) { return true, false }

// Close does nothing.
func (*Conn) Close() {}
