package zmqprom_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/rpc"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
	"github.com/zmqio/zmq/zmqio/zmqprom"
)

var must = zmqiotest.Must

// registry returns a registry that checks the collected metrics.
func registry(t testing.TB, opts *zmqprom.Options) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	must(t, r.Register(zmqprom.NewCollector(opts)))
	return r
}

// scrape returns the metrics of a registry by name, as they come over HTTP.
func scrape(t testing.TB, r *prometheus.Registry) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(w.Body)
	must(t, err)
	return families
}

// value returns the value of a metric with these labels, and whether it exists.
func value(families map[string]*dto.MetricFamily, name string, labels ...string) (v float64, ok bool) {
	for _, m := range families[name].GetMetric() {
		var has []string
		for _, l := range m.GetLabel() {
			if l.GetValue() != "" {
				has = append(has, l.GetName()+"="+l.GetValue())
			}
		}
		slices.Sort(labels)
		if slices.Equal(has, labels) {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue(), true
		}
	}
	return 0, false
}

// wants compares the increase of metrics since before. want has them in the form of the exposition,
// without quotes. An earlier run of the test may have left values.
func wants(t testing.TB, before, families map[string]*dto.MetricFamily, want map[string]float64) {
	t.Helper()
	for metric, v := range want {
		name, labels, _ := strings.Cut(strings.TrimSuffix(metric, "}"), "{")
		first, _ := value(before, name, strings.Split(labels, ",")...)
		if got, ok := value(families, name, strings.Split(labels, ",")...); !ok || got-first != v {
			t.Errorf("%s is %v (%t), want %v more than %v", metric, got, ok, v, first)
		}
	}
}

// everything makes the process have each metric: traffic, a monitor, and a client.
func everything(t *testing.T) *prometheus.Registry {
	t.Helper()
	push, pull := zmqiotest.Streams(t, zmq.PUSH, zmq.PULL, zmqio.StreamConfig{Name: "everything"})
	must(t, push.Send(t.Context(), []byte("x")))
	_, err := pull.Recv(zmqiotest.Bounded(t, zmqiotest.Patience))
	must(t, err)
	client, err := rpc.Dial(t.Context(), "tcp://127.0.0.1:1")
	must(t, err)
	t.Cleanup(func() {
		must(t, client.Close())
		must(t, zmqio.ShutdownDefault(context.Background()))
	})
	proxy, err := zmqio.NewProxy(pull, push, nil)
	must(t, err)
	return registry(t, &zmqprom.Options{
		Clients: map[string]*rpc.Client{"everything": client}, Proxies: map[string]*zmqio.Proxy{"everything": proxy},
	})
}

func TestLint(t *testing.T) {
	problems, err := testutil.GatherAndLint(everything(t))
	must(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// README.md has a row for each metric, with its kind, and no other row.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("README.md")
	must(t, err)
	kinds := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `(zmqio_\\w+)` \\| (counter|gauge) \\| .*\\. \\|$").FindAllStringSubmatch(string(text), -1) {
		kinds[row[1]] = row[2]
	}
	reasons := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| .*\\. \\|$").FindAllStringSubmatch(string(text), -1)
	families, err := everything(t).Gather()
	must(t, err)
	for _, f := range families {
		if kind := strings.ToLower(f.GetType().String()); kinds[f.GetName()] != kind {
			t.Errorf("%s is a %s, and documented as %q", f.GetName(), kind, kinds[f.GetName()])
		}
		delete(kinds, f.GetName())
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !strings.Contains(string(text), "\n| `"+l.GetName()+"` | ") {
					t.Errorf("the label %s is not documented", l.GetName())
				}
				isReason := func(row []string) bool { return row[1] == l.GetValue() }
				if f.GetName() == "zmqio_transport_handshake_failures_total" && l.GetName() == "reason" && !slices.ContainsFunc(reasons, isReason) {
					t.Errorf("the reason %s is not documented", l.GetValue())
				}
			}
		}
	}
	for name := range kinds {
		t.Errorf("%s is documented, and there is no such metric", name)
	}
	for _, name := range regexp.MustCompile(`zmqio_[a-z_]+`).FindAllString(string(text), -1) {
		if !slices.ContainsFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == name }) {
			t.Errorf("%s stands in README.md, and there is no such metric", name)
		}
	}
}

// The metrics are what was sent and received, also after the streams have ended.
func TestValues(t *testing.T) {
	r := registry(t, nil)
	before := scrape(t, r)
	loop := zmqiotest.NewLoop(t, &zmqio.LoopConfig{Name: "values"})
	must(t, loop.Start())
	push, pull := zmqiotest.Streams(t, zmq.PUSH, zmq.PULL, zmqio.StreamConfig{Loop: loop, Name: "values"})
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	for range 10 {
		must(t, push.Send(ctx, []byte("abc"), []byte("de")))
	}
	for range 9 {
		_, err := pull.Recv(ctx)
		must(t, err)
	}
	for pull.Transport().Stats().Unread.Messages == 0 || push.Transport().Stats().Sent.Messages < 10 { // the figures follow the arrival
		must(t, ctx.Err())
	}
	const in, out = "{name=values,type=PULL}", "{name=values,type=PUSH}"
	wants(t, before, scrape(t, r), map[string]float64{
		"zmqio_transport_open" + in:                     1,
		"zmqio_transport_sent_messages_total" + out:     10,
		"zmqio_transport_sent_bytes_total" + out:        50,
		"zmqio_transport_received_messages_total" + in:  10,
		"zmqio_transport_received_bytes_total" + in:     50,
		"zmqio_transport_received_messages_total" + out: 0,
		"zmqio_transport_unread_messages" + in:          1,
		"zmqio_transport_unread_bytes" + in:             5,
		"zmqio_transport_connections" + in:              1,
		"zmqio_transport_connects_total" + in:           1,
		"zmqio_transport_accepts_total" + out:           1,
		"zmqio_loop_open{loop=values}":                  1,
		"zmqio_loop_residents{loop=values}":             2,
	})
	if last, ok := value(scrape(t, r), "zmqio_transport_last_received_timestamp_seconds", "name=values", "type=PULL"); !ok ||
		last != float64(pull.Transport().Stats().LastReceived.UnixNano())/1e9 {
		t.Errorf("the last message came at %v", last)
	}
	must(t, pull.Abort())
	must(t, push.Abort())
	must(t, loop.Close())
	wants(t, before, scrape(t, r), map[string]float64{
		"zmqio_transport_open" + in:                                                   0,
		"zmqio_transport_sent_messages_total" + out:                                   10,
		"zmqio_transport_received_bytes_total" + in:                                   50,
		"zmqio_transport_unread_messages" + in:                                        0,
		"zmqio_transport_connections" + in:                                            0,
		"zmqio_loop_open{loop=values}":                                                0,
		"zmqio_transport_accepts_total" + out:                                         1,
		"zmqio_transport_dropped_messages_total{name=values,reason=unread,type=PULL}": 1,
		"zmqio_transport_dropped_bytes_total{name=values,reason=unread,type=PULL}":    5,
		"zmqio_transport_dropped_messages_total{name=values,reason=unsent,type=PUSH}": 0,
	})
}

// Messages through a proxy are in its figures and in those of its streams.
func TestProxy(t *testing.T) {
	loop := zmqiotest.RunLoop(t, nil)
	open := func(typ zmq.SocketType, endpoint string) *zmqio.Stream {
		cfg := zmqio.StreamConfig{Name: "proxy", Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}}
		if endpoint != "" {
			cfg.Name, cfg.Bind, cfg.Connect = "peer of proxy", nil, []string{endpoint}
		}
		return zmqiotest.Open(t, typ, cfg)
	}
	front, back := open(zmq.PULL, ""), open(zmq.PUSH, "")
	proxy, err := zmqio.NewProxy(front, back, nil)
	must(t, err)
	r := registry(t, &zmqprom.Options{Proxies: map[string]*zmqio.Proxy{"streamer": proxy}})
	before := scrape(t, r)
	ctx, stop := context.WithCancel(zmqiotest.Bounded(t, zmqiotest.Patience))
	ended := make(chan error, 1)
	go func() { ended <- proxy.Run(ctx) }()
	push, pull := open(zmq.PUSH, front.Addr()), open(zmq.PULL, back.Addr())
	for range 5 {
		must(t, push.Send(ctx, []byte("abc"), []byte("d")))
	}
	for range 5 {
		_, err := pull.Recv(ctx)
		must(t, err)
	}
	for proxy.Stats().ToBack.Messages < 5 || back.Transport().Stats().Sent.Messages < 5 { // the figures follow the arrival
		must(t, ctx.Err())
	}
	proxy.Pause()
	paused := scrape(t, r)
	stop()
	must(t, <-ended)
	const out, in = "{name=proxy,type=PUSH}", "{name=proxy,type=PULL}"
	wants(t, before, paused, map[string]float64{
		"zmqio_proxy_messages_total{proxy=streamer,to=back}":  5,
		"zmqio_proxy_bytes_total{proxy=streamer,to=back}":     20,
		"zmqio_proxy_messages_total{proxy=streamer,to=front}": 0,
		"zmqio_proxy_captured_messages_total{proxy=streamer}": 0,
		"zmqio_proxy_paused{proxy=streamer}":                  1,
		"zmqio_transport_received_messages_total" + in:        5,
		"zmqio_transport_received_bytes_total" + in:           20,
		"zmqio_transport_sent_messages_total" + out:           5,
		"zmqio_transport_sent_bytes_total" + out:              20,
	})
}

// A transport without a monitor has no metrics of events.
func TestWithoutMonitor(t *testing.T) {
	loop := zmqiotest.RunLoop(t, nil)
	zmqiotest.NewPeer(t, loop, zmq.PULL, zmqio.ConnectionConfig{Name: "unknown", Bind: []string{"tcp://127.0.0.1:*"}})
	families := scrape(t, registry(t, nil))
	wants(t, nil, families, map[string]float64{"zmqio_transport_open{name=unknown,type=PULL}": 1})
	for _, name := range []string{"zmqio_transport_connections", "zmqio_transport_accepts_total", "zmqio_transport_last_received_timestamp_seconds"} {
		if v, ok := value(families, name, "name=unknown", "type=PULL"); ok {
			t.Errorf("%s is %v, and should be unknown", name, v)
		}
	}
}

// No name and no endpoint breaks the exposition. Endpoints are not in it.
func TestHostile(t *testing.T) {
	dir := zmqiotest.SocketDir(t)
	const name = "\"} 1\\n# HELP \\\" {é\u2028\ufffd,=" // a newline is refused
	loop := zmqiotest.RunLoop(t, nil)
	stream := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{
		Loop: loop, Name: name, Bind: []string{"ipc://" + dir + "/secret\"}\n\xff 1"},
	})
	if stream.Addr() == "" {
		t.Error("the endpoint is not bound")
	}
	client, err := rpc.NewClient(t.Context(), rpc.Config{Endpoints: []string{"tcp://127.0.0.1:1"}, Loop: loop})
	must(t, err)
	t.Cleanup(func() { must(t, client.Close()) })
	r := registry(t, &zmqprom.Options{Clients: map[string]*rpc.Client{"\xff\n\"": client}})
	families := scrape(t, r)
	if v, ok := value(families, "zmqio_transport_open", "name="+name, "type=PULL"); !ok || v != 1 {
		t.Errorf("%v transports have the name", v)
	}
	if _, ok := value(families, "zmqio_rpc_client_calls_total", "client=\ufffd\n\""); !ok {
		t.Error("the client is not there")
	}
	if text := fmt.Sprint(families); strings.Contains(text, "secret") || strings.Contains(text, "127.0.0.1") {
		t.Errorf("an endpoint is in %.300s", text)
	}
}

// The number of metrics is bounded, however many names there are. The test uses up the names of a
// process, and so runs in one of its own.
func TestNames(t *testing.T) {
	const child = "ZMQPROM_TEST_NAMES"
	if os.Getenv(child) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNames$")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	r := registry(t, nil)
	const names = 300
	loop := zmqiotest.RunLoop(t, nil)
	for i := range names {
		s := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Loop: loop, Name: fmt.Sprint("name ", i), Bind: []string{}})
		must(t, s.Abort())
	}
	for range 2 {
		if n := len(scrape(t, r)["zmqio_transport_open"].GetMetric()); n < 100 || n > 110 { // each with a few types
			t.Errorf("%d metrics of %d names", n, names)
		}
	}
	total := 0
	for _, name := range zmqio.TransportTotals() {
		if name.Name == zmqio.OtherName {
			total++
		}
	}
	if total != 1 {
		t.Errorf("%d totals of other names", total)
	}
}

// Scrapes run at the same time as one another, as traffic, and as transports that come and go.
func TestRaces(t *testing.T) {
	r := registry(t, nil)
	push, pull := zmqiotest.Streams(t, zmq.PUSH, zmq.PULL, zmqio.StreamConfig{Name: "races"})
	ctx, cancel := context.WithCancel(zmqiotest.Bounded(t, zmqiotest.Patience))
	var scrapes, traffic sync.WaitGroup
	traffic.Go(func() {
		for range pull.Messages(ctx) {
		}
	})
	traffic.Go(func() {
		for push.Send(ctx, []byte("x")) == nil {
		}
	})
	traffic.Go(func() {
		for ctx.Err() == nil {
			s, err := zmqio.Open(ctx, zmq.PULL, zmqio.StreamConfig{Loop: pull.Transport().Loop(), Name: "races", Bind: []string{}})
			if err == nil {
				err = s.Abort()
			}
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	for range 4 {
		scrapes.Go(func() {
			last := 0.0
			for range 20 {
				families, err := r.Gather()
				if err != nil {
					t.Error(err)
				}
				byName := make(map[string]*dto.MetricFamily)
				for _, f := range families {
					byName[f.GetName()] = f
				}
				got, _ := value(byName, "zmqio_transport_received_messages_total", "name=races", "type=PULL")
				if got < last {
					t.Errorf("%v messages after %v", got, last)
				}
				last = got
			}
		})
	}
	scrapes.Wait()
	cancel()
	traffic.Wait()
}

// A registry refuses a collector with a nil client or proxy, and its error names both.
func TestNil(t *testing.T) {
	for want, opts := range map[string]*zmqprom.Options{
		`Options.Clients["orders"] is nil`: {Clients: map[string]*rpc.Client{"orders": nil}},
		`Options.Proxies["front"] is nil`:  {Proxies: map[string]*zmqio.Proxy{"front": nil}},
	} {
		err := prometheus.NewRegistry().Register(zmqprom.NewCollector(opts))
		if !errors.Is(err, zmqio.ErrInvalidArgument) || !strings.Contains(err.Error(), want) {
			t.Errorf("registered, with the error %v, want %s", err, want)
		}
	}
}
