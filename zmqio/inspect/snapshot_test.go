package inspect_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/inspect"
	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// loopOf returns the loop called name.
func loopOf(t *testing.T, s *inspect.Snapshot, name string) inspect.Loop {
	t.Helper()
	i := slices.IndexFunc(s.Loops, func(l inspect.Loop) bool { return l.Name == name })
	if i < 0 {
		t.Fatalf("no loop %q in %+v", name, s)
	}
	return s.Loops[i]
}

func transportOf(t *testing.T, s *inspect.Snapshot, name string) inspect.Transport {
	t.Helper()
	for _, l := range s.Loops {
		for _, one := range l.Transports {
			if one.Name == name {
				return one
			}
		}
	}
	t.Fatalf("no transport %q in %+v", name, s)
	return inspect.Transport{}
}

// The JSON has everything that is on a loop.
func TestSnapshot(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	loop := zmqiotest.RunLoop(t, &zmqio.LoopConfig{Name: "one"})
	idle := zmqiotest.NewLoop(t, &zmqio.LoopConfig{Name: "two"})
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	pull := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Loop: loop, Name: "in", Bind: []string{"tcp://127.0.0.1:*"}, Configure: func(o zmq.Sockopts) error {
		return o.SetRcvHWM(77)
	}})
	push := zmqiotest.Open(t, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Name: "out", Connect: []string{pull.Addr()}, Configure: func(o zmq.Sockopts) error {
		if err := o.SetLinger(1500 * time.Millisecond); err != nil {
			return err
		}
		return o.SetRoutingID([]byte("\x00me"))
	}})
	sub := zmqiotest.Create(t, loop, zmqio.BaseProtocol{}, zmq.SUB, zmqio.ConnectionConfig{Name: "sub", Connect: []string{"inproc://nowhere"}})
	must(t, sub.Subscribe("a"))
	must(t, sub.Subscribe(""))
	must(t, sub.PauseReading())
	full := zmqiotest.Create(t, loop, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Name: "full", Bind: []string{}})
	must(t, full.SetWriteBufferLimits(100, 10))
	for range 3 {
		must(t, full.Write([][]byte{make([]byte, 50)}))
	}
	must(t, push.Send(ctx, []byte("hello"), []byte("you")))
	_, err := pull.Recv(ctx)
	must(t, err)
	server, err := netio.CreateServer(ctx, loop, func() netio.Protocol { return netio.BaseProtocol{} }, "tcp", []string{"127.0.0.1:0"}, netio.ServerConfig{})
	must(t, err)
	t.Cleanup(func() { _ = server.Close() })

	begin := time.Now()
	s := answered(t, "limit=500", func(s *inspect.Snapshot) bool { // figures and events follow the messages
		in, out := transportOf(t, s, "in"), transportOf(t, s, "out")
		return in.Connections != nil && in.Connections.Accepts > 0 && in.Connections.Open != nil && *in.Connections.Open > 0 && out.Sent.Messages > 0
	})
	if p := s.Process; p.PID != os.Getpid() || p.Program != "inspect.test" || p.Goroutines < 3 || p.HeapBytes == 0 || p.GOMAXPROCS < 1 ||
		!strings.HasPrefix(p.LibzmqVersion, "4.") || !strings.HasPrefix(p.GoVersion, "go1.") || s.Time.Before(begin) {
		t.Errorf("%+v", p)
	}
	if l := loopOf(t, s, "two"); l.State != inspect.LoopStopped || len(l.Transports) != 0 || len(l.Residents) != 0 {
		t.Errorf("%+v", l)
	}
	l := loopOf(t, s, "one")
	if l.State != inspect.LoopRunning || l.Debug || l.Iterations == 0 || l.Callbacks == 0 || l.BusySeconds == 0 || l.Descriptors == 0 || len(l.Transports) != 4 || l.TransportsOmitted != 0 {
		t.Errorf("%+v", l)
	}
	if r := l.Residents; len(r) != 1 || r[0].Text != server.String() || r[0].Busy {
		t.Errorf("%+v", r)
	}

	in := transportOf(t, s, "in")
	if in.Type != "PULL" || in.State != inspect.TransportOpen || !in.Reading || in.Protocol != "*zmqio.Stream" || !slices.Equal(in.Bound, []string{pull.Addr()}) ||
		len(in.Connected) != 0 || in.Received != (inspect.Traffic{Messages: 1, Bytes: 8}) || in.Sent.Messages != 0 || in.LastReceived == nil ||
		in.Mechanism != "NULL" || !in.Monitored || in.SocketBusy {
		t.Errorf("%+v", in)
	}
	if want := []inspect.Option{{Name: "RCVHWM", Value: "77", Default: "1000"}}; !slices.Equal(in.Options, want) {
		t.Errorf("%+v", in.Options)
	}
	if c := in.Connections; c == nil || c.Open == nil || *c.Open != 1 || c.Accepts != 1 || c.Connects != 0 {
		t.Errorf("%+v", c)
	}
	if !slices.ContainsFunc(in.Events, func(ev inspect.Event) bool {
		return ev.Event == "LISTENING" && ev.Endpoint == pull.Addr() && time.Since(ev.Time) < time.Minute
	}) {
		t.Errorf("%+v", in.Events)
	}
	out := transportOf(t, s, "out")
	if out.Sent != (inspect.Traffic{Messages: 1, Bytes: 8}) || !slices.Equal(out.Connected, []string{pull.Addr()}) || out.LastReceived != nil {
		t.Errorf("%+v", out)
	}
	if want := []inspect.Option{{"ROUTING_ID", `\x00me`, ""}, {"LINGER", "1.5s", "-1"}}; !slices.Equal(out.Options, want) {
		t.Errorf("%+v", out.Options)
	}
	if one := transportOf(t, s, "sub"); one.Connections != nil || one.Monitored || one.Events != nil || one.Reading || one.Protocol != "zmqio.BaseProtocol" ||
		!slices.Equal(one.Subscriptions, []string{"", "a"}) {
		t.Errorf("%+v", one)
	}
	if b := transportOf(t, s, "full").Buffer; b.Messages != 3 || b.Bytes != 150 || b.HighBytes != 100 || b.LowBytes != 10 || !b.Paused || b.Pauses != 1 || b.PausedSeconds <= 0 {
		t.Errorf("%+v", b)
	}

	for match, want := range map[string]int{"OUT": 1, "pull": 1, "tcp:": 2, "basep": 2, "nowhere": 1, "nowhere-else": 0} {
		l := loopOf(t, snapshotOf(t, inspect.Handler(), "match="+match), "one")
		if len(l.Transports) != want || l.TransportsOmitted != 4-want {
			t.Errorf("%s: %d, and %d are omitted", match, len(l.Transports), l.TransportsOmitted)
		}
	}
	if l := loopOf(t, snapshotOf(t, inspect.Handler(), "match=<server"), "one"); len(l.Residents) != 1 || l.ResidentsOmitted != 0 {
		t.Errorf("%+v", l.Residents)
	}
	if l := loopOf(t, snapshotOf(t, inspect.Handler(), "match=none"), "one"); len(l.Residents) != 0 || l.ResidentsOmitted != 1 {
		t.Errorf("%+v", l.Residents)
	}
	// If not all fit, transports with waiting messages come first, then those with most traffic.
	l = loopOf(t, snapshotOf(t, inspect.Handler(), "limit=2"), "one")
	if len(l.Transports) != 2 || l.Transports[0].Name != "in" || l.Transports[1].Name != "full" || l.TransportsOmitted != 2 {
		t.Errorf("%+v", l)
	}
	if s := snapshotOf(t, inspect.Handler(), "limit=1"); len(s.Loops) != 1 || s.LoopsOmitted != 1 {
		t.Errorf("%+v", s)
	}
	must(t, full.Abort())
	must(t, idle.Close())
}

var update = flag.Bool("update", false, "write testdata/schema.txt")

// Programs rely on the names in the JSON. A name may be added, but none may go or change.
func TestSchema(t *testing.T) {
	var b strings.Builder
	names(&b, "", reflect.TypeFor[inspect.Snapshot]())
	path := filepath.Join("testdata", "schema.txt")
	if *update {
		must(t, os.WriteFile(path, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if b.String() != string(want) {
		t.Errorf("go test -update writes what has come; what has gone breaks programs:\n%s", b.String())
	}
}

// names lists the fields of a type in order, each with its path and JSON type.
func names(b *strings.Builder, path string, typ reflect.Type) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case typ == reflect.TypeFor[time.Time]():
		fmt.Fprintf(b, "%s time\n", path)
	case typ.Kind() == reflect.Struct:
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous && name == "":
				names(b, path, f.Type)
			case name == "":
				fmt.Fprintf(b, "%s has no name\n", f.Name)
			default:
				names(b, strings.TrimPrefix(path+"."+name, "."), f.Type)
			}
		}
	case typ.Kind() == reflect.Slice:
		names(b, path+"[]", typ.Elem())
	case typ.Kind() == reflect.Map:
		names(b, path+".*", typ.Elem())
	case typ.Kind() == reflect.Bool, typ.Kind() == reflect.String:
		fmt.Fprintf(b, "%s %s\n", path, typ.Kind())
	default:
		fmt.Fprintf(b, "%s number\n", path)
	}
}

// A loop whose callback does not return is shown as stuck, with the callback and its owner. It
// delays no request.
func TestStuckLoop(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	loop := zmqiotest.RunLoop(t, &zmqio.LoopConfig{Name: "stuck", Logger: slog.New(slog.DiscardHandler)})
	began, free := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(free) })
	t.Cleanup(release)
	pull := zmqiotest.Create(t, loop, &blocks{began: began, free: free}, zmq.PULL, zmqio.ConnectionConfig{Name: "waits", Bind: []string{"inproc://stuck"}})
	push := zmqiotest.Create(t, loop, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Connect: []string{"inproc://stuck"}})
	must(t, push.Write([][]byte{[]byte("x")}))
	<-began
	var l inspect.Loop
	for ctx := zmqiotest.Bounded(t, zmqiotest.Patience); l.State != inspect.LoopStuck || l.Transports[0].SocketBusy; {
		must(t, ctx.Err())
		l = loopOf(t, snapshotOf(t, inspect.Handler(), ""), "stuck")
	}
	if c := l.RunningCallback; c == nil || !strings.HasSuffix(c.Name, "blocks).MsgReceived") || c.Resident != pull.String() || c.Seconds < 1 || c.Start.IsZero() {
		t.Errorf("%+v", c)
	}
	if one := l.Transports[0]; one.Name != "waits" || one.Received.Messages != 1 || one.SocketBusy || one.Mechanism != "NULL" {
		t.Errorf("%+v", one)
	}
	release()
	for ctx := zmqiotest.Bounded(t, zmqiotest.Patience); l.State != inspect.LoopRunning || l.RunningCallback != nil; {
		must(t, ctx.Err())
		l = loopOf(t, snapshotOf(t, inspect.Handler(), ""), "stuck")
	}
}

type blocks struct {
	zmqio.BaseProtocol
	began, free chan struct{}
}

func (b *blocks) MsgReceived([][]byte) { b.began <- struct{}{}; <-b.free }

// The JSON has the slow callbacks of debug mode.
func TestSlowCallbacks(t *testing.T) {
	loop := zmqiotest.RunLoop(t, &zmqio.LoopConfig{Name: "slow", Logger: slog.New(slog.DiscardHandler)})
	loop.SetDebug(true)
	loop.SetSlowCallbackDuration(-1)
	zmqiotest.Soon(t, loop, func() {})
	zmqiotest.Soon(t, loop, func() {}) // the first callback has been recorded
	l := loopOf(t, answered(t, "", func(s *inspect.Snapshot) bool { return len(loopOf(t, s, "slow").SlowCallbacks) > 0 }), "slow")
	if c := l.SlowCallbacks; !l.Debug || len(c) == 0 || !strings.Contains(c[0].Name, "zmqiotest.Soon") || !strings.Contains(c[0].Place, "zmqiotest.go:") || c[0].Start.IsZero() {
		t.Errorf("%+v", l)
	}
}

// A guest is a resident whose methods a test sets.
type guest struct {
	place *zmqio.Residence
	calls atomic.Int32
	text  func() string
}

func adopt(t *testing.T, l *zmqio.EventLoop, text func() string) *guest {
	t.Helper()
	g := &guest{text: text}
	var err error
	g.place, err = l.Adopt(g)
	must(t, err)
	t.Cleanup(g.place.Leave)
	return g
}

func (g *guest) Close() error                    { g.place.Leave(); return nil }
func (g *guest) Abort() error                    { return g.Close() }
func (g *guest) Undelivered() (items, bytes int) { return 3, 40 }
func (g *guest) String() string                  { g.calls.Add(1); return g.text() }

// Residents of other packages are shown with their own texts. One that panics or does not answer
// affects no other.
func TestGuests(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	loop := zmqiotest.NewLoop(t, &zmqio.LoopConfig{Name: "guests"})
	free := make(chan struct{})
	adopt(t, loop, func() string { return "<Guest https://ann:sesame@host \x1b[31m>" })
	stuck := adopt(t, loop, func() string { <-free; return "at last" })
	adopt(t, loop, func() string { panic("no name") })
	for range 2 {
		ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
		var r []inspect.Resident
		want := []inspect.Resident{
			{Text: `<Guest https://…@host \x1b[31m>`, UndeliveredItems: 3, UndeliveredBytes: 40},
			{Text: "*inspect_test.guest", Busy: true},
			{Text: "*inspect_test.guest, whose methods panic"},
		}
		for !slices.Equal(r, want) { // the others may be late on a busy machine
			if ctx.Err() != nil {
				t.Fatalf("%+v", r)
			}
			r = loopOf(t, inspect.Query{Limit: 5}.Take(), "guests").Residents
		}
	}
	if n := stuck.calls.Load(); n != 1 {
		t.Errorf("the resident was called %d times", n)
	}
	close(free)
	for ctx := zmqiotest.Bounded(t, zmqiotest.Patience); loopOf(t, inspect.Take(), "guests").Residents[1].Text != "at last"; {
		must(t, ctx.Err())
	}
	if l := loopOf(t, inspect.Query{Limit: 2}.Take(), "guests"); len(l.Residents) != 2 || l.ResidentsOmitted != 1 {
		t.Errorf("%+v", l)
	}
}

// A Snapshot may be taken while transports come and go.
func TestRaces(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	patient := &zmqio.LoopConfig{Linger: time.Minute} // the viewers use the whole machine
	loop := zmqiotest.RunLoop(t, patient)
	ctx, stop := context.WithCancel(zmqiotest.Bounded(t, zmqiotest.Patience))
	var viewers sync.WaitGroup
	for i := range 3 {
		viewers.Go(func() {
			for n := 0; ctx.Err() == nil || n == 0; n++ {
				switch i {
				case 0:
					inspect.Query{History: true, Limit: 1 + n%7}.Take()
				case 1:
					get(t, inspect.Handler(), fmt.Sprintf("/?format=json&match=%d", n%3))
				default:
					_ = inspect.Var().String()
				}
			}
		})
	}
	for i := range 60 {
		l := loop
		if i%10 == 0 {
			var err error
			l, err = zmqio.NewEventLoop(patient)
			must(t, err)
			must(t, l.Start())
		}
		p, err := zmqio.Open(ctx, zmq.PULL, zmqio.StreamConfig{Loop: l, Bind: []string{"tcp://127.0.0.1:*"}})
		must(t, err)
		q, err := zmqio.Open(ctx, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Connect: []string{p.Addr()}})
		must(t, err)
		must(t, q.Send(ctx, []byte("x")))
		_, err = p.Recv(ctx)
		must(t, err)
		must(t, q.Close())
		if l != loop {
			must(t, l.Close())
		} else {
			must(t, p.Abort())
		}
	}
	stop()
	viewers.Wait()
}

// Ten thousand transports are counted, and as many shown as the query asks for.
func TestMany(t *testing.T) {
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	const n = 10_000
	if limit.Cur < n+500 {
		t.Skipf("the limit of %d descriptors is too low", limit.Cur)
	}
	loop := zmqiotest.RunLoop(t, &zmqio.LoopConfig{Name: "many", MaxSockets: n + 10, Linger: time.Minute})
	var busy *zmqio.Transport
	must(t, loop.Do(t.Context(), func() error {
		for i := range n {
			one := zmqiotest.Create(t, loop, zmqio.BaseProtocol{}, zmq.PUSH, zmqio.ConnectionConfig{Bind: []string{}})
			if i == n-2 {
				busy = one
			}
		}
		return nil
	}))
	must(t, busy.Write([][]byte{[]byte("waits")}))
	begin := time.Now()
	w := get(t, inspect.Handler(), "/?format=json&history=1&limit=100")
	took := time.Since(begin)
	s := new(inspect.Snapshot)
	must(t, json.Unmarshal(w.Body.Bytes(), s))
	l := loopOf(t, s, "many")
	if w.Code != http.StatusOK || len(l.Transports) != 100 || l.TransportsOmitted != n-100 || w.Body.Len() > 200<<10 {
		t.Errorf("%d are shown, %d omitted, in %d bytes", len(l.Transports), l.TransportsOmitted, w.Body.Len())
	}
	if last := l.Transports[99]; last.Buffer.Messages != 1 {
		t.Errorf("the one that waits is not among them: %+v", last)
	}
	begin = time.Now()
	all := inspect.Query{Limit: n}.Take()
	if shown := len(loopOf(t, all, "many").Transports); shown != n {
		t.Errorf("%d are shown", shown)
	}
	must(t, busy.Abort())
	t.Logf("100 of %d took %v and %d bytes, all of them %v", n, took, w.Body.Len(), time.Since(begin))
	if took > zmqiotest.Patience || time.Since(begin) > zmqiotest.Patience { // the page takes some 20 ms, all of them a second
		t.Error("that is too long")
	}
}
