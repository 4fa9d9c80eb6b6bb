package zmqprom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/rpc"
)

// A metric is one figure of a T.
type metric[T any] struct {
	desc  *prometheus.Desc
	typ   prometheus.ValueType
	value func(T) float64
}

// A maker makes metrics of a T with a common prefix and common labels.
type maker[T any] struct {
	prefix string
	labels []string
}

func (m maker[T]) counter(name, help string, value func(T) float64) metric[T] {
	return metric[T]{prometheus.NewDesc(m.prefix+name, help, m.labels, nil), prometheus.CounterValue, value}
}

func (m maker[T]) gauge(name, help string, value func(T) float64) metric[T] {
	return metric[T]{prometheus.NewDesc(m.prefix+name, help, m.labels, nil), prometheus.GaugeValue, value}
}

func describe[T any](ch chan<- *prometheus.Desc, metrics []metric[T]) {
	for _, m := range metrics {
		ch <- m.desc
	}
}

// collect sends the metrics of v.
func collect[T any](ch chan<- prometheus.Metric, metrics []metric[T], v T, labels ...string) {
	for _, m := range metrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.typ, m.value(v), labels...)
	}
}

var (
	ofTransports  = maker[zmqio.TransportTotal]{"zmqio_transport_", []string{"type", "name"}}
	ofDrops       = maker[zmqio.Traffic]{"zmqio_transport_", []string{"type", "name", "reason"}}
	ofConnections = maker[zmqio.ConnectionStats]{"zmqio_transport_", []string{"type", "name"}}
	ofFailures    = maker[uint64]{"zmqio_transport_", []string{"type", "name", "reason"}}
	ofLoops       = maker[zmqio.LoopTotal]{"zmqio_loop_", []string{"loop"}}
	ofClients     = maker[rpc.ClientStats]{"zmqio_rpc_client_", []string{"client"}}
	ofProxies     = maker[zmqio.ProxyStats]{"zmqio_proxy_", []string{"proxy"}}
	ofFlows       = maker[zmqio.ProxyFlow]{"zmqio_proxy_", []string{"proxy", "to"}}
)

var transports = []metric[zmqio.TransportTotal]{
	ofTransports.gauge("open", "Transports that are open.",
		func(t zmqio.TransportTotal) float64 { return float64(t.Open) }),
	ofTransports.counter("sent_messages_total", "Messages that libzmq has taken.",
		func(t zmqio.TransportTotal) float64 { return float64(t.Sent.Messages) }),
	ofTransports.counter("sent_bytes_total", "Payload that libzmq has taken.",
		func(t zmqio.TransportTotal) float64 { return float64(t.Sent.Bytes) }),
	ofTransports.counter("received_messages_total", "Messages taken from libzmq.",
		func(t zmqio.TransportTotal) float64 { return float64(t.Received.Messages) }),
	ofTransports.counter("received_bytes_total", "Payload taken from libzmq.",
		func(t zmqio.TransportTotal) float64 { return float64(t.Received.Bytes) }),
	ofTransports.gauge("buffered_messages", "Messages that were accepted and that libzmq has not taken.",
		func(t zmqio.TransportTotal) float64 { return float64(t.Buffered.Messages) }),
	ofTransports.gauge("buffered_bytes", "Payload that was accepted and that libzmq has not taken.",
		func(t zmqio.TransportTotal) float64 { return float64(t.Buffered.Bytes) }),
	ofTransports.gauge("unread_messages", "Messages that streams have received and that were not read.",
		func(t zmqio.TransportTotal) float64 { return float64(t.Unread.Messages) }),
	ofTransports.gauge("unread_bytes", "Payload that streams have received and that was not read.",
		func(t zmqio.TransportTotal) float64 { return float64(t.Unread.Bytes) }),
	ofTransports.counter("dropped_events_total", "Events that readers of a stream's events or peers were too slow for.",
		func(t zmqio.TransportTotal) float64 { return float64(t.Dropped.Events) }),
	ofTransports.counter("refused_writes_total", "Writes that returned an error because the write buffer was full.",
		func(t zmqio.TransportTotal) float64 { return float64(t.Refused) }),
	ofTransports.counter("write_pauses_total", "Pauses of writing at the high-water mark of the write buffer.",
		func(t zmqio.TransportTotal) float64 { return float64(t.Pauses) }),
	ofTransports.counter("write_paused_seconds_total", "Time for which writing was paused.",
		func(t zmqio.TransportTotal) float64 { return t.Paused.Seconds() }),
	ofTransports.gauge("write_paused", "Transports whose writing is paused.",
		func(t zmqio.TransportTotal) float64 { return float64(t.PausedNow) }),
	ofTransports.counter("write_waits_total", "Writes that had to wait for room in the write buffer.",
		func(t zmqio.TransportTotal) float64 { return float64(t.Waits) }),
	ofTransports.gauge("write_waiters", "Writes that wait for room in the write buffer.",
		func(t zmqio.TransportTotal) float64 { return float64(t.Waiters) }),
}

// received are the metrics of transports that have received a message.
var received = []metric[zmqio.TransportTotal]{
	ofTransports.gauge("last_received_timestamp_seconds", "When the last message was received, in seconds since 1970.",
		func(t zmqio.TransportTotal) float64 { return float64(t.LastReceived.UnixNano()) / 1e9 }),
}

// drops have one more label: the reason.
var drops = []metric[zmqio.Traffic]{
	ofDrops.counter("dropped_messages_total", "Messages that zmqio has dropped, by reason.",
		func(n zmqio.Traffic) float64 { return float64(n.Messages) }),
	ofDrops.counter("dropped_bytes_total", "Payload that zmqio has dropped, by reason.",
		func(n zmqio.Traffic) float64 { return float64(n.Bytes) }),
}

// connections are the metrics of transports with a monitor.
var connections = []metric[zmqio.ConnectionStats]{
	ofConnections.counter("connects_total", "Connections made.",
		func(c zmqio.ConnectionStats) float64 { return float64(c.Connects) }),
	ofConnections.counter("accepts_total", "Connections accepted.",
		func(c zmqio.ConnectionStats) float64 { return float64(c.Accepts) }),
	ofConnections.counter("disconnects_total", "Connections that have ended, other than by this side.",
		func(c zmqio.ConnectionStats) float64 { return float64(c.Disconnects) }),
	ofConnections.counter("connect_retries_total", "Attempts to connect that failed and are made again.",
		func(c zmqio.ConnectionStats) float64 { return float64(c.Retries) }),
	ofConnections.counter("accept_failures_total", "Connections that could not be accepted.",
		func(c zmqio.ConnectionStats) float64 { return float64(c.AcceptFailures) }),
	ofConnections.counter("handshakes_total", "Handshakes that succeeded.",
		func(c zmqio.ConnectionStats) float64 { return float64(c.Handshakes) }),
}

// open are the metrics of streams.
var open = []metric[zmqio.ConnectionStats]{
	ofConnections.gauge("connections", "Connections past their handshake, of streams.",
		func(c zmqio.ConnectionStats) float64 { return float64(c.Open) }),
}

// failures have one more label: the reason.
var failures = []metric[uint64]{
	ofFailures.counter("handshake_failures_total", "Handshakes that failed, by reason.",
		func(n uint64) float64 { return float64(n) }),
}

var loops = []metric[zmqio.LoopTotal]{
	ofLoops.gauge("open", "Loops that are open.",
		func(l zmqio.LoopTotal) float64 { return float64(l.Open) }),
	ofLoops.counter("iterations_total", "Iterations.",
		func(l zmqio.LoopTotal) float64 { return float64(l.Iterations) }),
	ofLoops.counter("callbacks_total", "Callbacks that were called.",
		func(l zmqio.LoopTotal) float64 { return float64(l.Callbacks) }),
	ofLoops.counter("busy_seconds_total", "Time in callbacks.",
		func(l zmqio.LoopTotal) float64 { return l.Busy.Seconds() }),
	ofLoops.gauge("longest_iteration_seconds", "The longest that the callbacks of one iteration have taken.",
		func(l zmqio.LoopTotal) float64 { return l.Longest.Seconds() }),
	ofLoops.gauge("current_iteration_seconds", "How long the callbacks of the present iteration have run; 0 while the loop waits.",
		func(l zmqio.LoopTotal) float64 { return l.Current.Seconds() }),
	ofLoops.counter("slow_iterations_total", "Iterations whose callbacks took at least SlowCallbackDuration.",
		func(l zmqio.LoopTotal) float64 { return float64(l.Slow) }),
	ofLoops.counter("exceptions_total", "Calls of the exception handler: panics, and errors without a caller.",
		func(l zmqio.LoopTotal) float64 { return float64(l.Exceptions) }),
	ofLoops.gauge("ready_callbacks", "Callbacks that are ready for the next iteration.",
		func(l zmqio.LoopTotal) float64 { return float64(l.Ready) }),
	ofLoops.gauge("timers", "Timers that are set.",
		func(l zmqio.LoopTotal) float64 { return float64(l.Timers) }),
	ofLoops.gauge("descriptors", "Descriptors that are watched.",
		func(l zmqio.LoopTotal) float64 { return float64(l.Descriptors) }),
	ofLoops.gauge("residents", "What lives on the loop, transports of all kinds included.",
		func(l zmqio.LoopTotal) float64 { return float64(l.Residents) }),
}

var clients = []metric[rpc.ClientStats]{
	ofClients.counter("calls_total", "Calls that were begun.",
		func(c rpc.ClientStats) float64 { return float64(c.Calls) }),
	ofClients.counter("replies_total", "Replies that a caller got, failures included.",
		func(c rpc.ClientStats) float64 { return float64(c.Replies) }),
	ofClients.counter("failures_total", "Replies with an error.",
		func(c rpc.ClientStats) float64 { return float64(c.Failures) }),
	ofClients.counter("late_replies_total", "Replies that no caller was waiting for any more.",
		func(c rpc.ClientStats) float64 { return float64(c.Late) }),
	ofClients.counter("retries_total", "Attempts beyond the first of a call.",
		func(c rpc.ClientStats) float64 { return float64(c.Retries) }),
	ofClients.counter("timeouts_total", "Attempts that ended without a reply.",
		func(c rpc.ClientStats) float64 { return float64(c.Timeouts) }),
	ofClients.gauge("calls_in_flight", "Calls that wait for a reply.",
		func(c rpc.ClientStats) float64 { return float64(c.InFlight) }),
}

var proxies = []metric[zmqio.ProxyStats]{
	ofProxies.counter("captured_messages_total", "Messages that the capture has accepted.",
		func(p zmqio.ProxyStats) float64 { return float64(p.Captured) }),
	ofProxies.gauge("paused", "1 while the proxy is paused by its program, else 0.",
		func(p zmqio.ProxyStats) float64 {
			if p.Paused {
				return 1
			}
			return 0
		}),
}

// flows have one more label: the direction.
var flows = []metric[zmqio.ProxyFlow]{
	ofFlows.counter("messages_total", "Messages received, by where they go.",
		func(f zmqio.ProxyFlow) float64 { return float64(f.Messages) }),
	ofFlows.counter("bytes_total", "Payload received, by where it goes.",
		func(f zmqio.ProxyFlow) float64 { return float64(f.Bytes) }),
	ofFlows.counter("dropped_messages_total", "Messages dropped by the filter, or because no peer could take them.",
		func(f zmqio.ProxyFlow) float64 { return float64(f.Dropped) }),
	ofFlows.counter("answers_total", "Answers of the filter.",
		func(f zmqio.ProxyFlow) float64 { return float64(f.Answered) }),
}
