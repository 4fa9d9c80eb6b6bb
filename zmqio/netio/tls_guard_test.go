package netio

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A collector is a connection that can keep its writes.
type collector struct {
	net.Conn
	keeps bool
	kept  bytes.Buffer
}

func (c *collector) Write(p []byte) (int, error) {
	if c.keeps {
		return c.kept.Write(p)
	}
	return c.Conn.Write(p)
}

// A bench is a tlsStream with a tls.Conn at the other end. The writes of the other end are kept in
// wire, so that the test can send them in pieces.
type bench struct {
	t      *testing.T
	stream *tlsStream
	peer   *tls.Conn
	raw    net.Conn   // under peer
	wire   *collector // between the two
	keys   syncBuffer // log of peer's keys
}

// A syncBuffer is a buffer that goroutines share.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func socketPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(t, err)
	var conns [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "")
		conns[i], err = net.FileConn(f)
		must(t, err)
		must(t, f.Close())
		t.Cleanup(func() { conns[i].Close() })
	}
	return conns[0], conns[1]
}

func newBench(t *testing.T, version uint16) *bench {
	t.Helper()
	a, b := socketPair(t)
	x := &bench{t: t, raw: b, wire: &collector{Conn: b}}
	server := serverTLS()
	server.MinVersion, server.MaxVersion, server.KeyLogWriter = version, version, &x.keys
	server.SessionTicketsDisabled = true // so that the number of records is known
	x.peer = tls.Server(x.wire, server)
	shaken := make(chan error, 1)
	go func() { shaken <- x.peer.Handshake() }()
	var err error
	x.stream, err = handshake(bounded(t), a, Config{TLS: clientTLS()}, false)
	must(t, err)
	must(t, wait(t, shaken))
	x.stream.wire.descriptor, err = duplicate(a.(*net.UnixConn))
	must(t, err)
	t.Cleanup(x.stream.wire.descriptor.close)
	x.wire.keeps = true
	return x
}

// read returns everything that the stream has to read now.
func (x *bench) read(buf []byte) []byte {
	x.t.Helper()
	var got []byte
	for more := true; more; {
		n, again, err := x.stream.read(buf)
		must(x.t, err)
		got = append(got, buf[:n]...)
		more = again
	}
	return got
}

// deliver sends ciphertext in pieces, and returns what the stream reads. The stream reads after
// each piece.
func (x *bench) deliver(ciphertext []byte, piece int, buf []byte) (got []byte) {
	x.t.Helper()
	for len(ciphertext) > 0 {
		n := min(piece, len(ciphertext))
		_, err := x.raw.Write(ciphertext[:n])
		must(x.t, err)
		ciphertext = ciphertext[n:]
		got = append(got, x.read(buf)...)
	}
	return got
}

// A tls.Conn works on after a temporary error of a read, anywhere in a record. crypto/tls does not
// document this, and TLS in netio relies on it.
func TestTemporaryError(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, test := range []struct{ size, piece, buf int }{
			{20_000, 1, blockSize},
			{70_000, 7, blockSize},
			{70_000, 7, 100},
			{8 << 20, 64 << 10, blockSize},
			{1 << 20, 50_001, 1000},
		} {
			t.Run(fmt.Sprintf("%s %d by %d to %d", tls.VersionName(version), test.size, test.piece, test.buf), func(t *testing.T) {
				x := newBench(t, version)
				want := pattern(test.size)
				_, err := x.peer.Write(want)
				must(t, err)
				if got := x.deliver(x.wire.kept.Bytes(), test.piece, make([]byte, test.buf)); !bytes.Equal(got, want) {
					t.Errorf("%d bytes came, or others", len(got))
				}
				// The same in the other direction.
				if n, err := x.stream.write([]byte("hello")); n != 5 || err != nil {
					t.Errorf("write: %d, %v", n, err)
				}
				if got := readN(t, x.peer, 5); string(got) != "hello" {
					t.Errorf("the peer read %q", got)
				}
			})
		}
	}
}

// A peer that asks for new keys, in pieces of any size, gets an answer. Both directions go on with
// new keys.
func TestKeyUpdate(t *testing.T) {
	for _, piece := range []int{1, 7, 1000} {
		t.Run(fmt.Sprint(piece), func(t *testing.T) {
			x := newBench(t, tls.VersionTLS13)
			if x.peer.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
				t.Skip("the test knows TLS_AES_128_GCM_SHA256 alone")
			}
			_, err := x.peer.Write([]byte("before"))
			must(t, err)
			buf := make([]byte, 100)
			if got := x.deliver(x.wire.kept.Bytes(), piece, buf); string(got) != "before" {
				t.Fatalf("read %q", got)
			}
			w := x.takeOver(1)
			for i := range 3 {
				const requested = 1
				request := w.seal(22, []byte{24, 0, 0, 1, requested})
				w.update(t)
				text := fmt.Sprint("after ", i)
				if got := x.deliver(append(request, w.seal(23, []byte(text))...), piece, buf); string(got) != text {
					t.Fatalf("read %q", got)
				}
				_, err := x.stream.write([]byte(text))
				must(t, err)
				if got := readN(t, x.peer, len(text)); string(got) != text {
					t.Fatalf("the peer read %q", got)
				}
			}
		})
	}
}

// A peer that keeps asking for new keys and reads nothing is ended, because its answers would use
// up memory.
func TestKeyUpdatesWithoutEnd(t *testing.T) {
	x := newBench(t, tls.VersionTLS13)
	w := x.takeOver(0)
	buf := make([]byte, 100)
	most := 0
	for {
		request := w.seal(22, []byte{24, 0, 0, 1, 1})
		w.update(t)
		_, err := x.raw.Write(append(request, w.seal(23, []byte("x"))...)) // without data crypto/tls soon refuses further requests
		must(t, err)
		_, more, err := x.stream.read(buf)
		for more && err == nil {
			_, more, err = x.stream.read(buf)
		}
		if err == errAnswers {
			return
		}
		must(t, err)
		if most = max(most, x.stream.buffered()); most > 1<<20 {
			t.Fatalf("%d bytes of answers wait", most)
		}
	}
}

// A recordWriter writes records of TLS 1.3 as a server does, because crypto/tls never asks for new
// keys.
type recordWriter struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// takeOver continues after the n records that the peer has written.
func (x *bench) takeOver(n uint64) *recordWriter {
	x.t.Helper()
	x.keys.mu.Lock()
	defer x.keys.mu.Unlock()
	for line := range strings.Lines(x.keys.b.String()) {
		if f := strings.Fields(line); f[0] == "SERVER_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(f[2])
			must(x.t, err)
			w := &recordWriter{secret: secret}
			w.setKey(x.t)
			w.seq = n
			return w
		}
	}
	x.t.Fatal("the key is not in the log")
	return nil
}

// expand is HKDF-Expand-Label of RFC 8446.
func (w *recordWriter) expand(t *testing.T, label string, n int) []byte {
	t.Helper()
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(info, "tls13 "+label...)
	info = append(info, 0)
	key, err := hkdf.Expand(sha256.New, w.secret, string(info), n)
	must(t, err)
	return key
}

func (w *recordWriter) setKey(t *testing.T) {
	t.Helper()
	block, err := aes.NewCipher(w.expand(t, "key", 16))
	must(t, err)
	w.aead, err = cipher.NewGCM(block)
	must(t, err)
	w.iv, w.seq = w.expand(t, "iv", 12), 0
}

func (w *recordWriter) update(t *testing.T) {
	t.Helper()
	w.secret = w.expand(t, "traffic upd", 32)
	w.setKey(t)
}

// seal returns an encrypted record.
func (w *recordWriter) seal(typ byte, data []byte) []byte {
	nonce := bytes.Clone(w.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, w.seq) {
		nonce[4+i] ^= b
	}
	w.seq++
	header := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(data)+1+w.aead.Overhead()))
	return w.aead.Seal(header, nonce, append(bytes.Clone(data), typ), header)
}

// The end of TLS is io.EOF after all data. So is the close of a connection between records. Within
// a record a close is an error.
func TestEndOfTLS(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(x *bench)
		want error
	}{
		"close_notify": {func(x *bench) { must(x.t, x.peer.CloseWrite()) }, io.EOF},
		"closed":       {func(*bench) {}, io.EOF},
		"cut": {func(x *bench) {
			_, err := x.peer.Write([]byte("last"))
			must(x.t, err)
			x.wire.kept.Truncate(x.wire.kept.Len() - 1)
		}, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			x := newBench(t, tls.VersionTLS13)
			_, err := x.peer.Write([]byte("first"))
			must(t, err)
			test.end(x)
			must(t, x.raw.SetDeadline(time.Time{})) // CloseWrite sets a deadline
			_, err = x.raw.Write(x.wire.kept.Bytes())
			must(t, err)
			must(t, x.raw.Close())
			buf := make([]byte, 100)
			n, _, err := x.stream.read(buf)
			if string(buf[:n]) != "first" || err != nil {
				t.Errorf("read %q, %v", buf[:n], err)
			}
			if n, _, err := x.stream.read(buf); n != 0 || err != test.want {
				t.Errorf("the end: %d, %v", n, err)
			}
		})
	}
}
