package zmq

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// contextValues is a context that has the options in it, and refuses negative values.
type contextValues map[ContextOption]int

func (c contextValues) GetContext(opt ContextOption) (int, error) {
	v, ok := c[opt]
	if !ok {
		return 0, Translate("zmq_ctx_get", EINVAL)
	}
	return v, nil
}

func (c contextValues) SetContext(opt ContextOption, v int) error {
	if _, ok := c[opt]; !ok || v < 0 {
		return Translate("zmq_ctx_set", EINVAL)
	}
	c[opt] = v
	return nil
}

func TestContextopts(t *testing.T) {
	raw := contextValues{THREADS: 1, LIMIT: 65535}
	c := Contextopts{raw}
	if err := c.SetThreads(4); err != nil || raw[THREADS] != 4 {
		t.Errorf("SetThreads: %v, %v", raw, err)
	}
	if n, err := c.Threads(); n != 4 || err != nil {
		t.Errorf("Threads: %d, %v", n, err)
	}
	raw[STRICT] = 0
	if err := c.SetStrict(true); err != nil || raw[STRICT] != 1 {
		t.Errorf("SetStrict: %v, %v", raw, err)
	}
	if on, err := c.Strict(); !on || err != nil {
		t.Errorf("Strict: %t, %v", on, err)
	}
	if err := c.SetStrict(false); err != nil || raw[STRICT] != 0 {
		t.Errorf("SetStrict: %v, %v", raw, err)
	}
}

func TestContextoptsErrors(t *testing.T) {
	set := func(f func(int) error, v int) error { return f(v) }
	c := Contextopts{contextValues{THREADS: 1}}
	big := math.MaxInt32
	big++ // where an int has 64 bits
	_, limit := c.Limit()
	_, strict := c.Strict()
	_, none := Contextopts{}.Threads()
	for _, test := range []struct {
		err         error
		is          Errno
		unsupported bool
		text        string
	}{
		{set(c.SetThreads, -1), EINVAL, false, "set THREADS: zmq_ctx_set: Invalid argument (allowed: 0 to 2147483647)"},
		{set(c.SetThreads, big), EINVAL, false, "set THREADS: zmq_ctx_set: Invalid argument (allowed: 0 to 2147483647)"},
		{set(c.SetWeight, 1), EINVAL, false, "set WEIGHT: zmq_ctx_set: Invalid argument"},
		{limit, EINVAL, false, "get LIMIT: zmq_ctx_get: Invalid argument"},
		{strict, EINVAL, true, "get STRICT: zmq_ctx_get: Invalid argument (unsupported operation: needs libzmq 99.1.0 or later, this is libzmq "},
		{none, EFAULT, false, "get THREADS: zmq_ctx_get: "},
		{set(Contextopts{}.SetThreads, 1), EFAULT, false, "set THREADS: zmq_ctx_set: "},
	} {
		if !errors.Is(test.err, test.is) || errors.Is(test.err, errors.ErrUnsupported) != test.unsupported || !strings.HasPrefix(test.err.Error(), test.text) {
			t.Errorf("%v, want %s", test.err, test.text)
		}
	}
}

func TestContextOptionString(t *testing.T) {
	for opt, want := range map[ContextOption]string{THREADS: "THREADS", LIMIT: "LIMIT/WEIGHT", 77: "ContextOption(77)"} {
		if got := opt.String(); got != want {
			t.Errorf("%d is %s, want %s", int(opt), got, want)
		}
	}
}
