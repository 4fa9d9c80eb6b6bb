//go:build !asan

// Under AddressSanitizer nothing is kept.

package sock

import (
	"bytes"
	"runtime"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"
)

// The memory of large frames is kept for the next ones: the system need not map and clear it again.
func TestSparesAreUsed(t *testing.T) {
	const size, messages, rounds = 64 << 10, spareMost / (2 * 64 << 10), 10
	frame := make([]byte, size)
	runtime.LockOSThread() // whose page faults count: those of the collector are others
	defer runtime.UnlockOSThread()
	faults := func() int64 {
		var usage unix.Rusage
		must(t, unix.Getrusage(unix.RUSAGE_THREAD, &usage))
		return usage.Minflt
	}
	dropAll(holdAll(t, messages, frame))
	before := faults()
	for range rounds {
		dropAll(holdAll(t, messages, frame))
	}
	if n := faults() - before; n > rounds*messages {
		t.Errorf("%d pages were mapped for %d messages of %d pages", n, rounds*messages, size>>12)
	}
}

// What is kept has a bound. The oldest spares go, and those of new sizes stay.
func TestSparesHaveABound(t *testing.T) {
	for _, test := range []struct{ frame, messages, want int }{
		{64 << 10, 1000, spareMost},
		{1 << 20, 20, spareMost},
		{spareMost, 3, spareMost},
		{spareMost + 1, 3, spareMost}, // too large to be kept, so it displaces nothing
		{3 << 20, 3, 6 << 20},
		{spareFrame, 1, 6<<20 + spareFrame},
		{spareFrame - 1, 100, 6<<20 + spareFrame}, // too small
	} {
		dropAll(holdAll(t, test.messages, make([]byte, test.frame)))
		if n := spareBytes(); n != test.want {
			t.Errorf("%d bytes are kept after %d frames of %d, want %d", n, test.messages, test.frame, test.want)
		}
	}
}

// keptOnly makes the process keep spares of these sizes alone, until the end of the test.
func keptOnly(t *testing.T, sizes ...int) {
	t.Helper()
	dropAll(holdAll(t, 1, make([]byte, spareMost))) // displaces all others
	held := holdAll(t, 1, make([]byte, spareMost))
	t.Cleanup(func() { dropAll(held) })
	var spares []Held
	for _, size := range sizes {
		spares = append(spares, holdAll(t, 1, make([]byte, size))...)
	}
	dropAll(spares)
}

// wantSpares fails the test unless the process keeps so many bytes.
func wantSpares(t *testing.T, when string, bytes int) {
	t.Helper()
	if n := spareBytes(); n != bytes {
		t.Errorf("%s: %d bytes are kept, want %d", when, n, bytes)
	}
}

// A frame gets a spare that has room for it, and leaves at most a fifth unused.
func TestSparesFit(t *testing.T) {
	for _, test := range []struct {
		size int
		fits bool
	}{
		{4*spareFrame - 1, false},
		{4 * spareFrame, true},
		{5 * spareFrame, true},
		{5*spareFrame + 1, false},
	} {
		keptOnly(t, test.size, spareFrame) // the newer one is too small
		held := holdAll(t, 1, make([]byte, 4*spareFrame))
		want := test.size + spareFrame
		if test.fits {
			want = spareFrame
		}
		wantSpares(t, "held", want)
		dropAll(held)
	}
}

// A frame that is sent gets a spare, and gives it back when its last user drops it.
func TestSendsUseSpares(t *testing.T) {
	large := bytes.Repeat([]byte("x"), spareFrame)
	send := func(t *testing.T, s *Socket, frames ...[]byte) {
		t.Helper()
		buf, table := encode(frames)
		if sent := s.Send(Batch{Buf: buf, Table: table}, Forgets, false); sent.Messages != 1 {
			t.Fatalf("%+v", sent)
		}
	}
	recv := func(t *testing.T, s *Socket) {
		t.Helper()
		if got := recvAll(t, s); len(got) != 1 || !bytes.Equal(got[0][0], large) {
			t.Fatalf("%d messages came, or another payload", len(got))
		}
	}
	t.Run("buffer", func(t *testing.T) {
		s, r := pair(t, zmq4.PUSH, zmq4.PULL)
		keptOnly(t, spareFrame)
		for range 2 {
			send(t, s, large)
			wantSpares(t, "sent", 0)
			recv(t, r)
			wantSpares(t, "received", spareFrame)
		}
		send(t, s, large[1:])
		wantSpares(t, "a smaller frame was sent", spareFrame)
	})
	t.Run("refused", func(t *testing.T) {
		_, alone := open(t, newContext(t), zmq4.PUSH)
		keptOnly(t)
		buf, table := encode([][]byte{large, large})
		if sent := alone.Send(Batch{Buf: buf, Table: table}, Discards, false); sent.Errno != syscall.EAGAIN {
			t.Fatalf("%+v", sent)
		}
		wantSpares(t, "the buffer was refused", spareFrame)
		held := hold([][]byte{large})
		if sent := alone.Send(held, Discards, false); sent.Errno != syscall.EAGAIN {
			t.Fatalf("%+v", sent)
		}
		wantSpares(t, "the held frame was refused", 0)
		held.Held.Close()
		wantSpares(t, "closed", spareFrame)
	})
	t.Run("held", func(t *testing.T) {
		s, r := pair(t, zmq4.PUSH, zmq4.PULL)
		keptOnly(t)
		for _, closeFirst := range []bool{false, true} {
			held := hold([][]byte{large})
			if sent := s.Send(held, Discards, false); sent.Messages != 1 {
				t.Fatalf("%+v", sent)
			}
			users := []func(){func() { recv(t, r) }, held.Held.Close}
			if closeFirst {
				users[0], users[1] = users[1], users[0]
			}
			users[0]()
			wantSpares(t, "one user has dropped it", 0)
			users[1]()
			wantSpares(t, "both have dropped it", spareFrame)
		}
	})
	t.Run("subscribers", func(t *testing.T) {
		ctx := newContext(t)
		zp, p := open(t, ctx, zmq4.PUB)
		must(t, zp.Bind("inproc://subscribers"))
		var subs []*Socket
		for range 2 {
			z, s := open(t, ctx, zmq4.SUB)
			must(t, z.Connect("inproc://subscribers"))
			must(t, z.SetSubscribe(""))
			subs = append(subs, s)
		}
		p.Events() // libzmq handles the subscriptions
		keptOnly(t)
		send(t, p, large)
		recv(t, subs[0])
		wantSpares(t, "a subscriber has it", 0)
		recv(t, subs[1])
		wantSpares(t, "no subscriber has it", spareFrame)
	})
	keptOnly(t)
	t.Run("terminated", func(t *testing.T) {
		ctx := newContext(t)
		zs, s := open(t, ctx, zmq4.DEALER)
		zr, _ := open(t, ctx, zmq4.DEALER)
		must(t, zs.Bind("tcp://127.0.0.1:*"))
		endpoint, err := zs.GetLastEndpoint()
		must(t, err)
		must(t, zr.Connect(endpoint))
		_, err = zs.Send("", 0) // waits for the connection
		must(t, err)
		// These come first, or they may get the spare of a frame that is sent. Each message has one
		// frame: libzmq 4.3.4 ends the process if a context ends amid a message.
		helds := []Batch{hold([][]byte{large}), hold([][]byte{large})}
		send(t, s, large)
		for _, held := range helds {
			defer held.Held.Close()
			if sent := s.Send(held, Discards, false); sent.Messages != 1 {
				t.Fatalf("%+v", sent)
			}
		}
	})
	wantSpares(t, "the context has ended", 3*spareFrame)
}
