package zmq

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// ErrValue reports a value of the wrong type, or a text from which no value can be read.
var ErrValue = errors.New("unfit value")

// Forever is libzmq's -1 for an option that is a duration: no limit, unless the option says
// otherwise.
const Forever time.Duration = -1

// size returns the exact length of the option's value in libzmq's layout, and 0 for bytes and
// strings.
func (info *OptionInfo) size() int {
	switch info.Kind {
	case KindString, KindBytes:
		return 0
	case KindInt64, KindUint64:
		return 8
	case KindCurveKey:
		return len(CurveKey{})
	}
	return 4
}

// decode reads libzmq's layout.
func (info *OptionInfo) decode(raw []byte) (any, error) {
	if size := info.size(); size > 0 && len(raw) != size {
		return nil, fmt.Errorf("libzmq's value has %d bytes, not %d: %w", len(raw), size, ErrValue)
	}
	switch info.Kind {
	case KindString:
		text, _, _ := bytes.Cut(raw, []byte{0})
		return string(text), nil
	case KindBytes:
		return raw, nil
	case KindCurveKey:
		return CurveKey(raw), nil
	case KindInt64:
		return int64(binary.NativeEndian.Uint64(raw)), nil
	case KindUint64:
		return binary.NativeEndian.Uint64(raw), nil
	case KindUint32:
		return binary.NativeEndian.Uint32(raw), nil
	}
	n := int32(binary.NativeEndian.Uint32(raw))
	switch info.Kind {
	case KindBool:
		return n != 0, nil
	case KindDuration:
		return info.duration(int64(n)), nil
	case KindEnum, KindFlags:
		return info.enum.wrap(int64(n)), nil
	}
	return int(n), nil
}

// encode writes libzmq's layout.
func (info *OptionInfo) encode(v any) ([]byte, error) {
	switch info.Kind {
	case KindBytes:
		if b, ok := v.([]byte); ok {
			return b, nil
		}
	case KindString:
		if text, ok := v.(string); ok {
			// A NUL follows, outside the length: libzmq before 4.3.3 reads on up to one.
			return append([]byte(text), 0)[:len(text)], nil
		}
	case KindCurveKey:
		if key, ok := v.(CurveKey); ok {
			return key[:], nil
		}
	case KindBool:
		if b, ok := v.(bool); ok {
			return binary.NativeEndian.AppendUint32(nil, map[bool]uint32{true: 1}[b]), nil
		}
	case KindDuration:
		if d, ok := v.(time.Duration); ok {
			return info.encodeDuration(d)
		}
	case KindEnum, KindFlags:
		if n, ok := info.enum.unwrap(v); ok {
			return info.encodeInt32(n)
		}
	default:
		switch v.(type) {
		case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
			return info.encodeInteger(fmt.Sprint(v))
		}
	}
	return nil, fmt.Errorf("want %s, got %T: %w", info.Type, v, ErrValue)
}

// encodeInteger takes an integer in decimal, whatever its Go type was.
func (info *OptionInfo) encodeInteger(text string) ([]byte, error) {
	v, err := info.parseInteger(text)
	switch n := v.(type) {
	case int:
		return info.encodeInt32(int64(n))
	case uint32:
		return binary.NativeEndian.AppendUint32(nil, n), nil
	case int64:
		return binary.NativeEndian.AppendUint64(nil, uint64(n)), nil
	case uint64:
		return binary.NativeEndian.AppendUint64(nil, n), nil
	}
	return nil, err
}

// parseInteger reads an integer of the option's kind; it is nil after an error.
func (info *OptionInfo) parseInteger(text string) (v any, err error) {
	var n int64
	var u uint64
	switch info.Kind {
	case KindUint32:
		u, err = strconv.ParseUint(text, 0, 32)
		v = uint32(u)
	case KindUint64:
		u, err = strconv.ParseUint(text, 0, 64)
		v = u
	case KindInt64:
		n, err = strconv.ParseInt(text, 0, 64)
		v = n
	default:
		n, err = strconv.ParseInt(text, 0, 32)
		v = int(n)
	}
	if errors.Is(err, strconv.ErrRange) || err != nil && isInteger(text) {
		return nil, info.rangeError(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%q is not a number: %w", text, ErrValue)
	}
	return v, nil
}

// isInteger tells a negative number, which no unsigned kind takes, from other text.
func isInteger(text string) bool {
	_, err := strconv.ParseInt(text, 0, 64)
	return err == nil
}

// encodeDuration writes a duration. It rounds away from zero, so that 0 alone becomes 0. A
// negative duration must be Forever or a whole number of units, which libzmq checks. A time that
// has just run out must not round to libzmq's -1.
func (info *OptionInfo) encodeDuration(d time.Duration) ([]byte, error) {
	unit := int64(info.unit())
	n, rest := int64(d)/unit, int64(d)%unit
	switch {
	case d == Forever && info.Min < 0:
		n = -1
	case d < 0 && (info.Min >= 0 || n == 0):
		return nil, info.rangeError(d)
	case rest < 0:
		n--
	case rest > 0:
		n++
	}
	if step := int64(max(info.Step, 1)); n%step != 0 {
		up := n + step - n%step
		if n <= info.Max {
			up = min(up, info.Max)
		}
		n = up
	}
	return info.encodeInt32(n)
}

// duration is the inverse of encodeDuration.
func (info *OptionInfo) duration(n int64) time.Duration {
	if n == -1 {
		return Forever
	}
	return time.Duration(n) * info.unit()
}

func (info *OptionInfo) encodeInt32(n int64) ([]byte, error) {
	if n < math.MinInt32 || n > math.MaxInt32 {
		return nil, info.rangeError(n)
	}
	return binary.NativeEndian.AppendUint32(nil, uint32(int32(n))), nil
}

// rangeError refuses a value that libzmq's type cannot hold, or that libzmq would take for
// something else. The error is the one that libzmq has for a value out of range.
func (info *OptionInfo) rangeError(v any) error {
	allowed := info.Range()
	if allowed == "" {
		allowed = "a " + info.Type
	}
	return fmt.Errorf("%v is out of range (allowed: %s): %w", v, allowed, Translate("zmq_setsockopt", EINVAL))
}

// parse reads a value from text, as SetText documents.
func (info *OptionInfo) parse(text string) (any, error) {
	switch info.Kind {
	case KindString:
		return text, nil
	case KindBytes:
		return []byte(text), nil
	case KindCurveKey:
		return ParseCurveKey(text)
	case KindEnum, KindFlags:
		return info.enum.parseAny(text)
	case KindBool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not true, false, 1 or 0: %w", text, ErrValue)
		}
		return b, nil
	case KindDuration:
		return info.parseDuration(text)
	}
	return info.parseInteger(text)
}

func (info *OptionInfo) parseDuration(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return info.duration(n), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a duration, such as 1.5s, nor a number of %s: %w", text, info.Unit, ErrValue)
	}
	return d, nil
}
