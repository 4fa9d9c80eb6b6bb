package zmqio

import (
	"errors"
	"io/fs"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq"
)

// Without CAP_NET_ADMIN libzmq would end the process at the next bind or connect.
func TestPriorityWithoutTheRight(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked, so that the thread ends with its rights
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			t.Error(err)
			return
		}
		for _, priority := range []int{0, 6} {
			if err := checkPriority(priority); err != nil {
				t.Errorf("%d: %v", priority, err)
			}
		}
		for _, priority := range []int{7, 100, -1} {
			if err := checkPriority(priority); !errors.Is(err, zmq.EPERM) || !errors.Is(err, fs.ErrPermission) {
				t.Errorf("%d: %v", priority, err)
			}
		}
		checkPriorityOption(t)
	}()
	<-done
}

// checkPriorityOption sets the option if libzmq has it.
func checkPriorityOption(t *testing.T) {
	l := newLoop(t)
	err := errors.New("not tried")
	_, _, failed := l.CreateZmqConnection(bounded(t), func() Protocol { return BaseProtocol{} }, zmq.PULL,
		configured(bindTo(anyPort), func(o zmq.Sockopts) error {
			if err = o.SetPriority(6); err == nil {
				err = o.SetPriority(7)
			}
			return err
		}))
	if !errors.Is(failed, err) || !errors.Is(err, zmq.EPERM) && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v, %v", err, failed)
	}
}
