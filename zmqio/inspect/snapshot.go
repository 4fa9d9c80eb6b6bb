package inspect

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"time"
	"weak"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// DefaultLimit is the Query.Limit that 0 stands for.
const DefaultLimit = 1000

// A Query says what a Snapshot shows. The zero value shows all up to DefaultLimit.
type Query struct {
	// Limit is how many loops, transports and other residents are shown at most, of each; 0
	// means DefaultLimit. Transports that have something buffered or unread come first, then
	// those that have carried most messages.
	Limit int
	// Match is a part of the name, type, protocol or an endpoint of the transports to show, and
	// of the text of other residents. Upper and lower case are equal. Empty shows all.
	Match string
	// History asks for Snapshot.HistorySecondsAgo and the History of each loop and transport.
	History bool
}

// Take returns a Snapshot of what lives on the loops of the process now. It waits for no loop.
// It shows a socket or other resident that does not answer within 100 ms as busy. Take returns
// within some three seconds. It is safe for concurrent use.
func Take() *Snapshot { return Query{}.Take() }

// Take returns a Snapshot of what q asks for, as the function Take does.
func (q Query) Take() *Snapshot { return theSampler.take(q.normal()) }

// normal returns q with defaults filled in.
func (q Query) normal() Query {
	q.Limit = max(cmp.Or(q.Limit, DefaultLimit), 0)
	return q
}

// A visit has the loops and transports of one Snapshot.
type visit struct {
	loops      []visitedLoop
	transports []*visited // of all loops
}

type visitedLoop struct {
	loop   *zmqio.EventLoop
	record *loopRecord
	stats  zmqio.LoopStats
	ones   []*visited
	guests []zmqio.Resident
}

type visited struct {
	t      *zmqio.Transport
	record *transportRecord
	stats  zmqio.Stats
	shown  bool
	busy   bool // the socket did not answer
}

// take returns the Snapshot that q asks for.
func (s *sampler) take(q Query) *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rememberLocked()
	v := s.visitLocked()
	if now := time.Now(); s.samples == 0 || now.Sub(s.times[(s.samples-1)%maxSamples]) >= sampleEvery {
		s.sampleLocked(v, now)
	}
	v.choose(q)
	s.askSocketsLocked(v)
	return s.showLocked(v, q)
}

// share is take for viewers. Viewers who ask at about the same time get the same Snapshot.
func (s *sampler) share(q Query) *Snapshot {
	s.sharing.Lock()
	defer s.sharing.Unlock()
	now := time.Now()
	for known, shared := range s.shared {
		if now.After(shared.until) {
			delete(s.shared, known)
		}
	}
	shared, ok := s.shared[q]
	if !ok {
		shared.snapshot = s.take(q)
		shared.until = time.Now().Add(shareFor)
		s.shared[q] = shared
	}
	return shared.snapshot
}

// visitLocked visits all loops and transports, without long waits. Caller holds s.mu.
func (s *sampler) visitLocked() *visit {
	s.visits++
	v := new(visit)
	for _, l := range zmqio.Loops() {
		vl := visitedLoop{loop: l, stats: l.Stats()}
		vl.record = recordOfLocked(s, s.loops, l, &s.lastID[0], func(r *loopRecord) *record { return &r.record })
		for _, r := range l.Residents() {
			t, ok := r.(*zmqio.Transport)
			if !ok {
				vl.guests = append(vl.guests, r)
				continue
			}
			one := &visited{t: t, stats: t.Stats()}
			one.record = recordOfLocked(s, s.transports, t, &s.lastID[1], func(r *transportRecord) *record { return &r.record })
			vl.ones = append(vl.ones, one)
		}
		v.transports = append(v.transports, vl.ones...)
		v.loops = append(v.loops, vl)
	}
	forgetOthersLocked(s, s.loops, func(r *loopRecord) uint64 { return r.visit })
	forgetOthersLocked(s, s.transports, func(r *transportRecord) uint64 { return r.visit })
	return v
}

// recordOfLocked returns the record of a found loop or transport. Caller holds s.mu.
func recordOfLocked[T, R any](s *sampler, records map[weak.Pointer[T]]*R, found *T, last *uint64, of func(*R) *record) *R {
	key := weak.Make(found)
	r := records[key]
	if r == nil {
		r = new(R)
		records[key] = r
		*last++
		of(r).id = *last
	}
	of(r).visit = s.visits
	return r
}

// forgetOthersLocked drops the records that the visit has not found. Caller holds s.mu.
func forgetOthersLocked[T, R any](s *sampler, records map[weak.Pointer[T]]*R, visit func(*R) uint64) {
	for key, r := range records {
		if visit(r) != s.visits {
			delete(records, key)
		}
	}
}

// sampleLocked takes the next sample. Caller holds s.mu.
func (s *sampler) sampleLocked(v *visit, now time.Time) {
	n := s.samples
	var seconds float64 // since the last sample
	if n > 0 {
		seconds = now.Sub(s.times[(n-1)%maxSamples]).Seconds()
	}
	s.times[n%maxSamples] = now
	s.samples++
	for i := range v.loops {
		v.loops[i].record.sample(n, v.loops[i].stats, seconds)
	}
	for _, one := range v.transports {
		one.record.sample(n, one.stats, seconds)
	}
}

func (r *loopRecord) sample(n int, stats zmqio.LoopStats, seconds float64) {
	before := r.before
	r.before = stats
	if r.first == 0 {
		r.first = n + 1
		return
	}
	busy := min((stats.Busy-before.Busy+stats.Current-before.Current).Seconds()/seconds, 1)
	r.rates = &LoopRates{
		IterationsPerSecond: rate(before.Iterations, stats.Iterations, seconds),
		CallbacksPerSecond:  rate(before.Callbacks, stats.Callbacks, seconds),
		BusyRatio:           round(busy),
	}
	r.busy.put(n, busy)
}

func (r *transportRecord) sample(n int, stats zmqio.Stats, seconds float64) {
	before := r.before
	r.before = stats
	if r.first == 0 {
		r.first = n + 1
		return
	}
	r.rates = &Rates{
		ReceivedMessagesPerSecond: rate(before.Received.Messages, stats.Received.Messages, seconds),
		ReceivedBytesPerSecond:    rate(before.Received.Bytes, stats.Received.Bytes, seconds),
		SentMessagesPerSecond:     rate(before.Sent.Messages, stats.Sent.Messages, seconds),
		SentBytesPerSecond:        rate(before.Sent.Bytes, stats.Sent.Bytes, seconds),
	}
	r.received.put(n, r.rates.ReceivedMessagesPerSecond)
	r.sent.put(n, r.rates.SentMessagesPerSecond)
}

func rate(before, now uint64, seconds float64) float64 { return round(float64(now-before) / seconds) }

// choose chooses the transports to show.
func (v *visit) choose(q Query) {
	chosen := make([]*visited, 0, len(v.transports))
	for _, one := range v.transports {
		if q.matchesTransport(one.t) {
			chosen = append(chosen, one)
		}
	}
	if len(chosen) > q.Limit {
		slices.SortStableFunc(chosen, func(a, b *visited) int {
			return cmp.Or(cmp.Compare(b.waiting(), a.waiting()), cmp.Compare(b.total(), a.total()))
		})
		chosen = chosen[:q.Limit]
	}
	for _, one := range chosen {
		one.shown = true
	}
}

// waiting returns how many bytes wait to be sent or read.
func (one *visited) waiting() uint64 { return one.stats.Buffered.Bytes + one.stats.Unread.Bytes }

func (one *visited) total() uint64 { return one.stats.Sent.Messages + one.stats.Received.Messages }

func (q Query) matches(texts ...string) bool {
	return q.Match == "" || slices.ContainsFunc(texts, func(s string) bool {
		return strings.Contains(strings.ToLower(s), strings.ToLower(q.Match))
	})
}

func (q Query) matchesTransport(t *zmqio.Transport) bool {
	// A redacted part must not match, or a viewer could guess it.
	if q.Match == "" || q.matches(redact(t.Name()), typeOf(t).String(), protocolOf(t)) {
		return true
	}
	for _, endpoint := range append(t.Listeners(), t.Connections()...) {
		if q.matches(redact(endpoint)) {
			return true
		}
	}
	return false
}

func typeOf(t *zmqio.Transport) zmq.SocketType {
	typ, _ := t.ExtraInfo("zmq_type", nil).(zmq.SocketType)
	return typ
}

// protocolOf returns the type of the transport's protocol, or of the Stream if a Stream has the
// transport.
func protocolOf(t *zmqio.Transport) string {
	if name := fmt.Sprintf("%T", t.Protocol()); name != "zmqio.streamProtocol" {
		return name
	}
	return "*zmqio.Stream"
}

// processNow describes the process.
func processNow() Process {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	return Process{
		Program:       text(program),
		PID:           os.Getpid(),
		UptimeSeconds: round(time.Since(begin).Seconds()),
		GoVersion:     runtime.Version(),
		LibzmqVersion: library().String(),
		GOMAXPROCS:    runtime.GOMAXPROCS(0),
		Goroutines:    runtime.NumGoroutine(),
		HeapBytes:     heap[0].Value.Uint64(),
	}
}

var (
	begin   = time.Now()
	program = filepath.Base(os.Args[0])
)
