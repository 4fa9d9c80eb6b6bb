package browser

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/zmqio/zmq/zmqio/inspect"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

var must = zmqiotest.Must

// chromium is the browser that all tests share, or nil. Each test has its own tab.
var chromium context.Context

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	path := lookFor("chromium", "chromium-browser", "google-chrome")
	if path == "" {
		return m.Run()
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.NoSandbox, // a container may offer no sandbox, and root cannot have one
		chromedp.WSURLReadTimeout(zmqiotest.Patience))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	var end context.CancelFunc
	chromium, end = chromedp.NewContext(allocator)
	defer end()
	if err := chromedp.Do(chromium); err != nil {
		fmt.Fprintln(os.Stderr, "chromium does not start:", err)
		return 1
	}
	return m.Run()
}

func lookFor(names ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// A tab shows the page of inspect.Handler, and records what the page must not do.
type tab struct {
	ctx    context.Context
	server *httptest.Server
	t      *testing.T

	mu     sync.Mutex
	faults []string
	asked  int // requests for JSON
}

// open shows the page in a new tab.
func open(t *testing.T, steps ...step) *tab {
	t.Helper()
	b := newTab(t, inspect.Handler())
	b.do(append(steps, chromedp.Navigate(b.server.URL+"/debug/zmq/"))...)
	b.wait(`document.querySelector("#status").textContent == "live"`)
	return b
}

// newTab returns an empty tab, and serves handler to it under /debug/zmq/.
func newTab(t *testing.T, handler http.Handler) *tab {
	t.Helper()
	if chromium == nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no chromium; tests/tools/deps.sh browser installs it")
		}
		t.Skip("no chromium; tests/tools/deps.sh browser installs it")
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/zmq/", handler)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	ctx, end := chromedp.NewContext(chromium)
	t.Cleanup(end)
	b := &tab{ctx: ctx, server: server, t: t}
	must(t, chromedp.Do(ctx)) // opens it for as long as ctx
	must(t, chromedp.Listen(ctx, b.hear))
	b.do(command(log.Enable, cdp.Empty{}), command(runtime.Enable, cdp.Empty{}), command(fetch.Enable, fetch.EnableParams{}))
	t.Cleanup(b.check)
	return b
}

// A step is an action of a tab.
type step = chromedp.Action[chromedp.Void]

// command is a step that calls the DevTools protocol itself.
func command[P, R any](c cdp.Command[P, R], params P) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

// hear handles every event of the tab.
func (b *tab) hear(ev any) {
	switch ev := ev.(type) {
	case *page.EventJavascriptDialogOpening:
		b.fault("dialog: %s", ev.Message)
		go b.send(command(page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true}))
	case *runtime.EventConsoleAPICalled:
		b.fault("console: %s %s", ev.Type, ev.Args[0].Value)
	case *runtime.EventExceptionThrown:
		b.fault("exception: %v", ev.ExceptionDetails)
	case *log.EventEntryAdded: // violations of the content security policy included
		b.fault("log: %s %s %s", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL)
	case *fetch.EventRequestPaused:
		b.request(ev)
	}
}

// request passes on requests to the server, and refuses all others.
func (b *tab) request(ev *fetch.EventRequestPaused) {
	u, err := url.Parse(ev.Request.URL)
	here := err == nil && "http://"+u.Host == b.server.URL
	if !here && u.Scheme != "data" {
		b.fault("request to %s", ev.Request.URL)
	}
	if u.Query().Get("format") == "json" {
		b.mu.Lock()
		b.asked++
		b.mu.Unlock()
	}
	if here {
		go b.send(command(fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: ev.RequestID}))
	} else {
		go b.send(command(fetch.FailRequest, fetch.FailRequestParams{RequestID: ev.RequestID, ErrorReason: network.ErrorReasonBlockedByClient}))
	}
}

// send does a step for hear, which must not wait. It fails if the tab is closed.
func (b *tab) send(s step) { _ = chromedp.Do(b.ctx, s) }

func (b *tab) fault(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

// check fails the test if the page did what it must not do. A test that provokes such a fault calls
// forgive.
func (b *tab) check() {
	ask[bool](b, `new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))`, chromedp.EvalAwaitPromise)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.t.Error(f)
	}
}

// forgive removes faults that begin with prefix.
func (b *tab) forgive(prefix string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var left []string
	for _, f := range b.faults {
		if !strings.HasPrefix(f, prefix) {
			left = append(left, f)
		}
	}
	n, b.faults = len(b.faults)-len(left), left
	return n
}

// seen counts the faults that begin with prefix.
func (b *tab) seen(prefix string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		if strings.HasPrefix(f, prefix) {
			n++
		}
	}
	return n
}

// questions returns how often the page has asked for JSON.
func (b *tab) questions() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

func (b *tab) do(steps ...step) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, zmqiotest.Patience)
	defer stop()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// wait waits until a JavaScript expression is true.
func (b *tab) wait(expression string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[chromedp.Void](expression,
		chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(zmqiotest.Patience)))
	if err != nil {
		b.t.Fatalf("%s: %v; the page says\n%s", expression, err, ask[string](b, `document.body.innerText`))
	}
}

// ask returns the value of a JavaScript expression.
func ask[T any](b *tab, expression string, options ...chromedp.EvaluateOption) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, options...))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// picture returns the whole page as a PNG.
func (b *tab) picture() []byte {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	must(b.t, err)
	return png
}

// size sets the size of the window in CSS pixels.
func size(width, height int64, scale float64) step {
	return chromedp.EmulateViewport(width, height, chromedp.EmulateScale(scale))
}

// dark sets whether the system prefers dark colours.
func dark(on bool) step {
	value := "light"
	if on {
		value = "dark"
	}
	return command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
	})
}
