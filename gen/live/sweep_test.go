// Package live tries everything in the spec on the installed libzmq.
package live

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"
	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// TestOptions tries every option on every socket type: get and set succeed exactly where the spec
// says. It checks defaults, legal values, which are read back, and illegal values, which are
// refused.
func TestOptions(t *testing.T) {
	if running().Compare(zmq.Version{Major: 4, Minor: 3}) < 0 {
		t.Skipf("the defaults and ranges of the spec are those of libzmq 4.3.0 and later, this is %v", running())
	}
	for _, typ := range zmq.SocketTypes() {
		t.Run(typ.String(), func(t *testing.T) {
			b := newBench(t, typ)
			for _, opt := range zmq.Options() {
				t.Run(opt.String(), func(t *testing.T) { try(t, b, opt.Info()) })
			}
		})
	}
}

// A bench makes sockets of one type.
type bench struct {
	typ zmq.SocketType
	ctx *zmq4.Context
}

// newBench skips types that the library lacks, after a check that the error says so.
func newBench(t *testing.T, typ zmq.SocketType) bench {
	ctx, err := zmq4.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ctx.Term(); err != nil {
			t.Error(err)
		}
	})
	b := bench{typ, ctx}
	s, err := ctx.NewSocket(zmq4.Type(typ))
	if err == nil {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return b
	}
	err = typ.Explain(zmq.Translate("zmq_socket", err))
	if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, zmq.EINVAL) {
		t.Fatalf("the spec has the type but the library does not: %v", err)
	}
	t.Skip(err)
	return b
}

// open makes a socket. The end of the test closes it.
func (b bench) open(t *testing.T) zmq.Sockopts {
	t.Helper()
	z, err := b.ctx.NewSocket(zmq4.Type(b.typ))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := z.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := zmqio.SocketOptions(z)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func try(t *testing.T, b bench, info zmq.OptionInfo) {
	here := available(info)
	get := here && info.Get && serves(info.GetTypes, b.typ)
	set := here && info.Set && serves(info.SetTypes, b.typ)
	s := b.open(t)
	v, err := s.Get(info.Option)
	if get {
		checkDefault(t, b.typ, info, v, err)
	} else {
		checkRefused(t, info, info.Get, "get", err)
	}
	if !set {
		for _, raw := range legal(info)[:1] {
			checkRefused(t, info, info.Set, "set", setAny(s, info, raw, v))
		}
		return
	}
	for _, raw := range legal(info) {
		checkSet(t, b.open(t), info, raw, get)
	}
	for _, raw := range illegal(info) {
		if err := b.open(t).SetRaw(info.Option, raw); !errors.Is(err, zmq.EINVAL) {
			t.Errorf("%x is accepted: %v", raw, err)
		}
	}
	if info.Clear != "" {
		checkClear(t, b, info, get)
	}
}

func running() zmq.Version {
	major, minor, patch := zmq.LibraryVersion()
	return zmq.Version{Major: major, Minor: minor, Patch: patch}
}

// available reports whether the running library must know the option according to the spec.
func available(info zmq.OptionInfo) bool {
	if running().Compare(info.Served) < 0 {
		return false
	}
	return !slices.ContainsFunc(info.NeedsIn(running()), func(c zmq.Capability) bool { return !zmq.Has(c) })
}

func serves(types []zmq.SocketType, t zmq.SocketType) bool {
	return types == nil || slices.Contains(types, t)
}

func checkDefault(t *testing.T, typ zmq.SocketType, info zmq.OptionInfo, v any, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("cannot be read: %v", err)
		return
	}
	if got := typeName(reflect.TypeOf(v)); got != info.Type {
		t.Errorf("is a %s, not a %s", got, info.Type)
	}
	want, ok := info.DefaultFor(typ)
	if ok && !reflect.DeepEqual(v, want) {
		t.Errorf("default is %v, not %v", v, want)
	}
}

// checkRefused checks the error of an access that the spec does not have.
func checkRefused(t *testing.T, info zmq.OptionInfo, ever bool, verb string, err error) {
	t.Helper()
	if !errors.Is(err, zmq.EINVAL) {
		t.Errorf("%s is not refused: %v", verb, err)
		return
	}
	unsupported := !available(info) || !ever
	if errors.Is(err, errors.ErrUnsupported) != unsupported {
		t.Errorf("%s: errors.ErrUnsupported is %t: %v", verb, !unsupported, err)
	}
	if available(info) {
		return
	}
	for _, want := range []string{"needs libzmq " + info.Served.String(), "this is libzmq " + running().String()} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: no %q in %v", verb, want, err)
		}
	}
}

// setAny sets an option with Set, so that an error is explained. The value is read, or the raw
// bytes if read is nil.
func setAny(s zmq.Sockopts, info zmq.OptionInfo, raw []byte, read any) error {
	if read != nil {
		return s.Set(info.Option, read)
	}
	switch info.Kind {
	case zmq.KindString:
		return s.Set(info.Option, string(raw))
	case zmq.KindBytes:
		return s.Set(info.Option, raw)
	case zmq.KindCurveKey:
		return s.Set(info.Option, zmq.CurveKey(raw))
	}
	if info.Kind == zmq.KindEnum || info.Kind == zmq.KindFlags {
		return s.SetText(info.Option, info.Default)
	}
	return s.SetText(info.Option, "1")
}

func checkSet(t *testing.T, s zmq.Sockopts, info zmq.OptionInfo, raw []byte, get bool) {
	t.Helper()
	if err := s.SetRaw(info.Option, raw); err != nil {
		t.Errorf("%x is refused: %v", raw, err)
		return
	}
	if !get {
		return
	}
	buf := make([]byte, 1024)
	if size := fixedSize(info); size > 0 {
		buf = buf[:size]
	}
	n, err := s.GetRaw(info.Option, buf)
	if err != nil {
		t.Errorf("cannot be read after it was set: %v", err)
		return
	}
	got := buf[:n]
	if info.Kind == zmq.KindString {
		got, _, _ = bytes.Cut(got, []byte{0})
	}
	if !bytes.Equal(got, raw) {
		t.Errorf("set to %x, read back as %x", raw, got)
	}
}

// checkClear sets an option and then NULL, and checks the effect in the spec.
func checkClear(t *testing.T, b bench, info zmq.OptionInfo, get bool) {
	t.Helper()
	s := b.open(t)
	if err := s.SetRaw(info.Option, legal(info)[0]); err != nil {
		t.Error(err)
	}
	if err := s.SetRaw(info.Option, nil); err != nil {
		t.Errorf("cannot be cleared: %v", err)
	}
	if m, err := s.Mechanism(); m != zmq.NULL || err != nil {
		t.Errorf("mechanism after clearing: %v, %v", m, err)
	}
	if get && info.Clear == "value" {
		v, err := s.Get(info.Option)
		checkDefault(t, b.typ, info, v, err)
	}
	if get && info.Clear == "mechanism" {
		if v, err := s.Get(info.Option); v != info.Example || err != nil {
			t.Errorf("value after clearing: %v, %v", v, err)
		}
	}
}

// fixedSize returns the length of a value in libzmq's layout, or 0 if it varies.
func fixedSize(info zmq.OptionInfo) int {
	switch info.Kind {
	case zmq.KindString, zmq.KindBytes:
		return 0
	case zmq.KindCurveKey:
		return 32
	case zmq.KindInt64, zmq.KindUint64:
		return 8
	}
	return 4
}

func number(info zmq.OptionInfo, n int64) []byte {
	if fixedSize(info) == 8 {
		return binary.NativeEndian.AppendUint64(nil, uint64(n))
	}
	return binary.NativeEndian.AppendUint32(nil, uint32(n))
}

// legal returns values that the library must accept according to the spec. The first suits every
// option.
func legal(info zmq.OptionInfo) [][]byte {
	switch info.Kind {
	case zmq.KindString, zmq.KindBytes:
		if info.Example == "" {
			return [][]byte{[]byte("x")}
		}
		return [][]byte{[]byte(info.Example)}
	case zmq.KindCurveKey:
		return [][]byte{bytes.Repeat([]byte{7, 77}, 16)}
	case zmq.KindBool:
		return [][]byte{number(info, 1), number(info, 0)}
	}
	if info.Min == info.Max {
		return [][]byte{number(info, 1), number(info, 0)}
	}
	list := [][]byte{number(info, info.Min), number(info, multiple(info, info.Min+1))}
	if top := multiple(info, info.Max); top != info.Max || info.Step == 0 {
		list = append(list, number(info, top))
	}
	return list
}

// multiple returns a number that libzmq does not round.
func multiple(info zmq.OptionInfo, n int64) int64 {
	step := int64(max(info.Step, 1))
	return n / step * step
}

// illegal returns values that the library must refuse according to the spec.
func illegal(info zmq.OptionInfo) [][]byte {
	var list [][]byte
	switch {
	case info.Kind == zmq.KindString || info.Kind == zmq.KindBytes:
		if info.MinLen > 0 {
			list = append(list, bytes.Repeat([]byte{'a'}, info.MinLen-1))
		}
		if info.MaxLen > 0 {
			list = append(list, bytes.Repeat([]byte{'a'}, info.MaxLen+1))
		}
	case info.Kind == zmq.KindCurveKey:
		list = append(list, make([]byte, 31), []byte("not Z85, but as long as if it had been !"))
	default:
		if !info.Unchecked {
			list = append(list, []byte{1})
		}
		if info.Min == info.Max {
			break
		}
		if info.Min > math.MinInt32 && info.Step == 0 {
			list = append(list, number(info, info.Min-1))
		}
		if info.Max < math.MaxInt32 {
			list = append(list, number(info, info.Max+1))
		}
	}
	return list
}
