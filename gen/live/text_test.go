package live

import (
	"testing"

	"github.com/zmqio/zmq"
)

// A kept is a zmq.RawSockopts that keeps the value of a set.
type kept struct{ value []byte }

func (k *kept) GetRaw(zmq.Option, []byte) (int, error) {
	return 0, zmq.Translate("zmq_getsockopt", zmq.EINVAL)
}

func (k *kept) SetRaw(_ zmq.Option, value []byte) error {
	k.value = value
	return nil
}

// libzmq before 4.3.3 reads a METADATA up to a NUL, and sends the bytes to peers.
func TestTextEndsWithNUL(t *testing.T) {
	tried := 0
	for _, opt := range zmq.Options() {
		if opt.Info().Kind != zmq.KindString {
			continue
		}
		for _, text := range []string{"", "X-a:b", "X-a:0123456789ab", "X-a:a text that is longer than the smallest allocations"} {
			var got kept
			if err := (zmq.Sockopts{RawSockopts: &got}).Set(opt, text); err != nil {
				t.Fatal(err)
			}
			n := len(got.value)
			if string(got.value) != text || cap(got.value) <= n || got.value[:n+1][n] != 0 {
				t.Errorf("%v: %q, then %q", opt, got.value, got.value[n:cap(got.value)])
			}
			tried++
		}
	}
	if tried == 0 {
		t.Error("no option is text")
	}
}
