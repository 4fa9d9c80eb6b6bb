package inspect

import (
	"fmt"
	"slices"

	"github.com/zmqio/zmq"
)

// differing returns the options of a socket that differ from their defaults. It reads settings
// only, because a read of ZMQ_EVENTS would consume the loop's signal. It does not read secrets.
func differing(o zmq.Sockopts, typ zmq.SocketType) []Option {
	var found []Option
	for _, opt := range zmq.Options() {
		info := opt.Info()
		if !isSetting(info, typ) {
			continue
		}
		standard, ok := info.DefaultFor(typ)
		if !ok {
			continue
		}
		v, err := o.Get(opt)
		if err != nil { // the transport is closed, or this build of libzmq lacks the option
			continue
		}
		if got, want := valueText(v), valueText(standard); got != want {
			shown := text
			if info.Kind == zmq.KindCurveKey { // a public key in Z85 can look like credentials
				shown = clean
			}
			found = append(found, Option{Name: info.Name, Value: shown(got), Default: shown(want)})
		}
	}
	return found
}

// isSetting reports whether sockets of type typ can get and set the option with the running libzmq,
// and whether it may be shown.
func isSetting(info zmq.OptionInfo, typ zmq.SocketType) bool {
	serves := func(types []zmq.SocketType) bool { return types == nil || slices.Contains(types, typ) }
	lacks := func(c zmq.Capability) bool { return !zmq.Has(c) }
	running := library()
	return info.Get && info.Set && serves(info.GetTypes) && serves(info.SetTypes) &&
		!info.Secret && info.Status != zmq.Deprecated && info.Kind != zmq.KindFD &&
		info.Served.Compare(running) <= 0 && !slices.ContainsFunc(info.NeedsIn(running), lacks)
}

// valueText returns the value of an option in the form of SetText.
func valueText(v any) string {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case zmq.CurveKey:
		if v == (zmq.CurveKey{}) {
			return ""
		}
		return v.String()
	}
	if v == zmq.Forever {
		return "-1"
	}
	return fmt.Sprint(v)
}

// library returns the release of the running libzmq.
func library() zmq.Version {
	major, minor, patch := zmq.LibraryVersion()
	return zmq.Version{Major: major, Minor: minor, Patch: patch}
}
