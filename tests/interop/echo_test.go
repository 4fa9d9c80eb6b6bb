package interop

import (
	"encoding/hex"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// lockstep has the series for REQ, which waits for each reply. thereAndBack has those for DEALER,
// which does not wait.
var (
	lockstep     = []series{{"numbered", 1_000}, {"shapes", 200}, {"large", 8}}
	thereAndBack = []series{{"numbered", 20_000}, {"shapes", 500}, {"large", 8}}
)

// routingID is the routing id of a DEALER, to which its ROUTER sends.
var routingID = []byte{0x01, 0x00, 0xff, '\t', 'd'}

func TestReq(t *testing.T) {
	eachLink(t, func(t *testing.T, s *station) {
		c := newClient()
		tr := s.join(c, zmq.REQ, nil, args{"type": "REP"})
		for _, series := range lockstep {
			s.peer.begin("echo", series.args(nil))
			s.request(tr, c, series)
			s.peer.finish()
		}
		s.part(tr, c)
	})
}

// request sends each message of a series when the one before has come back.
func (s *station) request(tr *zmqio.Transport, c *client, series series) {
	s.t.Helper()
	all := c.expect(series)
	for msg := range series.messages() {
		must(s.t, tr.Write(msg))
		select {
		case <-c.arrived:
		case <-s.ctx.Done():
			s.t.Fatal(s.ctx.Err())
		}
	}
	s.wait(all)
}

func TestRep(t *testing.T) {
	eachLink(t, func(t *testing.T, s *station) {
		r := newService()
		tr := s.join(r, zmq.REP, nil, args{"type": "REQ"})
		for _, series := range lockstep {
			all := r.expect(series)
			s.peer.call("exchange", series.args(nil))
			s.wait(all)
		}
		s.part(tr, r)
	})
}

// A mandatory ROUTER waits for room where another would drop the message.

func TestDealer(t *testing.T) {
	eachLink(t, func(t *testing.T, s *station) {
		c := newClient()
		tr := s.join(c, zmq.DEALER, func(o zmq.Sockopts) error { return o.SetRoutingID(routingID) }, args{
			"type": "ROUTER", "options": args{"ROUTER_MANDATORY": 1},
		})
		for _, series := range thereAndBack {
			all := c.expect(series)
			s.peer.begin("echo", series.args(routingID))
			must(t, c.send(s.ctx, tr, series.messages()))
			s.wait(all)
			s.peer.finish()
		}
		s.part(tr, c)
	})
}

func TestRouter(t *testing.T) {
	eachLink(t, func(t *testing.T, s *station) {
		r := newService()
		tr := s.join(r, zmq.ROUTER, func(o zmq.Sockopts) error { return o.SetRouterMandatory(true) }, args{
			"type": "DEALER", "options": args{"ROUTING_ID": hex.EncodeToString(routingID)},
		})
		for _, series := range thereAndBack {
			all := r.expect(series, routingID)
			s.peer.call("exchange", series.args(nil))
			s.wait(all)
		}
		s.part(tr, r)
	})
}
