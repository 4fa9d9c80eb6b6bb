package inspect_test

import (
	"context"
	"encoding/json"
	"expvar"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zmqio/zmq/zmqio/inspect"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

var must = zmqiotest.Must

// get sends h a request for target.
func get(t *testing.T, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
	return w
}

var asked atomic.Int32

// snapshotOf requests JSON from h, which must have no field that Snapshot lacks. Its query is
// unique, so the answer is not shared.
func snapshotOf(t *testing.T, h http.Handler, query string) *inspect.Snapshot {
	t.Helper()
	if !strings.Contains(query, "limit=") {
		query += fmt.Sprintf("&limit=%d", 1000+asked.Add(1)%9000)
	}
	w := get(t, h, "/?format=json&"+query)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %d %s", query, w.Code, w.Body)
	}
	s := new(inspect.Snapshot)
	d := json.NewDecoder(w.Body)
	d.DisallowUnknownFields()
	must(t, d.Decode(s))
	return s
}

// answered requests JSON until every transport and resident has answered in time, and until ready
// returns true. A busy machine may be late.
func answered(t *testing.T, query string, ready func(*inspect.Snapshot) bool) *inspect.Snapshot {
	t.Helper()
	for ctx := zmqiotest.Bounded(t, zmqiotest.Patience); ; {
		s := snapshotOf(t, inspect.Handler(), query)
		late := slices.ContainsFunc(s.Loops, func(l inspect.Loop) bool {
			return slices.ContainsFunc(l.Transports, func(one inspect.Transport) bool { return one.SocketBusy }) ||
				slices.ContainsFunc(l.Residents, func(r inspect.Resident) bool { return r.Busy })
		})
		if !late && ready(s) {
			return s
		}
		if ctx.Err() != nil {
			t.Fatalf("%v: %+v", ctx.Err(), s)
		}
	}
}

// The page and the JSON are the same at every path and prefix.
func TestPaths(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/debug/zmq/", inspect.Handler())
	mux.Handle("/zmq", inspect.Handler())
	mux.Handle("/stripped/", http.StripPrefix("/stripped", inspect.Handler()))
	mux.Handle("GET /{$}", inspect.Handler())
	for _, path := range []string{"/debug/zmq/", "/debug/zmq/x/y", "/zmq", "/stripped/", "/"} {
		if w := get(t, mux, path); w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" ||
			!strings.HasPrefix(w.Body.String(), "<!DOCTYPE html>") {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		if w := get(t, mux, path+"?format=json"); w.Code != http.StatusOK || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}

func TestMethods(t *testing.T) {
	server := httptest.NewServer(inspect.Handler())
	t.Cleanup(server.Close)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch, "BREW"} {
		w := httptest.NewRecorder()
		inspect.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/?format=json", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
	}
	for _, query := range []string{"", "?format=json"} {
		r, err := http.Head(server.URL + query)
		must(t, err)
		body, err := io.ReadAll(r.Body)
		must(t, err)
		r.Body.Close()
		if r.StatusCode != http.StatusOK || len(body) > 0 || r.ContentLength <= 0 {
			t.Errorf("HEAD %s: %d, %d bytes of %d", query, r.StatusCode, len(body), r.ContentLength)
		}
	}
	for _, query := range []string{"format=xml", "format=json&limit=0", "format=json&limit=-1", "format=json&limit=x", "format=json&limit=10001", "format=json&match=" + strings.Repeat("x", 257)} {
		if w := get(t, inspect.Handler(), "/?"+query); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
}

// The page may run its own script and style, and ask its own server, and nothing else.
func TestPolicy(t *testing.T) {
	for _, target := range []string{"/", "/?format=json"} {
		h := get(t, inspect.Handler(), target).Header()
		policy := make(map[string]string)
		for p := range strings.SplitSeq(h.Get("Content-Security-Policy"), "; ") {
			name, value, _ := strings.Cut(p, " ")
			policy[name] = value
		}
		for name, want := range map[string]string{
			"default-src": "'none'", "connect-src": "'self'", "img-src": "data:", "base-uri": "'none'",
			"form-action": "'none'", "frame-ancestors": "'none'",
		} {
			if policy[name] != want {
				t.Errorf("%s is %q", name, policy[name])
			}
		}
		for _, name := range []string{"script-src", "style-src"} {
			if p := policy[name]; !strings.HasPrefix(p, "'sha256-") || strings.Contains(p, " ") {
				t.Errorf("%s is %q", name, p)
			}
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" ||
			h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%v", h)
		}
	}
	page := get(t, inspect.Handler(), "/").Body.String()
	for _, s := range []string{"innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "http://", "https://"} {
		for rest := strings.ReplaceAll(page, "http://www.w3.org/2000/svg", ""); strings.Contains(rest, s); rest = "" {
			t.Errorf("the page has %s", s)
		}
	}
}

// expvar.Publish panics on a second call.
var publish = sync.OnceFunc(func() { expvar.Publish("zmqio", inspect.Var()) })

func TestVar(t *testing.T) {
	loop := zmqiotest.NewLoop(t, nil)
	publish()
	s := new(inspect.Snapshot)
	for ctx := zmqiotest.Bounded(t, zmqiotest.Patience); len(s.Loops) != 1 || s.Loops[0].State != inspect.LoopStopped; { // the first answers may be those of earlier tests
		must(t, ctx.Err())
		*s = inspect.Snapshot{}
		must(t, json.Unmarshal([]byte(expvar.Get("zmqio").String()), s))
	}
	must(t, loop.Close())
}

// Importing the package registers nothing, and imports no package that does.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	must(t, err)
	deps := strings.Fields(string(out))
	for _, p := range []string{"expvar", "net/http/pprof", "golang.org/x/net/trace"} {
		if slices.Contains(deps, p) {
			t.Errorf("package inspect imports %s", p)
		}
	}
	if !slices.Contains(deps, "net/http") {
		t.Fatalf("got %v", deps)
	}
	for _, path := range []string{"/debug/zmq/", "/debug/zmqio/", "/zmq"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		if _, pattern := http.DefaultServeMux.Handler(r); pattern != "" {
			t.Errorf("%s is served: %s", path, pattern)
		}
	}
}

// A client that does not read its answer delays no other client.
func TestSlowClient(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	entered, free := make(chan struct{}), make(chan struct{})
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/?format=json", nil)
		inspect.Handler().ServeHTTP(&slow{httptest.NewRecorder(), entered, free}, r)
	}()
	<-entered
	for range 3 {
		snapshotOf(t, inspect.Handler(), "")
		get(t, inspect.Handler(), "/")
		inspect.Take()
	}
	close(free)
	<-done
	end()
}

type slow struct {
	*httptest.ResponseRecorder
	entered, free chan struct{}
}

func (s *slow) Write(b []byte) (int, error) {
	close(s.entered)
	<-s.free
	return s.ResponseRecorder.Write(b)
}
