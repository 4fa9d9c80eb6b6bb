package sock

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"
	"github.com/zmqio/zmq"
)

// A REQ whose pipe dies amid a request must be able to make the request again, unless
// libzmq has taken it for sent. The second frame is large, so that the death is noticed
// before it.
func TestRequestCutByADyingPipe(t *testing.T) {
	for _, frames := range []int{2, 3, 4} {
		request := [][]byte{[]byte("head"), make([]byte, 16<<20), {2}, {3}}[:frames]
		buf, table := encode(request)
		held := hold(request)
		defer held.Held.Close()
		// What libzmq holds goes out too fast to be cut; it must be right at the second try.
		for name, again := range map[string]Batch{"copied": {Buf: buf, Table: table}, "held": held} {
			t.Run(fmt.Sprintf("%d frames, %s", frames, name), func(t *testing.T) {
				for try := range 500 {
					if cutRequest(t, fmt.Sprintf("inproc://cut%d", try), request, again) {
						return
					}
				}
				if frames == 2 || RefusalOf(zmq.REQ) == Headless {
					t.Fatal("the pipe never died between the two frames")
				}
			})
		}
	}
}

// cutRequest reports whether the request was cut. If it was, it is made again.
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
