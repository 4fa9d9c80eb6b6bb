package sock

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

// open returns a socket. The end of the test closes it and its context.
func open(t testing.TB, ctx *zmq4.Context, typ zmq4.Type) (*zmq4.Socket, *Socket) {
	t.Helper()
	z, err := ctx.NewSocket(typ)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { z.SetLinger(0); z.Close() })
	s, err := New(z)
	if err != nil {
		t.Fatal(err)
	}
	return z, s
}

func newContext(t testing.TB) *zmq4.Context {
	t.Helper()
	ctx, err := zmq4.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ctx.Term(); err != nil {
			t.Error(err)
		}
	})
	return ctx
}

// pair returns two connected sockets without high-water marks.
func pair(t testing.TB, from, to zmq4.Type) (*Socket, *Socket) {
	t.Helper()
	return limitedPair(t, from, to, 0)
}

// limitedPair returns two connected sockets, each with a high-water mark of hwm.
func limitedPair(t testing.TB, from, to zmq4.Type, hwm int) (*Socket, *Socket) {
	t.Helper()
	ctx := newContext(t)
	zs, s := open(t, ctx, from)
	zr, r := open(t, ctx, to)
	for _, z := range []*zmq4.Socket{zs, zr} {
		must(t, z.SetSndhwm(hwm))
		must(t, z.SetRcvhwm(hwm))
	}
	must(t, zr.Bind("inproc://pair"))
	must(t, zs.Connect("inproc://pair"))
	return s, r
}

// must fails the test with err, and ends it.
var must = testkit.Must

// encode returns messages in the form of Send.
func encode(msgs ...[][]byte) (buf []byte, table []uint64) {
	for _, msg := range msgs {
		for i, f := range msg {
			buf = append(buf, f...)
			table = append(table, Frame(len(f), i < len(msg)-1))
		}
	}
	return buf, table
}

// recvAll receives until the socket is empty.
func recvAll(t testing.TB, s *Socket) [][][]byte {
	t.Helper()
	r := NewCopier(false)
	return untilEmpty(t, func() ([][][]byte, syscall.Errno) { return r.Recv(s) })
}

// untilEmpty collects the messages of receive until the socket is empty.
func untilEmpty(t testing.TB, receive func() ([][][]byte, syscall.Errno)) (msgs [][][]byte) {
	t.Helper()
	for {
		batch, errno := receive()
		msgs = append(msgs, batch...)
		switch errno {
		case 0:
		case syscall.EAGAIN:
			return msgs
		default:
			t.Fatal(errno)
		}
	}
}

func TestMessagesArriveAsTheyWere(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	frame := func(n int) []byte {
		f := make([]byte, n)
		for i := range f {
			f[i] = byte(random.Uint32())
		}
		return f
	}
	many := make([][]byte, 10_000)
	for i := range many {
		many[i] = frame(i % 7)
	}
	var lot [][][]byte
	for range 3*maxMessages + 1 {
		msg := make([][]byte, 1+random.IntN(4))
		for i := range msg {
			msg[i] = frame(random.IntN(600))
		}
		lot = append(lot, msg)
	}
	tests := map[string][][][]byte{
		"nothing":        nil,
		"one":            {{frame(5)}},
		"empty frame":    {{{}}},
		"empty frames":   {{{}, {}, frame(3), {}}},
		"edges of copy":  {{frame(maxCopy), frame(maxCopy + 1)}, {frame(maxCopy - 1)}, {frame(maxCopy + 1), {}}, {frame(3)}},
		"scratch filled": {{frame(maxCopy), frame(maxCopy), frame(maxCopy), frame(maxCopy), frame(maxCopy), frame(maxCopy), frame(maxCopy), frame(maxCopy), frame(1), frame(maxCopy)}, {frame(1)}},
		"large":          {{frame(1 << 20)}, {frame(2), frame(maxBatch), frame(2)}, {frame(3 << 20)}},
		"many frames":    {many, {frame(1)}, many},
		"frame table":    {many[:maxFrames], many[:maxFrames-1], many[:maxFrames+1]},
		"many messages":  lot,
	}
	for name, msgs := range tests {
		t.Run(name, func(t *testing.T) { wantArrive(t, msgs, recvAll) })
		t.Run(name+", lent", func(t *testing.T) { wantArrive(t, msgs, borrowAll) })
	}
}

func wantArrive(t *testing.T, msgs [][][]byte, receive func(testing.TB, *Socket) [][][]byte) {
	s, r := pair(t, zmq4.PUSH, zmq4.PULL)
	buf, table := encode(msgs...)
	sent := s.Send(Batch{Buf: buf, Table: table}, Discards, false)
	if sent.Errno != 0 || sent.Frames != len(table) || sent.Bytes != len(buf) {
		t.Fatalf("sent %+v, want %d frames and %d bytes", sent, len(table), len(buf))
	}
	got := receive(t, r)
	if len(got) != len(msgs) {
		t.Fatalf("got %d messages, want %d", len(got), len(msgs))
	}
	for i, msg := range got {
		if len(msg) != len(msgs[i]) {
			t.Fatalf("message %d has %d frames, want %d", i, len(msg), len(msgs[i]))
		}
		for j, f := range msg {
			if f == nil || !bytes.Equal(f, msgs[i][j]) {
				t.Fatalf("message %d: frame %d differs", i, j)
			}
		}
	}
}

// An append to a received frame does not overwrite the next frame.
func TestFramesAreCut(t *testing.T) {
	s, r := pair(t, zmq4.PUSH, zmq4.PULL)
	buf, table := encode([][]byte{[]byte("ab"), []byte("cd")}, [][]byte{[]byte("ef")})
	s.Send(Batch{Buf: buf, Table: table}, Forgets, false)
	msgs := recvAll(t, r)
	_ = append(msgs[0][0], 'X')
	_ = append(msgs[0], []byte("X"))
	if got := fmt.Sprintf("%s %s", msgs[0], msgs[1]); got != "[ab cd] [ef]" {
		t.Errorf("got %s", got)
	}
}

// A receiver may append to a message: that changes no other message of the batch.
func TestMessagesAreCut(t *testing.T) {
	for _, frames := range []int{1, 2} {
		s, r := pair(t, zmq4.PUSH, zmq4.PULL)
		want := copies("m", 10, frames)
		sendAll(t, s, want)
		got := recvAll(t, r)
		for _, msg := range got {
			_ = append(msg, []byte("more"))
		}
		wantMessages(t, got, want)
	}
}

func TestReceiveAllocatesTwiceABatch(t *testing.T) {
	s, r := pair(t, zmq4.PUSH, zmq4.PULL)
	msg := [][]byte{make([]byte, 64)}
	var msgs [][][]byte
	for range 100 {
		msgs = append(msgs, msg)
	}
	buf, table := encode(msgs...)
	rec := NewCopier(false)
	n := 0
	allocs := testing.AllocsPerRun(20, func() {
		s.Send(Batch{Buf: buf, Table: table}, Forgets, false)
		batch, _ := rec.Recv(r)
		n += len(batch)
	})
	if allocs > 2 {
		t.Errorf("%v allocations a batch, want the payload and the slices", allocs)
	}
	if n != 21*100 {
		t.Errorf("received %d messages", n)
	}
}

func TestRefusedMessagesStay(t *testing.T) {
	ctx := newContext(t)
	zs, s := open(t, ctx, zmq4.PUSH)
	zr, r := open(t, ctx, zmq4.PULL)
	must(t, zs.SetSndhwm(2))
	must(t, zr.SetRcvhwm(2))
	must(t, zr.Bind("inproc://refused"))
	must(t, zs.Connect("inproc://refused"))
	var msgs [][][]byte
	for i := range 10 {
		msgs = append(msgs, [][]byte{{byte(i)}, []byte("rest")})
	}
	buf, table := encode(msgs...)
	var got [][][]byte
	for len(table) > 0 {
		sent := s.Send(Batch{Buf: buf, Table: table}, Discards, false)
		if sent.Frames == 0 || sent.Frames%2 != 0 {
			t.Fatalf("%d frames were taken", sent.Frames)
		}
		buf, table = buf[sent.Bytes:], table[sent.Frames:]
		if len(table) > 0 && (sent.Errno != syscall.EAGAIN || !sent.Known || sent.Events.Writable()) {
			t.Fatalf("a full socket said %+v", sent)
		}
		got = append(got, recvAll(t, r)...)
	}
	for i, msg := range got {
		if int(msg[0][0]) != i {
			t.Fatalf("message %d came as number %d", msg[0][0], i)
		}
	}
	if len(got) != 10 {
		t.Errorf("got %d messages", len(got))
	}
}

// If a pipe dies between two frames of a message, libzmq refuses the second. Receivers come and go
// here. None may get a message without its beginning or end, or twice.
func TestDyingPipesCutNoMessage(t *testing.T) {
	for from, to := range map[zmq4.Type]zmq4.Type{zmq4.PUSH: zmq4.PULL, zmq4.DEALER: zmq4.DEALER} {
		t.Run(from.String(), func(t *testing.T) {
			ctx := newContext(t)
			zs, s := open(t, ctx, from)
			must(t, zs.SetSndhwm(0))
			must(t, zs.Bind("inproc://dying"))
			const frames, rounds = 500, 60
			seen := make(map[uint32]bool)
			number := uint32(0)
			for range rounds {
				zr, r := open(t, ctx, to)
				must(t, zr.Connect("inproc://dying"))
				var stop atomic.Bool
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					for !stop.Load() {
						number++
						sendNumbered(s, number, frames, &stop)
					}
				}()
				err := receiveNumbered(r, 3, frames, seen)
				zr.SetLinger(0)
				zr.Close()
				stop.Store(true)
				<-stopped
				must(t, err)
				// libzmq sees here that the pipe is gone. With three pipes or more, some of which
				// terminate, it loses its place among them.
				for {
					e, errno := s.Events()
					if errno != 0 {
						t.Fatal(errno)
					}
					if !e.Writable() {
						break
					}
				}
			}
		})
	}
}

// sendNumbered sends a message whose frames have its number and theirs, until libzmq takes it or
// stop is set.
func sendNumbered(s *Socket, number uint32, frames int, stop *atomic.Bool) {
	msg := make([][]byte, frames)
	for i := range msg {
		msg[i] = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, number), uint32(i))
	}
	buf, table := encode(msg)
	batch := Batch{Buf: buf, Table: table}
	if number%2 == 0 {
		batch = hold(msg)
		defer batch.Held.Close()
	}
	for s.Send(batch, Discards, false).Errno == syscall.EAGAIN && !stop.Load() {
	}
}

// receiveNumbered receives n messages of sendNumbered, and more that come with them.
func receiveNumbered(r *Socket, n, frames int, seen map[uint32]bool) error {
	for rec, got := NewCopier(false), 0; got < n; {
		batch, errno := rec.Recv(r)
		if errno != 0 && errno != syscall.EAGAIN {
			return errno
		}
		for _, msg := range batch {
			got++
			if err := checkNumbered(msg, frames, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkNumbered(msg [][]byte, frames int, seen map[uint32]bool) error {
	if len(msg) != frames {
		return fmt.Errorf("a message of %d frames, want %d", len(msg), frames)
	}
	number := binary.BigEndian.Uint32(msg[0])
	if seen[number] {
		return fmt.Errorf("message %d came twice", number)
	}
	seen[number] = true
	for i, f := range msg {
		if n, j := binary.BigEndian.Uint32(f), binary.BigEndian.Uint32(f[4:]); n != number || int(j) != i {
			return fmt.Errorf("frame %d of message %d is frame %d of message %d", i, number, j, n)
		}
	}
	return nil
}

func TestEventsComeWithTheSend(t *testing.T) {
	s, r := pair(t, zmq4.DEALER, zmq4.DEALER)
	buf, table := encode([][]byte{[]byte("x")})
	if sent := s.Send(Batch{Buf: buf, Table: table}, Forgets, false); sent.Known {
		t.Error("events were read unasked")
	}
	sent := r.Send(Batch{Buf: buf, Table: table}, Discards, true)
	if !sent.Known || !sent.Events.Readable() || !sent.Events.Writable() {
		t.Errorf("%+v, want readable and writable", sent)
	}
	if e, errno := r.Events(); errno != 0 || !e.Readable() {
		t.Errorf("Events: %v %v", e, errno)
	}
}

// hold returns a batch of one message in libzmq's memory.
func hold(msg [][]byte) Batch {
	_, table := encode(msg)
	held, errno := Held(nil).Hold(msg)
	if errno != 0 {
		panic(errno)
	}
	return Batch{Held: held, Table: table}
}

func TestSendHeld(t *testing.T) {
	s, r := pair(t, zmq4.DEALER, zmq4.DEALER)
	want := [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("three"), 100)}
	held := hold(want)
	_, alone := open(t, newContext(t), zmq4.PUSH)
	if sent := alone.Send(held, Discards, false); sent.Errno != syscall.EAGAIN || sent.Frames != 0 || !sent.Known || sent.Events.Writable() {
		t.Errorf("refused: %+v", sent)
	}
	_, pull := open(t, newContext(t), zmq4.PULL)
	if sent := pull.Send(held, Forgets, false); sent.Errno != syscall.ENOTSUP || sent.Frames != 0 {
		t.Errorf("a send on PULL: %+v", sent)
	}
	for range 2 { // a send does not change it
		if sent := s.Send(held, Discards, false); sent != (Sent{Messages: 1, Frames: 3, Bytes: 503}) {
			t.Errorf("%+v", sent)
		}
	}
	held.Held.Close()
	got := recvAll(t, r)
	if len(got) != 2 || !slices.EqualFunc(got[0], want, bytes.Equal) || !slices.EqualFunc(got[1], want, bytes.Equal) {
		t.Errorf("got %q", got)
	}
}

func TestErrors(t *testing.T) {
	ctx, err := zmq4.NewContext()
	must(t, err)
	z, s := open(t, ctx, zmq4.PULL)
	rec := NewCopier(false)
	buf, table := encode([][]byte{[]byte("x")})
	if sent := s.Send(Batch{Buf: buf, Table: table}, Forgets, false); sent.Errno != syscall.ENOTSUP || sent.Frames != 0 {
		t.Errorf("a send on PULL: %+v", sent)
	}
	if _, errno := s.GetRaw(9999, make([]byte, 8)); errno != syscall.EINVAL {
		t.Errorf("unknown option: %v", errno)
	}
	if errno := s.SetRaw(17, []byte{1}); errno != syscall.EINVAL { // ZMQ_LINGER wants an int
		t.Errorf("short option: %v", errno)
	}
	const eterm = syscall.Errno(156384765)
	done := make(chan error, 1)
	go func() { done <- ctx.Term() }()
	for {
		if _, errno := rec.Recv(s); errno == eterm {
			break
		} else if errno != syscall.EAGAIN {
			t.Fatalf("during termination: %v", errno)
		}
	}
	z.Close()
	must(t, <-done)
	closed, err := New(z)
	must(t, err)
	if _, errno := rec.Recv(closed); errno != syscall.ENOTSOCK {
		t.Errorf("a closed socket: %v", errno)
	}
}

func TestOptions(t *testing.T) {
	_, s := open(t, newContext(t), zmq4.PULL)
	buf := make([]byte, 4)
	must := func(errno syscall.Errno) {
		t.Helper()
		if errno != 0 {
			t.Fatal(errno)
		}
	}
	must(s.SetRaw(17, binary.NativeEndian.AppendUint32(nil, 1234)))
	n, errno := s.GetRaw(17, buf)
	must(errno)
	if n != 4 || binary.NativeEndian.Uint32(buf) != 1234 {
		t.Errorf("ZMQ_LINGER is %v, length %d", buf, n)
	}
	// ZMQ_PLAIN_USERNAME accepts NULL, which clears it, but no empty string.
	must(s.SetRaw(45, []byte("name")))
	must(s.SetRaw(45, nil))
	if errno := s.SetRaw(45, []byte{}); errno != syscall.EINVAL {
		t.Errorf("an empty user name: %v", errno)
	}
}

// A Send that reads ZMQ_EVENTS has begun a message, and counts the inbox as readable.
func TestEventsOfSendCountTheInbox(t *testing.T) {
	a, _ := limitedPair(t, zmq4.PAIR, zmq4.PAIR, 0)
	a.PutBack([][][]byte{{nil}})
	a.begun = false
	buf, table := encode([][]byte{{1}})
	if sent := a.Send(Batch{Buf: buf, Table: table}, Forgets, true); !sent.Known || !sent.Events.Readable() || !a.begun {
		t.Errorf("%+v; begun %t", sent, a.begun)
	}
}
