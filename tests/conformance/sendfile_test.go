package conformance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

func TestSendfile(t *testing.T) {
	onFileLinks(t, func(t *testing.T, link string) {
		s, far := fileLink(t, link, netio.Config{})
		f := openFile(t)
		done := sendingFile(bounded(t), s, f, 0, -1)
		wantsBytes(t, far, fileData)
		wantsSent(t, done, int64(len(fileData)))
		wantsPosition(t, f, int64(len(fileData)))
		must(t, s.tr.Close())
		wantsNoMore(t, far)
		far.Close()
		<-s.tr.Closed()
		must(t, s.lostErr)
	})
}

func TestSendfilePartial(t *testing.T) {
	onFileLinks(t, func(t *testing.T, link string) {
		s, far := fileLink(t, link, netio.Config{})
		f := openFile(t)
		wantsSent(t, sendingFile(bounded(t), s, f, 1000, 100), 100)
		wantsPosition(t, f, 1100)
		wantsBytes(t, far, fileData[1000:1100])
		wantsSent(t, sendingFile(bounded(t), s, f, 5, 0), 0)
		wantsSent(t, sendingFile(bounded(t), s, f, int64(len(fileData)), -1), 0)
		wantsSent(t, sendingFile(bounded(t), s, f, int64(len(fileData))+1, 10), 0)
		wantsPosition(t, f, 1100) // nothing was sent
		wantsSent(t, sendingFile(bounded(t), s, f, int64(len(fileData))-3, 100), 3)
		wantsBytes(t, far, fileData[len(fileData)-3:])
		must(t, s.tr.Write([]byte("end")))
		wantsBytes(t, far, []byte("end"))
	})
}

func TestSendfilePreAndPostData(t *testing.T) {
	prefix, suffix := bytes.Repeat([]byte("PREFIX__"), 128<<10), bytes.Repeat([]byte("--SUFFIX"), 16<<10)
	onFileLinks(t, func(t *testing.T, link string) {
		s, far := fileLink(t, link, netio.Config{})
		f := openFile(t)
		must(t, s.tr.Write(prefix))
		if s.tr.WriteBufferSize() == 0 {
			t.Error("nothing is buffered")
		}
		done := sendingFile(bounded(t), s, f, 0, -1)
		wantsBytes(t, far, prefix, fileData)
		wantsSent(t, done, int64(len(fileData)))
		must(t, s.tr.Write(suffix))
		must(t, s.tr.Close())
		wantsBytes(t, far, suffix)
		wantsNoMore(t, far)
		wantsPosition(t, f, int64(len(fileData)))
	})
}

// SendFile copies a file that is not regular.
func TestSendfileForceFallback(t *testing.T) {
	zeros, err := os.Open("/dev/zero")
	must(t, err)
	defer zeros.Close()
	for _, link := range fileLinks {
		s, far := fileLink(t, link, netio.Config{})
		done := sendingFile(bounded(t), s, zeros, 0, int64(len(fileData)))
		wantsBytes(t, far, make([]byte, len(fileData)))
		wantsSent(t, done, int64(len(fileData)))
	}
}

// A file of /proc looks like a regular one, and sendfile(2) may refuse it.
func TestSendfileOfProc(t *testing.T) {
	const path = "/proc/filesystems"
	want, err := os.ReadFile(path)
	if err != nil {
		t.Skip(err)
	}
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	s, far := fileLink(t, "tcp", netio.Config{})
	done := sendingFile(bounded(t), s, f, 0, -1)
	wantsBytes(t, far, want)
	wantsSent(t, done, int64(len(want)))
}

func TestSendfileNoFallback(t *testing.T) {
	zeros, err := os.Open("/dev/zero")
	must(t, err)
	defer zeros.Close()
	cfg := netio.Config{NoCopying: true}
	for _, c := range []struct {
		link string
		file *os.File
	}{{"tcp", zeros}, {"unix", zeros}, {"tls", openFile(t)}} {
		s, far := fileLink(t, c.link, cfg)
		n, err := s.tr.SendFile(bounded(t), c.file, 0, 10)
		wants(t, err, errors.ErrUnsupported)
		if n != 0 {
			t.Errorf("%d bytes were sent", n)
		}
		must(t, s.tr.Write([]byte("alive")))
		wantsBytes(t, far, []byte("alive"))
	}
}

func TestSendfileForClosingTransp(t *testing.T) {
	onFileLinks(t, func(t *testing.T, link string) {
		s, far := fileLink(t, link, netio.Config{})
		f := openFile(t)
		must(t, s.tr.Close())
		n, err := s.tr.SendFile(bounded(t), f, 0, -1)
		wants(t, err, zmqio.ErrTransportClosed)
		if n != 0 {
			t.Errorf("%d bytes were sent", n)
		}
		wantsPosition(t, f, 0)
		wantsNoMore(t, far)
	})
}

func TestSendfileClosePeerAfterReceiving(t *testing.T) {
	onFileLinks(t, func(t *testing.T, link string) {
		s, far := fileLink(t, link, netio.Config{})
		f := openFile(t)
		done := sendingFile(bounded(t), s, f, 0, -1)
		wantsBytes(t, far, fileData)
		must(t, far.Close())
		wantsSent(t, done, int64(len(fileData)))
		<-s.tr.Closed() // the peer's end was read once the file was sent
		wantsPosition(t, f, int64(len(fileData)))
	})
}

// The count and the file's position say how much was sent, and the transport ends.
func TestSendfileClosePeerInTheMiddleOfReceiving(t *testing.T) {
	onFileLinks(t, func(t *testing.T, link string) {
		s, far := fileLink(t, link, netio.Config{})
		f := openFile(t)
		done := sendingFile(bounded(t), s, f, 0, -1)
		wantsBytes(t, far, fileData[:1024])
		if secured, ok := far.(interface{ NetConn() net.Conn }); ok {
			far = secured.NetConn() // no close_notify
		}
		must(t, far.Close())
		got := <-done
		if !errors.Is(got.err, syscall.EPIPE) && !errors.Is(got.err, syscall.ECONNRESET) {
			t.Errorf("the error is %v", got.err)
		}
		if got.n < 1024 || got.n >= int64(len(fileData)) {
			t.Errorf("%d bytes were sent", got.n)
		}
		wantsPosition(t, f, got.n)
		<-s.tr.Closed()
		if !errors.Is(s.lostErr, syscall.EPIPE) && !errors.Is(s.lostErr, syscall.ECONNRESET) {
			t.Errorf("ConnectionLost got %v", s.lostErr)
		}
	})
}

// While a file is sent, Write and a second SendFile are refused, WriteContext waits, and the
// transport does not read.
func TestSendfilePreventsBareWrite(t *testing.T) {
	onFileLinks(t, func(t *testing.T, link string) {
		s, far := fileLink(t, link, netio.Config{})
		f := openFile(t)
		done := sendingFile(bounded(t), s, f, 0, -1)
		begun(t, s)
		wants(t, s.tr.Write([]byte("data")), netio.ErrSendFile)
		wants(t, s.tr.WriteBuffers(net.Buffers{[]byte("da"), []byte("ta")}), netio.ErrSendFile)
		_, err := s.tr.SendFile(bounded(t), f, 0, -1)
		wants(t, err, netio.ErrSendFile)
		must(t, s.tr.Loop().Do(bounded(t), func() error {
			wants(t, s.tr.WriteContext(bounded(t), []byte("data")), zmqio.ErrWouldDeadlock)
			return nil
		}))
		_, err = far.Write([]byte("from the peer"))
		must(t, err)
		ended, cancel := context.WithCancel(bounded(t))
		waits := make(chan error, 2)
		go func() { waits <- s.tr.WriteContext(bounded(t), []byte("after the file")) }()
		go func() { waits <- s.tr.WriteContext(ended, []byte("never")) }()
		cancel()
		wants(t, <-waits, context.Canceled)
		select {
		case err := <-waits:
			t.Errorf("WriteContext returned %v", err)
		default:
		}
		if s.is(func() bool { return len(s.data) > 0 || s.paused }) {
			t.Error("received something, or paused")
		}
		wantsBytes(t, far, fileData, []byte("after the file"))
		wantsSent(t, done, int64(len(fileData)))
		must(t, <-waits)
		must(t, s.Until(bounded(t), func() bool { return string(s.data) == "from the peer" }))
	})
}

// A paused protocol stays paused until the file has been sent.
func TestSendfileWhilePaused(t *testing.T) {
	onFileLinks(t, func(t *testing.T, link string) {
		s, far := fileLink(t, link, netio.Config{})
		before := bytes.Repeat([]byte("before"), 150_000)
		must(t, s.tr.Write(before))
		if !s.is(func() bool { return s.paused }) {
			t.Fatal("not paused")
		}
		queued := make(chan error, 1)
		go func() { queued <- s.tr.WriteContext(bounded(t), []byte("queued")) }()
		done := sendingFile(bounded(t), s, openFile(t), 0, -1)
		begun(t, s)
		must(t, s.tr.SetWriteBufferLimits(1<<20, 1<<19)) // resumes nothing now
		wantsBytes(t, far, before)
		must(t, s.tr.Loop().Do(bounded(t), func() error { return nil }))
		if !s.is(func() bool { return s.paused }) {
			t.Error("resumed before the file")
		}
		wantsBytes(t, far, fileData, []byte("queued"))
		wantsSent(t, done, int64(len(fileData)))
		must(t, <-queued)
		must(t, s.Until(bounded(t), func() bool { return !s.paused }))
	})
}

// If its context ends, SendFile returns how much it has sent. Another call may send the rest.
func TestSendfileContext(t *testing.T) {
	onFileLinks(t, func(t *testing.T, link string) {
		s, far := fileLink(t, link, netio.Config{})
		f := openFile(t)
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(bounded(t))
		done := sendingFile(ctx, s, f, 0, -1)
		begun(t, s)
		wantsBytes(t, far, fileData[:1000])
		cancel(cause)
		got := <-done
		wants(t, got.err, cause)
		if got.n < 1000 || got.n >= int64(len(fileData)) {
			t.Fatalf("%d bytes were sent", got.n)
		}
		wantsPosition(t, f, got.n)
		rest := sendingFile(bounded(t), s, f, got.n, -1)
		wantsBytes(t, far, fileData[1000:])
		wantsSent(t, rest, int64(len(fileData))-got.n)
		_, err := s.tr.SendFile(ctx, f, 0, -1)
		wants(t, err, cause)
	})
}

// Close waits for the file, and refuses later writes.
func TestSendfileClose(t *testing.T) {
	onFileLinks(t, func(t *testing.T, link string) {
		s, far := fileLink(t, link, netio.Config{})
		done := sendingFile(bounded(t), s, openFile(t), 0, -1)
		begun(t, s)
		must(t, s.tr.Close())
		wants(t, s.tr.Write([]byte("late")), zmqio.ErrTransportClosed)
		wantsBytes(t, far, fileData)
		wantsSent(t, done, int64(len(fileData)))
		wantsNoMore(t, far)
		far.Close()
		<-s.tr.Closed()
		must(t, s.lostErr)
	})
}

// WriteEOF takes effect after the file.
func TestSendfileWriteEOF(t *testing.T) {
	s, far := fileLink(t, "tcp", netio.Config{})
	done := sendingFile(bounded(t), s, openFile(t), 0, -1)
	begun(t, s)
	must(t, s.tr.WriteEOF())
	wantsBytes(t, far, fileData)
	wantsSent(t, done, int64(len(fileData)))
	wantsNoMore(t, far)
	_, err := s.tr.SendFile(bounded(t), openFile(t), 0, -1)
	wants(t, err, netio.ErrWriteEOF)
}

func TestSendfileAbort(t *testing.T) {
	onFileLinks(t, func(t *testing.T, link string) {
		s, far := fileLink(t, link, netio.Config{})
		f := openFile(t)
		done := sendingFile(bounded(t), s, f, 0, -1)
		begun(t, s)
		wantsBytes(t, far, fileData[:1000])
		must(t, s.tr.Abort())
		got := <-done
		wants(t, got.err, zmqio.ErrTransportClosed)
		if got.n < 1000 || got.n >= int64(len(fileData)) {
			t.Errorf("%d bytes were sent", got.n)
		}
		wantsPosition(t, f, got.n)
		<-s.tr.Closed()
		must(t, s.lostErr)
	})
}

func TestSendfileStartTLS(t *testing.T) {
	s, far := fileLink(t, "tcp", netio.Config{})
	done := sendingFile(bounded(t), s, openFile(t), 0, -1)
	begun(t, s)
	_, client := fileTLS()
	wants(t, s.tr.StartTLS(bounded(t), client, false), netio.ErrSendFile)
	wantsBytes(t, far, fileData)
	wantsSent(t, done, int64(len(fileData)))
	ctx, cancel := context.WithCancel(bounded(t))
	hands := make(chan error, 1)
	go func() { hands <- s.tr.StartTLS(ctx, client, false) }()
	wantsBytes(t, far, []byte{22}) // the handshake has begun
	_, err := s.tr.SendFile(bounded(t), openFile(t), 0, -1)
	wants(t, err, zmqio.ErrInvalidArgument)
	cancel()
	wants(t, <-hands, context.Canceled)
}

// A file that cannot be read does not end the transport.
func TestSendfileReadError(t *testing.T) {
	onFileLinks(t, func(t *testing.T, link string) {
		s, far := fileLink(t, link, netio.Config{})
		closed := openFile(t)
		must(t, closed.Close())
		directory, err := os.Open(t.TempDir())
		must(t, err)
		defer directory.Close()
		r, w, err := os.Pipe() // a pipe has no offsets
		must(t, err)
		defer r.Close()
		defer w.Close()
		writeOnly, err := os.OpenFile(openFile(t).Name(), os.O_WRONLY, 0)
		must(t, err)
		defer writeOnly.Close()
		for _, f := range []*os.File{closed, directory, r, w, writeOnly} {
			n, err := s.tr.SendFile(bounded(t), f, 0, 10)
			var of *fs.PathError
			if n != 0 || !errors.As(err, &of) {
				t.Errorf("%s: %d, %v", f.Name(), n, err)
			}
		}
		must(t, s.tr.Write([]byte("alive")))
		wantsBytes(t, far, []byte("alive"))
	})
}

// SendFile of a file that becomes shorter meanwhile ends at its new end.
func TestSendfileTruncated(t *testing.T) {
	onFileLinks(t, func(t *testing.T, link string) {
		s, far := fileLink(t, link, netio.Config{})
		f := openFile(t)
		done := sendingFile(bounded(t), s, f, 0, int64(len(fileData)))
		begun(t, s)
		must(t, os.Truncate(f.Name(), 10))
		ended := make(chan sent, 1)
		go func() {
			ended <- <-done
			_ = s.tr.Close()
		}()
		data, err := io.ReadAll(far)
		must(t, err)
		if got := <-ended; got.err != nil || got.n != int64(len(data)) || got.n >= int64(len(fileData)) {
			t.Errorf("SendFile returned %d, %v; %d bytes came", got.n, got.err, len(data))
		}
	})
}

func TestSendfileArguments(t *testing.T) {
	s, _ := fileLink(t, "tcp", netio.Config{})
	f := openFile(t)
	var none context.Context
	for _, err := range []error{
		second(s.tr.SendFile(none, f, 0, -1)), second(s.tr.SendFile(bounded(t), nil, 0, -1)),
		second(s.tr.SendFile(bounded(t), f, -1, -1)), second(s.tr.SendFile(bounded(t), f, 0, -2)),
	} {
		wants(t, err, zmqio.ErrInvalidArgument)
	}
	must(t, s.tr.Loop().Do(bounded(t), func() error {
		wants(t, second(s.tr.SendFile(bounded(t), f, 0, -1)), zmqio.ErrWouldDeadlock)
		return nil
	}))
	wantsPosition(t, f, 0)
}

// A transport of datagrams sends no files.
func TestSendfileNotSupported(t *testing.T) {
	l := endpointLoop(t)
	m := endpoint(t, l, "udp4", netio.DatagramConfig{})
	if _, ok := any(m.tr).(interface {
		SendFile(context.Context, *os.File, int64, int64) (int64, error)
	}); ok {
		t.Error("a DatagramTransport has SendFile")
	}
}

func second(_ int64, err error) error { return err }

// On the loop, SendFile goes through Go, as sendfile's future would.
func TestSendfileFromACallback(t *testing.T) {
	s, far := fileLink(t, "tcp", netio.Config{})
	f := openFile(t)
	result := make(chan sent, 1)
	must(t, s.tr.Loop().Do(bounded(t), func() error {
		future := zmqio.Go(bounded(t), s.tr.Loop(), func(ctx context.Context) (int64, error) { return s.tr.SendFile(ctx, f, 0, -1) })
		future.AddDoneCallback(func(future *zmqio.Future[int64]) {
			n, err := future.Result()
			result <- sent{n, err}
		})
		return nil
	}))
	wantsBytes(t, far, fileData)
	wantsSent(t, result, int64(len(fileData)))
}
