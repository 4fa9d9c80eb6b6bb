package peers

import (
	"context"
	"encoding/binary"
	"strings"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// zmqioProxy forwards between two endpoints. At a third endpoint it asks how many messages have
// arrived.
func zmqioProxy(j job) error {
	endpoints := strings.Fields(j.endpoint)
	front, back := zmq.PULL, zmq.PUSH
	if j.how != "streamer" {
		front, back = zmq.ROUTER, zmq.DEALER
	}
	var cfg zmqio.ProxyConfig
	if j.how == "filter" {
		cfg.Filter = func(_ zmqio.ProxyDirection, msg zmqio.Message) (forward, answer [][]byte) { return msg.Frames, nil }
	}
	p, err := zmqio.NewProxy(
		j.open(front, zmqio.StreamConfig{Connect: endpoints[:1]}), j.open(back, zmqio.StreamConfig{Connect: endpoints[1:2]}), &cfg,
	)
	if err != nil {
		return err
	}
	go func() { must(p.Run(context.Background())) }()
	count := j.pebbeSocket(pebbeContext(), zmq4.REQ)
	must(count.Connect(endpoints[2]))
	through := func() int {
		_, err := count.Send("?", 0)
		must(err)
		b, err := count.RecvBytes(0)
		must(err)
		return int(binary.NativeEndian.Uint64(b))
	}
	return tell(j.measure(through))
}
