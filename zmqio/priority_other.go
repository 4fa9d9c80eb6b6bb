//go:build !linux

package zmqio

// checkPriority returns nil: libzmq sets SO_PRIORITY on Linux alone.
func checkPriority(int) error { return nil }
