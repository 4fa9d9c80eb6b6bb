//go:build !linux

package ipc

// Find returns nothing here.
func Find([]End) ([]Found, error) { return nil, nil }

// A Conn keeps a connection open. There is none on this system.
type Conn struct{}

// Keep returns nil here.
func Keep(Found) (*Conn, error) { return nil, nil }

// Take returns nil. No caller has a duplicate on this system.
func Take(int, int, []End) *Conn { return nil }

// ID returns the zero ID.
func (*Conn) ID() ID { return ID{} }

// FD returns 0.
func (*Conn) FD() int { return 0 }

// InUse returns false.
func (*Conn) InUse() bool { return false }

// Unread returns 0.
func (*Conn) Unread() int { return 0 }

// Drain reports that the peer has closed its end.
func (*Conn) Drain() (closed, reset bool) { return true, false }

// Close does nothing.
func (*Conn) Close() {}
