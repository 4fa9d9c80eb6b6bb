package security

import (
	"context"
	"encoding/binary"
	"io"
	"maps"
	"net"
	"slices"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zap"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// properties are the properties that the servers of these tests ask for.
var properties = []string{"User-Id", "Peer-Address", "X-Role", "X-Team", "X-Own"}

// Each message has the user id and the metadata of the store, also from a client that comes again
// with another key. Changes of a key count from the next connection on.
func TestIdentities(t *testing.T) {
	needs(t, 0, zmq.CapabilityCurve)
	checkLeaks(t)
	ctx := bounded(t)
	loop := newLoop(t, nil)
	keys := new(zap.Keys)
	guard, err := zap.Serve(loop, keys.Authenticate)
	must(t, err)
	defer func() { must(t, guard.Close()) }()
	own, ann, bob := zap.NewCertificate(nil), zap.NewCertificate(nil), zap.NewCertificate(nil)
	s := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{
		Loop: loop, Bind: []string{anyPort}, Configure: own.AsServer, Metadata: properties,
	})
	send := func(c zap.Certificate, want map[string]string) {
		t.Helper()
		client := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Connect: []string{s.Addr()}, Configure: c.AsClient(own.Public)})
		for range 2 {
			must(t, client.Send(ctx, []byte("hello")))
			m, err := s.RecvMessage(ctx)
			must(t, err)
			if want["Peer-Address"] = "127.0.0.1"; !maps.Equal(m.Metadata, want) {
				t.Errorf("%v has %v, want %v", c, m.Metadata, want)
			}
		}
		must(t, client.Abort())
	}
	keys.Add(ann.Public, zap.Identity{UserID: "ann", Metadata: map[string]string{"X-Role": "admin"}})
	keys.Add(bob.Public, zap.Identity{})
	send(ann, map[string]string{"User-Id": "ann", "X-Role": "admin"})
	send(bob, map[string]string{"User-Id": bob.Public.String(), "X-Role": ""})
	keys.Add(ann.Public, zap.Identity{UserID: "anna"})
	send(ann, map[string]string{"User-Id": "anna", "X-Role": ""})
}

// pushRaw connects a raw PUSH that sends the properties says, up to the end of the handshake.
func pushRaw(t *testing.T, to *zmqio.Stream, says map[string]string) net.Conn {
	t.Helper()
	body := []byte("\x05READY")
	add := func(name, value string) {
		body = append(append(body, byte(len(name))), name...)
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(value))), value...)
	}
	add("Socket-Type", "PUSH")
	for name, value := range says {
		add(name, value)
	}
	conn, err := net.Dial("tcp", to.Addr()[len("tcp://"):])
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = conn.Write(slices.Concat(greeting("NULL"), binary.BigEndian.AppendUint64([]byte{6}, uint64(len(body))), body))
	must(t, err)
	// libzmq takes no message before it has sent its own READY, of less than 256 bytes.
	head := make([]byte, len(greeting("NULL"))+2)
	_, err = io.ReadFull(conn, head)
	must(t, err)
	_, err = io.CopyN(io.Discard, conn, int64(head[len(head)-1]))
	must(t, err)
	return conn
}

// A peer cannot set a property that the handler has set, nor its address. It can set other
// metadata, so stores reserve the names of all keys. Without a handler it can set the user id.
func TestForgedIdentity(t *testing.T) {
	checkLeaks(t)
	ctx := bounded(t)
	loop := newLoop(t, nil)
	guard, err := zap.Serve(loop, zap.Reserve(func(_ context.Context, r zap.Request) (zap.Identity, error) {
		return zap.Identity{UserID: map[string]string{"test": "guest"}[r.Domain]}, nil
	}, "X-Role"))
	must(t, err)
	defer func() { must(t, guard.Close()) }()
	forged := map[string]string{"User-Id": "root", "Peer-Address": "10.0.0.1", "X-Role": "admin", "X-Team": "red"}
	for name, c := range map[string]struct {
		set  setter
		want map[string]string
	}{
		"asked":      {domain("test"), map[string]string{"User-Id": "guest", "Peer-Address": "127.0.0.1", "X-Role": "", "X-Team": "red"}},
		"no user id": {domain("other"), map[string]string{"User-Id": "", "Peer-Address": "127.0.0.1", "X-Role": "", "X-Team": "red"}},
		"not asked":  {inOrder(), map[string]string{"User-Id": "root", "Peer-Address": "127.0.0.1", "X-Role": "admin", "X-Team": "red"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Loop: loop, Bind: []string{anyPort}, Configure: c.set, Metadata: properties})
			_, err = pushRaw(t, s, forged).Write([]byte("\x00\x05hello"))
			must(t, err)
			m, err := s.RecvMessage(ctx)
			if must(t, err); !maps.Equal(m.Metadata, c.want) {
				t.Errorf("the peer is %v, want %v", m.Metadata, c.want)
			}
		})
	}
}

// A property that is too long counts as missing, and the others do not.
func TestLongProperties(t *testing.T) {
	checkLeaks(t)
	ctx := bounded(t)
	loop := newLoop(t, nil)
	names := make([]string, zmqio.MaxMetadata)
	says, want := make(map[string]string), make(map[string]string)
	for i := range names {
		names[i] = "X-" + string(rune('a'+i))
		says[names[i]] = longText(zap.MaxProperty + i%2)
		if i%2 == 0 {
			want[names[i]] = says[names[i]]
		}
	}
	s := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Loop: loop, Bind: []string{anyPort}, Metadata: names})
	conn := pushRaw(t, s, says)
	const n = 100 // more than have room in a batch
	for range n {
		_, err := conn.Write([]byte("\x00\x05hello"))
		must(t, err)
	}
	for range n {
		m, err := s.RecvMessage(ctx)
		if must(t, err); !maps.Equal(m.Metadata, want) || string(m.Frames[0]) != "hello" || len(m.Frames) != 1 {
			t.Fatalf("got %q with %d properties", m.Frames, len(m.Metadata))
		}
	}
}

func longText(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = 'a' + byte(i%26)
	}
	return string(text)
}
