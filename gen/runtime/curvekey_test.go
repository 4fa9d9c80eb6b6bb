package zmq

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// The example of ZeroMQ's RFC 32, four times over.
const z85Example = "HelloWorld"

var z85Bytes = [8]byte{0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B}

func TestCurveKeyText(t *testing.T) {
	var want CurveKey
	for i := range want {
		want[i] = z85Bytes[i%8]
	}
	text := strings.Repeat(z85Example, 4)
	key, err := ParseCurveKey(text)
	if err != nil || key != want {
		t.Fatalf("ParseCurveKey = %x, %v", key, err)
	}
	if got := key.String(); got != text {
		t.Errorf("String = %q", got)
	}
	encoded, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	var back CurveKey
	if err := json.Unmarshal(encoded, &back); err != nil || back != key {
		t.Errorf("through JSON: %x, %v", back, err)
	}
}

func TestCurveKeyRefuses(t *testing.T) {
	good := strings.Repeat(z85Example, 4)
	for _, text := range []string{"", good[:39], good + "0", good[:39] + "~", good[:39] + "\xff", "#####" + good[5:]} {
		key := CurveKey{1, 2, 3}
		if err := key.UnmarshalText([]byte(text)); !errors.Is(err, ErrValue) {
			t.Errorf("%q: %v", text, err)
		}
		if key != (CurveKey{1, 2, 3}) {
			t.Errorf("%q changed the key", text)
		}
	}
}
