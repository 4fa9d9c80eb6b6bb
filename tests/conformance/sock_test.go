package conformance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// on calls fn with zmqio.Go, in place of asyncio's nine sock_* methods: see the table in the
// documentation of package netio. fn is a method of package net, which ends with its context as the
// table says. The future gets the result on the loop.
func on[T any](t *testing.T, l *zmqio.EventLoop, deadline func(time.Time) error, fn func(context.Context) (T, error)) *zmqio.Future[T] {
	return zmqio.Go(bounded(t), l, func(ctx context.Context) (T, error) {
		if deadline != nil {
			if err := deadline(time.Time{}); err != nil {
				t.Error(err)
			}
			stop := context.AfterFunc(ctx, func() { _ = deadline(time.Unix(1, 0)) })
			defer stop()
		}
		return fn(ctx)
	})
}

// result runs the loop until the future is done.
func result[T any](t *testing.T, f *zmqio.Future[T]) T {
	t.Helper()
	v, err := f.Wait(bounded(t))
	must(t, err)
	return v
}

// sockPair returns the two ends of a connection.
func sockPair(t *testing.T, network string) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen(network, map[string]string{"tcp4": "127.0.0.1:0", "unix": anyEndpoint(t, "unixgram")}[network])
	must(t, err)
	defer ln.Close()
	near, err = net.Dial(network, ln.Addr().String())
	must(t, err)
	t.Cleanup(func() { near.Close() })
	far, err = ln.Accept()
	must(t, err)
	t.Cleanup(func() { far.Close() })
	return near, far
}

func TestSockRecv(t *testing.T) {
	for _, network := range []string{"tcp4", "unix"} {
		l := endpointLoop(t)
		near, far := sockPair(t, network)
		f := on(t, l, near.SetReadDeadline, func(context.Context) ([]byte, error) {
			b := make([]byte, 1024)
			n, err := near.Read(b)
			return b[:n], err
		})
		_, err := far.Write([]byte("HTTP/1.0 200 OK"))
		must(t, err)
		if got := result(t, f); string(got) != "HTTP/1.0 200 OK" {
			t.Errorf("got %q", got)
		}
	}
}

func TestSockRecvInto(t *testing.T) {
	l := endpointLoop(t)
	near, far := sockPair(t, "tcp4")
	b := make([]byte, 8)
	_, err := far.Write([]byte("0123456789"))
	must(t, err)
	for _, want := range []string{"01234567", "89"} {
		n := result(t, on(t, l, near.SetReadDeadline, func(context.Context) (int, error) { return near.Read(b) }))
		if got := string(b[:n]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	must(t, far.Close())
	_, err = on(t, l, near.SetReadDeadline, func(context.Context) (int, error) { return near.Read(b) }).Wait(bounded(t))
	wants(t, err, io.EOF) // asyncio returns an empty result instead
}

// A cancelled call takes no data, and the next call gets it.
func TestSockClientRacing(t *testing.T) {
	l := endpointLoop(t)
	near, far := sockPair(t, "tcp4")
	b := make([]byte, 1024)
	begun, ended := make(chan struct{}), make(chan error, 1)
	f := on(t, l, near.SetReadDeadline, func(context.Context) (int, error) {
		close(begun)
		n, err := near.Read(b)
		ended <- err
		return n, err
	})
	<-begun
	f.Cancel()
	wants(t, <-ended, os.ErrDeadlineExceeded)
	_, err := f.Wait(bounded(t))
	wants(t, err, zmqio.ErrCancelled)
	_, err = far.Write([]byte("data"))
	must(t, err)
	n := result(t, on(t, l, near.SetReadDeadline, func(context.Context) (int, error) { return near.Read(b) }))
	if got := string(b[:n]); got != "data" {
		t.Errorf("got %q", got)
	}

	// The same for writes: a blocked call is cancelled, and the next goes on.
	must(t, near.(*net.TCPConn).SetWriteBuffer(smallBuffer))
	begun = make(chan struct{})
	blocked := on(t, l, near.SetWriteDeadline, func(context.Context) (int, error) {
		close(begun)
		n, err := near.Write(make([]byte, 64<<20))
		ended <- err
		return n, err
	})
	<-begun
	wantsBytes(t, far, make([]byte, 1))
	blocked.Cancel()
	wants(t, <-ended, os.ErrDeadlineExceeded)
	world := on(t, l, near.SetWriteDeadline, func(context.Context) (int, error) {
		defer near.(*net.TCPConn).CloseWrite()
		return near.Write([]byte("world"))
	})
	all, err := io.ReadAll(far)
	must(t, err)
	before, found := bytes.CutSuffix(all, []byte("world"))
	if n := result(t, world); n != 5 || !found || len(bytes.Trim(before, "\x00")) > 0 {
		t.Errorf("%d bytes written, and the end is %q", n, all[max(0, len(all)-10):])
	}
}

func TestSockSendall(t *testing.T) {
	l := endpointLoop(t)
	near, far := sockPair(t, "tcp4")
	f := on(t, l, near.SetWriteDeadline, func(context.Context) (int, error) { return near.Write([]byte("GET /")) })
	wantsBytes(t, far, []byte("GET /"))
	if n := result(t, f); n != 5 {
		t.Errorf("%d bytes were sent", n)
	}
}

// Both directions at once, and far more than the system buffers.
func TestSockHugeContent(t *testing.T) {
	l := endpointLoop(t)
	near, far := sockPair(t, "tcp4")
	data := bytes.Repeat([]byte("0123456789"), 1<<20)
	go func() {
		_, _ = io.Copy(struct{ io.Writer }{far}, far)
		_ = far.Close()
	}()
	sent := on(t, l, near.SetWriteDeadline, func(context.Context) (int, error) {
		defer near.(*net.TCPConn).CloseWrite()
		return near.Write(data)
	})
	got := result(t, on(t, l, near.SetReadDeadline, func(context.Context) ([]byte, error) { return io.ReadAll(near) }))
	if n := result(t, sent); n != len(data) || !bytes.Equal(got, data) {
		t.Errorf("%d bytes sent, %d came back, equal %t", n, len(got), bytes.Equal(got, data))
	}
}

func TestSockRecvfrom(t *testing.T) {
	l := endpointLoop(t)
	near, far := packetConn(t, "udp4", "127.0.0.1:0"), packetConn(t, "udp4", "127.0.0.1:0")
	type packet struct {
		data string
		from net.Addr
	}
	f := on(t, l, near.SetReadDeadline, func(context.Context) (packet, error) {
		b := make([]byte, 4096)
		n, from, err := near.ReadFrom(b)
		return packet{string(b[:n]), from}, err
	})
	_, err := far.WriteTo([]byte("a packet"), near.LocalAddr())
	must(t, err)
	if got := result(t, f); got.data != "a packet" || got.from.String() != far.LocalAddr().String() {
		t.Errorf("%q from %v", got.data, got.from)
	}
}

func TestSockRecvfromInto(t *testing.T) {
	l := endpointLoop(t)
	near, far := packetConn(t, "udp4", "127.0.0.1:0"), packetConn(t, "udp4", "127.0.0.1:0")
	_, err := far.WriteTo([]byte("0123456789"), near.LocalAddr())
	must(t, err)
	b := make([]byte, 8)
	n := result(t, on(t, l, near.SetReadDeadline, func(context.Context) (int, error) {
		n, _, err := near.ReadFrom(b)
		return n, err
	}))
	if got := string(b[:n]); got != "01234567" { // the rest is dropped
		t.Errorf("got %q", got)
	}
}

// A call that sends a datagram waits for room, and the loop goes on.
func TestSockSendto(t *testing.T) {
	l := endpointLoop(t)
	near, far := packetConn(t, "unixgram", anyEndpoint(t, "unixgram")), unread(t)
	const n = 300
	f := on(t, l, near.SetWriteDeadline, func(context.Context) (int, error) {
		for i := range n {
			if _, err := near.WriteTo(make([]byte, i), far.LocalAddr()); err != nil {
				return i, err
			}
		}
		return n, nil
	})
	must(t, l.Do(bounded(t), func() error { return nil })) // the loop is free
	for i := range n {
		if got := readPacket(t, far); len(got) != i {
			t.Fatalf("datagram %d has %d bytes", i, len(got))
		}
	}
	if got := result(t, f); got != n {
		t.Errorf("%d datagrams were sent", got)
	}
}

func TestSockConnect(t *testing.T) {
	l := endpointLoop(t)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	dial := func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp4", ln.Addr().String())
	}
	c := result(t, on(t, l, nil, dial))
	defer c.Close()
	if c.RemoteAddr().String() != ln.Addr().String() {
		t.Errorf("connected to %v", c.RemoteAddr())
	}
}

// A connect that is cancelled leaves nothing behind: newLoop checks that.
func TestSockClientConnectRacing(t *testing.T) {
	l := endpointLoop(t)
	begun, ended := make(chan struct{}), make(chan error, 1)
	f := on(t, l, nil, func(ctx context.Context) (net.Conn, error) {
		close(begun)
		<-ctx.Done() // a connection would be made in this time
		c, err := new(net.Dialer).DialContext(ctx, "tcp4", "127.0.0.1:9")
		ended <- err
		return c, err
	})
	<-begun
	f.Cancel()
	if err := <-ended; err == nil {
		t.Error("connected")
	}
}

func TestSockClientFail(t *testing.T) {
	l := endpointLoop(t)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	must(t, ln.Close())
	_, err = on(t, l, nil, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp4", ln.Addr().String())
	}).Wait(bounded(t))
	wants(t, err, syscall.ECONNREFUSED)
}

func TestSockAccept(t *testing.T) {
	l := endpointLoop(t)
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer ln.Close()
	f := on(t, l, ln.SetDeadline, func(context.Context) (net.Conn, error) { return ln.Accept() })
	client, err := net.Dial("tcp4", ln.Addr().String())
	must(t, err)
	defer client.Close()
	c := result(t, f)
	defer c.Close()
	if c.RemoteAddr().String() != client.LocalAddr().String() || c.LocalAddr().String() != client.RemoteAddr().String() {
		t.Errorf("accepted %v on %v", c.RemoteAddr(), c.LocalAddr())
	}
}

func TestSockAcceptCancelled(t *testing.T) {
	l := endpointLoop(t)
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	begun, ended := make(chan struct{}), make(chan error, 1)
	f := on(t, l, ln.SetDeadline, func(context.Context) (net.Conn, error) {
		close(begun)
		c, err := ln.Accept()
		ended <- err
		return c, err
	})
	<-begun
	f.Cancel()
	wants(t, <-ended, os.ErrDeadlineExceeded)
	must(t, ln.Close())
	_, err = net.Dial("tcp4", ln.Addr().String())
	wants(t, err, syscall.ECONNREFUSED)
}

func TestSockSendfile(t *testing.T) {
	l := endpointLoop(t)
	f := openFile(t)
	buf := bytes.Repeat([]byte("mix_regular_send"), 4<<10)
	near, far := sockPair(t, "tcp4")
	must(t, near.(*net.TCPConn).SetWriteBuffer(smallBuffer))
	all := on(t, l, near.SetWriteDeadline, func(context.Context) (n int64, err error) {
		if _, err = near.Write(buf); err == nil {
			n, err = io.Copy(near, f)
		}
		if err == nil {
			_, err = near.Write(buf)
		}
		return n, err
	})
	wantsBytes(t, far, buf, fileData, buf)
	if n := result(t, all); n != int64(len(fileData)) {
		t.Errorf("%d bytes were sent", n)
	}
	wantsPosition(t, f, int64(len(fileData)))
	part := on(t, l, near.SetWriteDeadline, func(context.Context) (int64, error) { // from an offset, a count
		if _, err := f.Seek(1000, io.SeekStart); err != nil {
			return 0, err
		}
		return io.CopyN(near, f, 2000)
	})
	wantsBytes(t, far, fileData[1000:3000])
	if n := result(t, part); n != 2000 {
		t.Errorf("%d bytes were sent", n)
	}
	wantsPosition(t, f, 3000)
	none := on(t, l, near.SetWriteDeadline, func(context.Context) (int64, error) { return io.CopyN(near, f, 0) })
	if n := result(t, none); n != 0 {
		t.Errorf("%d bytes were sent", n)
	}
	wantsPosition(t, f, 3000)
	blocked := on(t, l, near.SetWriteDeadline, func(context.Context) (int64, error) {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return 0, err
		}
		return io.Copy(near, f)
	})
	wantsBytes(t, far, fileData[:1000])
	blocked.Cancel()
	_, err := blocked.Wait(bounded(t))
	wants(t, err, zmqio.ErrCancelled)
}

// A connection that was made by such a call becomes a transport.
func TestSockCreateConnection(t *testing.T) {
	l := endpointLoop(t)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	c := result(t, on(t, l, nil, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp4", ln.Addr().String())
	}))
	tr, s, err := netio.CreateTransport(bounded(t), l, func() *sender { return &sender{} }, c, netio.Config{}, false)
	must(t, err)
	far, err := ln.Accept()
	must(t, err)
	defer far.Close()
	must(t, far.SetDeadline(time.Now().Add(zmqiotest.Patience)))
	must(t, tr.Write([]byte("from the transport")))
	wantsBytes(t, far, []byte("from the transport"))
	_, err = far.Write([]byte("to it"))
	must(t, err)
	must(t, s.Until(bounded(t), func() bool { return string(s.data) == "to it" }))
	must(t, tr.Close())
	<-tr.Closed()
	if !errors.Is(c.Close(), net.ErrClosed) {
		t.Error("the connection was not taken")
	}
}
