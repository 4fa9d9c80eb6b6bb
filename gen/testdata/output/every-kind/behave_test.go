package zmq_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq"
)

// socket stands in for libzmq: it keeps what is set, byte for byte.
type socket struct {
	values map[zmq.Option][]byte
	refuse error
	asked  []int // the sizes of the buffers given to GetRaw
}

func (s *socket) GetRaw(opt zmq.Option, buf []byte) (int, error) {
	s.asked = append(s.asked, len(buf))
	v := s.values[opt]
	if s.refuse != nil || len(v) > len(buf) {
		return 0, zmq.Translate("zmq_getsockopt", zmq.EINVAL)
	}
	return copy(buf, v), nil
}

func (s *socket) SetRaw(opt zmq.Option, v []byte) error {
	if s.refuse != nil {
		return zmq.Translate("zmq_setsockopt", s.refuse)
	}
	s.values[opt] = v
	return nil
}

func open() (*socket, zmq.Sockopts) {
	s := &socket{values: make(map[zmq.Option][]byte)}
	return s, zmq.Sockopts{RawSockopts: s}
}

// accessor tries one option through its methods, by number and from text.
func accessor[T any](t *testing.T, opt zmq.Option, set func(zmq.Sockopts, T) error, get func(zmq.Sockopts) (T, error), in, out T, text string) {
	t.Helper()
	_, s := open()
	if err := set(s, in); err != nil {
		t.Errorf("set %v: %v", opt, err)
	}
	check := func() {
		t.Helper()
		if v, err := get(s); err != nil || !reflect.DeepEqual(v, out) {
			t.Errorf("get %v = %v, %v; want %v", opt, v, err, out)
		}
		if v, err := s.Get(opt); err != nil || !reflect.DeepEqual(v, any(out)) {
			t.Errorf("Get(%v) = %v, %v; want %v", opt, v, err, out)
		}
	}
	check()
	_, s = open()
	if err := s.Set(opt, in); err != nil {
		t.Errorf("Set(%v): %v", opt, err)
	}
	check()
	_, s = open()
	if err := s.SetText(opt, text); err != nil {
		t.Errorf("SetText(%v): %v", opt, err)
	}
	check()
}

func TestAccessors(t *testing.T) {
	type S = zmq.Sockopts
	accessor(t, zmq.A_BOOL, S.SetABool, S.ABool, true, true, "true")
	accessor(t, zmq.AN_INT, S.SetAnInt, S.AnInt, -7, -7, "-7")
	accessor(t, zmq.AN_INT64, S.SetAnInt64, S.AnInt64, math.MinInt64, math.MinInt64, "-9223372036854775808")
	accessor(t, zmq.A_UINT64, S.SetAUint64, S.AUint64, math.MaxUint64, math.MaxUint64, "0xffffffffffffffff")
	accessor(t, zmq.A_TIME, S.SetATime, S.ATime, 1500*time.Millisecond, 1500*time.Millisecond, "1.5s")
	accessor(t, zmq.A_TIME, S.SetATime, S.ATime, zmq.Forever, zmq.Forever, "-1")
	accessor(t, zmq.A_STRING, S.SetAString, S.AString, "text", "text", "text")
	accessor(t, zmq.SOME_BYTES, S.SetSomeBytes, S.SomeBytes, []byte{0, 1, 0}, []byte{0, 1, 0}, "\x00\x01\x00")
	key := zmq.CurveKey{1, 2, 3}
	accessor(t, zmq.A_KEY, S.SetAKey, S.AKey, key, key, key.String())
	accessor(t, zmq.A_MOOD, S.SetAMood, S.AMood, zmq.WILD(), zmq.WILD(), "zmq_wild")
	accessor(t, zmq.SOME_TRAITS, S.SetSomeTraits, S.SomeTraits, zmq.TALL|zmq.NO_TRAIT, zmq.TALL|zmq.NO_TRAIT, "tall|null")
	raw, s := open()
	if err := s.SetAUint32(math.MaxUint32); err != nil || !bytes.Equal(raw.values[zmq.A_UINT32], []byte{255, 255, 255, 255}) {
		t.Errorf("SetAUint32: %v, %v", err, raw.values)
	}
}

func TestDurationsRoundAwayFromZero(t *testing.T) {
	_, s := open()
	for in, want := range map[time.Duration]time.Duration{
		0:                    0,
		1:                    time.Millisecond,
		time.Millisecond:     time.Millisecond,
		time.Millisecond + 1: 2 * time.Millisecond,
		-time.Millisecond:    zmq.Forever,
		-1500000:             -2 * time.Millisecond,
	} {
		if err := s.SetATime(in); err != nil {
			t.Errorf("%v: %v", in, err)
		}
		if got, err := s.ATime(); got != want || err != nil {
			t.Errorf("%v became %v, %v; want %v", in, got, err, want)
		}
	}
	for in, want := range map[time.Duration]time.Duration{
		1:                10 * time.Second,
		11 * time.Second: 20 * time.Second,
		91 * time.Second: 95 * time.Second, // the most there is
	} {
		if err := s.SetASlowTime(in); err != nil {
			t.Errorf("%v: %v", in, err)
		}
		if got, err := s.ASlowTime(); got != want || err != nil {
			t.Errorf("%v became %v, %v; want %v", in, got, err, want)
		}
	}
}

func TestRangesAreNamed(t *testing.T) {
	raw, s := open()
	for what, err := range map[string]error{
		"a_time too long":         s.SetATime(math.MaxInt64),
		"a_time just run out":     s.SetATime(-300),
		"a_slow_time negative":    s.SetASlowTime(-time.Second),
		"a_slow_time for ever":    s.SetASlowTime(zmq.Forever),
		"an_int too large":        s.Set(zmq.AN_INT, int64(math.MaxInt32)+1),
		"a_uint32 negative":       s.Set(zmq.A_UINT32, -1),
		"a_uint64 negative":       s.SetText(zmq.A_UINT64, "-1"),
		"an_int64 too large":      s.Set(zmq.AN_INT64, uint64(math.MaxUint64)),
		"an_int in text too long": s.SetText(zmq.AN_INT, "99999999999999999999999"),
	} {
		var failed *os.SyscallError
		if !errors.Is(err, zmq.EINVAL) || !errors.As(err, &failed) || !strings.Contains(err.Error(), "allowed: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(raw.values) > 0 {
		t.Errorf("libzmq was given %v", raw.values)
	}
	raw.refuse = zmq.EINVAL
	if err := s.SetAnInt(-2); err == nil || !strings.Contains(err.Error(), "-1 to 2147483647 bytes") {
		t.Errorf("refused by libzmq: %v", err)
	}
	if err := s.SetAString(""); err == nil || !strings.Contains(err.Error(), "1 to 255 bytes") {
		t.Errorf("refused by libzmq: %v", err)
	}
}

func TestTypesAreChecked(t *testing.T) {
	_, s := open()
	for what, err := range map[string]error{
		"bool":          s.Set(zmq.A_BOOL, 1),
		"int":           s.Set(zmq.AN_INT, "1"),
		"time.Duration": s.Set(zmq.A_TIME, 1),
		"string":        s.Set(zmq.A_STRING, []byte("x")),
		"[]byte":        s.Set(zmq.SOME_BYTES, "x"),
		"CurveKey":      s.Set(zmq.A_KEY, [32]byte{}),
		"Mood":          s.Set(zmq.A_MOOD, 1),
		"Traits":        s.Set(zmq.SOME_TRAITS, zmq.GLAD),
		"int64":         s.Set(zmq.AN_INT64, time.Second),
		"uint64":        s.Set(zmq.A_UINT64, nil),
	} {
		if !errors.Is(err, zmq.ErrValue) || !strings.Contains(err.Error(), "want "+what+", got ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for opt, text := range map[zmq.Option]string{
		zmq.A_BOOL: "maybe", zmq.AN_INT: "one", zmq.A_TIME: "soon", zmq.A_KEY: "short",
	} {
		if err := s.SetText(opt, text); !errors.Is(err, zmq.ErrValue) {
			t.Errorf("%v from %q: %v", opt, text, err)
		}
	}
	if err := s.SetText(zmq.A_MOOD, "SAD"); !errors.Is(err, zmq.ErrUnknownName) {
		t.Errorf("an unknown mood: %v", err)
	}
	if _, err := s.Get(99); !errors.Is(err, zmq.ErrUnknownName) {
		t.Errorf("an unknown option: %v", err)
	}
}

func TestClearing(t *testing.T) {
	raw, s := open()
	if err := s.SetAString(""); err != nil || raw.values[zmq.A_STRING] == nil {
		t.Errorf("an empty text is not NULL: %v, %v", err, raw.values)
	}
	if err := s.ClearAString(); err != nil || raw.values[zmq.A_STRING] != nil {
		t.Errorf("ClearAString: %v, %v", err, raw.values)
	}
}

func TestGettersGrowTheirBuffer(t *testing.T) {
	raw, s := open()
	long := strings.Repeat("x", 5000)
	raw.values[zmq.A_STRING] = append([]byte(long), 0)
	if got, err := s.AString(); got != long || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	raw.values[zmq.A_STRING] = make([]byte, 1<<20)
	if _, err := s.AString(); !errors.Is(err, zmq.EINVAL) {
		t.Errorf("a value without end: %v", err)
	}
	if len(raw.asked) > 20 {
		t.Errorf("buffers of %v bytes", raw.asked)
	}
}

func TestGates(t *testing.T) {
	raw, s := open()
	raw.refuse = zmq.EINVAL
	err := s.SetADraft(1)
	if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, zmq.EINVAL) || !strings.Contains(err.Error(), "4.3.0 or later built with draft") {
		t.Errorf("a draft: %v", err)
	}
	if err := s.SetAnInt(0); errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("an option that is there: %v", err)
	}
	if err := zmq.PEER.Explain(zmq.Translate("zmq_socket", zmq.EINVAL)); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "9.9.9") {
		t.Errorf("a socket type to come: %v", err)
	}
	if err := zmq.PAIR.Explain(zmq.Translate("zmq_socket", zmq.EINVAL)); errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a socket type that is there: %v", err)
	}
	if _, err := (zmq.Sockopts{}).AnInt(); !errors.Is(err, zmq.ENOTSOCK) {
		t.Errorf("no socket: %v", err)
	}
}

func TestErrors(t *testing.T) {
	err := zmq.Translate("zmq_send", syscall.EPIPE)
	for _, target := range []error{zmq.EPIPE, syscall.EPIPE, zmq.ErrBrokenPipe, zmq.ErrConnection} {
		if !errors.Is(err, target) {
			t.Errorf("%v is not %v", err, target)
		}
	}
	if errors.Is(err, fs.ErrPermission) || !errors.Is(zmq.EACCES, fs.ErrPermission) {
		t.Error("EPIPE is about permissions, or EACCES is not")
	}
	if got := zmq.Errno(zmq.ETERM).Error(); got != "Context was terminated" {
		t.Errorf("ETERM is %q", got)
	}
}

func TestNames(t *testing.T) {
	if opt, err := zmq.ParseOption("zmq_a_sketch"); opt != zmq.A_DRAFT || err != nil {
		t.Errorf("alias: %v, %v", opt, err)
	}
	if typ, err := zmq.ParseSocketType("waiter"); typ != zmq.SERVER || err != nil || typ.String() != "SERVER" {
		t.Errorf("alias: %v, %v", typ, err)
	}
	if got := (zmq.TALL | 8).String(); got != "TALL|0x8" {
		t.Errorf("flags: %s", got)
	}
	if got := zmq.Mood(77).String(); got != "Mood(77)" {
		t.Errorf("no mood: %s", got)
	}
	if v, ok := zmq.A_TIME.Info().DefaultFor(zmq.SERVER); v != time.Duration(0) || !ok {
		t.Errorf("default: %v, %v", v, ok)
	}
	if v, ok := zmq.A_TIME.Info().DefaultFor(zmq.PAIR); v != zmq.Forever || !ok {
		t.Errorf("default: %v, %v", v, ok)
	}
}

// runs makes a release of libzmq the one that is running, until the test ends.
func runs(t *testing.T, major, minor, patch int) {
	a, b, c := zmq.LibraryVersion()
	t.Cleanup(func() { zmq.RegisterVersion(func() (int, int, int) { return a, b, c }) })
	zmq.RegisterVersion(func() (int, int, int) { return major, minor, patch })
}

func TestMonitorEvents(t *testing.T) {
	runs(t, 4, 3, 0)
	for _, c := range []struct {
		event zmq.Event
		text  string
	}{
		{zmq.EVENT_OPENED, "EVENT_OPENED fd 3"},
		{zmq.EVENT_FAILED, "EVENT_FAILED: " + zmq.Errno(3).Error()},
		{zmq.EVENT_WAITS, "EVENT_WAITS in 3ms"},
		{zmq.EVENT_BROKEN, "EVENT_BROKEN: protocol error ProtocolError(3)"},
		{zmq.EVENT_REFUSED, "EVENT_REFUSED: refused by the ZAP handler with status 3"},
		{zmq.EVENT_COUNTED, "EVENT_COUNTED value 3"},
		{zmq.EVENT_OVER, "EVENT_OVER"},
	} {
		if got := (zmq.MonitorEvent{Event: c.event, Value: 3}).String(); got != c.text {
			t.Errorf("%s, want %s", got, c.text)
		}
	}
	if err := zmq.EVENT_WAITS.Require(); err != nil {
		t.Error(err)
	}
	for _, later := range []zmq.Event{zmq.EVENT_OVER, zmq.EVENT_COUNTED} {
		if err := later.Require(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v: %v", later, err)
		}
	}
}

// What the spec says of a socket type holds from a release on.
func TestSocketTypeInfo(t *testing.T) {
	for _, test := range []struct {
		v                   zmq.Version
		refusal             zmq.Refusal
		subscribes          zmq.Subscription
		eager, connectsOnce bool
	}{
		{zmq.Version{Major: 4, Minor: 2}, zmq.RefusalForgets, zmq.SubscribesByOption, false, false},
		{zmq.Version{Major: 4, Minor: 3}, zmq.RefusalForgets, zmq.SubscribesByMessage, true, false},
		{zmq.Version{Major: 9, Minor: 9, Patch: 9}, zmq.RefusalDiscards, zmq.SubscribesByMessage, true, true},
	} {
		runs(t, test.v.Major, test.v.Minor, test.v.Patch)
		want := zmq.SocketTypeInfo{
			Type: zmq.PAIR, Name: "PAIR", Since: zmq.Version{Major: 4, Minor: 2}, Peers: []zmq.SocketType{zmq.PAIR},
			CanSend: true, CanReceive: true, Mute: zmq.MuteBlock, Doc: "connects two.",
			Refusal: test.refusal, Subscribes: test.subscribes, Eager: test.eager, ConnectsOnce: test.connectsOnce,
		}
		if got := zmq.PAIR.Info(); !reflect.DeepEqual(got, want) {
			t.Errorf("libzmq %v: %+v, want %+v", test.v, got, want)
		}
	}
	if info := zmq.PEER.Info(); !info.Draft || info.Since != (zmq.Version{}) || info.DraftSince.Major != 9 || !info.Eager {
		t.Errorf("%+v", info)
	}
}

// contextValues is zmq.RawContextopts that keeps what it is given.
type contextValues map[zmq.ContextOption]int

func (c contextValues) GetContext(opt zmq.ContextOption) (int, error) { return c[opt], nil }

func (c contextValues) SetContext(opt zmq.ContextOption, v int) error {
	c[opt] = v
	return nil
}

func TestContextopts(t *testing.T) {
	raw := contextValues{zmq.SOCKET_LIMIT: 65535}
	c := zmq.Contextopts{RawContextopts: raw}
	if n, err := c.SocketLimit(); n != 65535 || err != nil {
		t.Errorf("SocketLimit: %d, %v", n, err)
	}
	if err := errors.Join(c.SetMaxSockets(4), c.SetThreadPriority(7), c.SetStrict(true)); err != nil {
		t.Error(err)
	}
	if n, err := c.MaxSockets(); n != 4 || err != nil || raw[zmq.THREAD_PRIORITY] != 7 {
		t.Errorf("MaxSockets: %d, %v of %v", n, err, raw)
	}
	if on, err := c.Strict(); !on || err != nil || raw[zmq.CONTEXT_STRICT] != 1 {
		t.Errorf("Strict: %t, %v of %v", on, err, raw)
	}
	if got := zmq.SOCKET_LIMIT.String() + " " + zmq.CONTEXT_STRICT.String(); got != "SOCKET_LIMIT/THREAD_PRIORITY STRICT" {
		t.Errorf("names: %s", got)
	}
	if err := (zmq.Contextopts{}).SetMaxSockets(1); !errors.Is(err, zmq.EFAULT) {
		t.Errorf("no context: %v", err)
	}
}

// What had another name before has it still.
func TestFormerNames(t *testing.T) {
	raw, s := open()
	if err := errors.Join(s.SetInt(-7), s.SetStr("text")); err != nil {
		t.Error(err)
	}
	n, err := s.AnInt()
	m, formerErr := s.Int()
	if n != -7 || m != n || err != nil || formerErr != nil {
		t.Errorf("%d, %v and %d, %v", n, err, m, formerErr)
	}
	if text, err := s.Str(); text != "text" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if err := s.ClearStr(); err != nil || raw.values[zmq.A_STRING] != nil {
		t.Errorf("ClearStr: %v, %v", err, raw.values)
	}
	var mood zmq.Humour = zmq.GLAD
	if got, err := zmq.ParseHumour("glad"); got != mood || err != nil {
		t.Errorf("ParseHumour: %v, %v", got, err)
	}
}

// The name of a constant that changed its value is that of the value in the running release.
func TestChangingNames(t *testing.T) {
	for _, test := range []struct {
		minor int
		wild  zmq.Mood
		other string
	}{{2, 2, "Mood(3)"}, {3, 3, "Mood(2)"}} {
		runs(t, 4, test.minor, 0)
		if got, err := zmq.ParseMood("wild"); got != test.wild || got != zmq.WILD() || got.String() != "WILD" || err != nil {
			t.Errorf("4.%d: %v, %v", test.minor, got, err)
		}
		if got := (5 - test.wild).String(); got != test.other {
			t.Errorf("4.%d: %s", test.minor, got)
		}
	}
}
