package zmq

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Capability is a part of libzmq that not every build has, by the name that zmq_has
// knows it by.
type Capability string

var askLibrary func(name string) bool

// RegisterHas installs the function that asks libzmq's zmq_has. It is exported because
// package zmq has no C code. Package zmqio has, and calls RegisterHas when it is initialized.
// No other package needs to call it, and no package may call it later.
func RegisterHas(has func(name string) bool) { askLibrary = has }

// Has reports whether the running libzmq has a capability. In a program without package zmqio
// it knows only the capabilities that pebbe/zmq4 can ask for. It is safe for concurrent use.
//
// libzmq: zmq_has
func Has(c Capability) bool {
	if askLibrary != nil {
		return askLibrary(string(c))
	}
	return slices.ContainsFunc(pebbeHas, func(p pebbeCapability) bool { return p.capability == c && p.has() })
}

// A pebbeCapability is one that pebbe/zmq4 can ask for.
type pebbeCapability struct {
	capability Capability
	has        func() bool
}

// Require returns nil if the running libzmq has the capability. Otherwise the error is
// errors.ErrUnsupported, and its text says what is needed and what is running.
func Require(c Capability) error {
	if Has(c) {
		return nil
	}
	need := requirement{capabilities: []Capability{c}}
	return fmt.Errorf("%w: %s", errors.ErrUnsupported, need.unmet())
}

// A requirement is what must hold of the running libzmq for it to know something.
type requirement struct {
	since        Version
	capabilities []Capability
}

// unmet names what is needed and what is running, or returns "" if nothing is missing.
func (r requirement) unmet() string {
	running := runningVersion()
	have, missing := "this is libzmq "+running.String(), ""
	for _, c := range r.capabilities {
		if !Has(c) {
			missing += ", " + string(c)
		}
	}
	if missing == "" && running.Compare(r.since) >= 0 {
		return ""
	}
	need := "needs libzmq"
	if r.since != (Version{}) {
		need += " " + r.since.String() + " or later"
	}
	if len(r.capabilities) > 0 {
		need += " built with"
		for i, c := range r.capabilities {
			if i > 0 {
				need += ","
			}
			need += " " + string(c)
		}
	}
	if missing != "" {
		have += " without " + strings.TrimPrefix(missing, ", ")
	}
	return need + ", " + have
}
