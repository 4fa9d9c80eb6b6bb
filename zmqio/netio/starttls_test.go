package netio

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

// StartTLS of a client sends earlier writes in plain text, and later ones encrypted. ConnectionMade
// is not called again.
func TestStartTLSClient(t *testing.T) {
	onEach(t, func(t *testing.T, n network) {
		testkit.CheckLeaks(t)
		l, _ := newLoop(t)
		r := newRecorder()
		tr, conn := n.connect(t, l, r, Config{})
		open, secret := pattern(16<<20), pattern(200_000)
		must(t, tr.Write(open))
		started := make(chan error)
		go func() { started <- tr.StartTLS(bounded(t), clientTLS(), false) }()
		for begun := false; !begun; runtime.Gosched() {
			tr.mu.Lock()
			begun = tr.state.is(starting)
			tr.mu.Unlock()
		}
		must(t, tr.Write(secret))
		if tr.CanWriteEOF() {
			t.Error("WriteEOF is supported")
		}
		if got := readN(t, conn, len(open)); !bytes.Equal(got, open) {
			t.Error("other bytes came")
		}
		peer := tls.Server(conn, serverTLS())
		if got := readN(t, peer, len(secret)); !bytes.Equal(got, secret) {
			t.Error("other bytes came encrypted")
		}
		must(t, wait(t, started))
		send(t, peer, "hello")
		r.await(t, 5)
		if err := tr.StartTLS(bounded(t), clientTLS(), false); !errors.Is(err, zmqio.ErrInvalidArgument) {
			t.Errorf("again: %v", err)
		}
		must(t, tr.Close())
		if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the peer reads %v", err)
		}
		must(t, peer.Close())
		must(t, wait(t, r.lost))
		if e := r.events(); e[0] != "made" || e[1] == "made" {
			t.Errorf("called: %q", e)
		}
	})
}

// StartTLS of a server pauses reading at the client's request.
func TestStartTLSServer(t *testing.T) {
	l, _ := newLoop(t)
	r := newRecorder()
	started := make(chan error)
	r.onData = func(tr *Transport, b []byte) {
		if string(b) != "STARTTLS\n" {
			return
		}
		if err := tr.StartTLS(context.Background(), serverTLS(), true); !errors.Is(err, zmqio.ErrWouldDeadlock) {
			t.Errorf("on the loop: %v", err)
		}
		must(t, tr.PauseReading())
		must(t, tr.Write([]byte("OK\n")))
		go func() {
			err := tr.StartTLS(bounded(t), serverTLS(), true)
			if err == nil {
				err = tr.ResumeReading()
			}
			started <- err
		}()
	}
	tr, conn := networks[0].connect(t, l, r, Config{})
	send(t, conn, "STARTTLS\n")
	readN(t, conn, 3)
	peer := tls.Client(conn, clientTLS())
	send(t, peer, "hello") // together with the end of the handshake
	must(t, wait(t, started))
	if got := r.await(t, 14); string(got) != "STARTTLS\nhello" {
		t.Errorf("received %q", got)
	}
	must(t, tr.Write([]byte("world")))
	readN(t, peer, 5)
}

// A failed handshake ends the transport with its error.
func TestStartTLSFails(t *testing.T) {
	testkit.CheckLeaks(t)
	l, _ := newLoop(t)
	var none context.Context
	ended, cancel := context.WithCancelCause(context.Background())
	mine := errors.New("mine")
	cancel(mine)
	for name, test := range map[string]func(t *testing.T, tr *Transport, r *recorder, peer net.Conn){
		"arguments": func(t *testing.T, tr *Transport, _ *recorder, _ net.Conn) {
			if err := tr.StartTLS(none, clientTLS(), false); !errors.Is(err, zmqio.ErrInvalidArgument) {
				t.Errorf("nil context: %v", err)
			}
			if err := tr.StartTLS(bounded(t), nil, false); !errors.Is(err, zmqio.ErrInvalidArgument) {
				t.Errorf("nil configuration: %v", err)
			}
			if err := tr.StartTLS(ended, clientTLS(), false); err != mine || tr.IsClosing() {
				t.Errorf("ctx has ended: %v", err)
			}
		},
		"garbage": func(t *testing.T, tr *Transport, r *recorder, peer net.Conn) {
			must(t, tr.PauseReading()) // else the request counts as data
			send(t, peer, "garbage in place of TLS")
			err := tr.StartTLS(bounded(t), clientTLS(), false)
			var garbage tls.RecordHeaderError
			if lost := wait(t, r.lost); !errors.As(err, &garbage) || lost != err {
				t.Errorf("StartTLS: %v, lost: %v", err, lost)
			}
		},
		"after WriteEOF": func(t *testing.T, tr *Transport, _ *recorder, _ net.Conn) {
			must(t, tr.WriteEOF())
			if err := tr.StartTLS(bounded(t), clientTLS(), false); !errors.Is(err, ErrWriteEOF) {
				t.Errorf("StartTLS: %v", err)
			}
		},
		"after Close": func(t *testing.T, tr *Transport, _ *recorder, _ net.Conn) {
			must(t, tr.Close())
			if err := tr.StartTLS(bounded(t), clientTLS(), false); !errors.Is(err, zmqio.ErrTransportClosed) {
				t.Errorf("StartTLS: %v", err)
			}
		},
		"closed meanwhile": func(t *testing.T, tr *Transport, r *recorder, peer net.Conn) {
			started := make(chan error)
			go func() { started <- tr.StartTLS(bounded(t), clientTLS(), false) }()
			readN(t, peer, 1)
			must(t, tr.Close())
			if err := wait(t, started); !errors.Is(err, zmqio.ErrTransportClosed) {
				t.Errorf("StartTLS: %v", err)
			}
			must(t, wait(t, r.lost))
		},
		"ctx ends before what is in the clear has gone": func(t *testing.T, tr *Transport, r *recorder, peer net.Conn) {
			must(t, tr.Write(make([]byte, 16<<20)))
			ctx, cancel := context.WithCancelCause(context.Background())
			started := make(chan error)
			go func() { started <- tr.StartTLS(ctx, clientTLS(), false) }()
			cancel(mine)
			if err := wait(t, started); err != mine {
				t.Errorf("StartTLS: %v", err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder()
			tr, peer := networks[0].connect(t, l, r, Config{})
			test(t, tr, r, peer)
			must(t, tr.Abort())
			<-tr.Closed()
		})
	}
}
