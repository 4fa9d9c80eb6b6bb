package interop

import (
	"testing"

	"github.com/zmqio/zmq"
)

// oneWay has the series for patterns with one direction.
var oneWay = []series{{"numbered", 100_000}, {"shapes", 500}, {"large", 8}}

func TestPush(t *testing.T) {
	eachLink(t, func(t *testing.T, s *station) {
		c := newClient()
		tr := s.join(c, zmq.PUSH, nil, args{"type": "PULL"})
		for _, series := range oneWay {
			s.peer.begin("receive", series.args(nil))
			must(t, c.send(s.ctx, tr, series.messages()))
			s.peer.finish()
		}
		s.part(tr, c)
	})
}

func TestPull(t *testing.T) {
	eachLink(t, func(t *testing.T, s *station) {
		c := newClient()
		tr := s.join(c, zmq.PULL, nil, args{"type": "PUSH"})
		for _, series := range oneWay {
			all := c.expect(series)
			s.peer.call("send", series.args(nil))
			s.wait(all)
		}
		s.part(tr, c)
	})
}
