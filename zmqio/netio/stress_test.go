package netio

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/testkit"
)

// A tally counts the callbacks of a transport.
type tally struct {
	BaseProtocol
	t          *Transport
	made, lost int
	wrong      string
	received   bytes.Buffer
	done       chan struct{}
	echoes     bool
}

func (c *tally) ConnectionMade(t *Transport) { c.made++; c.t = t }

func (c *tally) DataReceived(b []byte) {
	if c.made != 1 || c.lost != 0 {
		c.wrong = "data out of turn"
	}
	if c.echoes {
		_ = c.t.Write(b) // the transport may be closing
		return
	}
	c.received.Write(b)
}

func (c *tally) ConnectionLost(error) {
	if c.lost++; c.made != 1 {
		c.wrong = "lost out of turn"
	}
	close(c.done)
}

// Connections are made, written to by several goroutines, paused, resumed and ended in every way at
// the same time. Each one ends, and leaves nothing behind.
func TestStress(t *testing.T) {
	for name, test := range map[string]struct{ server, client Config }{
		"plain": {},
		"TLS":   {Config{TLS: serverTLS()}, Config{TLS: clientTLS()}},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.CheckLeaks(t)
			l, _ := newLoop(t)
			var mu sync.Mutex
			var all []*tally
			factory := func(echoes bool) func() *tally {
				return func() *tally {
					c := &tally{done: make(chan struct{}), echoes: echoes}
					mu.Lock()
					defer mu.Unlock()
					all = append(all, c)
					return c
				}
			}
			s, err := CreateServer(bounded(t), l, factory(true), "tcp", []string{"127.0.0.1:0"}, ServerConfig{Config: test.server})
			must(t, err)
			var wg sync.WaitGroup
			for range 30 {
				wg.Go(func() {
					tr, c, err := CreateConnection(bounded(t), l, factory(false), "tcp", s.Addrs()[0].String(), test.client)
					if err != nil {
						t.Error(err)
						return
					}
					bother(t, tr)
					select {
					case <-c.done:
					case <-bounded(t).Done():
						t.Errorf("not lost: %v", tr)
					}
				})
			}
			wg.Wait()
			must(t, s.Close())
			must(t, s.Wait(bounded(t)))
			do(t, l, func() {
				for _, c := range all {
					if c.made != 1 || c.lost != 1 || c.wrong != "" {
						t.Errorf("made %d times, lost %d times %s", c.made, c.lost, c.wrong)
					}
				}
			})
		})
	}
}

// bother writes to tr, pauses it and ends it, on several goroutines.
func bother(t *testing.T, tr *Transport) {
	allowed := []error{nil, zmqio.ErrTransportClosed, zmqio.ErrAlreadyPaused, zmqio.ErrNotPaused}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 20 {
				var err error
				switch b := make([]byte, rand.IntN(50_000)); rand.IntN(5) {
				case 0:
					err = tr.PauseReading()
				case 1:
					err = tr.ResumeReading()
				case 2:
					err = tr.Write(b)
				case 3:
					err = tr.SetWriteBufferLimits(rand.IntN(100_000), 0)
				default:
					err = tr.WriteContext(bounded(t), b)
				}
				if !slices.ContainsFunc(allowed, func(a error) bool { return errors.Is(err, a) }) {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		if rand.IntN(2) == 0 {
			_ = tr.Close()
		}
	})
	wg.Wait()
	_ = tr.ResumeReading()
	if rand.IntN(2) == 0 {
		_ = tr.Abort()
	}
	_ = tr.Close()
}
