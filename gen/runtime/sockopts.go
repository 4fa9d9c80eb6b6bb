package zmq

import (
	"errors"
	"fmt"
)

// RawSockopts moves option values in libzmq's own binary layout. Errors are those of
// zmq_getsockopt and zmq_setsockopt, gone through Translate.
type RawSockopts interface {
	// GetRaw reads an option into buf and returns the length of the value.
	GetRaw(opt Option, buf []byte) (n int, err error)
	// SetRaw sets an option. A nil value is libzmq's NULL and length 0; an empty one
	// that is not nil is a pointer and length 0.
	SetRaw(opt Option, value []byte) error
}

// Sockopts reads and sets the options of a socket with Go types. It has a method for every
// option that libzmq serves, and Get and Set by number. Methods are as safe for concurrent use
// as the RawSockopts inside. Those of package zmqio's transports are safe.
//
// Unless the documentation of a method names socket types, libzmq serves the option on all
// types.
//
// Errors:
//   - An *os.SyscallError with an Errno: libzmq refused, zmq.EINVAL for example. The text has
//     the option's name.
//   - errors.ErrUnsupported too: the running libzmq is too old for the option, or lacks a
//     capability. The text names both versions.
//   - ErrValue: the value does not fit the option.
type Sockopts struct{ RawSockopts }

// Get reads an option by number. The value has the type of the option's own method. An option
// that the spec does not have is ErrUnknownName and EINVAL; GetRaw reads such options.
func (s Sockopts) Get(opt Option) (any, error) {
	info := opt.info()
	if info == nil {
		return nil, fmt.Errorf("get %v: %w: %w", opt, ErrUnknownName, Translate("zmq_getsockopt", EINVAL))
	}
	raw, err := s.getRaw(info)
	if err != nil {
		return nil, s.explain("get", info, err)
	}
	v, err := info.decode(raw)
	if err != nil {
		return nil, fmt.Errorf("get %v: %w", opt, err)
	}
	return v, nil
}

// Set sets an option by number. The value must have the type that the option's own method
// takes; otherwise the error is ErrValue. For a number, any integer type that holds the value
// will do. An option that the spec does not have is ErrUnknownName and EINVAL; SetRaw sets such
// options.
func (s Sockopts) Set(opt Option, v any) error {
	info := opt.info()
	if info == nil {
		return fmt.Errorf("set %v: %w: %w", opt, ErrUnknownName, Translate("zmq_setsockopt", EINVAL))
	}
	raw, err := info.encode(v)
	if err != nil {
		return fmt.Errorf("set %v: %w", opt, err)
	}
	return s.setRaw(info, raw)
}

// SetText sets an option from text: a bool as true, false, 1 or 0; a duration as Go
// writes it, or as a number in libzmq's unit (milliseconds but where the option says
// otherwise); a CURVE key in Z85; enumerations and flags by name, flags joined by |; bytes
// and strings as they are. Text that cannot be read is ErrValue or ErrUnknownName.
func (s Sockopts) SetText(opt Option, text string) error {
	info := opt.info()
	if info == nil {
		return fmt.Errorf("set %v: %w", opt, ErrUnknownName)
	}
	v, err := info.parse(text)
	if err != nil {
		return fmt.Errorf("set %v: %w", opt, err)
	}
	return s.Set(opt, v)
}

// get is Get for a method that knows the type.
func get[T any](s Sockopts, opt Option) (T, error) {
	v, err := s.Get(opt)
	if err != nil {
		var zero T
		return zero, err
	}
	return v.(T), nil
}

// clear sets an option to NULL.
func (s Sockopts) clear(opt Option) error { return s.setRaw(opt.info(), nil) }

func (s Sockopts) setRaw(info *OptionInfo, raw []byte) error {
	if s.RawSockopts == nil {
		return fmt.Errorf("set %s: %w", info.Name, Translate("zmq_setsockopt", ENOTSOCK))
	}
	if err := s.SetRaw(info.Option, raw); err != nil {
		return s.explain("set", info, err)
	}
	return nil
}

// The first and the last size tried for a value whose length is not known.
const (
	firstRawSize = 256
	lastRawSize  = 64 << 10
)

func (s Sockopts) getRaw(info *OptionInfo) ([]byte, error) {
	if s.RawSockopts == nil {
		return nil, Translate("zmq_getsockopt", ENOTSOCK)
	}
	if size := info.size(); size > 0 {
		return s.getSized(info.Option, size)
	}
	// libzmq says only EINVAL to a buffer that is too small.
	for size := firstRawSize; ; size *= 4 {
		raw, err := s.getSized(info.Option, size)
		if err == nil || size >= lastRawSize || !errors.Is(err, EINVAL) {
			return raw, err
		}
	}
}

func (s Sockopts) getSized(opt Option, size int) ([]byte, error) {
	buf := make([]byte, size)
	n, err := s.GetRaw(opt, buf)
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}
