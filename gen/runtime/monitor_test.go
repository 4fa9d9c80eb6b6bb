package zmq

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"
)

// monitorMsg is what libzmq sends.
func monitorMsg(event uint16, value int32, endpoint string) [][]byte {
	first := binary.NativeEndian.AppendUint16(nil, event)
	return [][]byte{binary.NativeEndian.AppendUint32(first, uint32(value)), []byte(endpoint)}
}

func TestMonitorEventMeaning(t *testing.T) {
	tests := []struct {
		event    Event
		value    int32
		fd       int
		interval time.Duration
		err      error
		text     string
	}{
		{OPENED, 12, 12, 0, nil, "OPENED ipc://a fd 12"},
		{FAILED, 22, -1, 0, EINVAL, "FAILED ipc://a: Invalid argument"},
		{WAITS, 1500, -1, 1500 * time.Millisecond, nil, "0x4 ipc://a in 1.5s"},
		{BROKEN, 7, -1, 0, RUDE, "0x8 ipc://a: protocol error RUDE"},
		{REFUSED, 400, -1, 0, ZAPStatus(400), "0x10 ipc://a: refused by the ZAP handler with status 400"},
		{OVER, 5, -1, 0, nil, "OVER ipc://a"},
		{0x4000, -3, -1, 0, nil, "0x4000 ipc://a value -3"}, // the next release's
	}
	for _, c := range tests {
		e, err := ParseMonitorEvent(monitorMsg(uint16(c.event), c.value, "ipc://a"))
		if err != nil || e != (MonitorEvent{c.event, c.value, "ipc://a"}) {
			t.Errorf("%#x: %+v, %v", uint64(c.event), e, err)
		}
		if e.FD() != c.fd || e.Interval() != c.interval || e.String() != c.text {
			t.Errorf("%v: fd %d, interval %v", e, e.FD(), e.Interval())
		}
		if got := e.Err(); got != c.err || !errors.Is(got, c.err) {
			t.Errorf("%v: error %v, want %v", e, got, c.err)
		}
	}
}

func TestEventRequire(t *testing.T) {
	if err := (OPENED | FAILED | 0x8000).Require(); err != nil {
		t.Error(err)
	}
	err := (OPENED | OVER).Require()
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "OVER: ") ||
		!strings.Contains(err.Error(), "needs libzmq 99.1.0 or later, this is libzmq ") {
		t.Error(err)
	}
}

func FuzzParseMonitorEvent(f *testing.F) {
	good := monitorMsg(uint16(OPENED), 12, "ipc://a")
	f.Add(2, good[0], good[1])
	f.Add(0, []byte(nil), []byte(nil))
	f.Add(1, good[0], []byte(nil))
	f.Add(3, good[0], good[1])
	f.Add(2, good[0][:5], good[1])
	f.Add(2, append(good[0], 0), []byte(nil))
	f.Fuzz(func(t *testing.T, frames int, first, rest []byte) {
		var msg [][]byte
		for i := range min(max(frames, 0), 9) {
			msg = append(msg, [][]byte{first, rest}[min(i, 1)])
		}
		e, err := ParseMonitorEvent(msg)
		if good := len(msg) == 2 && len(first) == 6; good != (err == nil) || !good && !errors.Is(err, ErrValue) {
			t.Fatalf("%d frames, %d bytes: %v", len(msg), len(first), err)
		}
		if e.Event.String() == "" || e.String() == "" {
			t.Fatalf("%#v has no text", e)
		}
		if err != nil {
			return
		}
		again := monitorMsg(uint16(e.Event), e.Value, e.Endpoint)
		if string(again[0]) != string(first) || string(again[1]) != string(rest) {
			t.Fatalf("%q %q came back as %q", first, rest, again)
		}
	})
}
