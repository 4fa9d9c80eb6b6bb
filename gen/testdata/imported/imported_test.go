package zmq_test

import (
	"testing"

	"github.com/zmqio/zmq"
)

type socket map[zmq.Option][]byte

func (s socket) GetRaw(opt zmq.Option, buf []byte) (int, error) { return copy(buf, s[opt]), nil }

func (s socket) SetRaw(opt zmq.Option, v []byte) error {
	s[opt] = v
	return nil
}

func TestWarpFactor(t *testing.T) {
	if zmq.WARP_FACTOR != 1234 || zmq.WARP_FACTOR.String() != "WARP_FACTOR" {
		t.Errorf("WARP_FACTOR is %v, %d", zmq.WARP_FACTOR, zmq.WARP_FACTOR)
	}
	s := zmq.Sockopts{RawSockopts: socket{}}
	if err := s.SetWarpFactor(9); err != nil {
		t.Error(err)
	}
	if v, err := s.WarpFactor(); v != 9 || err != nil {
		t.Errorf("WarpFactor = %v, %v", v, err)
	}
}
