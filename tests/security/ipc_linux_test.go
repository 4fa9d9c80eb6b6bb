package security

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A bind leaves alone a socket of another user that it may not connect to. The thread takes another
// user's rights for that, and ends with the goroutine.
func TestIPCForeignSocket(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	checkLeaks(t)
	loop, err := zmqio.NewEventLoop(nil) // the loop does not run, so this goroutine binds
	must(t, err)
	defer func() { must(t, loop.Close()) }()
	dir := socketDir(t)
	must(t, os.Chmod(dir, 0o777)) // where another user may remove files
	path := dir + "/s"
	stale(t, path)
	must(t, os.Chmod(path, 0o700))
	before, err := os.Lstat(path)
	must(t, err)
	p := idle(t, loop)
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			done <- err
			return
		}
		_, err := p.tr.Bind("ipc://" + path)
		done <- err
	}()
	err = <-done
	for _, want := range []error{zmq.EACCES, fs.ErrPermission} {
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the file is gone: %v", err)
	}
}
