package inspect

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/zmqio/zmq"
)

// read is a socket that records which options are read. Each has the value 1.
type read struct{ options []zmq.Option }

func (r *read) GetRaw(opt zmq.Option, buf []byte) (int, error) {
	r.options = append(r.options, opt)
	switch len(buf) {
	case 4:
		binary.NativeEndian.PutUint32(buf, 1)
	case 8:
		binary.NativeEndian.PutUint64(buf, 1)
	default:
		return copy(buf, "1"), nil
	}
	return len(buf), nil
}

func (r *read) SetRaw(zmq.Option, []byte) error { return errors.New("nothing may be set") }

// differing reads settings only: nothing that changes the state of the socket, and no secret.
func TestOnlySettingsAreRead(t *testing.T) {
	for _, typ := range []zmq.SocketType{zmq.PUSH, zmq.ROUTER, zmq.SUB, zmq.DEALER, zmq.XPUB, zmq.REQ} {
		r := new(read)
		found := differing(zmq.Sockopts{RawSockopts: r}, typ)
		for _, opt := range []zmq.Option{
			zmq.EVENTS, zmq.FD, zmq.RCVMORE, zmq.LAST_ENDPOINT,
			zmq.CURVE_SECRETKEY, zmq.PLAIN_PASSWORD, zmq.SOCKS_PASSWORD, zmq.WSS_KEY_PEM,
		} {
			if slices.Contains(r.options, opt) {
				t.Errorf("%v is read", opt)
			}
		}
		for _, opt := range []zmq.Option{zmq.SNDHWM, zmq.LINGER, zmq.ROUTING_ID, zmq.HEARTBEAT_IVL, zmq.PLAIN_USERNAME} {
			if !slices.Contains(r.options, opt) || !slices.ContainsFunc(found, func(o Option) bool { return o.Name == opt.String() }) {
				t.Errorf("%v of a %v is not read, or not shown", opt, typ)
			}
		}
	}
}

// Every option that the spec calls secret is secret here.
func TestSecretsOfTheSpec(t *testing.T) {
	var secrets []zmq.Option
	for _, opt := range zmq.Options() {
		if opt.Info().Secret {
			secrets = append(secrets, opt)
		}
	}
	if want := []zmq.Option{zmq.PLAIN_PASSWORD, zmq.CURVE_SECRETKEY, zmq.SOCKS_PASSWORD, zmq.WSS_KEY_PEM}; !slices.Equal(secrets, want) {
		t.Errorf("%v", secrets)
	}
}
