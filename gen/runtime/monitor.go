package zmq

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A MonitorEvent is what the monitor of a socket reports. The meaning of Value depends on the
// event; FD, Interval and Err return Value in that meaning.
type MonitorEvent struct {
	Event Event
	// Value is the number as it came from libzmq.
	Value int32
	// Endpoint is the endpoint that the event is about, bound or connected, as libzmq writes
	// it. It is empty if there is none. Before libzmq 4.3.2 its port is 0 for a socket that is
	// bound to a port of libzmq's choice.
	Endpoint string
}

type monitorEntry struct {
	event   Event
	carries string
	since   Version
}

// monitorValueSize is the size of the frame that holds the event and its value.
const monitorValueSize = 6

// ParseMonitorEvent reads an event from the message that a monitor of version 1 sends
// over its PAIR: a frame with the event, 16 bits, and its value, 32 bits, in the order of
// the machine, and a frame with the endpoint. The error for any other message is ErrValue.
func ParseMonitorEvent(msg [][]byte) (MonitorEvent, error) {
	switch {
	case len(msg) != 2:
		return MonitorEvent{}, fmt.Errorf("a monitor event has 2 frames, not %d: %w", len(msg), ErrValue)
	case len(msg[0]) != monitorValueSize:
		return MonitorEvent{}, fmt.Errorf("the first frame of a monitor event has %d bytes, not %d: %w", len(msg[0]), monitorValueSize, ErrValue)
	}
	return MonitorEvent{
		Event:    Event(binary.NativeEndian.Uint16(msg[0])),
		Value:    int32(binary.NativeEndian.Uint32(msg[0][2:])),
		Endpoint: string(msg[1]),
	}, nil
}

// carries says what the event's value is, in the word that the spec has for it.
func (e MonitorEvent) carries() string {
	i := slices.IndexFunc(monitorTable, func(entry monitorEntry) bool { return entry.event == e.Event })
	if i < 0 {
		return ""
	}
	return monitorTable[i].carries
}

// FD returns the file descriptor of the connection or the listener that the event is about, and
// -1 for an event without one. Use it only to distinguish connections. libzmq owns the
// descriptor, may have closed it, and the system may have reused its number.
func (e MonitorEvent) FD() int {
	if e.carries() != "fd" {
		return -1
	}
	return int(e.Value)
}

// Interval returns the time until libzmq connects again, and 0 for an event without one.
func (e MonitorEvent) Interval() time.Duration {
	if e.carries() != "interval" {
		return 0
	}
	return time.Duration(e.Value) * time.Millisecond
}

// Err returns why something failed or is delayed: an Errno, a ProtocolError or a ZAPStatus, as
// the event has it. It returns nil for an event without such a value. The Errno of a failed
// handshake is not reliable, and may be 0.
func (e MonitorEvent) Err() error {
	switch e.carries() {
	case "errno":
		return Errno(e.Value)
	case "protocol_error":
		return ProtocolError(e.Value)
	case "zap_status":
		return ZAPStatus(e.Value)
	}
	return nil
}

// String returns the event, its endpoint and its value, as in
// "EVENT_CONNECTED tcp://127.0.0.1:5555 fd 12".
func (e MonitorEvent) String() string {
	s := e.Event.String()
	if e.Endpoint != "" {
		s += " " + e.Endpoint
	}
	switch carries := e.carries(); {
	case e.Err() != nil:
		s += ": " + e.Err().Error()
	case carries == "fd":
		s += fmt.Sprintf(" fd %d", e.FD())
	case carries == "interval":
		s += fmt.Sprintf(" in %v", e.Interval())
	case carries != "nothing":
		s += fmt.Sprintf(" value %d", e.Value)
	}
	return s
}

// Error returns a text with the name, as the error of a failed handshake.
func (v ProtocolError) Error() string { return "protocol error " + v.String() }

// A ZAPStatus is the status with which a ZAP handler refuses a peer. 300 is a temporary
// failure, 400 a refusal, and 500 an error of the handler.
type ZAPStatus int

// Error returns a text with the status.
func (s ZAPStatus) Error() string {
	return fmt.Sprintf("refused by the ZAP handler with status %d", int(s))
}

// Require returns nil when the running libzmq has all the events of the set. Otherwise the
// error is errors.ErrUnsupported and says what is needed and what is running: libzmq itself
// takes any set, and stays silent.
func (v Event) Require() error {
	for _, entry := range monitorTable {
		if v&entry.event == 0 {
			continue
		}
		if why := (requirement{since: entry.since}).unmet(); why != "" {
			return fmt.Errorf("%v: %w: %s", entry.event, errors.ErrUnsupported, why)
		}
	}
	return nil
}
