// Package inspect shows what lives on the event loops of a process: transports, other
// residents, and callbacks that take long. Of a transport it shows endpoints, peers, options,
// buffers, rates and events. It is an http.Handler, as package net/http/pprof has them:
//
//	http.Handle("/debug/zmq/", inspect.Handler())
//
// The page at that address is for people, and lives. It takes nothing from elsewhere. Programs
// get JSON at the same address with ?format=json, or from [Take]. Package expvar gets it by
//
//	expvar.Publish("zmqio", inspect.Var())
//
// Importing this package registers nothing, with http.DefaultServeMux or elsewhere, and imports
// neither expvar nor net/http/pprof. Nothing runs, and nothing is counted, without a request.
//
// A viewer of the page learns the endpoints, routing ids and options of the program, and the
// names of its functions. Serve it where only the operators are. It has no keys and no
// passwords. Options that zmq.OptionInfo calls secret are not even read. Credentials in
// endpoints and other texts are replaced by "…".
//
// A loop that is stuck is shown as stuck, with the callback that does not return. Nothing here
// waits for a loop, and no longer than three seconds for sockets and residents that do not answer.
// It starts no monitor either: what only a monitor tells is unknown on a transport
// without one. A Stream always has one, and Transport.EnableMonitor starts one.
//
// Rates are means over the time between two requests, at least 0.9 seconds. So there are none
// at the first request. A minute after the last request the history is dropped.
package inspect

import (
	"encoding/json"
	"fmt"
)

// Var returns a variable for expvar.Publish. Its String is the JSON of [Take].
func Var() fmt.Stringer { return variable{} }

type variable struct{}

func (variable) String() string {
	b, err := json.Marshal(theSampler.share(Query{}.normal()))
	if err != nil { // no value of a Snapshot can cause it
		return "null"
	}
	return string(b)
}
