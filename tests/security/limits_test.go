package security

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
)

const frameSize = 1000

func atMost(bytes int64) setter { return func(o zmq.Sockopts) error { return o.SetMaxMsgSize(bytes) } }

// MAXMSGSIZE bounds each frame. A message of several frames may be longer. A longer frame ends the
// peer's connection.
func TestMaxMsgSizeIsPerFrame(t *testing.T) {
	checkLeaks(t)
	loop := newLoop(t, nil)
	server := bind(t, loop, atMost(frameSize))
	frame := bytes.Repeat([]byte("x"), frameSize)
	want := strings.Join([]string{string(frame), string(frame), string(frame)}, "|")

	client := connect(t, loop, server)
	must(t, client.tr.Write([][]byte{frame, frame, frame}))
	server.waitGot(want)
	if server.saw(zmq.EVENT_DISCONNECTED) {
		t.Error("the client was disconnected")
	}

	// The frames in front of the one that is too long do not arrive either.
	must(t, client.tr.Write([][]byte{frame, append(frame, 'x')}))
	server.wait(func() bool { return server.events&zmq.EVENT_DISCONNECTED != 0 })
	client.abort()
	other := connect(t, loop, server)
	other.write("from another client")
	server.waitGot(want, "from another client")
}

// RCVHWM counts whole messages. libzmq receives a message without end as long as it goes on,
// although it stops whole messages.
func TestUnfinishedMessageHasNoBound(t *testing.T) {
	checkLeaks(t)
	loop := newLoop(t, nil)
	small := func(o zmq.Sockopts) error { return errors.Join(o.SetRcvHWM(1), o.SetRcvBuf(1<<16)) }
	const total = 8 << 20 // much more than the kernel keeps with such buffers
	for _, c := range []struct {
		name  string
		flags byte
		taken bool
	}{{"one without end", 3, true}, {"whole ones", 2, false}} {
		t.Run(c.name, func(t *testing.T) {
			server := bind(t, loop, atMost(frameSize), small)
			must(t, server.tr.PauseReading())
			conn, err := net.Dial("tcp", rawAddr(server))
			must(t, err)
			defer conn.Close()
			must(t, conn.(*net.TCPConn).SetWriteBuffer(1<<16))
			ready := "\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
			_, err = conn.Write(append(greeting("NULL"), "\x04"+string(byte(len(ready)))+ready...))
			must(t, err)
			answer := make([]byte, 66) // a greeting, and READY's flags and length, which come before any message
			_, err = io.ReadFull(conn, answer)
			must(t, err)
			_, err = io.ReadFull(conn, make([]byte, answer[65]))
			must(t, err)
			frame := append([]byte{c.flags, 0, 0, 0, 0, 0, 0, frameSize >> 8, frameSize & 0xff}, make([]byte, frameSize)...)
			if !c.taken {
				must(t, conn.SetWriteDeadline(time.Now().Add(impatient))) // the write would wait for ever
			}
			_, err = conn.Write(bytes.Repeat(frame, total/frameSize))
			if c.taken && err != nil || !c.taken && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("writing 8 MiB: %v; %v", err, server)
			}
			server.wantGot()
			server.abort()
		})
	}
}
