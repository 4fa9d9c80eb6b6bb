package live

import (
	"errors"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"
	"github.com/zmqio/zmq"
)

func TestCapabilities(t *testing.T) {
	for c, want := range map[zmq.Capability]bool{
		zmq.CapabilityIPC:    zmq4.HasIpc(),
		zmq.CapabilityPGM:    zmq4.HasPgm(),
		zmq.CapabilityTIPC:   zmq4.HasTipc(),
		zmq.CapabilityNORM:   zmq4.HasNorm(),
		zmq.CapabilityCurve:  zmq4.HasCurve(),
		zmq.CapabilityGSSAPI: zmq4.HasGssapi(),
		"warp":               false,
	} {
		if got := zmq.Has(c); got != want {
			t.Errorf("Has(%s) is %t", c, got)
		}
		err := zmq.Require(c)
		if want && err != nil || !want && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Require(%s): %v", c, err)
		}
		if err != nil && !strings.HasSuffix(err.Error(), "this is libzmq "+running().String()+" without "+string(c)) {
			t.Errorf("Require(%s): %v", c, err)
		}
	}
}

func TestFlags(t *testing.T) {
	for text, want := range map[string]zmq.Event{
		"0":                                   0,
		"EVENT_CONNECTED":                     zmq.EVENT_CONNECTED,
		"zmq_event_connected|Event_Listening": zmq.EVENT_CONNECTED | zmq.EVENT_LISTENING,
		"EVENT_ALL":                           zmq.EVENT_ALL,
	} {
		got, err := zmq.ParseEvent(text)
		if got != want || err != nil {
			t.Errorf("ParseEvent(%s) = %v, %v", text, got, err)
		}
		back, err := zmq.ParseEvent(got.String())
		if back != want || err != nil {
			t.Errorf("%s became %v, %v", text, got, err)
		}
	}
	if _, err := zmq.ParseEvent("EVENT_CONNECTED|"); !errors.Is(err, zmq.ErrUnknownName) {
		t.Errorf("an empty flag: %v", err)
	}
	if got := (zmq.POLLIN | zmq.POLLOUT).String(); got != "POLLIN|POLLOUT" {
		t.Errorf("String is %s", got)
	}
}

// TestChangedConstants compares the constants that are functions with the history of the
// release that is running.
func TestChangedConstants(t *testing.T) {
	group, stop := zmq.Limit(15), zmq.ReconnectStop(3)
	if running().Compare(zmq.Version{Major: 4, Minor: 3, Patch: 3}) >= 0 {
		group = 255
	}
	if running().Compare(zmq.Version{Major: 4, Minor: 3, Patch: 5}) >= 0 {
		stop = 4
	}
	if got := zmq.GROUP_MAX_LENGTH(); got != group {
		t.Errorf("GROUP_MAX_LENGTH is %d", int(got))
	}
	if got := zmq.RECONNECT_STOP_AFTER_DISCONNECT(); got != stop {
		t.Errorf("RECONNECT_STOP_AFTER_DISCONNECT is %d", int(got))
	}
}
