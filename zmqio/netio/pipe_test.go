package netio

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func isBlocking(t testing.TB, fd int) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	must(t, err)
	return flags&unix.O_NONBLOCK == 0
}

// An open file that cannot be reopened is set not to block. The last transport on it sets it to
// block again.
func TestBorrowedDeviceIsGivenBack(t *testing.T) {
	fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0) // opening a device anew may have effects
	must(t, err)
	defer unix.Close(fd)
	r := &pipe{way: toRead, device: 1}
	w := &pipe{way: toWrite, device: 1}
	in, err := r.open(fd)
	must(t, err)
	defer in.close()
	out, err := w.open(fd)
	must(t, err)
	defer out.close()
	if isBlocking(t, fd) {
		t.Error("the open file blocks while transports use it")
	}
	r.giveBack(in)
	if isBlocking(t, fd) {
		t.Error("the open file blocks while another transport uses it")
	}
	w.giveBack(out)
	if !isBlocking(t, fd) {
		t.Error("the open file was not given back")
	}
	if len(borrowed.users) != 0 {
		t.Errorf("still counted: %v", borrowed.users)
	}
}

// A file that does not block stays as it is.
func TestOpenFileThatDoesNotBlock(t *testing.T) {
	fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	must(t, err)
	defer unix.Close(fd)
	p := &pipe{way: toRead, device: 1}
	own, err := p.open(fd)
	must(t, err)
	defer own.close()
	p.giveBack(own)
	if isBlocking(t, fd) {
		t.Error("the open file blocks")
	}
}

// A closed standard stream becomes /dev/null, so that its number becomes no other file's.
func TestStandardStreamBecomesNull(t *testing.T) {
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	defer w.Close()
	must(t, control(r, func(fd int) error {
		replaceByNull(fd)
		return nil
	}))
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d, %v", n, err)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("the pipe still has a reader")
	}
}

// A written socket whose peer has sent data stays readable. The loop then no longer watches for
// readability, or it would never wait.
func TestWrittenSocketThatCanBeRead(t *testing.T) {
	l, _ := newLoop(t)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fds[1])
	tr, _, err := ConnectWritePipe(bounded(t), l, newRecorder, os.NewFile(uintptr(fds[0]), "socket"))
	must(t, err)
	looks := func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return tr.wanted&toRead != 0
	}
	if !looks() {
		t.Error("the loop would not see that the peer has gone")
	}
	_, err = unix.Write(fds[1], []byte("x"))
	must(t, err)
	for ctx := bounded(t); looks(); runtime.Gosched() {
		must(t, ctx.Err())
	}
	must(t, tr.Write([]byte("y")))
	must(t, tr.Close())
}
