package examples

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// get returns the status and body of a GET.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	zmqiotest.Must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	zmqiotest.Must(t, err)
	return resp.StatusCode, string(text)
}

// waitReady waits until /ready has a status, and returns its body.
func waitReady(t *testing.T, url string, status int) (text string) {
	t.Helper()
	got := 0
	for ctx := zmqiotest.Bounded(t, zmqiotest.Patience); got != status; {
		zmqiotest.Must(t, ctx.Err())
		got, text = get(t, url+"/ready")
	}
	return strings.TrimSpace(text)
}

// The figures have a hundred jobs of pyzmq, with bytes and peers.
func TestMetrics(t *testing.T) {
	const anyPort = "tcp://127.0.0.1:*"
	p := program(t, "metrics", "-http", "127.0.0.1:0", anyPort, anyPort)
	var jobs, results, addr string
	_, err := fmt.Sscanf(p.line(), "jobs %s results %s figures %s", &jobs, &results, &addr)
	zmqiotest.Must(t, err)
	url := "http://" + addr
	defer http.DefaultClient.CloseIdleConnections()
	if got := waitReady(t, url, http.StatusServiceUnavailable); got != "no peer: jobs" {
		t.Errorf("without peers: %q", got)
	}
	peer := script(t, `
import hashlib
jobs, results = ctx.socket(zmq.PUSH), ctx.socket(zmq.PULL)
jobs.connect(args[0])
results.connect(args[1])
for n in range(100):
    jobs.send(b"job %2d" % n)
print(all(results.recv() == hashlib.sha256(b"job %2d" % n).digest() for n in range(100)))
sys.stdin.readline()
`, jobs, results)
	peer.want("True")
	waitReady(t, url, http.StatusOK)
	const last = `zmqio_transport_sent_messages_total{name="results",type="PUSH"} 100`
	text := ""
	for ctx := zmqiotest.Bounded(t, zmqiotest.Patience); !strings.Contains(text, last); { // the program counts a job after its arrival
		if ctx.Err() != nil {
			t.Fatalf("no %s in %s", last, text)
		}
		_, text = get(t, url+"/metrics")
	}
	for _, want := range []string{
		`zmqio_transport_received_messages_total{name="jobs",type="PULL"} 100`,
		`zmqio_transport_received_bytes_total{name="jobs",type="PULL"} 600`,
		`zmqio_transport_sent_bytes_total{name="results",type="PUSH"} 3200`,
		`zmqio_transport_connections{name="jobs",type="PULL"} 1`,
		`zmqio_transport_connections{name="results",type="PUSH"} 1`,
		`zmqio_transport_dropped_messages_total{name="jobs",reason="unread",type="PULL"} 0`,
		`zmqio_loop_residents{loop="default"} 2`,
		`zmqio_loop_exceptions_total{loop="default"} 0`,
		`worker_job_duration_seconds_count 100`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	peer.goOn()
	peer.exits()
	waitReady(t, url, http.StatusServiceUnavailable)
	p.terminate()
	p.exits()
}
