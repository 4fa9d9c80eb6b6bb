package sock

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"
	"github.com/zmqio/zmq"
)

// A REQ whose pipe dies amid a request can make the request again, unless libzmq counts it as sent.
// The second frame is large, so that libzmq notices the death before it.
func TestRequestCutByADyingPipe(t *testing.T) {
	for _, frames := range []int{2, 4} {
		request := [][]byte{[]byte("head"), make([]byte, 16<<20), {2}, {3}}[:frames]
		buf, table := encode(request)
		held := hold(request)
		defer held.Held.Close()
		// A frame in libzmq's memory goes out too fast to be cut, so held serves the second try.
		for name, again := range map[string]Batch{"copied": {Buf: buf, Table: table}, "held": held} {
			t.Run(fmt.Sprintf("%d frames, %s", frames, name), func(t *testing.T) {
				tries, needed := 500, frames == 2 || RefusalOf(zmq.REQ) == Headless
				if !needed { // libzmq counts the request as sent, whole or cut
					tries = 5
				}
				for try := range tries {
					if cutRequest(t, fmt.Sprintf("inproc://cut%d", try), request, again) {
						return
					}
				}
				if needed {
					t.Fatal("the pipe never died between two frames")
				}
			})
		}
	}
}

// cutRequest reports whether the request was cut. After a cut it makes the request again.
func cutRequest(t *testing.T, endpoint string, request [][]byte, again Batch) bool {
	ctx := newContext(t)
	z, s := open(t, ctx, zmq4.REQ)
	must(t, z.Bind(endpoint))
	zr, _ := open(t, ctx, zmq4.ROUTER)
	must(t, zr.Connect(endpoint))
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		zr.SetLinger(0)
		zr.Close()
	}()
	buf, table := encode(request)
	refusal := RefusalOf(zmq.REQ)
	sent := s.Send(Batch{Buf: buf, Table: table}, refusal, true)
	<-closed
	if sent.Frames > 0 || !s.headless {
		return false
	}
	zr2, r := open(t, ctx, zmq4.ROUTER)
	must(t, zr2.Connect(endpoint))
	for sent.Frames == 0 {
		if sent = s.Send(again, refusal, true); sent.Errno != 0 && sent.Errno != syscall.EAGAIN {
			t.Fatal(sent.Errno)
		}
	}
	if sent.Frames != len(request) || sent.Bytes != len(buf) {
		t.Errorf("%+v", sent)
	}
	got := recvAll(t, r)
	if len(got) != 1 || len(got[0]) < 2 || len(got[0][1]) != 0 {
		t.Fatalf("the ROUTER got %d messages, %s", len(got), sizes(got))
	}
	for i, f := range got[0][2:] {
		if i >= len(request) || !bytes.Equal(f, request[i]) {
			t.Fatalf("the ROUTER got %s", sizes(got))
		}
	}
	return true
}

// A REQ has two peers, and one goes amid the request. The other gets the request whole with its
// delimiter, or not at all. Before 4.3.1 the delimiter may be missing. libzmq sends it itself, may
// notice the loss of the peer before the first frame, and returns EAGAIN. EAGAIN also means that
// neither was sent.
func TestCutRequestGoesWholeToAnother(t *testing.T) {
	request := [][]byte{[]byte("head"), make([]byte, 16<<20), {2}, {3}}
	buf, table := encode(request)
	refusal, cut := RefusalOf(zmq.REQ), 0
	for try := 0; try < 20 || refusal == Headless && cut == 0; try++ {
		if try == 500 {
			t.Fatal("the pipe never died amid the request")
		}
		endpoint := fmt.Sprintf("inproc://whole%d", try)
		ctx := newContext(t)
		z, s := open(t, ctx, zmq4.REQ)
		must(t, z.Bind(endpoint))
		goes, _ := open(t, ctx, zmq4.ROUTER)
		must(t, goes.Connect(endpoint))
		zr, r := open(t, ctx, zmq4.ROUTER)
		must(t, zr.Connect(endpoint))
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			goes.SetLinger(0)
			goes.Close()
		}()
		for {
			errno := s.Send(Batch{Buf: buf, Table: table}, refusal, false).Errno
			if errno == 0 {
				break
			}
			if cut++; errno != syscall.EAGAIN {
				t.Fatal(errno)
			}
		}
		<-gone
		for _, m := range recvAll(t, r) {
			body := m[1:]
			delimited := len(body[0]) == 0
			if delimited {
				body = body[1:]
			}
			if !delimited && refusal != Headless || len(body) != len(request) || !bytes.Equal(body[0], request[0]) {
				t.Fatalf("the peer that stayed got %s", sizes([][][]byte{m}))
			}
		}
	}
}
