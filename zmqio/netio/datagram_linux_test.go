package netio

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// If a descriptor has become another file's, the transport ends. It does not call ErrorReceived for
// ever.
func TestDescriptorOfAnotherFile(t *testing.T) {
	l, _ := newLoop(t)
	tr, c := newEndpoint(t, l, "udp4", DatagramConfig{})
	null, err := os.Open(os.DevNull)
	must(t, err)
	defer null.Close()
	must(t, control(null, func(fd int) error { return unix.Dup3(fd, int(tr.fd), unix.O_CLOEXEC) }))
	do(t, l, tr.readReady)
	if err := wait(t, c.lost); !errors.Is(err, syscall.ENOTSOCK) {
		t.Errorf("lost with %v", err)
	}
	if len(c.errs) > 0 {
		t.Errorf("told %v", <-c.errs)
	}
}
