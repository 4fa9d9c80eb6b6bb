package inspect

import (
	"fmt"
	"slices"

	"github.com/zmqio/zmq"
)

// differing returns the options of a socket that differ from their defaults. It reads settings
// alone: to read ZMQ_EVENTS, for one, would take a signal from the loop. Secrets are not read.
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
		if err != nil { // the transport is closed, or libzmq lacks the option in this build
			continue
		}
		if got, want := valueText(v), valueText(standard); got != want {
			shown := text
			if info.Kind == zmq.KindCurveKey { // a public one in Z85 can look like credentials
				shown = clean
			}
			found = append(found, Option{Name: info.Name, Value: shown(got), Default: shown(want)})
		}
	}
	return found
}

// isSetting reports whether an option of sockets of type typ can be read and set with the
// running libzmq, and may be shown.
func isSetting(info zmq.OptionInfo, typ zmq.SocketType) bool {
	serves := func(types []zmq.SocketType) bool { return types == nil || slices.Contains(types, typ) }
	lacks := func(c zmq.Capability) bool { return !zmq.Has(c) }
	running := library()
	return info.Get && info.Set && serves(info.GetTypes) && serves(info.SetTypes) &&
		!info.Secret && info.Status != zmq.Deprecated && info.Kind != zmq.KindFD &&
		info.Served.Compare(running) <= 0 && !slices.ContainsFunc(info.NeedsIn(running), lacks)
}

// valueText is the value of an option as SetText reads it.
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

// library returns the release of libzmq that runs.
func library() zmq.Version {
	major, minor, patch := zmq.LibraryVersion()
	return zmq.Version{Major: major, Minor: minor, Patch: patch}
}
