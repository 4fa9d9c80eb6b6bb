package browser

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

var shots = flag.String("shots", "", "the directory to write pictures of the page to")

// A scene is a service that takes orders, works on them, publishes prices, and asks a slow backend.
func scene(t *testing.T, ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	t.Cleanup(stop)
	orders := zmqiotest.RunLoop(t, &zmqio.LoopConfig{Name: "orders"})
	market := zmqiotest.RunLoop(t, &zmqio.LoopConfig{Name: "market"})

	open := func(l *zmqio.EventLoop, typ zmq.SocketType, name string, cfg zmqio.StreamConfig) *zmqio.Stream {
		cfg.Loop, cfg.Name = l, name
		return zmqiotest.Open(t, typ, cfg)
	}
	front := open(orders, zmq.ROUTER, "front", zmqio.StreamConfig{Bind: []string{"tcp://127.0.0.1:*", "ipc://" + zmqiotest.SocketDir(t) + "/orders"}, Configure: func(o zmq.Sockopts) error {
		return o.SetSndHWM(5000)
	}})
	work := open(orders, zmq.PUSH, "work", zmqio.StreamConfig{Bind: []string{"inproc://work"}})
	pull := open(orders, zmq.PULL, "worker", zmqio.StreamConfig{Connect: []string{"inproc://work"}})
	prices := open(market, zmq.XPUB, "prices", zmqio.StreamConfig{Bind: []string{"tcp://127.0.0.1:*"}})
	feed := open(market, zmq.SUB, "feed", zmqio.StreamConfig{Connect: []string{prices.Addr()}, Subscribe: []string{"EUR", "USD"}})
	client := open(market, zmq.DEALER, "client", zmqio.StreamConfig{Connect: []string{front.Transport().Listeners()[1]}, Configure: func(o zmq.Sockopts) error {
		return o.SetRoutingID([]byte("client-1"))
	}})
	slow := open(market, zmq.PUSH, "archive", zmqio.StreamConfig{Connect: []string{"tcp://127.0.0.1:9"}})

	go func() { // orders come in waves
		for i := 0; ctx.Err() == nil; i++ {
			_ = client.Send(ctx, []byte("order"), make([]byte, 120))
			if i%40 == 0 {
				time.Sleep(time.Duration(3+3*((i/2000)%3)) * time.Millisecond)
			}
		}
	}()
	go func() {
		for msg, err := range front.Messages(ctx) {
			if err != nil {
				return
			}
			_ = work.Send(ctx, msg[1:]...)
		}
	}()
	go func() {
		for range pull.Messages(ctx) {
		}
	}()
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			_ = prices.Send(ctx, []byte("EUR"), fmt.Append(nil, i))
			if i%10 == 0 {
				time.Sleep(time.Duration(2+(i/500)%5) * time.Millisecond)
			}
		}
	}()
	go func() {
		for range feed.Messages(ctx) {
		}
	}()
	for range 300 {
		_ = slow.TrySend(make([]byte, 200))
	}
}

// TestShots writes pictures of the page to -shots. One of them is in README.
func TestShots(t *testing.T) {
	if *shots == "" {
		t.Skip("it is for looking: -shots says where to")
	}
	scene(t, t.Context())
	b := open(t)
	time.Sleep(time.Minute) // the charts need a minute
	for _, shot := range []struct {
		name  string
		rows  []int // the rows to open
		steps []step
	}{
		{"page", []int{0}, []step{size(1100, 10, 1)}},
		{"dark", []int{0, 3}, []step{size(1100, 10, 1), dark(true)}},
		{"phone", nil, []step{size(360, 640, 2)}},
		{"phone-dark", []int{0}, []step{size(360, 640, 2), dark(true)}},
	} {
		b.do(append([]step{dark(false)}, shot.steps...)...)
		ask[bool](b, fmt.Sprintf(`document.querySelectorAll(".t").forEach((t, i) => t.open = [%s].includes(i)), true`,
			strings.ReplaceAll(strings.Trim(fmt.Sprint(shot.rows), "[]"), " ", ",")))
		n := b.questions()
		for b.questions() < n+2 {
			ask[int](b, `1`)
		}
		must(t, os.WriteFile(filepath.Join(*shots, shot.name+".png"), b.picture(), 0o644))
	}
}
