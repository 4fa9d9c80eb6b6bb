package zmq

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// A ContextOption is the number of an option of a context. Number 3 is one option to read
// and another to set.
type ContextOption int

type contextEntry struct {
	option   ContextOption
	name     string
	get, set bool
	min      int // the least that libzmq takes; math.MinInt32 where it takes every number
	since    Version
}

// String returns libzmq's name without ZMQ_, and the names of number 3 joined by a slash.
func (o ContextOption) String() string {
	var names []string
	for _, e := range contextTable {
		if e.option == o {
			names = append(names, e.name)
		}
	}
	if names == nil {
		return fmt.Sprintf("ContextOption(%d)", int(o))
	}
	return strings.Join(names, "/")
}

// RawContextopts moves the values of a context's options as libzmq's ints. Errors are those
// of zmq_ctx_get and zmq_ctx_set, gone through Translate.
type RawContextopts interface {
	GetContext(opt ContextOption) (int, error)
	SetContext(opt ContextOption, value int) error
}

// Contextopts reads and sets the options of a libzmq context with Go types. It has a method for
// every option that libzmq serves. Methods are as safe for concurrent use as the RawContextopts
// inside. Package zmqio makes those: see ContextOptions there.
//
// Errors:
//   - An *os.SyscallError with an Errno: libzmq refused. The text has the option's name.
//   - errors.ErrUnsupported too: the running libzmq is too old for the option. The text names
//     both versions.
type Contextopts struct{ RawContextopts }

func (c Contextopts) get(opt ContextOption) (int, error) {
	if c.RawContextopts == nil {
		return 0, explainContext("get", opt, Translate("zmq_ctx_get", EFAULT))
	}
	v, err := c.GetContext(opt)
	if err != nil {
		return 0, explainContext("get", opt, err)
	}
	return v, nil
}

func (c Contextopts) getBool(opt ContextOption) (bool, error) {
	v, err := c.get(opt)
	return v != 0, err
}

func (c Contextopts) set(opt ContextOption, v int) error {
	err := Translate("zmq_ctx_set", EINVAL)
	switch {
	case c.RawContextopts == nil:
		err = Translate("zmq_ctx_set", EFAULT)
	case v == int(int32(v)):
		err = c.SetContext(opt, v)
	}
	if err != nil {
		return explainContext("set", opt, err)
	}
	return nil
}

func (c Contextopts) setBool(opt ContextOption, v bool) error {
	if v {
		return c.set(opt, 1)
	}
	return c.set(opt, 0)
}

// explainContext adds to libzmq's refusal of an option what is known about the cause.
func explainContext(verb string, opt ContextOption, err error) error {
	for _, e := range contextTable {
		if e.option != opt || verb == "get" && !e.get || verb == "set" && !e.set {
			continue
		}
		err = fmt.Errorf("%s %s: %w", verb, e.name, err)
		if !errors.Is(err, EINVAL) {
			return err
		}
		if why := (requirement{since: e.since}).unmet(); why != "" {
			return fmt.Errorf("%w (%w: %s)", err, errors.ErrUnsupported, why)
		}
		if verb == "set" && e.min > math.MinInt32 {
			return fmt.Errorf("%w (allowed: %d to %d)", err, e.min, math.MaxInt32)
		}
	}
	return err
}
