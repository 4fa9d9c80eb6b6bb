package interop

import (
	"testing"

	"github.com/zmqio/zmq"
)

var (
	topic = []byte("data")
	probe = []byte("probe")
)

// A publisher drops messages without a subscriber, so a test first publishes probes until one
// arrives. The subscriber has subscribed to the topic before the probes, and then gets both.

func TestPub(t *testing.T) {
	eachLink(t, func(t *testing.T, s *station) {
		c := newClient()
		tr := s.join(c, zmq.PUB, func(o zmq.Sockopts) error { return o.SetSndHWM(0) }, args{
			"type": "SUB", "options": args{"RCVHWM": 0}, "subscribe": []string{"data", "probe"},
		})
		for !s.peer.call("probed", nil).Seen {
			must(t, tr.Write([][]byte{probe}))
		}
		for _, series := range oneWay {
			s.peer.begin("receive", series.args(topic))
			must(t, c.send(s.ctx, tr, series.messages(topic)))
			s.peer.finish()
		}
		s.part(tr, c)
	})
}

func TestSub(t *testing.T) {
	eachLink(t, func(t *testing.T, s *station) {
		c := newClient()
		tr := s.join(c, zmq.SUB, subscribe, args{"type": "PUB", "options": args{"SNDHWM": 0}})
		for arrived := false; !arrived; {
			s.peer.call("probe", nil)
			select {
			case <-c.arrived:
				arrived = true
			default:
			}
		}
		for _, series := range oneWay {
			all := c.expect(series, topic)
			s.peer.call("send", series.args(topic))
			s.wait(all)
		}
		s.part(tr, c)
	})
}

func subscribe(o zmq.Sockopts) error {
	if err := o.SetRcvHWM(0); err != nil {
		return err
	}
	for _, t := range [][]byte{topic, probe} {
		if err := o.Set(zmq.SUBSCRIBE, t); err != nil {
			return err
		}
	}
	return nil
}
