package live

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"
	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/gen/internal/spec"
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

// TestChangedConstants compares the constants that are functions with their history for the running
// release.
func TestChangedConstants(t *testing.T) {
	now := spec.Version(running())
	values := make(map[string]int64)
	for _, e := range loadSpec(t).Enums {
		for _, v := range e.Values {
			for i, c := range v.History {
				if i == 0 || c.Since.Compare(now) <= 0 {
					values[v.Name] = c.Value
				}
			}
		}
	}
	got := map[string]int64{
		"GROUP_MAX_LENGTH":                int64(zmq.GROUP_MAX_LENGTH()),
		"RECONNECT_STOP_AFTER_DISCONNECT": int64(zmq.RECONNECT_STOP_AFTER_DISCONNECT()),
	}
	if !maps.Equal(got, values) {
		t.Errorf("changed constants are %v, not %v", got, values)
	}
}
