package live

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/zmqio/zmq/gen/internal/spec"
)

// longest is the length of the longest text that the probe tries.
const longest = 300

// A judge compares a spec with a library, and gathers contradictions.
type judge struct {
	*spec.Spec
	*library
	numbers map[string]int64 // of socket types
	lines   []string
}

// contradictions returns the places at which a spec is wrong about a library.
func (l *library) contradictions(s *spec.Spec) []string {
	j := &judge{Spec: s, library: l, numbers: make(map[string]int64)}
	for _, t := range s.SocketTypes {
		j.numbers[t.Name] = t.Number
	}
	j.socketTypes()
	j.options()
	j.behaviour()
	j.contexts()
	j.errnos()
	return j.lines
}

func (j *judge) say(at spec.Pos, format string, args ...any) {
	line := fmt.Sprintf("%v: %s, says %s", at, fmt.Sprintf(format, args...), j.name)
	if !slices.Contains(j.lines, line) { // else another socket type has shown the same
		j.lines = append(j.lines, line)
	}
}

func (j *judge) socketTypes() {
	known := make(map[int64]bool)
	for _, t := range j.SocketTypes {
		there := t.First().Compare(j.version) <= 0
		known[t.Number] = true
		if there != j.types[t.Number] {
			j.say(t.At("number"), "there are sockets of type %s: %t", t.Name, j.types[t.Number])
		}
		if j.types[t.Number] {
			j.socketType(t)
		}
	}
	for n := range j.types {
		if !known[n] {
			j.say(spec.Pos{}, "there are sockets of a type %d", n)
		}
	}
}

func (j *judge) socketType(t spec.SocketType) {
	traffic := j.traffic[t.Number]
	yes := func(key string) bool { return traffic.one(key) == "1" }
	check := func(key string, want, got bool) {
		if want != got {
			j.say(t.At(key), "%s of %s is %t", key, t.Name, got)
		}
	}
	check("thread_safe", t.ThreadSafe, j.library.options[use{t.Number, 81}].one("get") == "01000000")
	if traffic == nil {
		return // a DGRAM needs an address before anything else
	}
	check("send", t.Send, yes("send"))
	check("receive", t.Receive, yes("recv"))
	eager := !t.Eager.IsZero() && t.Eager.Compare(j.version) <= 0
	check("eager", eager, yes("turn"))
	subscribes := ""
	for _, r := range t.Subscribes {
		if r.Since.Compare(j.version) <= 0 {
			subscribes = r.Rule
		}
	}
	check("subscribes", subscribes == "option", yes("subscribe"))
	if mute, ok := j.mutes[t.Number]; ok && mute != t.Mute {
		j.say(t.At("mute"), "mute of %s is %s", t.Name, mute)
	}
	for pair, shaken := range j.shakes {
		if pair[0] != t.Number || shaken == "never" {
			continue
		}
		peer := slices.ContainsFunc(t.Peers, func(name string) bool { return j.numbers[name] == pair[1] })
		if peer != (shaken == "yes") {
			j.say(t.At("peers"), "%s and type %d are peers: %t", t.Name, pair[1], !peer)
		}
	}
}

// available reports whether the library should know an option.
func (j *judge) available(o spec.Option) bool {
	return o.FirstServed().Compare(j.version) <= 0 && !slices.ContainsFunc(o.NeedsIn(j.version), func(c string) bool { return !j.has[c] })
}

func (j *judge) options() {
	known := make(map[use]bool)
	for _, o := range j.Options {
		for _, t := range j.SocketTypes {
			if u := (use{t.Number, o.Number}); j.types[t.Number] {
				known[u] = true
				j.option(o, t, j.library.options[u])
			}
		}
	}
	for u, f := range j.library.options {
		if !known[u] && j.types[u.typ] && served(f) {
			j.say(spec.Pos{}, "type %d has an option %d", u.typ, u.option)
		}
	}
}

func served(f facts) bool { return f.any(getKeys...) || f.any(setKeys...) }

var (
	getKeys = []string{"get", "get4", "get8", "get32", "get41", "get256"}
	setKeys = []string{"int", "long", "text", "property", "network"}
)

func on(list []string, name string) bool { return list == nil || slices.Contains(list, name) }

func (j *judge) option(o spec.Option, t spec.SocketType, f facts) {
	here := j.available(o)
	get, set := here && o.Can("get") && on(o.GetOn, t.Name), here && o.Can("set") && on(o.SetOn, t.Name)
	if get != f.any(getKeys...) {
		j.say(o.At("access"), "%s can be read on %s: %t", o.Name, t.Name, !get)
	}
	if set != f.any(setKeys...) {
		j.say(o.At("access"), "%s can be set on %s: %t", o.Name, t.Name, !set)
	}
	if here {
		j.with(o, t)
	}
	if get && f.any(getKeys...) {
		j.read(o, t, f)
	}
	if set && f.any(setKeys...) {
		j.set(o, t, f)
	}
}

// with checks sets that need another option first.
func (j *judge) with(o spec.Option, t spec.SocketType) {
	first := j.first(o.SetWith[t.Name])
	for w, f := range j.library.with {
		if w.use != (use{t.Number, o.Number}) {
			continue
		}
		plain := on(o.SetOn, t.Name) && o.Can("set")
		if want := plain || w.first == first; want != f.any(setKeys...) {
			j.say(o.At("set_with"), "%s can be set on %s after option %d: %t", o.Name, t.Name, w.first, !want)
		}
	}
	if _, tried := j.library.with[with{use{t.Number, o.Number}, first}]; first >= 0 && !tried {
		j.say(o.At("set_with"), "%s cannot be set on %s, whatever was set before", o.Name, t.Name)
	}
}

func (j *judge) first(name string) int64 {
	for _, o := range j.Options {
		if o.Name == name {
			return o.Number
		}
	}
	return -1
}

// size returns the length of a value in libzmq's layout, or 0 if it varies.
func size(o spec.Option) int {
	switch o.Kind {
	case "string", "bytes":
		return 0
	case "curve_key":
		return 32
	case "int64", "uint64":
		return 8
	}
	return 4
}

// read checks the value of an option on a new socket.
func (j *judge) read(o spec.Option, t spec.SocketType, f facts) {
	value, n := f.one("get"), size(o)
	if value == "" && f["get"] == nil {
		value = f.one("get" + strconv.Itoa(n))
	}
	if value == "fd" || o.Kind == "fd" {
		if value != "fd" || o.Kind != "fd" {
			j.say(o.At("kind"), "%s is a descriptor: %t", o.Name, value == "fd")
		}
		return
	}
	if n > 0 && len(value) != 2*n || n == 0 && f["get"] == nil || n == 8 && f.any("get4") || n == 32 && f.any("get4") {
		j.say(o.At("kind"), "%s is no %s: %v", o.Name, o.Kind, f)
		return
	}
	if text := o.Kind == "string"; n == 0 && strings.HasSuffix(value, "00") != text {
		j.say(o.At("kind"), "%s ends with a NUL: %t", o.Name, !text)
	}
	text, ok := j.defaultFor(o, t)
	if !ok {
		if j.constant(o, value) {
			j.say(o.At("default"), "%s has the default %s, on every type", o.Name, value)
		}
		return
	}
	if want := j.raw(o, text); want != value {
		j.say(o.At("default"), "%s is %s on a new %s, not %s", o.Name, value, t.Name, want)
	}
}

// constant reports whether an option has the same value on new sockets of all types.
func (j *judge) constant(o spec.Option, value string) bool {
	for u, f := range j.library.options {
		if u.option == o.Number && f.one("get") != value && f.one("get"+strconv.Itoa(size(o))) != value {
			return false
		}
	}
	return true
}

func (j *judge) defaultFor(o spec.Option, t spec.SocketType) (string, bool) {
	if v, ok := o.Defaults[t.Name]; ok {
		return v, true
	}
	if o.Default == nil {
		return "", false
	}
	return *o.Default, true
}

// raw returns a value in libzmq's layout, in hexadecimal.
func (j *judge) raw(o spec.Option, text string) string {
	switch o.Kind {
	case "string":
		return hex.EncodeToString(append([]byte(text), 0))
	case "bytes":
		return hex.EncodeToString([]byte(text))
	case "curve_key":
		return strings.Repeat("00", 32)
	case "bool":
		text = map[string]string{"true": "1", "false": "0"}[text]
	case "enum", "flags":
		text = strconv.FormatInt(j.enumNumber(o.Type, text), 10)
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return err.Error()
	}
	if size(o) == 8 {
		return hex.EncodeToString(binary.NativeEndian.AppendUint64(nil, uint64(v)))
	}
	return hex.EncodeToString(binary.NativeEndian.AppendUint32(nil, uint32(v)))
}

func (j *judge) enumNumber(typ, text string) int64 {
	var sum int64
	for name := range strings.SplitSeq(text, "|") {
		if typ == "SocketType" {
			sum |= j.numbers[name]
		}
		for _, e := range j.Enums {
			for _, v := range e.Values {
				if e.Type == typ && v.Name == name {
					sum |= v.Last()
				}
			}
		}
	}
	return sum
}

// set checks the values that an option accepts.
func (j *judge) set(o spec.Option, t spec.SocketType, f facts) {
	text := f.one("text")
	switch {
	case o.Kind == "curve_key":
		if !strings.HasPrefix(text, "32-32,40-40") {
			j.say(o.At("kind"), "%s takes %v", o.Name, f)
		}
	case size(o) == 0:
		j.texts(o, f)
	case size(o) == 8:
		if f.one("long") != "all" || text != "8-8" {
			j.say(o.At("kind"), "%s takes %v", o.Name, f)
		}
	default:
		j.number(o, f)
	}
	j.clear(o, t, f)
}

// texts checks the lengths of texts that an option accepts.
func (j *judge) texts(o spec.Option, f facts) {
	hi := int64(longest)
	if o.MaxLen > 0 {
		hi = o.MaxLen
	}
	var from, to int64
	shape := ""
	for _, key := range []string{"text", "property", "network"} {
		if f[key] != nil && shape == "" && f[key][0] != "0-0" {
			shape = key
			if _, err := fmt.Sscanf(f[key][0], "%d-%d", &from, &to); err != nil {
				j.say(o.At("min_len"), "%s: %v", f[key][0], err)
			}
		}
	}
	empty := slices.Contains(f["text"], "0-0")
	// A network may be shorter than the texts that the probe tries.
	if to != hi || from != max(o.MinLen, 1) && shape != "network" || empty != (o.MinLen == 0) {
		j.say(o.At("min_len"), "%s takes texts of %v bytes, and empty ones: %t", o.Name, f[shape], empty)
	}
}

// number checks the accepted range, and the values that are read back.
func (j *judge) number(o spec.Option, f facts) {
	lo, hi, ok := o.Range()
	if !ok {
		lo, hi = math.MinInt32, math.MaxInt32
	}
	if o.Kind == "bool" && ok && o.Max == nil {
		hi = math.MaxInt32
	}
	if o.Kind == "uint32" {
		lo, hi = math.MinInt32, math.MaxInt32 // the probe's numbers are signed
	}
	if o.Step > 0 && lo == 0 {
		lo = 1 - o.Step // down to numbers that round to 0
	}
	if want := fmt.Sprintf("%d..%d", lo, hi); f.one("int") != want {
		j.say(o.At("min"), "%s takes %s, not %s", o.Name, f.one("int"), want)
	}
	lengths := ""
	if f["text"] != nil {
		lengths = f["text"][0]
	}
	if o.Unchecked != (lengths == fmt.Sprintf("1-%d", longest)) || !o.Unchecked && lengths != "" && lengths != "4-4" {
		j.say(o.At("unchecked"), "%s takes values of %s bytes", o.Name, lengths)
	}
	if !f.any(getKeys...) {
		return
	}
	rounded := slices.Contains(f["back"], "199:100")
	if rounded != (o.Step == 100) || o.Step > 0 && !rounded {
		j.say(o.At("step"), "%s is read back as %v", o.Name, f["back"])
	}
	// A bool that is set to 199 is read back as 1. Other kinds are not.
	if takes199 := lo <= 199 && hi >= 199; takes199 && slices.Contains(f["back"], "199:1") != (o.Kind == "bool") {
		j.say(o.At("kind"), "%s is read back as %v", o.Name, f["back"])
	}
}

// clear checks the effect of a set to NULL.
func (j *judge) clear(o spec.Option, t spec.SocketType, f facts) {
	if f.any("crash") {
		if !o.Unchecked {
			j.say(o.At("unchecked"), "%s does not survive NULL", o.Name)
		}
		return
	}
	takes := f.any("null")
	switch {
	case o.Clear == "" && takes && !slices.Contains(f["text"], "0-0"), o.Clear != "" && !takes:
		j.say(o.At("clear"), "%s takes NULL: %t", o.Name, takes)
	case o.Clear == "value" && f.any(getKeys...) && f.one("void") != f.one("get"):
		j.say(o.At("clear"), "%s is %s after NULL", o.Name, f.one("void"))
	case o.Clear == "mechanism" && (f.one("mechanism") == "0" || f.one("null") != "0" || f.one("void") == f.one("get")):
		j.say(o.At("clear"), "%s and the mechanism after NULL: %v", o.Name, f)
	}
}

// anyPrefix is the first release that accepts a negative THREAD_NAME_PREFIX.
var anyPrefix = spec.Version{Major: 4, Minor: 3, Patch: 3}

func (j *judge) contexts() {
	known := make(map[int64]bool)
	access := make(map[int64]string)
	for _, c := range j.Contexts {
		known[c.Number] = true
		access[c.Number] += strings.Join(c.Access, "")
		if c.First().Compare(j.version) > 0 {
			continue
		}
		f := j.library.contexts[c.Number]
		for _, a := range c.Access {
			key := map[string]string{"get": "get", "set": "int"}[a]
			if !f.any(key) {
				j.say(c.At("access"), "context option %s: no %s", c.Name, a)
			}
		}
		get, set := slices.Contains(c.Access, "get"), slices.Contains(c.Access, "set")
		if get && f.any("get") && f.one("get") != c.Default {
			j.say(c.At("default"), "context option %s is %s", c.Name, f.one("get"))
		}
		lo := int64(math.MinInt32)
		if c.Min != nil {
			lo = *c.Min
		} else if c.Name == "THREAD_NAME_PREFIX" && j.version.Compare(anyPrefix) < 0 {
			lo = 0
		}
		if want := fmt.Sprintf("%d..%d", lo, math.MaxInt32); set && f.any("int") && f.one("int") != want {
			j.say(c.At("min"), "context option %s takes %s", c.Name, f.one("int"))
		}
		// A bool that is set to 199 is read back as 1. The records of other libraries lack this
		// test.
		if get && set && f.any("back") && (f.one("back") == "1") != (c.Kind == "bool") {
			j.say(c.At("kind"), "context option %s is read back as %s", c.Name, f.one("back"))
		}
		if set && f.any("new") != (c.Effect == "for new sockets") {
			j.say(c.At("effect"), "context option %s tells in new sockets: %t", c.Name, f.any("new"))
		}
	}
	for n, f := range j.library.contexts {
		for key, a := range map[string]string{"get": "get", "int": "set"} {
			if f.any(key) && !strings.Contains(access[n], a) {
				j.say(spec.Pos{}, "context option %d: there is a %s", n, a)
			}
		}
		if !known[n] && (f.any("get") || f.any("int")) {
			j.say(spec.Pos{}, "there is a context option %d", n)
		}
	}
}

// observable are the facts of an option that describe its behaviour. If behaves.c does not test a
// fact, the option's "documented" must say that it comes from libzmq's documentation or sources.
var observable = []string{"unit", "effect", "minus_one", "applies"}

// behaviour checks the observed behaviour of options.
func (j *judge) behaviour() {
	if len(j.behaves) == 0 {
		return // a recorded library
	}
	for _, o := range j.Options {
		f, documented := j.behaves[o.Number], slices.Clone(o.Documented)
		for _, key := range observable {
			want := map[string]string{"unit": o.Unit, "effect": o.Effect, "minus_one": o.MinusOne, "applies": o.Applies}[key]
			seen := strings.ReplaceAll(f.one(key), "_", " ")
			says := slices.Contains(documented, key)
			switch {
			case seen == "" && want != "" && !says:
				j.say(o.At(key), "%s of %s was not tried: write it under documented", key, o.Name)
			case seen != "" && says:
				j.say(o.At("documented"), "%s of %s was tried, and is %s", key, o.Name, seen)
			case seen != "" && key == "minus_one" && !strings.HasPrefix(want, strings.ReplaceAll(seen, "the system", "what the system")):
				j.say(o.At(key), "%s of %s is %s", key, o.Name, seen)
			case seen != "" && key != "minus_one" && want != seen:
				j.say(o.At(key), "%s of %s is %s", key, o.Name, seen)
			}
		}
	}
}

// errnos checks the error texts, if they were measured.
func (j *judge) errnos() {
	if len(j.errors) == 0 {
		return
	}
	for _, e := range j.Errnos {
		if e.First().Compare(j.version) > 0 {
			continue
		}
		n, ok := e.Numbers["linux"]
		if e.Native != 0 {
			n, ok = spec.Hausnumero+e.Native, true
		}
		if ok && j.errors[n] != e.Text {
			j.say(e.At("text"), "%s is %q", e.Name, j.errors[n])
		}
	}
}
