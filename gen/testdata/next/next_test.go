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
	if zmq.WARP_FACTOR != warpFactor || zmq.WARP_FACTOR.String() != "WARP_FACTOR" {
		t.Errorf("WARP_FACTOR is %v, %d", zmq.WARP_FACTOR, zmq.WARP_FACTOR)
	}
	s := zmq.Sockopts{RawSockopts: socket{}}
	if err := s.SetWarpFactor(9); err != nil {
		t.Error(err)
	}
	if v, err := s.WarpFactor(); v != 9 || err != nil {
		t.Errorf("WarpFactor = %v, %v", v, err)
	}
	if zmq.WARP_TEXT.Info().Status != zmq.Draft || stable.Info().Status != zmq.Stable {
		t.Error("a new option is no draft, or a promoted one still is")
	}
}

// TestPromoted asks a release before and one after a draft became stable.
func TestPromoted(t *testing.T) {
	info := needed.Info()
	if needs := info.NeedsIn(before); len(needs) != 1 || needs[0] != zmq.CapabilityDraft {
		t.Errorf("%v needs %v", before, needs)
	}
	if needs := info.NeedsIn(after); len(needs) > 0 {
		t.Errorf("%v needs %v", after, needs)
	}
}

func TestContextAccessor(t *testing.T) {
	var opts zmq.Contextopts
	if err := opts.SetWarpCpus(1); err == nil {
		t.Error("an option is set on no context")
	}
}

func TestNewNames(t *testing.T) {
	for got, want := range map[string]string{
		zmq.HERALD.String():              "HERALD",
		zmq.EVENT_WARPED.String():        "EVENT_WARPED",
		zmq.SNDWARP.String():             "SNDWARP",
		zmq.EWARP.Error():                "Warp failed",
		string(zmq.CapabilityWARP):       "warp",
		string(zmq.MSG_PROPERTY_WARP):    "Warp",
		zmq.HERALD.Info().Since.String(): release,
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if zmq.WARP_CPUS != warpCPUs || zmq.EVENT_WARPED != eventWarped {
		t.Error("numbers are not the header's")
	}
}
