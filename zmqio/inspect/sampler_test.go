package inspect

import (
	"slices"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// at takes a sample and a Snapshot as of when.
func (s *sampler) at(when time.Time, q Query) *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.visitLocked()
	s.sampleLocked(v, when)
	v.choose(q.normal())
	s.askSocketsLocked(v)
	return s.showLocked(v, q.normal())
}

func only(t *testing.T, s *Snapshot, name string) Transport {
	t.Helper()
	for _, l := range s.Loops {
		for _, one := range l.Transports {
			if one.Name == name {
				return one
			}
		}
	}
	t.Fatalf("no transport %q in %+v", name, s)
	return Transport{}
}

// send sends a message of size bytes n times, and waits for its arrival.
func send(t *testing.T, from, to *zmqio.Stream, n, size int) {
	t.Helper()
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	for range n {
		must(t, from.Send(ctx, make([]byte, size)))
		_, err := to.Recv(ctx)
		must(t, err)
	}
}

// Rates are means between two samples. The history has the last 60 samples, and fewer for a young
// transport.
func TestRates(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	s := newSampler()
	loop := zmqiotest.RunLoop(t, nil)
	pull, push := zmqiotest.Streams(t, zmq.PULL, zmq.PUSH, zmqio.StreamConfig{Loop: loop, Name: "x"})
	of := func(snapshot *Snapshot) (received, sent Transport) {
		t.Helper()
		if len(snapshot.Loops) != 1 || len(snapshot.Loops[0].Transports) != 2 {
			t.Fatalf("%+v", snapshot)
		}
		return snapshot.Loops[0].Transports[0], snapshot.Loops[0].Transports[1]
	}
	begin := time.Now().Add(-time.Hour)
	history := Query{History: true}
	r, w := of(s.at(begin, history))
	if r.Rates != nil || w.Rates != nil || r.History != nil || r.ID != 1 || w.ID != 2 {
		t.Errorf("at first: %+v, %+v", r, w)
	}
	send(t, push, pull, 10, 100)
	r, w = of(s.at(begin.Add(4*time.Second), history))
	if *r.Rates != (Rates{ReceivedMessagesPerSecond: 2.5, ReceivedBytesPerSecond: 250}) || *w.Rates != (Rates{SentMessagesPerSecond: 2.5, SentBytesPerSecond: 250}) {
		t.Errorf("%+v, %+v", r.Rates, w.Rates)
	}
	if !slices.Equal(r.History.ReceivedMessagesPerSecond, []float32{2.5}) || r.History.SentMessagesPerSecond != nil {
		t.Errorf("%+v", r.History)
	}
	s.at(begin.Add(5*time.Second), history)
	send(t, push, pull, 1, 0)
	snapshot := s.at(begin.Add(6*time.Second), history)
	r, w = of(snapshot)
	if want := []float32{2.5, 0, 1}; !slices.Equal(r.History.ReceivedMessagesPerSecond, want) || !slices.Equal(w.History.SentMessagesPerSecond, want) {
		t.Errorf("%+v, %+v", r.History, w.History)
	}
	if n := len(snapshot.HistorySecondsAgo); n != 4 || snapshot.HistorySecondsAgo[3] < 3500 {
		t.Errorf("samples were %v seconds ago", snapshot.HistorySecondsAgo)
	}
	if r, _ := of(s.at(begin.Add(7*time.Second), Query{})); r.History != nil || r.Rates == nil {
		t.Errorf("not asked for: %+v", r.History)
	}

	for i := range 2 * maxSamples {
		s.at(begin.Add(time.Duration(8+i)*time.Second), history)
	}
	send(t, push, pull, 7, 0)
	young := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Loop: loop, Name: "young", Bind: []string{}})
	s.at(begin.Add(200*time.Second), history)
	snapshot = s.at(begin.Add(201*time.Second), history)
	r = snapshot.Loops[0].Transports[0]
	got := r.History.ReceivedMessagesPerSecond
	if len(got) != maxSamples || got[maxSamples-2] == 0 || got[maxSamples-1] != 0 || got[0] != 0 || len(snapshot.HistorySecondsAgo) != maxSamples {
		t.Errorf("%v of %d samples", got, len(snapshot.HistorySecondsAgo))
	}
	if y := only(t, snapshot, "young"); y.ID != 3 || y.Rates == nil || y.History != nil {
		t.Errorf("%+v", y)
	}
	must(t, young.Abort())
	for ctx := zmqiotest.Bounded(t, zmqiotest.Patience); len(loop.Residents()) > 2; {
		must(t, ctx.Err())
	}

	s.drop()
	r, w = of(s.at(begin.Add(300*time.Second), history))
	if r.Rates != nil || r.History != nil || r.ID != 1 || w.ID != 2 {
		t.Errorf("forgotten: %+v, %+v", r, w)
	}
	if len(s.transports) != 2 {
		t.Errorf("%d transports are known", len(s.transports))
	}
}

// The share of time in callbacks includes the running callback.
func TestBusy(t *testing.T) {
	var r loopRecord
	r.sample(0, zmqio.LoopStats{Busy: time.Second, Current: time.Second}, 0)
	r.sample(1, zmqio.LoopStats{Busy: 3 * time.Second, Iterations: 20, Callbacks: 30}, 10)
	if *r.rates != (LoopRates{IterationsPerSecond: 2, CallbacksPerSecond: 3, BusyRatio: 0.1}) {
		t.Errorf("%+v", r.rates)
	}
	r.sample(2, zmqio.LoopStats{Busy: 3 * time.Second, Current: time.Minute, Iterations: 20, Callbacks: 30}, 10)
	if *r.rates != (LoopRates{BusyRatio: 1}) {
		t.Errorf("%+v", r.rates)
	}
	if got := r.history(0, 3); !slices.Equal(got.BusyRatio, []float32{0.1, 1}) {
		t.Errorf("%+v", got)
	}
}

// A request postpones the end of the histories. Without requests they go.
func TestForget(t *testing.T) {
	s := newSampler()
	s.share(Query{})
	if !s.forget.Stop() || s.samples != 1 || len(s.shared) != 1 {
		t.Fatalf("the timer is not set, or %d samples", s.samples)
	}
	s.share(Query{Limit: 2})
	if !s.forget.Reset(0) { // as if a minute had passed
		t.Fatal("the timer was not set again")
	}
	for ctx := zmqiotest.Bounded(t, zmqiotest.Patience); ; {
		must(t, ctx.Err())
		s.sharing.Lock()
		s.mu.Lock()
		gone := s.samples == 0 && len(s.shared) == 0
		s.mu.Unlock()
		s.sharing.Unlock()
		if gone {
			return
		}
	}
}

// A socket that another goroutine uses delays no request. Its details are those of the last visit.
func TestBusySocket(t *testing.T) {
	zmqiotest.CheckLeaks(t)
	loop := zmqiotest.RunLoop(t, nil)
	open := func(name string) {
		zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{Loop: loop, Name: name, Bind: []string{}, Configure: func(o zmq.Sockopts) error { return o.SetRcvHWM(7) }})
	}
	open("known")
	s := newSampler()
	patient(s)
	taken := func(name string) *Snapshot { // a busy machine may be late
		for ctx := zmqiotest.Bounded(t, zmqiotest.Patience); ; {
			if snapshot := s.take(Query{Limit: 9}); ctx.Err() != nil || !only(t, snapshot, name).SocketBusy {
				return snapshot
			}
		}
	}
	if one := only(t, taken("known"), "known"); one.SocketBusy || len(one.Options) != 1 || one.Mechanism != "NULL" {
		t.Fatalf("%+v", one)
	}
	open("new")
	open("free")
	free := make(chan struct{})
	s.look = func(k socket) details {
		if k.t.Name() != "free" {
			<-free
		}
		return lookAt(k)
	}
	snapshot := taken("free")
	if one := only(t, snapshot, "known"); !one.SocketBusy || len(one.Options) != 1 || one.Mechanism != "NULL" || !one.Monitored {
		t.Errorf("%+v", one)
	}
	if one := only(t, snapshot, "new"); !one.SocketBusy || one.Options != nil || one.Mechanism != "" {
		t.Errorf("%+v", one)
	}
	if one := only(t, snapshot, "free"); one.SocketBusy || len(one.Options) != 1 {
		t.Errorf("%+v", one)
	}
	close(free)
}

func TestRound(t *testing.T) {
	for in, want := range map[float64]float64{0: 0, 1234.56: 1235, 123.456: 123, 12.3456: 12.3, 0.0123456: 0.0123, -12.3456: -12.3, 999.9: 1000} {
		if got := round(in); got != want {
			t.Errorf("%v: %v, want %v", in, got, want)
		}
	}
}
