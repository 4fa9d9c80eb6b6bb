// Package inspect shows what lives on the event loops of a process: transports, other
// residents, and callbacks that take long. Of a transport it shows endpoints, peers, options,
// buffers, rates and events. It is an http.Handler, as that of package net/http/pprof:
//
//	http.Handle("/debug/zmq/", inspect.Handler())
//
// People read the page at that address, which refreshes itself and loads nothing from other
// servers. Programs get JSON at the same address with ?format=json, or from [Take]. Package expvar
// gets the JSON by
//
//	expvar.Publish("zmqio", inspect.Var())
//
// Importing this package registers nothing, with http.DefaultServeMux or elsewhere, and imports
// neither expvar nor net/http/pprof. Nothing runs, and nothing is counted, without a request.
//
// A viewer of the page learns the endpoints, routing ids and options of the program, and the
// names of its functions. Serve it to operators alone. The page has no keys and no passwords.
// Package inspect does not even read options that zmq.OptionInfo calls secret. It replaces
// credentials in endpoints and other texts by "…".
//
// The page shows a stuck loop as stuck, with the callback that does not return. Package inspect
// waits for no loop, and for at most three seconds for sockets and residents that do not answer. It
// starts no monitor: what only a monitor reports is unknown on a transport without one. A Stream
// always has one, and Transport.EnableMonitor starts one.
//
// Rates are means over the time between two requests, at least 0.9 seconds. So there are none
// at the first request. A minute after the last request the history is dropped. The words are
// those of the glossary of package zmqio.
package inspect

import (
	"encoding/json"
	"fmt"
)

// Var returns a variable for expvar.Publish. Its String returns the JSON of Take.
func Var() fmt.Stringer { return variable{} }

type variable struct{}

func (variable) String() string {
	b, err := json.Marshal(theSampler.share(Query{}.normal()))
	if err != nil { // json.Marshal cannot fail for a Snapshot
		return "null"
	}
	return string(b)
}
