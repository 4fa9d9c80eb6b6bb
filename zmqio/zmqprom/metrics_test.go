package zmqprom

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/zmqio/zmq/zmqio"
)

// number sets the numbers in the struct v to those after n, in order. A time.Duration and a
// time.Time are seconds.
func number(v reflect.Value, n *int64) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		*n++
		v.Set(reflect.ValueOf(time.Unix(*n, 0)))
		return
	}
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			number(v.Field(i), n)
		}
	case v.Type() == reflect.TypeFor[time.Duration]():
		*n++
		v.SetInt(*n * int64(time.Second))
	case v.CanInt():
		*n++
		v.SetInt(*n)
	case v.CanUint():
		*n++
		v.SetUint(uint64(*n))
	}
}

// values returns the names and values of metrics of a T, in order. Each field of the T has its own
// number.
func values[T any](metrics ...metric[T]) (text string) {
	v, n := new(T), int64(0)
	number(reflect.ValueOf(v).Elem(), &n)
	for _, m := range metrics {
		name := regexp.MustCompile(`zmqio_\w+`).FindString(m.desc.String())
		text += fmt.Sprintf("%s %v\n", name, m.value(*v))
	}
	return text
}

// Each metric has the figure of its name. For a transport 1 is the type, and 12 to 17 are dropped
// messages and bytes. The last metric of a loop is its number of transports.
func TestEachMetricHasItsFigure(t *testing.T) {
	got := values(slices.Concat(transports, received)...) + values(drops...) + values(slices.Concat(connections, open)...) +
		values(loops...) + values(clients...) + values(flows...) + values(proxies[:1]...)
	const want = `zmqio_transport_open 2
zmqio_transport_sent_messages_total 4
zmqio_transport_sent_bytes_total 5
zmqio_transport_received_messages_total 6
zmqio_transport_received_bytes_total 7
zmqio_transport_buffered_messages 8
zmqio_transport_buffered_bytes 9
zmqio_transport_unread_messages 10
zmqio_transport_unread_bytes 11
zmqio_transport_dropped_events_total 18
zmqio_transport_refused_writes_total 19
zmqio_transport_write_pauses_total 20
zmqio_transport_write_paused_seconds_total 21
zmqio_transport_write_paused 3
zmqio_transport_write_waits_total 22
zmqio_transport_write_waiters 23
zmqio_transport_last_received_timestamp_seconds 24
zmqio_transport_dropped_messages_total 1
zmqio_transport_dropped_bytes_total 2
zmqio_transport_connects_total 2
zmqio_transport_accepts_total 3
zmqio_transport_disconnects_total 4
zmqio_transport_connect_retries_total 5
zmqio_transport_accept_failures_total 6
zmqio_transport_handshakes_total 7
zmqio_transport_connections 1
zmqio_loop_open 1
zmqio_loop_iterations_total 2
zmqio_loop_callbacks_total 3
zmqio_loop_busy_seconds_total 4
zmqio_loop_longest_iteration_seconds 5
zmqio_loop_current_iteration_seconds 8
zmqio_loop_slow_iterations_total 6
zmqio_loop_exceptions_total 7
zmqio_loop_ready_callbacks 9
zmqio_loop_timers 10
zmqio_loop_descriptors 11
zmqio_loop_residents 12
zmqio_rpc_client_calls_total 1
zmqio_rpc_client_replies_total 2
zmqio_rpc_client_failures_total 3
zmqio_rpc_client_late_replies_total 4
zmqio_rpc_client_retries_total 5
zmqio_rpc_client_timeouts_total 6
zmqio_rpc_client_calls_in_flight 7
zmqio_proxy_messages_total 1
zmqio_proxy_bytes_total 2
zmqio_proxy_dropped_messages_total 3
zmqio_proxy_answers_total 4
zmqio_proxy_captured_messages_total 9
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// collected returns the metrics that collectTransports sends, as text: names, labels and values.
func collected(t *testing.T, total zmqio.TransportTotal) (got []string) {
	t.Helper()
	ch := make(chan prometheus.Metric, 100)
	collectTransports(ch, total)
	close(ch)
	for m := range ch {
		var d dto.Metric
		if err := m.Write(&d); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%v %v", m.Desc(), &d))
	}
	return got
}

// An unknown figure has no metric.
func TestUnknown(t *testing.T) {
	var total zmqio.TransportTotal
	known := len(transports) + 3*len(drops)
	if got := collected(t, total); len(got) != known {
		t.Errorf("%d metrics, want %d: %q", len(got), known, got)
	}
	total.LastReceived = time.Now()
	if got := collected(t, total); len(got) != known+1 {
		t.Errorf("%d metrics with a message: %q", len(got), got)
	}
	known += 1 + len(connections) + 8
	total.Connections = &zmqio.ConnectionStats{Open: -1}
	if got := collected(t, total); len(got) != known {
		t.Errorf("%d metrics, want %d with a monitor: %q", len(got), known, got)
	}
	total.Connections.Open = 0
	if got := collected(t, total); len(got) != known+1 {
		t.Errorf("%d metrics of a stream: %q", len(got), got)
	}
}
