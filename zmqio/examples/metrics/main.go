// Metrics is a worker that Prometheus watches. It takes jobs from a PULL and pushes their
// checksums. Figures of the sockets, of the loop and of the work itself are at /metrics. At /ready
// an orchestrator asks whether the worker has peers on both sides, and a loop that is not stuck.
//
//	go run ./metrics -http :9100 tcp://127.0.0.1:5555 tcp://127.0.0.1:5556
//	curl localhost:9100/metrics
//
// SIGTERM and SIGINT end it, after the jobs that its stream has received. ../zmqprom/README.md says what
// to alert on.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqprom"
)

var took = promauto.NewHistogram(prometheus.HistogramOpts{
	Name: "worker_job_duration_seconds", Help: "How long a job took.", Buckets: prometheus.ExponentialBuckets(1e-6, 10, 7),
})

func main() {
	addr := flag.String("http", ":9100", "address to serve HTTP at")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, flag.Arg(0), flag.Arg(1)); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr, from, to string) error {
	jobs, err := zmqio.Open(ctx, zmq.PULL, zmqio.StreamConfig{Name: "jobs", Bind: []string{from}})
	if err != nil {
		return err
	}
	defer jobs.Close()
	results, err := zmqio.Open(ctx, zmq.PUSH, zmqio.StreamConfig{Name: "results", Bind: []string{to}})
	if err != nil {
		return err
	}
	prometheus.MustRegister(zmqprom.NewCollector(nil))
	http.Handle("/metrics", promhttp.Handler())
	http.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(jobs.Transport(), results.Transport()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	go func() { log.Print(http.Serve(listener, nil)) }()
	fmt.Println("jobs", jobs.Addr(), "results", results.Addr(), "figures", listener.Addr())
	context.AfterFunc(ctx, func() { _ = jobs.Close() }) // Messages then ends after the jobs that have come
	for job, err := range jobs.Messages(context.Background()) {
		if err != nil {
			return err
		}
		start := time.Now()
		sum := sha256.Sum256(job[0])
		took.Observe(time.Since(start).Seconds())
		if err := results.Send(context.Background(), sum[:]); err != nil {
			return err
		}
	}
	return results.Close()
}

func ready(transports ...*zmqio.Transport) error {
	for _, t := range transports {
		if t.Stats().Connections.Open == 0 {
			return errors.New("no peer: " + t.Name())
		}
		if stuck := t.Loop().Stats().Current; stuck > time.Second {
			return fmt.Errorf("the loop is stuck for %v", stuck)
		}
	}
	return nil
}
