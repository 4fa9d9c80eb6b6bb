package browser

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/inspect"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// row is the JavaScript for the row of the transport called name.
func row(name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(".t")].find(t => t.querySelector(".name").textContent === %q)`, name)
}

// The page shows the present state and its changes without a reload.
func TestPageLives(t *testing.T) {
	loop := zmqiotest.RunLoop(t, &zmqio.LoopConfig{Name: "main"})
	pull, push := zmqiotest.Streams(t, zmq.PULL, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Name: "first"})
	b := open(t)
	b.wait(row("first") + ` && document.querySelectorAll(".t").length === 2`)
	if got := ask[string](b, `document.querySelector(".loop h2").textContent`); !strings.HasSuffix(got, " · main") {
		t.Errorf("the loop is %q", got)
	}
	text := ask[string](b, row("first")+`.innerText`)
	for _, want := range []string{"PULL", "first", pull.Addr()} {
		if !strings.Contains(text, want) {
			t.Errorf("the row has no %s: %q", want, text)
		}
	}
	if title := ask[string](b, `document.title`); title != "browser.test · zmqio" {
		t.Errorf("the title is %q", title)
	}
	b.do(chromedp.Click(chromedp.CSS(`.t summary`)))
	b.wait(row("first") + `.innerText.includes("0 · 0\u00a0B")`)
	ask[bool](b, `window.mark = document.querySelector(".t"), window.mark.mark = true`)

	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() { // a rate is a mean between two samples, so go on until the page shows it
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if push.Send(ctx, make([]byte, 1000)) != nil {
				return
			}
			if _, err := pull.Recv(ctx); err != nil {
				return
			}
		}
	}()
	b.wait(row("first") + `.querySelector(".rate.in b").textContent.match(/^[0-9.]+[kM]?\/s$/) && ` + row("first") + `.querySelector(".rate.in b").textContent !== "0/s"`)
	b.wait(row("first") + `.querySelector(".rate.in polyline").getAttribute("points").length > 0`)
	b.wait(`/received\n[1-9][0-9,]* · [0-9.]+ [KMG]iB/.test(` + row("first") + `.querySelector(".more").innerText.replaceAll("\u00a0", " "))`)
	close(stop)
	<-done

	late := zmqiotest.Create(t, loop, zmqio.BaseProtocol{}, zmq.SUB, zmqio.ConnectionConfig{Name: "late", Connect: []string{"inproc://late"}})
	b.wait(row("late"))
	if unknown := ask[string](b, row("late")+`.querySelector(".peers").innerText`); !strings.Contains(unknown, "?") {
		t.Errorf("peers without a monitor: %q", unknown)
	}
	must(t, late.Abort())
	b.wait(`!` + row("late"))
	if !ask[bool](b, `document.querySelector(".t") === window.mark && window.mark.open`) {
		t.Error("the row was made anew, or closed")
	}

	brief, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Name: "brief"})
	must(t, err)
	b.wait(`document.querySelectorAll("h2").length === 2 && document.querySelectorAll("h2")[1].textContent.endsWith("brief")`)
	must(t, brief.Close())
	b.wait(`document.querySelectorAll("h2").length === 1`)
}

// A paused or hidden page asks for nothing.
func TestPause(t *testing.T) {
	b := open(t)
	b.do(chromedp.Click(chromedp.CSS("#pause")))
	b.wait(`document.querySelector("#status").textContent === "paused"`)
	n := b.questions()
	ask[int](b, `new Promise(done => setTimeout(() => done(1), 2500))`, chromedp.EvalAwaitPromise)
	if more := b.questions() - n; more > 1 { // a request may have been on its way
		t.Errorf("the page asked %d times", more)
	}
	b.do(chromedp.Click(chromedp.CSS("#pause")))
	b.wait(`document.querySelector("#status").textContent === "live"`)
}

// The server applies the filter.
func TestFilter(t *testing.T) {
	loop := zmqiotest.NewLoop(t, nil)
	for _, name := range []string{"apples", "pears"} {
		zmqiotest.Create(t, loop, zmqio.BaseProtocol{}, zmq.PULL, zmqio.ConnectionConfig{Name: name, Bind: []string{}})
	}
	b := open(t)
	b.wait(`document.querySelectorAll(".t").length === 2`)
	b.do(chromedp.SendKeys(chromedp.CSS("#match"), "PEAR"))
	b.wait(row("pears") + ` && document.querySelectorAll(".t").length === 1`)
	b.wait(`document.body.innerText.includes("1 more transport does not match or fit.")`)
	ask[bool](b, `document.querySelector("#match").select(), true`)
	b.do(chromedp.SendKeys(chromedp.CSS("#match"), "s"))
	b.wait(`document.querySelectorAll(".t").length === 2`)
}

// The page says that there are no loops.
func TestNoLoops(t *testing.T) {
	b := open(t)
	b.wait(`document.body.innerText.includes("No event loop is open.")`)
}

// The page shows a callback that does not return, and its owner.
func TestStuck(t *testing.T) {
	loop := zmqiotest.RunLoop(t, &zmqio.LoopConfig{Name: "stuck", Logger: slog.New(slog.DiscardHandler)})
	free := make(chan struct{})
	_, err := loop.CallSoon(func() { <-free })
	must(t, err)
	b := open(t)
	b.wait(`/has not returned for [0-9.]+ m?s/.test((document.querySelector(".alert") || {}).innerText?.replaceAll("\u00a0", " ")) && document.querySelector(".pill.stuck")`)
	if text := ask[string](b, `document.querySelector(".alert").innerText`); !strings.Contains(text, "browser.TestStuck.func1") || !strings.Contains(text, "page_test.go:") {
		t.Errorf("the page says %q", text)
	}
	close(free)
	b.wait(`document.querySelector(".pill.running") && document.querySelector(".alert").hidden`)
}

// If the server does not answer, the page says since when. It goes on when the server answers
// again.
func TestLost(t *testing.T) {
	var gone atomic.Bool
	b := newTab(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gone.Load() {
			http.Error(w, "gone", http.StatusServiceUnavailable)
			return
		}
		inspect.Handler().ServeHTTP(w, r)
	}))
	b.do(chromedp.Navigate(b.server.URL + "/debug/zmq/"))
	b.wait(`document.querySelector("#status").textContent === "live"`)
	gone.Store(true)
	b.wait(`/^no answer since \d\d:\d\d:\d\d$/.test(document.querySelector("#status").textContent)`)
	gone.Store(false)
	b.wait(`document.querySelector("#status").textContent === "live"`)
	if b.forgive("log: network Failed to load resource: the server responded with a status of 503") == 0 {
		t.Error("the test did not see the failure")
	}
}

// A guest is a resident with an arbitrary text.
type guest struct {
	place *zmqio.Residence
	text  string
}

func (g *guest) Close() error                    { g.place.Leave(); return nil }
func (g *guest) Abort() error                    { return g.Close() }
func (g *guest) Undelivered() (items, bytes int) { return 1, 2 }
func (g *guest) String() string                  { return g.text }

// hostile has texts that would be markup in HTML, an attribute or a script.
var hostile = []string{
	`<script>alert(1)</script>`,
	`<img src=x onerror=alert(2)>`,
	`"><svg onload=alert(3)>`,
	`';alert(4);'`,
	`</script><script>alert(5)</script>`,
	`${alert(6)}{{alert(7)}}`,
	`<link rel=stylesheet href=//elsewhere.example/x.css>`,
	`<iframe src=http://elsewhere.example/></iframe>`,
	`javascript:alert(8)`,
	`</title><base href=//elsewhere.example/>`,
	"\u202etfel\u2066 <b>\u200f", "شكرا <b>", strings.Repeat("W", 10<<10), strings.Repeat("\u0300", 500), "a\x00\x1b[31m\n<!--",
}

// hostileScene puts the hostile texts wherever a program or a peer can put text.
func hostileScene(t *testing.T) {
	t.Helper()
	loop := zmqiotest.RunLoop(t, &zmqio.LoopConfig{Name: `<script>alert("loop")</script>`, Logger: slog.New(slog.DiscardHandler)})
	loop.SetDebug(true)
	loop.SetSlowCallbackDuration(-1)
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	for i, s := range hostile {
		g := &guest{text: s}
		var err error
		g.place, err = loop.Adopt(g)
		must(t, err)
		t.Cleanup(g.place.Leave)
		g.place.Post(func() {})
		if strings.ContainsRune(s, 0) {
			continue
		}
		router := zmqiotest.Open(t, zmq.ROUTER, zmqio.StreamConfig{Loop: loop, Name: clip(s, 60), Bind: []string{"tcp://127.0.0.1:*", "inproc://" + clip(s, 200)}})
		dealer := zmqiotest.Open(t, zmq.DEALER, zmqio.StreamConfig{Loop: loop, Connect: []string{router.Transport().Listeners()[1]}, Configure: func(o zmq.Sockopts) error {
			return o.SetRoutingID([]byte(fmt.Sprint(i, clip(s, 240))))
		}})
		must(t, dealer.Send(ctx, []byte(s)))
		sub := zmqiotest.Create(t, loop, zmqio.BaseProtocol{}, zmq.SUB, zmqio.ConnectionConfig{Connect: []string{"ipc:///tmp/" + clip(s, 60)}})
		must(t, sub.Subscribe(s))
	}
}

// clip returns at most n bytes of s, which are UTF-8.
func clip(s string, n int) string {
	return strings.ToValidUTF8(s[:min(n, len(s))], "")
}

// Text of a program or a peer is shown as text. It runs nothing and loads nothing.
func TestHostile(t *testing.T) {
	hostileScene(t)
	b := open(t)
	b.wait(fmt.Sprintf(`document.querySelectorAll(".t").length >= %d`, 3*(len(hostile)-1)))
	ask[bool](b, `document.querySelectorAll(".t").forEach(t => t.open = true), true`)
	b.wait(`[...document.querySelectorAll(".t")].every(t => t.querySelector(".more").childElementCount > 0)`)
	b.wait(`["… (10240 bytes)", "a\\x00\\x1b"].every(s => document.body.textContent.includes(s))`) // guests may answer late
	page := ask[string](b, `document.body.textContent`)
	for _, s := range hostile[:10] {
		for place, want := range map[string]string{"an endpoint": "inproc://" + s, "a routing id": s, "a topic": s} {
			if !strings.Contains(page, want) {
				t.Errorf("%q is not on the page as %s", s, place)
			}
		}
	}
	if strings.ContainsAny(page, "\u202e\u2066\x1b\x00") || !strings.Contains(page, `\u202etfel\u2066 <b>\u200f`) || !strings.Contains(page, `a\x00\x1b[31m\n<!--`) {
		t.Error("the page shows a character that does not print")
	}
	if !strings.Contains(page, "… (10240 bytes)") || len(page) > 2<<20 {
		t.Errorf("the page has %d characters", len(page))
	}
	for _, selector := range []string{"main script", "img", "iframe", "base", "link[rel=stylesheet]", "main [onload]", "main [onerror]", "main b b", "main a"} {
		if n := ask[int](b, fmt.Sprintf(`document.querySelectorAll(%q).length`, selector)); n > 0 {
			t.Errorf("%d %s", n, selector)
		}
	}
	n := b.questions()
	for ctx := zmqiotest.Bounded(t, zmqiotest.Patience); b.questions() < n+2; ask[int](b, `1`) { // the page goes on
		must(t, ctx.Err())
	}
}

// The content security policy refuses what an injected script would do, and the test notices.
func TestPolicyIsEnforced(t *testing.T) {
	b := open(t)
	ask[bool](b, `(() => {
		const s = document.createElement("script");
		s.textContent = "window.ran = true";
		document.body.append(s);
		const i = new Image();
		i.src = "http://elsewhere.example/x.png";
		document.body.append(i);
		return true;
	})()`)
	if ask[bool](b, `window.ran === true`) {
		t.Error("a foreign script ran")
	}
	for ctx := zmqiotest.Bounded(t, zmqiotest.Patience); b.seen("log: security ") < 2; ask[int](b, `1`) {
		must(t, ctx.Err())
	}
	b.forgive("log: security ")
}

// A page 360 pixels wide needs no sideways scrolling.
func TestPhone(t *testing.T) {
	hostileScene(t)
	b := open(t, size(360, 640, 2))
	b.wait(`document.querySelectorAll(".t").length > 20`)
	const fits = `document.documentElement.scrollWidth <= document.documentElement.clientWidth && document.documentElement.clientWidth === 360`
	wide := func(when string) {
		t.Helper()
		if ask[bool](b, fits) {
			return
		}
		t.Errorf("%s the page is %d wide: %s", when, ask[int](b, `document.documentElement.scrollWidth`), ask[string](b,
			`[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > 360.5).slice(0, 5).map(e => e.outerHTML.slice(0, 120)).join("\n")`))
	}
	wide("at first")
	ask[bool](b, `document.querySelectorAll(".t").forEach(t => t.open = true), true`)
	b.wait(`[...document.querySelectorAll(".t")].every(t => t.querySelector(".more").childElementCount > 0)`)
	wide("with all rows open")
	if small := ask[int](b, `[...document.querySelectorAll("summary, button, input")].filter(e => e.getBoundingClientRect().height < 28).length`); small > 0 {
		t.Errorf("%d things are too small to be touched", small)
	}
}

// Text has the contrast that WCAG 2 asks for, 4.5 to 1, in light and dark colours.
func TestContrast(t *testing.T) {
	scene(t, context.Background())
	free := make(chan struct{})
	defer close(free)
	loop := zmqiotest.RunLoop(t, &zmqio.LoopConfig{Name: "stuck", Logger: slog.New(slog.DiscardHandler)})
	_, err := loop.CallSoon(func() { <-free })
	must(t, err)
	grounds := make(map[bool]string)
	for _, night := range []bool{false, true} {
		b := open(t, dark(night))
		b.wait(`document.querySelector(".pill.stuck") && document.querySelector(".pill.running")`)
		ask[bool](b, `document.querySelectorAll(".t").forEach(t => t.open = true), true`)
		b.wait(`[...document.querySelectorAll(".t")].every(t => t.querySelector(".more").childElementCount > 0)`)
		for _, fault := range ask[[]string](b, contrast) {
			t.Errorf("night %t: %s", night, fault)
		}
		grounds[night] = ask[string](b, `getComputedStyle(document.body).backgroundColor`)
		if n := ask[int](b, `[...document.querySelectorAll("main *")].filter(e => getComputedStyle(e).fontVariantNumeric !== "tabular-nums").length`); n > 0 {
			t.Errorf("the digits of %d elements are not of one width", n)
		}
	}
	if grounds[false] != "rgb(255, 255, 255)" || grounds[true] == grounds[false] {
		t.Errorf("the grounds are %v", grounds)
	}
}

// contrast lists the elements with text of too low contrast. It fails if the page has no text.
const contrast = `(() => {
	const parse = s => s.match(/[\d.]+/g).map(Number);
	const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
	const ground = e => {
		for (; e; e = e.parentElement) {
			const c = parse(getComputedStyle(e).backgroundColor);
			if (c.length < 4 || c[3] > 0) return c;
		}
	};
	const faults = [];
	let looked = 0;
	for (const e of document.querySelectorAll("body *")) {
		if (!e.checkVisibility() || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
		looked++;
		const [a, b] = [luminance(parse(getComputedStyle(e).color)), luminance(ground(e))].sort((a, b) => b - a);
		const ratio = (a + .05) / (b + .05);
		if (ratio < 4.5) faults.push(ratio.toFixed(2) + " " + e.outerHTML.slice(0, 100));
	}
	return looked < 50 ? ["only " + looked + " elements have text"] : faults;
})()`
