package sock

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"
)

// No call that handles commands fails when its thread gets signals. Without a retry one in a
// hundred fails.
func TestInterruptedCalls(t *testing.T) {
	_, r := open(t, newContext(t), zmq4.PULL)
	_, alone := open(t, newContext(t), zmq4.PUSH)
	buf, table := encode([][]byte{[]byte("x")})
	one := Batch{Buf: buf, Table: table}
	held := hold([][]byte{[]byte("x")})
	defer held.Held.Close()
	rec := NewCopier(false)
	option := make([]byte, 4)
	calls := map[string]struct {
		want syscall.Errno
		do   func() syscall.Errno
	}{
		"Events": {0, func() syscall.Errno { _, errno := r.Events(); return errno }},
		"GetRaw": {0, func() syscall.Errno { _, errno := r.GetRaw(15, option); return errno }}, // ZMQ_EVENTS
		"Recv":   {syscall.EAGAIN, func() syscall.Errno { _, errno := rec.Recv(r); return errno }},
		"Send":   {syscall.EAGAIN, func() syscall.Errno { return alone.Send(one, Discards, false).Errno }},
		"held":   {syscall.EAGAIN, func() syscall.Errno { return alone.Send(held, Discards, false).Errno }},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			defer interrupt()()
			for range 10_000 {
				if got := call.do(); got != call.want {
					t.Fatalf("%v, want %v", got, call.want)
				}
			}
		})
	}
}

// interrupt sends signals to the calling thread until end is called.
func interrupt() (end func()) {
	runtime.LockOSThread()
	pid, tid := unix.Getpid(), unix.Gettid()
	var done atomic.Bool
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for !done.Load() {
			_ = unix.Tgkill(pid, tid, unix.SIGURG) // Go handles and ignores it
		}
	}()
	return func() {
		done.Store(true)
		<-stopped
		runtime.UnlockOSThread()
	}
}
