package sock

import (
	"bytes"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

// A device forwards with a Forwarder: a message sent to enters goes from source to to, and arrives
// at leaves.
type device struct {
	t                          testing.TB
	enters, source, to, leaves *Socket
	forwarder                  *Forwarder
}

func newDevice(t testing.TB, hwm int) *device {
	enters, source := limitedPair(t, zmq4.PUSH, zmq4.PULL, 0)
	to, leaves := limitedPair(t, zmq4.PUSH, zmq4.PULL, hwm)
	return &device{t, enters, source, to, leaves, NewForwarder()}
}

// send sends messages into the device.
func (d *device) send(msgs ...[][]byte) {
	d.t.Helper()
	buf, table := encode(msgs...)
	if sent := d.enters.Send(Batch{Buf: buf, Table: table}, Discards, false); sent.Errno != 0 {
		d.t.Fatal(sent.Errno)
	}
}

// forward forwards the messages that have come.
func (d *device) forward(capture Outlet) Forwarded {
	d.t.Helper()
	if !d.source.CanForward() {
		d.t.Fatal("messages have to be looked at")
	}
	return d.forwarder.Forward(d.source, Outlet{Socket: d.to, Refusal: RefusalOf(zmq.PUSH)}, capture)
}

// share returns the refused message.
func (d *device) share() (msg [][]byte) {
	held, table := d.forwarder.Share(nil)
	defer held.Close()
	for i := range table {
		msg = append(msg, bytes.Clone(held.Frame(i)))
	}
	d.forwarder.Drop()
	return msg
}

func parts(n, size int) (msg [][]byte) {
	for i := range n {
		msg = append(msg, bytes.Repeat([]byte{byte(i)}, size))
	}
	return msg
}

func TestForward(t *testing.T) {
	d := newDevice(t, 0)
	msgs := [][][]byte{{{}}, {[]byte("one")}, parts(3, 10), parts(usualFrames, 1), parts(usualFrames+1, 1), parts(1000, 40), {{}, {}}, parts(2, 1<<20)}
	size := 0
	for _, msg := range msgs {
		size += Size(msg)
	}
	d.send(msgs...)
	want := Forwarded{
		Messages: len(msgs), Bytes: size, Errno: syscall.EAGAIN,
		To: Passed{Sent: Sent{Messages: len(msgs), Bytes: size}},
	}
	for _, msg := range msgs {
		want.To.Frames += len(msg)
	}
	got := d.forward(Outlet{})
	if got.Errno == 0 { // the Forwarder had room for its frames
		more := d.forward(Outlet{})
		got.Messages, got.Bytes, got.Errno = got.Messages+more.Messages, got.Bytes+more.Bytes, more.Errno
		got.To.Messages += more.To.Messages
		got.To.Frames, got.To.Bytes = got.To.Frames+more.To.Frames, got.To.Bytes+more.To.Bytes
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if messages, bytes := d.source.Taken(); messages != uint64(len(msgs)) || bytes != uint64(size) {
		t.Errorf("took %d messages, %d bytes", messages, bytes)
	}
	wantMessages(t, recvAll(t, d.leaves), msgs)
}

// Forward stops after a bounded number of messages, so that other sockets get their turn.
func TestForwardIsBounded(t *testing.T) {
	d := newDevice(t, 0)
	var msgs [][][]byte
	for i := range 1000 {
		msgs = append(msgs, [][]byte{[]byte(fmt.Sprint(i))})
	}
	d.send(msgs...)
	var batches []int
	for {
		f := d.forward(Outlet{})
		batches = append(batches, f.Messages)
		if f.Errno != 0 {
			break
		}
	}
	if want := []int{256, 256, 256, 232}; !slices.Equal(batches, want) {
		t.Errorf("batches of %v, want %v", batches, want)
	}
	wantMessages(t, recvAll(t, d.leaves), msgs)
}

// Forward leaves a refused message whole, and the next one in its socket.
func TestForwardRefused(t *testing.T) {
	for _, frames := range []int{1, 3, usualFrames, 100} {
		t.Run(fmt.Sprint(frames), func(t *testing.T) {
			d := newDevice(t, 1) // of each end
			var msgs [][][]byte
			for i := range 5 {
				msg := parts(frames, 50)
				msg[0] = []byte(fmt.Sprint(i))
				msgs = append(msgs, msg)
			}
			d.send(msgs...)
			f := d.forward(Outlet{})
			if f.Errno != 0 || f.To.Errno != syscall.EAGAIN || !f.To.Refused || !f.To.Known {
				t.Fatalf("%+v", f)
			}
			taken := f.Messages - 1
			if f.To.Frames != taken*frames {
				t.Errorf("%+v", f)
			}
			left := d.share()
			wantMessages(t, recvAll(t, d.leaves), msgs[:taken])
			wantMessages(t, [][][]byte{left}, msgs[taken:f.Messages])
			wantMessages(t, recvAll(t, d.source), msgs[f.Messages:])
		})
	}
}

// Drop leaves nothing in a Forwarder, neither of the refused message nor of longer ones before it.
// libzmq would never free the rest.
func TestForwardHoldsNothing(t *testing.T) {
	for _, hwm := range []int{1, 0} { // of each end; without a mark all messages are taken
		d := newDevice(t, hwm)
		d.send(parts(3, 100), parts(1, 100), parts(1, 100), parts(1, 100))
		f := d.forward(Outlet{})
		if f.To.Refused != (hwm == 1) || f.Messages < 2 {
			t.Fatalf("%+v", f)
		}
		d.forwarder.Drop()
		for i := range d.forwarder.msgs {
			if n := len(d.forwarder.msgs.Frame(i)); n > 0 {
				t.Errorf("mark %d: %d bytes are left in message %d", hwm, n, i)
			}
		}
	}
}

// A capture that had no room gets its copy later, and the destination has the message.
func TestForwardCaptureRefuses(t *testing.T) {
	d := newDevice(t, 0)
	capture, captured := limitedPair(t, zmq4.PUSH, zmq4.PULL, 1)
	msgs := [][][]byte{parts(2, 100), parts(1, 100), parts(3, 10), parts(1, 5), parts(2, 50)}
	d.send(msgs...)
	f := d.forward(Outlet{Socket: capture, Refusal: RefusalOf(zmq.PUSH)})
	if !f.Capture.Refused || f.To.Refused {
		t.Fatalf("%+v", f)
	}
	left := d.share()
	wantMessages(t, recvAll(t, d.leaves), msgs[:f.Messages])
	wantMessages(t, append(recvAll(t, captured), left), msgs[:f.Messages])
}

func TestForwardCapture(t *testing.T) {
	d := newDevice(t, 0)
	capture, captured := limitedPair(t, zmq4.PAIR, zmq4.PAIR, 0)
	msgs := [][][]byte{parts(2, 100), parts(1, 1000), {{}}, parts(3, 10)}
	d.send(msgs...)
	f := d.forward(Outlet{Socket: capture, Events: true})
	if f.Capture.Refused || f.Messages != len(msgs) || !f.Capture.Known || f.To.Known {
		t.Fatalf("%+v", f)
	}
	wantMessages(t, recvAll(t, d.leaves), msgs)
	wantMessages(t, recvAll(t, captured), msgs)
}

// A ROUTER with ROUTER_MANDATORY refuses a message for an unknown peer, whole.
func TestForwardUnroutable(t *testing.T) {
	ctx := newContext(t)
	z, to := open(t, ctx, zmq4.ROUTER)
	must(t, z.SetRouterMandatory(1))
	enters, source := limitedPair(t, zmq4.PUSH, zmq4.PULL, 0)
	d := &device{t, enters, source, to, nil, NewForwarder()}
	msg := [][]byte{[]byte("nobody"), []byte("hello")}
	d.send(msg, msg)
	f := d.forward(Outlet{})
	if f.Messages != 1 || f.To.Errno != syscall.EHOSTUNREACH || !f.To.Refused || f.To.Cut {
		t.Fatalf("%+v", f)
	}
	wantMessages(t, [][][]byte{d.share()}, [][][]byte{msg})
}

// CanForward is false for messages that Recv must look at.
func TestCannotForward(t *testing.T) {
	d := newDevice(t, 0)
	d.send(parts(1, 1))
	c := NewCopier(true)
	msgs, _ := c.Recv(d.source)
	kept, _ := c.Return(msgs, false)
	d.source.PutBack(kept)
	if d.source.CanForward() {
		t.Error("with an inbox")
	}
	wantMessages(t, recvAll(t, d.source), [][][]byte{parts(1, 1)})
	if !d.source.CanForward() {
		t.Error("without an inbox")
	}
	d.source.inbox.partial = parts(1, 1)
	if d.source.CanForward() {
		t.Error("with a part of a message")
	}
	d.source.inbox.partial = nil
	d.source.wary = 1
	if d.source.CanForward() {
		t.Error("while it is wary")
	}
	d.source.wary = 0
	d.source.TrackOrigins(true)
	if d.source.CanForward() {
		t.Error("with origins that are tracked")
	}
	d.source.TrackOrigins(false)
	d.source.Conflate()
	if d.source.CanForward() {
		t.Error("with CONFLATE")
	}
}

func BenchmarkForward(b *testing.B) {
	d := newDevice(b, 0)
	msgs := make([][][]byte, 256)
	for i := range msgs {
		msgs[i] = parts(1, 64)
	}
	c := NewCopier(true)
	b.ReportAllocs()
	for range b.N {
		b.StopTimer()
		d.send(msgs...)
		b.StartTimer()
		d.forward(Outlet{})
		b.StopTimer()
		for {
			if _, errno := c.Recv(d.leaves); errno != 0 {
				break
			}
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/msg")
}

// A Forward ends as a receive does: no message is begun then.
func TestForwardIsAReceive(t *testing.T) {
	d := newDevice(t, 0)
	if _, errno := d.source.Events(); errno != 0 || !d.source.begun {
		t.Fatalf("%v; begun %t", errno, d.source.begun)
	}
	if f := d.forward(Outlet{}); f.Errno != syscall.EAGAIN || d.source.begun {
		t.Errorf("%+v; begun %t", f, d.source.begun)
	}
}
