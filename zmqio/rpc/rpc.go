// Package rpc sends requests and receives their replies over ZeroMQ. A [Client] keeps
// thousands of calls in flight over one DEALER for each endpoint. [Serve] answers the
// requests that come to a ROUTER or a REP.
//
//	// The server:
//	s, err := zmqio.Listen(ctx, zmq.ROUTER, "tcp://127.0.0.1:5555")
//	...
//	err = rpc.Serve(ctx, s, handler, rpc.ServerConfig{})
//
//	// The client:
//	c, err := rpc.Dial(ctx, "tcp://127.0.0.1:5555")
//	...
//	reply, err := c.Call(ctx, []byte("hello"))
//
// Both speak the form of REQ and REP, so either end may be another program. A request is an
// id, an empty frame and the body. The body is one frame or more; [Invoke] and [Typed] put one
// value into one frame with a [Codec]. A REP sends the id back by itself. Another program's
// ROUTER must return all frames up to the empty one.
//
// A call that is retried may run its handler twice. So a Client retries only if Config.Retries
// says so.
package rpc

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// These errors are this package's own. Compare with errors.Is.
var (
	// ErrTimeout is the error of a call that no endpoint has answered within Config.Timeout,
	// after all retries.
	ErrTimeout error = &timeoutError{}
	// ErrClientClosed is the error of calls on a closed client, and of those in flight at its
	// Close.
	ErrClientClosed = errors.New("rpc: client is closed")
	// ErrNotDrained is the error of Serve if handlers were still running, or replies not
	// accepted, at the end of ServerConfig.DrainTimeout.
	ErrNotDrained = errors.New("rpc: requests were not answered within DrainTimeout")
	// ErrPanicked is the error of a handler that panicked or called runtime.Goexit. Its caller
	// gets the text as an Error.
	ErrPanicked = errors.New("rpc: the handler panicked")
)

// A timeoutError is ErrTimeout. It implements net.Error.
type timeoutError struct{}

func (*timeoutError) Error() string   { return "rpc: no reply in time" }
func (*timeoutError) Timeout() bool   { return true }
func (*timeoutError) Temporary() bool { return true }

// An Error is the error of a handler, as the caller of its server gets it.
type Error struct{ Text string }

// Error returns the text, after the prefix of the package.
func (e *Error) Error() string {
	if strings.HasPrefix(e.Text, "rpc: ") { // as ErrPanicked's text does
		return e.Text
	}
	return "rpc: " + e.Text
}

// A Codec turns values into bytes and back. Its methods must be safe for concurrent use.
type Codec interface {
	Marshal(v any) ([]byte, error)
	Unmarshal(b []byte, v any) error
}

// JSON is the Codec of package encoding/json.
var JSON Codec = jsonCodec{}

type jsonCodec struct{}

func (jsonCodec) Marshal(v any) ([]byte, error)   { return json.Marshal(v) }
func (jsonCodec) Unmarshal(b []byte, v any) error { return json.Unmarshal(b, v) }

// An id is the first frame of a request: a status and a number. A server of this package changes
// the status to report a failure. Any other server returns the id unchanged, so no foreign reply is
// taken for the text of an error.
const (
	idSize          = 9
	request    byte = 0xA1
	failure    byte = 0xA2
	maxRouting      = 64 // frames before the empty one
)

func newID(number uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, idSize), request), number)
}

// parseID returns the number of newID, and whether the status is that of a failure.
func parseID(id []byte) (number uint64, failed, ok bool) {
	if len(id) != idSize || id[0] != request && id[0] != failure {
		return 0, false, false
	}
	return binary.BigEndian.Uint64(id[1:]), id[0] == failure, true
}

// splitEnvelope splits a message after its first empty frame. ok is false if it has none.
func splitEnvelope(msg [][]byte) (envelope, body [][]byte, ok bool) {
	for i, f := range msg[:min(len(msg), maxRouting)] {
		if len(f) == 0 {
			return msg[:i+1], msg[i+1:], true
		}
	}
	return nil, nil, false
}

// marshal returns v as the single frame of a body.
func marshal(c Codec, v any) ([]byte, error) {
	b, err := c.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("rpc: encode %T: %w", v, err)
	}
	return b, nil
}

// unmarshal reads the single frame of a body into v.
func unmarshal(c Codec, body [][]byte, v any) error {
	if len(body) != 1 {
		return fmt.Errorf("rpc: a body of %d frames, where %T needs one", len(body), v)
	}
	if err := c.Unmarshal(body[0], v); err != nil {
		return fmt.Errorf("rpc: decode %T: %w", v, err)
	}
	return nil
}
