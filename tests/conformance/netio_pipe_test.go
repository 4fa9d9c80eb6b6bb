package conformance

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
)

// The tests of connect_read_pipe and connect_write_pipe in UnixEventLoopTestsMixin, and
// UnixReadPipeTransportTests and UnixWritePipeTransportTests of test_unix_events.

// withPipes runs test with the ends of each kind of pipe.
func withPipes(t *testing.T, test func(t *testing.T, l *zmqio.EventLoop, r, w *os.File)) {
	kinds := map[string]func(t testing.TB) (r, w *os.File){
		"pipe":   osPipe,
		"fifo":   fifo,
		"socket": socketPair,
	}
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			l := pipeLoop(t)
			r, w := open(t)
			test(t, l, r, w)
		})
	}
}

// fifo returns the ends of a FIFO that has a name.
func fifo(t testing.TB) (r, w *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	must(t, syscall.Mkfifo(path, 0o600))
	r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	must(t, err)
	w, err = os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func TestReadPipe(t *testing.T) {
	withPipes(t, func(t *testing.T, l *zmqio.EventLoop, r, w *os.File) {
		tr, p := readPipe(t, l, r)
		puts(t, w, "1")
		p.receives("1")
		puts(t, w, "2345")
		p.receives("12345")
		p.saw("made data")
		must(t, w.Close())
		must(t, p.ends())
		p.saw("made data eof lost")
		if name := tr.ExtraInfo("pipe", nil); name != r.Name() || tr.RemoteAddr().String() != name || tr.LocalAddr().Network() != "pipe" {
			t.Errorf("extra info %v, address %v", name, tr.RemoteAddr())
		}
		if v := tr.ExtraInfo("peername", 7); v != 7 {
			t.Errorf("a pipe has a peername: %v", v)
		}
		if _, err := r.Stat(); err == nil {
			t.Error("the file is still open")
		}
	})
}

// EOFReceived cannot keep a pipe open, because a reading pipe cannot write.
func TestReadPipeEOFCannotKeepOpen(t *testing.T) {
	l := pipeLoop(t)
	r, w := osPipe(t)
	p := newPipeParty(t, l)
	p.onEOF = func() bool { return true }
	_, _, err := netio.ConnectReadPipe(bounded(t), l, func() *pipeParty { return p }, r)
	must(t, err)
	must(t, w.Close())
	must(t, p.ends())
	p.saw("made eof lost")
}

// A pipe is read to its end, even after its writer has gone.
func TestReadPipeAfterWriterWent(t *testing.T) {
	withPipes(t, func(t *testing.T, l *zmqio.EventLoop, r, w *os.File) {
		text := strings.Repeat("x", 60_000)
		puts(t, w, text)
		must(t, w.Close())
		_, p := readPipe(t, l, r)
		must(t, p.ends())
		p.receives(text)
		p.saw("made data eof lost")
	})
}

func TestReadPipeError(t *testing.T) {
	l := pipeLoop(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	must(t, err)
	defer c.Close()
	peer, err := ln.Accept()
	must(t, err)
	f, err := c.(*net.TCPConn).File()
	must(t, err)
	_, p := readPipe(t, l, f)
	must(t, peer.(*net.TCPConn).SetLinger(0))
	must(t, peer.Close()) // a reset
	err = p.ends()
	wants(t, err, syscall.ECONNRESET)
	var pathErr *os.PathError
	if !errors.As(err, &pathErr) || pathErr.Op != "read" {
		t.Errorf("error %#v", err)
	}
	p.saw("made lost")
}

func TestReadPipePauseReading(t *testing.T) {
	withPipes(t, func(t *testing.T, l *zmqio.EventLoop, r, w *os.File) {
		tr, p := readPipe(t, l, r)
		wants(t, tr.ResumeReading(), zmqio.ErrNotPaused)
		must(t, tr.PauseReading())
		wants(t, tr.PauseReading(), zmqio.ErrAlreadyPaused)
		if tr.IsReading() {
			t.Error("reading while paused")
		}
		onPipeLoop(t, l, func() {}) // a read in progress at PauseReading is over
		puts(t, w, "abc")
		must(t, w.Close())
		for range 10 {
			onPipeLoop(t, l, func() {})
		}
		p.saw("made")
		must(t, tr.ResumeReading())
		must(t, p.ends())
		p.receives("abc")
		p.saw("made data eof lost")
		wants(t, tr.PauseReading(), zmqio.ErrTransportClosed)
		must(t, tr.ResumeReading())
	})
}

func TestReadPipeClose(t *testing.T) {
	withPipes(t, func(t *testing.T, l *zmqio.EventLoop, r, w *os.File) {
		tr, p := readPipe(t, l, r)
		onPipeLoop(t, l, func() {
			must(t, tr.Close())
			p.saw("made") // ConnectionLost comes in a later iteration
			must(t, tr.Close())
			must(t, tr.Abort())
		})
		must(t, p.ends())
		p.saw("made lost")
		if !tr.IsClosing() || tr.IsReading() {
			t.Error("a closed pipe reads")
		}
		if _, err := w.Write([]byte("x")); err == nil {
			t.Error("the read end is still open")
		}
	})
}

// A reading pipe has no methods that write, and a writing pipe none that reads.
func TestPipesAreOneWay(t *testing.T) {
	l := pipeLoop(t)
	r, w := socketPair(t) // the sockets themselves could do both
	in, p := readPipe(t, l, r)
	out, q := writePipe(t, l, w)
	for name, err := range map[string]error{
		"Write":         in.Write([]byte("x")),
		"WriteContext":  in.WriteContext(bounded(t), []byte("x")),
		"WriteBuffers":  in.WriteBuffers(net.Buffers{[]byte("x"), []byte("y")}),
		"WriteEOF":      in.WriteEOF(),
		"PauseReading":  out.PauseReading(),
		"ResumeReading": out.ResumeReading(),
	} {
		t.Run(name, func(t *testing.T) { wants(t, err, errors.ErrUnsupported) })
	}
	if in.CanWriteEOF() || !in.IsReading() || !out.CanWriteEOF() || out.IsReading() {
		t.Error("CanWriteEOF or IsReading in the wrong direction")
	}
	must(t, out.Close())
	must(t, q.ends())
	must(t, p.ends())
}

func TestWritePipe(t *testing.T) {
	withPipes(t, func(t *testing.T, l *zmqio.EventLoop, r, w *os.File) {
		tr, p := writePipe(t, l, w)
		must(t, tr.Write(nil)) // nothing
		must(t, tr.Write([]byte("1")))
		if n := tr.WriteBufferSize(); n != 0 {
			t.Errorf("%d bytes buffered", n)
		}
		takes(t, r, "1")
		must(t, tr.WriteBuffers(net.Buffers{[]byte("23"), []byte("45")}))
		takes(t, r, "2345")
		if name := tr.ExtraInfo("pipe", nil); name != w.Name() {
			t.Errorf("extra info %v", name)
		}
		must(t, tr.Close())
		must(t, tr.Close())
		must(t, p.ends())
		p.saw("made lost")
		wants(t, tr.Write([]byte("x")), zmqio.ErrTransportClosed)
		if _, err := r.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the reader gets %v", err)
		}
	})
}

// A write that the kernel does not take is buffered, and sent as the reader reads.
func TestWritePipeBuffers(t *testing.T) {
	withPipes(t, func(t *testing.T, l *zmqio.EventLoop, r, w *os.File) {
		tr, p := writePipe(t, l, w)
		must(t, tr.SetWriteBufferLimits(1<<20, zmqio.DefaultLimit))
		all := fillPipe(t, tr)
		must(t, tr.Write([]byte("more"))) // comes after the buffered data
		p.saw("made")
		must(t, tr.SetWriteBufferLimits(0, 0))
		p.saw("made pause")
		takes(t, r, all+"more")
		p.awaits("resume")
		must(t, tr.Close())
		must(t, p.ends())
		p.saw("made pause resume lost")
	})
}

// Close and WriteEOF first send the buffer, for as long as needed.
func TestWritePipeCloseWhenFull(t *testing.T) {
	withPipes(t, func(t *testing.T, l *zmqio.EventLoop, r, w *os.File) {
		for i, end := range []func(*netio.Transport) error{(*netio.Transport).Close, (*netio.Transport).WriteEOF} {
			if i > 0 {
				r, w = osPipe(t)
			}
			tr, p := writePipe(t, l, w)
			must(t, tr.SetWriteBufferLimits(1<<20, zmqio.DefaultLimit))
			all := fillPipe(t, tr)
			must(t, end(tr))
			must(t, end(tr)) // may be repeated
			wants(t, tr.Write([]byte("x")), zmqio.ErrTransportClosed)
			for range 10 {
				onPipeLoop(t, l, func() {})
			}
			p.saw("made")
			if got, err := io.ReadAll(r); err != nil || string(got) != all {
				t.Errorf("read %d bytes, %v; want %d", len(got), err, len(all))
			}
			must(t, p.ends())
			p.saw("made lost")
		}
	})
}

func TestWritePipeAbort(t *testing.T) {
	withPipes(t, func(t *testing.T, l *zmqio.EventLoop, r, w *os.File) {
		tr, p := writePipe(t, l, w)
		must(t, tr.SetWriteBufferLimits(1<<20, zmqio.DefaultLimit))
		all := fillPipe(t, tr)
		must(t, tr.Close())
		left := tr.WriteBufferSize()
		must(t, tr.Abort())
		must(t, p.ends())
		p.saw("made lost")
		if _, n := tr.Undelivered(); n != left {
			t.Errorf("%d bytes undelivered, want %d", n, left)
		}
		if got, err := io.ReadAll(r); err != nil || len(got) != len(all)-left {
			t.Errorf("read %d bytes, %v; want %d", len(got), err, len(all)-left)
		}
	})
}

// If the reader goes, the transport ends. It ends without an error if nothing is buffered.
func TestWritePipeDisconnectOnClose(t *testing.T) {
	withPipes(t, func(t *testing.T, l *zmqio.EventLoop, r, w *os.File) {
		tr, p := writePipe(t, l, w)
		must(t, tr.Write([]byte("1")))
		takes(t, r, "1")
		must(t, r.Close())
		must(t, p.ends())
		p.saw("made lost")
		wants(t, tr.Write([]byte("x")), zmqio.ErrTransportClosed)
	})
}

func TestWritePipeReaderGoesWhenFull(t *testing.T) {
	withPipes(t, func(t *testing.T, l *zmqio.EventLoop, r, w *os.File) {
		for _, closing := range []bool{false, true} {
			if closing {
				r, w = osPipe(t)
			}
			tr, p := writePipe(t, l, w)
			must(t, tr.SetWriteBufferLimits(1<<20, zmqio.DefaultLimit))
			fillPipe(t, tr)
			if closing {
				must(t, tr.Close())
			}
			must(t, r.Close())
			wants(t, p.ends(), syscall.EPIPE)
			p.saw("made lost")
		}
	})
}

// A Write that finds the reader gone ends the transport with that error.
func TestWritePipeError(t *testing.T) {
	withPipes(t, func(t *testing.T, l *zmqio.EventLoop, r, w *os.File) {
		tr, p := writePipe(t, l, w)
		onPipeLoop(t, l, func() {
			must(t, r.Close())
			err := tr.Write([]byte("x"))
			wants(t, err, syscall.EPIPE)
			wants(t, tr.Write([]byte("x")), zmqio.ErrTransportClosed)
		})
		wants(t, p.ends(), syscall.EPIPE)
		p.saw("made lost")
	})
}

// Data from the peer of a written socket is not read, and does not wake the loop. The next Write
// finds out that the peer has gone.
func TestWritePipePeerSends(t *testing.T) {
	l := pipeLoop(t)
	r, w := socketPair(t)
	other, err := syscall.Dup(fdOf(t, w)) // to see whether the transport has read the data
	must(t, err)
	defer syscall.Close(other)
	tr, p := writePipe(t, l, w)
	puts(t, r, "for others")
	for range 10 {
		onPipeLoop(t, l, func() {})
	}
	p.saw("made")
	must(t, tr.Write([]byte("1")))
	takes(t, r, "1")
	b := make([]byte, 20)
	if n, err := syscall.Read(other, b); err != nil || string(b[:n]) != "for others" {
		t.Errorf("read %q, %v", b[:max(n, 0)], err)
	}
	must(t, r.Close())
	wants(t, tr.Write([]byte("x")), syscall.EPIPE)
	wants(t, p.ends(), syscall.EPIPE)
}

func TestUnclosedPipeTransport(t *testing.T) {
	l := newLoop(t, nil)
	r, _ := osPipe(t)
	_, w := osPipe(t)
	in, p := readPipe(t, l, r)
	out, q := writePipe(t, l, w)
	if s := in.String(); s != "<Transport pipe from |0>" {
		t.Error(s)
	}
	if s := out.String(); s != "<Transport pipe to |1>" {
		t.Error(s)
	}
	must(t, l.Close())
	p.saw("made lost")
	q.saw("made lost")
	for _, tr := range [...]*netio.Transport{in, out} {
		if s := tr.String(); !strings.HasSuffix(s, " closed>") {
			t.Error(s)
		}
	}
}

func TestConnectPipeInvalidArguments(t *testing.T) {
	l := pipeLoop(t)
	regular, err := os.Create(filepath.Join(t.TempDir(), "file"))
	must(t, err)
	defer regular.Close()
	dir, err := os.Open(t.TempDir())
	must(t, err)
	defer dir.Close()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer pc.Close()
	datagrams, err := pc.(*net.UDPConn).File()
	must(t, err)
	defer datagrams.Close()
	r, w := osPipe(t)
	closed, _ := osPipe(t)
	must(t, closed.Close())
	var none context.Context
	factory := func() *pipeParty { t.Error("factory called"); return nil }
	read := func(ctx context.Context, l *zmqio.EventLoop, factory func() *pipeParty, f *os.File) error {
		_, _, err := netio.ConnectReadPipe(ctx, l, factory, f)
		return err
	}
	write := func(ctx context.Context, l *zmqio.EventLoop, factory func() *pipeParty, f *os.File) error {
		_, _, err := netio.ConnectWritePipe(ctx, l, factory, f)
		return err
	}
	for _, connect := range []func(context.Context, *zmqio.EventLoop, func() *pipeParty, *os.File) error{read, write} {
		for _, f := range []*os.File{nil, regular, dir, datagrams} {
			wants(t, connect(bounded(t), l, factory, f), zmqio.ErrInvalidArgument)
		}
		wants(t, connect(none, l, factory, r), zmqio.ErrInvalidArgument)
		wants(t, connect(bounded(t), nil, factory, r), zmqio.ErrInvalidArgument)
		wants(t, connect(bounded(t), l, nil, r), zmqio.ErrInvalidArgument)
		wants(t, connect(bounded(t), l, factory, closed), os.ErrClosed)
	}
	wants(t, read(bounded(t), l, factory, w), zmqio.ErrInvalidArgument)
	wants(t, write(bounded(t), l, factory, r), zmqio.ErrInvalidArgument)
	puts(t, w, "still open")
	takes(t, r, "still open")
}

// A failure after the check of the arguments closes the file.
func TestConnectPipeFails(t *testing.T) {
	l := pipeLoop(t)
	r, w := osPipe(t)
	_, _, err := netio.ConnectReadPipe(bounded(t), l, func() *pipeParty { return nil }, r)
	wants(t, err, zmqio.ErrInvalidArgument)
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("the read end is still open")
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	r, w = osPipe(t)
	_, _, err = netio.ConnectWritePipe(ended, l, func() *pipeParty { return newPipeParty(t, l) }, w)
	wants(t, err, context.Canceled)
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the reader gets %v", err)
	}
	tr, p := readPipe(t, l, func() *os.File { r, _ := osPipe(t); return r }())
	wants(t, tr.StartTLS(bounded(t), &tls.Config{InsecureSkipVerify: true}, false), zmqio.ErrInvalidArgument)
	must(t, tr.Abort())
	must(t, p.ends())
}

// A reader that goes during SendFile makes it return an error.
func TestWritePipeReaderGoesAmidSendFile(t *testing.T) {
	withPipes(t, func(t *testing.T, l *zmqio.EventLoop, r, w *os.File) {
		tr, p := writePipe(t, l, w)
		f := openFile(t)
		failed := make(chan error, 1)
		go func() {
			_, err := tr.SendFile(bounded(t), f, 0, -1)
			failed <- err
		}()
		takes(t, r, string(fileData[:1]))
		must(t, r.Close())
		wants(t, <-failed, syscall.EPIPE)
		wants(t, p.ends(), syscall.EPIPE)
	})
}
