package zmq

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// A CurveKey is a CURVE public or secret key. Its text form is Z85, 40 characters, as in
// zmq_curve_keypair. Package zap makes keys.
type CurveKey [32]byte

const z85Digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

// String returns the key in Z85. Do not log the text of a secret key.
func (k CurveKey) String() string {
	var text [len(k) / 4 * 5]byte
	for i := range len(k) / 4 {
		group := binary.BigEndian.Uint32(k[4*i:])
		for j := 4; j >= 0; j-- {
			text[5*i+j] = z85Digits[group%85]
			group /= 85
		}
	}
	return string(text[:])
}

// MarshalText returns the key in Z85.
func (k CurveKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a key in Z85. The error is ErrValue, and the key is then unchanged.
func (k *CurveKey) UnmarshalText(text []byte) error {
	var key CurveKey
	if want := len(key) / 4 * 5; len(text) != want {
		return fmt.Errorf("a CURVE key has %d characters in Z85, not %d: %w", want, len(text), ErrValue)
	}
	for i := range len(key) / 4 {
		var group uint64
		for _, c := range text[5*i : 5*i+5] {
			digit := strings.IndexByte(z85Digits, c)
			if digit < 0 {
				return fmt.Errorf("character %q of a CURVE key is not Z85: %w", c, ErrValue)
			}
			group = group*85 + uint64(digit)
		}
		if group > 1<<32-1 {
			return fmt.Errorf("characters %d to %d of a CURVE key are not Z85: %w", 5*i+1, 5*i+5, ErrValue)
		}
		binary.BigEndian.PutUint32(key[4*i:], uint32(group))
	}
	*k = key
	return nil
}

// ParseCurveKey reads a key in Z85. The error is ErrValue.
func ParseCurveKey(text string) (CurveKey, error) {
	var key CurveKey
	err := key.UnmarshalText([]byte(text))
	return key, err
}
