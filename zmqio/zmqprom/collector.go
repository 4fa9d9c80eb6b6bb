// Package zmqprom gives Prometheus the figures of all loops and transports of zmqio in the
// process:
//
//	prometheus.MustRegister(zmqprom.NewCollector(nil))
//
// Figures are sums over transports of the same type and name, and over loops of the same name.
// The names are ConnectionConfig.Name, StreamConfig.Name and LoopConfig.Name, and "" where none is
// given. zmqio distinguishes up to 100 names of each, and counts the rest under "other". Totals
// include what has ended. So no counter falls, unless a transport or a loop is garbage collected
// without Close. Endpoints, routing ids and peers are no labels: their number has no bound, and
// peers choose some of them.
//
// README.md lists the metrics, what each means, and what to alert on.
//
// A scrape reads each transport's figures, which takes some 300 ns, and never waits for a loop.
//
// Prometheus itself adds the labels of a target, an instance for example. Labels that the
// program itself knows come from prometheus.WrapRegistererWith.
package zmqprom

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/rpc"
)

// Options says what a collector collects beside loops and transports. The zero value adds
// nothing.
type Options struct {
	// Clients are clients of package rpc, by the value of the label client. A program should
	// have few names, all fixed. The map must not change while the collector is registered. With
	// a nil client a registry refuses the collector, and its error is zmqio.ErrInvalidArgument.
	Clients map[string]*rpc.Client
	// Proxies are proxies, by the value of the label proxy. What is said of Clients holds for
	// them.
	Proxies map[string]*zmqio.Proxy
}

// NewCollector returns a collector of the figures of the process. A nil opts means the zero
// Options. A process needs one collector: a registry refuses a second one with the same
// metrics. The collector is safe for concurrent use, also by several registries.
func NewCollector(opts *Options) prometheus.Collector {
	c := collector{}
	if opts != nil {
		c.Options = *opts
	}
	return c
}

type collector struct{ Options }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	describe(ch, transports)
	describe(ch, received)
	describe(ch, drops)
	describe(ch, connections)
	describe(ch, open)
	describe(ch, failures)
	describe(ch, loops)
	if len(c.Clients) > 0 {
		describe(ch, clients)
		refuseNil(ch, "Clients", c.Clients)
	}
	if len(c.Proxies) > 0 {
		describe(ch, proxies)
		describe(ch, flows)
		refuseNil(ch, "Proxies", c.Proxies)
	}
}

// refuseNil makes the registration fail if a field of Options has a nil value.
func refuseNil[T any](ch chan<- *prometheus.Desc, field string, values map[string]*T) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if values[name] == nil {
			ch <- prometheus.NewInvalidDesc(fmt.Errorf("%w: zmqprom: Options.%s[%q] is nil", zmqio.ErrInvalidArgument, field, name))
			return
		}
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	for _, t := range zmqio.TransportTotals() {
		collectTransports(ch, t)
	}
	for _, l := range zmqio.LoopTotals() {
		collect(ch, loops, l, l.Name)
	}
	for name, client := range c.Clients {
		collect(ch, clients, client.Stats(), label(name))
	}
	for name, proxy := range c.Proxies {
		s := proxy.Stats()
		collect(ch, proxies, s, label(name))
		collect(ch, flows, s.ToBack, label(name), "back")
		collect(ch, flows, s.ToFront, label(name), "front")
	}
}

// label returns name as a label value, which must be UTF-8.
func label(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }

// collectTransports collects the metrics of a total, except unknown ones.
func collectTransports(ch chan<- prometheus.Metric, t zmqio.TransportTotal) {
	typ, name := t.Type.String(), t.Name
	collect(ch, transports, t, typ, name)
	collect(ch, drops, t.Dropped.Unroutable, typ, name, "unroutable")
	collect(ch, drops, t.Dropped.Unsent, typ, name, "unsent")
	collect(ch, drops, t.Dropped.Unread, typ, name, "unread")
	if !t.LastReceived.IsZero() {
		collect(ch, received, t, typ, name)
	}
	if t.Connections == nil {
		return
	}
	collect(ch, connections, *t.Connections, typ, name)
	if t.Connections.Open >= 0 {
		collect(ch, open, *t.Connections, typ, name)
	}
	for reason, n := range t.Connections.Failures.All() {
		collect(ch, failures, n, typ, name, reason)
	}
}
