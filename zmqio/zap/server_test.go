package zap_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zap"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

const endpoint = "inproc://zeromq.zap.01"

// reports records what the exception handler of a loop is told.
type reports struct {
	zmqiotest.Condition
	got []zmqio.ExceptionContext
}

// tell makes r the exception handler of l.
func (r *reports) tell(l *zmqio.EventLoop) {
	l.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
		r.Change(func() { r.got = append(r.got, c) })
	})
}

// wait waits until the exception handler has been told of target.
func (r *reports) wait(t *testing.T, target error) (got zmqio.ExceptionContext) {
	t.Helper()
	err := r.Until(zmqiotest.Bounded(t, zmqiotest.Patience), func() bool {
		i := slices.IndexFunc(r.got, func(c zmqio.ExceptionContext) bool { return errors.Is(c.Err, target) })
		if i >= 0 {
			got = r.got[i]
		}
		return i >= 0
	})
	if err != nil {
		t.Fatalf("%v: not told of %v", err, target)
	}
	return got
}

// An asker sends requests to a server as libzmq does.
type asker struct {
	*zmqio.Stream
	t *testing.T
}

func newAsker(t *testing.T, l *zmqio.EventLoop) asker {
	t.Helper()
	s, err := zmqio.Open(t.Context(), zmq.DEALER, zmqio.StreamConfig{Loop: l, Connect: []string{endpoint}})
	zmqiotest.Must(t, err)
	t.Cleanup(func() { zmqiotest.Must(t, s.Abort()) })
	return asker{s, t}
}

func frames(text ...string) [][]byte {
	list := make([][]byte, len(text))
	for i, s := range text {
		list[i] = []byte(s)
	}
	return list
}

func (a asker) send(text ...string) {
	a.t.Helper()
	zmqiotest.Must(a.t, a.Send(a.t.Context(), frames(text...)...))
}

// ask sends a valid request of a NULL peer.
func (a asker) ask(id, domain string) {
	a.t.Helper()
	a.send("", "1.0", id, domain, "127.0.0.1", "", "NULL")
}

// want waits for the reply to a request, and compares its status.
func (a asker) want(id, status string) [][]byte {
	a.t.Helper()
	msg, err := a.Recv(zmqiotest.Bounded(a.t, zmqiotest.Patience))
	zmqiotest.Must(a.t, err)
	if len(msg) != 7 || len(msg[0]) != 0 || string(msg[1]) != "1.0" || string(msg[2]) != id || string(msg[3]) != status {
		a.t.Fatalf("the reply is %q, want status %s to request %s", msg, status, id)
	}
	return msg
}

// serve serves on a new loop, and returns an asker.
func serve(t *testing.T, c zap.Config, h zap.Handler) (*zap.Server, asker, *reports) {
	t.Helper()
	l := zmqiotest.RunLoop(t, nil)
	r := new(reports)
	r.tell(l)
	s, err := c.Serve(l, h)
	zmqiotest.Must(t, err)
	t.Cleanup(func() { zmqiotest.Must(t, s.Close()) })
	return s, newAsker(t, l), r
}

func TestRequestsAndReplies(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	var got zap.Request
	_, a, _ := serve(t, zap.Config{}, func(_ context.Context, r zap.Request) (zap.Identity, error) {
		got = r
		return zap.Identity{UserID: "ann", Metadata: map[string]string{"X-b": "", "X-a": "one"}}, nil
	})
	key := strings.Repeat("k", 32)
	for _, c := range []struct {
		request []string
		want    zap.Request
	}{
		{[]string{"NULL"}, zap.Request{Mechanism: zmq.NULL}},
		{[]string{"PLAIN", "ann", "sesame"}, zap.Request{Mechanism: zmq.PLAIN, Username: "ann", Password: "sesame"}},
		{[]string{"CURVE", key}, zap.Request{Mechanism: zmq.CURVE, PublicKey: zmq.CurveKey([]byte(key))}},
		{[]string{"GSSAPI", "ann@realm"}, zap.Request{Mechanism: zmq.GSSAPI, Principal: "ann@realm"}},
	} {
		for peer, addr := range map[string]string{
			"127.0.0.1": "127.0.0.1", "::ffff:10.0.0.1": "10.0.0.1", "fe80::1%eth0": "fe80::1%eth0", ":0:0:77": "",
		} {
			a.send(append([]string{"", "1.0", "1", "test", peer, "me"}, c.request...)...)
			msg := a.want("1", "200")
			if string(msg[5]) != "ann" || string(msg[6]) != "\x03X-a\x00\x00\x00\x03one\x03X-b\x00\x00\x00\x00" {
				t.Errorf("the identity is %q", msg[5:])
			}
			c.want.Domain, c.want.Peer, c.want.RoutingID = "test", peer, []byte("me")
			c.want.Address, _ = netip.ParseAddr(addr)
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("asked %v, want %v", got, c.want)
			}
		}
	}
}

// Each error has its status. Errors of the handler itself are reported.
func TestStatuses(t *testing.T) {
	long := strings.Repeat("x", zap.MaxProperty+1)
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		h      zap.Handler
		status string
		report error
	}{
		"denied":    {func(context.Context, zap.Request) (zap.Identity, error) { return zap.Identity{}, zap.ErrDenied }, "400", nil},
		"temporary": {func(context.Context, zap.Request) (zap.Identity, error) { return zap.Identity{}, zap.ErrTemporary }, "300", nil},
		"broken":    {func(context.Context, zap.Request) (zap.Identity, error) { return zap.Identity{}, broken }, "500", broken},
		"panic":     {func(context.Context, zap.Request) (zap.Identity, error) { panic(broken) }, "500", broken},
		"goexit": {func(context.Context, zap.Request) (zap.Identity, error) {
			runtime.Goexit()
			return zap.Identity{}, nil
		}, "500", zap.ErrPanicked},
		"long user id":   {identity(zap.Identity{UserID: long}), "500", zap.ErrIdentity},
		"NUL in user id": {identity(zap.Identity{UserID: "ann\x00"}), "500", zap.ErrIdentity},
		"long value":     {property("X-a", long), "500", zap.ErrIdentity},
		"NUL in value":   {property("X-a", "\x00"), "500", zap.ErrIdentity},
		"no name":        {property("", ""), "500", zap.ErrIdentity},
		"bad name":       {property("X a", ""), "500", zap.ErrIdentity},
		"long name":      {property(long[:256], ""), "500", zap.ErrIdentity},
		"libzmq's name":  {property("Identity", ""), "500", zap.ErrIdentity},
		"an identity with an error": {func(context.Context, zap.Request) (zap.Identity, error) {
			return zap.Identity{UserID: "ann"}, fmt.Errorf("no: %w", zap.ErrDenied)
		}, "400", nil},
	} {
		t.Run(name, func(t *testing.T) {
			zmqiotest.CheckLeaks(t)
			first := make(chan struct{}, 1)
			first <- struct{}{}
			_, a, r := serve(t, zap.Config{}, func(ctx context.Context, req zap.Request) (zap.Identity, error) {
				select {
				case <-first:
					return c.h(ctx, req)
				default:
					return zap.Anyone(ctx, req)
				}
			})
			a.ask("1", "")
			if msg := a.want("1", c.status); len(msg[5])+len(msg[6]) > 0 {
				t.Errorf("the refusal has an identity: %q", msg)
			}
			a.ask("2", "")
			a.want("2", "200")
			if c.report == nil {
				if r.Change(func() {}); len(r.got) > 0 {
					t.Errorf("reported %v", r.got)
				}
				return
			}
			if c := r.wait(t, c.report); name == "panic" && !strings.Contains(string(c.Stack), "TestStatuses") {
				t.Errorf("the stack is %s", c.Stack)
			}
		})
	}
}

// An Identity that libzmq can carry goes to the peer. Names that libzmq itself uses are refused.
func TestIdentityLimits(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	var who zap.Identity
	_, a, r := serve(t, zap.Config{}, func(context.Context, zap.Request) (zap.Identity, error) { return who, nil })
	long := strings.Repeat("x", zap.MaxProperty)
	name := strings.Repeat("aZ09-_.+", 32)[:255]
	who = zap.Identity{UserID: long, Metadata: map[string]string{name: long, "a": "\xff é\n"}}
	a.ask("1", "")
	msg := a.want("1", "200")
	if want := "\x01a\x00\x00\x00\x05\xff é\n\xff" + name + "\x00\x00\x04\x00" + long; string(msg[5]) != long || string(msg[6]) != want {
		t.Errorf("the identity is %q with %q", msg[5], msg[6])
	}
	if r.Change(func() {}); len(r.got) > 0 {
		t.Errorf("reported %v", r.got)
	}
	for _, name := range []string{
		"User-Id", "user-id", "Peer-Address", "Socket-Type", "SOCKET-TYPE", "Routing-Id", "Identity", "__fd", "é", "a=", "a b", "a\n", "a\x00", "a:", "a\xff",
	} {
		who = zap.Identity{Metadata: map[string]string{name: ""}}
		a.ask(name, "")
		a.want(name, "500")
	}
}

func identity(who zap.Identity) zap.Handler {
	return func(context.Context, zap.Request) (zap.Identity, error) { return who, nil }
}

func property(name, value string) zap.Handler {
	return identity(zap.Identity{Metadata: map[string]string{name: value}})
}

// A malformed request is refused if it has a request id, and the handler is not called. The server
// goes on.
func TestMalformed(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	asked := make(chan string, 100)
	_, a, r := serve(t, zap.Config{Requests: 1}, func(ctx context.Context, req zap.Request) (zap.Identity, error) {
		asked <- req.Domain
		return zap.Anyone(ctx, req)
	})
	silent := [][]string{{"x"}, {""}, {"", "1.0"}, {"1.0", "1"}, {"a", "b", "c"}}
	for _, msg := range silent {
		a.send(msg...)
	}
	for i, msg := range [][]string{
		{"", "2.0", "", "test", "127.0.0.1", "", "NULL"},
		{"", "1.0", "", "test", "127.0.0.1", ""},
		{"", "1.0", ""},
		{"", "1.0", "", "test", "127.0.0.1", "", "NULL", "more"},
		{"", "1.0", "", "test", "127.0.0.1", "", "PLAIN", "ann"},
		{"", "1.0", "", "test", "127.0.0.1", "", "CURVE", "short"},
		{"", "1.0", "", "test", "127.0.0.1", "", "CURVE"},
		{"", "1.0", "", "test", "127.0.0.1", "", "curve", strings.Repeat("k", 32)},
		{"", "1.0", "", "test", "127.0.0.1", "", ""},
	} {
		id := strconv.Itoa(i)
		msg[2] = id
		a.send(msg...)
		a.want(id, "400")
	}
	a.ask("last", "well-formed")
	a.want("last", "200")
	if domain := <-asked; domain != "well-formed" || len(asked) > 0 {
		t.Errorf("the handler was asked about %q, and %d more", domain, len(asked))
	}
	r.wait(t, zap.ErrMalformed)
	r.Change(func() {})
	for _, c := range r.got {
		if !errors.Is(c.Err, zap.ErrMalformed) {
			t.Errorf("told of %v", c.Err)
		}
	}
}

// Answers go out in the order in which the handlers return. The handler is called for at most
// MaxInFlight requests at a time.
func TestBoundAndOrder(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	const most, total = 4, 100
	asked := make(chan string, total)
	answers := make(map[string]chan struct{})
	for i := range total {
		answers[strconv.Itoa(i)] = make(chan struct{})
	}
	_, a, _ := serve(t, zap.Config{Requests: most, Timeout: time.Hour}, func(ctx context.Context, r zap.Request) (zap.Identity, error) {
		asked <- r.Domain
		<-answers[r.Domain]
		return zap.Anyone(ctx, r)
	})
	for i := range total {
		a.ask(strconv.Itoa(i), strconv.Itoa(i))
	}
	var waiting []string
	for range most {
		waiting = append(waiting, <-asked)
	}
	for done := 0; done < total; done++ {
		if len(asked) > 0 {
			t.Fatalf("asked for more than %d at once", most)
		}
		last := waiting[len(waiting)-1] // the newest first
		waiting = waiting[:len(waiting)-1]
		close(answers[last])
		a.want(last, "200")
		if done+most < total {
			waiting = append(waiting, <-asked)
		}
	}
}

// Without Requests the Config bounds the number of requests.
func TestDefaultRequests(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	const total = 4 * zap.DefaultRequests
	asked, answers := make(chan struct{}, total), make(chan struct{}, total)
	var inFlight atomic.Int64
	_, a, _ := serve(t, zap.Config{Timeout: time.Hour}, func(ctx context.Context, r zap.Request) (zap.Identity, error) {
		if n := inFlight.Add(1); n > zap.DefaultRequests {
			t.Errorf("%d requests are in flight", n)
		}
		defer inFlight.Add(-1)
		asked <- struct{}{}
		<-answers
		return zap.Anyone(ctx, r)
	})
	for range total {
		a.ask("1", "")
	}
	for i := range total {
		if i >= zap.DefaultRequests {
			answers <- struct{}{}
		}
		<-asked
	}
	close(answers)
	for range total {
		a.want("1", "200")
	}
}

// The zero Config bounds the time of each request.
func TestDefaultTimeout(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	const total = 100
	asked := make(chan time.Time, total)
	_, a, _ := serve(t, zap.Config{}, func(ctx context.Context, r zap.Request) (zap.Identity, error) {
		deadline, _ := ctx.Deadline()
		if left := time.Until(deadline); left > zap.DefaultTimeout {
			t.Errorf("a handler has %v", left)
		}
		asked <- deadline
		return zap.Anyone(ctx, r)
	})
	for range total {
		begin := time.Now()
		a.ask("1", "")
		if deadline := <-asked; deadline.Sub(begin) < zap.DefaultTimeout {
			t.Errorf("a handler has %v after its request", deadline.Sub(begin))
		}
		_, err := a.Recv(zmqiotest.Bounded(t, zmqiotest.Patience))
		zmqiotest.Must(t, err)
	}
}

// A handler that never returns delays neither its peer nor others.
func TestNoAnswer(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	const most = 2
	stuck := make(chan struct{})
	defer close(stuck)
	_, a, r := serve(t, zap.Config{Requests: most, Timeout: time.Millisecond}, func(ctx context.Context, r zap.Request) (zap.Identity, error) {
		if r.Domain == "stuck" {
			<-stuck // ignores ctx
		}
		return zap.Anyone(ctx, r)
	})
	for i := range 3 * most {
		a.ask(strconv.Itoa(i), "stuck")
	}
	got := make(map[string]bool)
	for range 3 * most {
		msg, err := a.Recv(zmqiotest.Bounded(t, zmqiotest.Patience))
		zmqiotest.Must(t, err)
		if string(msg[3]) != "500" || got[string(msg[2])] {
			t.Errorf("the reply is %q", msg)
		}
		got[string(msg[2])] = true
	}
	if c := r.wait(t, zap.ErrNoAnswer); c.Transport == nil {
		t.Error("the report has no transport")
	}
	for { // a handler may use up its millisecond
		a.ask("last", "")
		msg, err := a.Recv(zmqiotest.Bounded(t, zmqiotest.Patience))
		zmqiotest.Must(t, err)
		if string(msg[3]) == "200" {
			break
		}
	}
}

// A handler that admits a peer after its context has ended has refused the peer.
func TestLateAnswer(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	_, a, r := serve(t, zap.Config{Timeout: 100 * time.Microsecond}, func(ctx context.Context, _ zap.Request) (zap.Identity, error) {
		for ctx.Err() == nil { // a wait for Done would be slower than the refusal
		}
		return zap.Identity{UserID: "ann"}, nil
	})
	for i := range 300 {
		id := strconv.Itoa(i)
		a.ask(id, "")
		a.want(id, "500")
	}
	r.wait(t, zap.ErrNoAnswer)
}

// A late panic refuses no peer, and is reported.
func TestLatePanic(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	mine := errors.New("mine")
	stuck := make(chan struct{})
	var once sync.Once
	end := func() { once.Do(func() { close(stuck) }) }
	defer end()
	s, a, r := serve(t, zap.Config{Timeout: time.Millisecond}, func(context.Context, zap.Request) (zap.Identity, error) {
		<-stuck
		panic(mine)
	})
	a.ask("1", "")
	a.want("1", "500")
	r.wait(t, zap.ErrNoAnswer)
	s.ForgetReports()
	end()
	if got := r.wait(t, mine); !errors.Is(got.Err, zap.ErrPanicked) {
		t.Errorf("told of %v", got.Err)
	}
}

// The exception handler gets one error in a while, and then the number of those in between.
func TestReportsAreFew(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	zap.ReportOnce(t)
	s, a, r := serve(t, zap.Config{}, zap.Anyone)
	malformed := func(n int) {
		t.Helper()
		for range n {
			a.send("", "2.0", "1", "", "", "", "NULL")
			a.want("1", "400")
		}
	}
	wait := func(want ...string) {
		t.Helper()
		zmqiotest.Must(t, r.Until(zmqiotest.Bounded(t, zmqiotest.Patience), func() bool { return len(r.got) >= len(want) }))
		var got []string
		r.Change(func() {
			for _, c := range r.got {
				got = append(got, c.Message)
			}
		})
		if !slices.Equal(got, want) {
			t.Errorf("told of %q, want %q", got, want)
		}
	}
	const first, second = "zap: a peer was refused", "zap: a peer was refused, as were 9 others since the last report"
	malformed(10)
	wait(first)
	s.ForgetReports()
	malformed(2)
	wait(first, second)
	s.ForgetReports()
	malformed(1)
	wait(first, second, "zap: a peer was refused, as were 1 others since the last report")
}

// A report is short, however large the request.
func TestHugeRequests(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	s, a, r := serve(t, zap.Config{}, zap.Anyone)
	huge := strings.Repeat("\xff", 4<<20)
	for i, msg := range [][]string{
		{"", huge, "", "", "", "", "NULL"},
		{"", "1.0", "", huge, huge, huge, huge},
		{"", "1.0", "", huge, huge, huge, "CURVE", huge},
		append([]string{"", "1.0", "", "", "", "", "NULL"}, make([]string, 10_000)...),
	} {
		id := strconv.Itoa(i)
		msg[2] = id
		s.ForgetReports()
		a.send(msg...)
		a.want(id, "400")
	}
	a.send("", "1.0", "last", huge, "", "", "PLAIN", "\xff\x00", "")
	if msg := a.want("last", "500"); len(msg[5]) > 0 { // the user id has a NUL
		t.Errorf("the reply is %q", msg)
	}
	a.send("", "1.0", "", huge, huge, huge, "PLAIN", "\xff", huge)
	if msg := a.want("", "200"); string(msg[5]) != "\xff" {
		t.Errorf("the reply is %q", msg)
	}
	r.wait(t, zap.ErrMalformed)
	r.Change(func() {})
	for _, c := range r.got {
		if n := len(c.Err.Error()); n > 2000 {
			t.Errorf("a report has %d bytes: %.100s", n, c.Err.Error())
		}
	}
}

// The contexts of handlers end with the server, by Close and by the end of the loop.
func TestContextEndsWithServer(t *testing.T) {
	for name, end := range map[string]func(*zap.Server, *zmqio.EventLoop) error{
		"Close": func(s *zap.Server, _ *zmqio.EventLoop) error { return errors.Join(s.Close(), s.Close()) },
		"loop":  func(_ *zap.Server, l *zmqio.EventLoop) error { return l.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			zmqiotest.CheckLeaks(t)
			l, err := zmqio.NewEventLoop(nil)
			zmqiotest.Must(t, err)
			zmqiotest.Must(t, l.Start())
			defer l.Close()
			began, ended := make(chan struct{}), make(chan error, 1)
			s, err := zap.Serve(l, func(ctx context.Context, _ zap.Request) (zap.Identity, error) {
				close(began)
				<-ctx.Done()
				ended <- context.Cause(ctx)
				return zap.Identity{}, ctx.Err()
			})
			zmqiotest.Must(t, err)
			newAsker(t, l).ask("1", "")
			<-began
			zmqiotest.Must(t, end(s, l))
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("the context has ended with %v", err)
			}
		})
	}
}

// A context has one handler at a time. After Close another can come at once.
func TestOneServer(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	l := zmqiotest.RunLoop(t, nil)
	for range 20 {
		s, err := zap.Serve(l, zap.Anyone)
		zmqiotest.Must(t, err)
		if _, err := zap.Serve(l, zap.Anyone); !errors.Is(err, zmq.EADDRINUSE) {
			t.Errorf("a second server: %v", err)
		}
		zmqiotest.Must(t, s.Close())
	}
}

func TestServeArguments(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	l := zmqiotest.NewLoop(t, nil)
	for _, c := range []zap.Config{{Requests: -1}, {Timeout: -1}} {
		if _, err := c.Serve(l, zap.Anyone); !errors.Is(err, zmqio.ErrInvalidArgument) {
			t.Errorf("%v: %v", c, err)
		}
	}
	if _, err := zap.Serve(l, nil); !errors.Is(err, zmqio.ErrInvalidArgument) {
		t.Errorf("nil handler: %v", err)
	}
	zmqiotest.Must(t, l.Close())
	if _, err := zap.Serve(l, zap.Anyone); !errors.Is(err, zmqio.ErrLoopClosed) {
		t.Errorf("closed loop: %v", err)
	}
}

// Without a loop the server uses the default loop.
func TestDefaultLoop(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	defer func() { zmqiotest.Must(t, zmqio.ShutdownDefault(zmqiotest.Bounded(t, zmqiotest.Patience))) }()
	s, err := zap.Serve(nil, zap.Anyone)
	zmqiotest.Must(t, err)
	a := newAsker(t, nil)
	a.ask("1", "")
	a.want("1", "200")
	zmqiotest.Must(t, a.Abort())
	zmqiotest.Must(t, s.Close())
}
