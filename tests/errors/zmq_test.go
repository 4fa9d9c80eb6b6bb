package errors_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/zmqio/zmq"
)

var zmqCases = []provocation{
	{"ParseSocketType", zmq.ErrUnknownName, says{"socket type", `"PUSHER"`}, func(*testing.T) error {
		_, err := zmq.ParseSocketType("PUSHER")
		return err
	}},
	{"ParseOption", zmq.ErrUnknownName, says{"option", `"HWM2"`}, func(*testing.T) error {
		_, err := zmq.ParseOption("HWM2")
		return err
	}},
	{"ParseEvent", zmq.ErrUnknownName, says{"event", `"EVENT_X"`}, func(*testing.T) error {
		_, err := zmq.ParseEvent("EVENT_X")
		return err
	}},
	{"ParseMechanism", zmq.ErrUnknownName, says{"mechanism", `"SSL"`}, func(*testing.T) error {
		_, err := zmq.ParseMechanism("SSL")
		return err
	}},
	{"ParseCurveKey, too short", zmq.ErrValue, says{"CURVE key", "40", "1"}, func(*testing.T) error {
		_, err := zmq.ParseCurveKey("x")
		return err
	}},
	{"ParseCurveKey, not Z85", zmq.ErrValue, says{"CURVE key", "Z85"}, func(*testing.T) error {
		_, err := zmq.ParseCurveKey(strings.Repeat("~", 40))
		return err
	}},
	{"ParseCurveKey, too large", zmq.ErrValue, says{"CURVE key", "Z85", "1 to 5"}, func(*testing.T) error {
		_, err := zmq.ParseCurveKey(strings.Repeat("#", 40))
		return err
	}},
	{"ParseMonitorEvent, one frame", zmq.ErrValue, says{"monitor event", "1"}, func(*testing.T) error {
		_, err := zmq.ParseMonitorEvent(frames("x"))
		return err
	}},
	{"ParseMonitorEvent, short frame", zmq.ErrValue, says{"monitor event", "1 bytes"}, func(*testing.T) error {
		_, err := zmq.ParseMonitorEvent(frames("x", "tcp://127.0.0.1:1"))
		return err
	}},
	{"Translate", zmq.EAGAIN, says{"zmq_send"}, func(*testing.T) error { return zmq.Translate("zmq_send", syscall.EAGAIN) }},
}
