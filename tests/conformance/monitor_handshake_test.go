package conformance

import (
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// dial makes a raw TCP connection to a transport, and writes send.
func dial(t testing.TB, tr *zmqio.Transport, send []byte) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(tr.Listeners()[0], "tcp://"))
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	_, err = conn.Write(send)
	must(t, err)
	return conn
}

func TestMonitorHandshakeFailed(t *testing.T) {
	needs(t, "4.3.0", handshakeEvents)
	l := newLoop(t, nil)
	inBackground(t, l)
	w := newWatcher(t, zmq.EVENT_ALL)
	tr := watch(l, w, zmq.REP, bindTo(anyPort))
	t.Run("by the protocol", func(t *testing.T) {
		needs(t, "4.3.2", portsInEvents)
		greeting, err := hex.DecodeString("ff00000000000000007f0300")
		must(t, err)
		greeting = append(greeting, make([]byte, 52)...)
		copy(greeting[12:], "PLAIN") // a REP expects NULL
		dial(t, tr, greeting)
		ev := w.wait(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
		wants(t, ev.Err(), zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
		var which zmq.ProtocolError
		if !errors.As(ev.Err(), &which) || ev.Endpoint != tr.Listeners()[0] {
			t.Errorf("%v, error %v", ev, which)
		}
	})
	t.Run("by the end", func(t *testing.T) {
		must(t, dial(t, tr, []byte("garbage")).Close())
		ev := w.wait(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)
		var errno zmq.Errno
		if !errors.As(ev.Err(), &errno) {
			t.Errorf("%v has the error %v", ev, ev.Err())
		}
		w.wait(zmq.EVENT_DISCONNECTED)
	})
}

// A doorman is a ZAP handler that denies every peer.
type doorman struct {
	zmqio.BaseProtocol
	t  testing.TB
	tr *zmqio.Transport
}

func (d *doorman) ConnectionMade(tr *zmqio.Transport) { d.tr = tr }

func (d *doorman) MsgReceived(msg [][]byte) {
	must(d.t, d.tr.Write([][]byte{msg[0], msg[1], []byte("400"), []byte("no"), {}, {}}))
}

func TestMonitorHandshakeRefused(t *testing.T) {
	needs(t, "4.3.0", handshakeEvents)
	l := newLoop(t, nil)
	inBackground(t, l)
	_, _, err := zmqio.CreateZmqConnection(bounded(t), l, func() *doorman { return &doorman{t: t} }, zmq.REP, bindTo("inproc://zeromq.zap.01"))
	must(t, err)
	server := newWatcher(t, zmq.EVENT_ALL)
	cfg := bindTo(anyPort)
	cfg.Configure = func(o zmq.Sockopts) error { return o.SetPlainServer(true) }
	tr := watch(l, server, zmq.PULL, cfg)
	cfg = connectTo(tr.Listeners()...)
	cfg.Configure = func(o zmq.Sockopts) error {
		return errors.Join(o.SetPlainUsername("somebody"), o.SetPlainPassword("wrong"))
	}
	client := newWatcher(t, zmq.EVENT_ALL)
	watch(l, client, zmq.PUSH, cfg)
	for _, w := range []*watcher{server, client} {
		ev := w.wait(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
		wants(t, ev.Err(), zmq.ZAPStatus(400))
	}
}
