//go:build unix

package poll

import "golang.org/x/sys/unix"

// Spare opens and closes n descriptors, to find out whether the process can. The error is EMFILE or
// ENFILE. The Poller must not be closed meanwhile.
func (p *Poller) Spare(n int) error {
	for range n {
		fd, err := unix.FcntlInt(uintptr(p.wake.readFD()), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
	}
	return nil
}
