package inspect

import (
	"math"
	"sync"
	"time"
	"weak"

	"github.com/zmqio/zmq/zmqio"
)

const (
	maxSamples  = 60                     // of a history
	sampleEvery = 900 * time.Millisecond // at most so often: a page asks once a second
	forgetAfter = time.Minute            // the time without a request after which histories go
	shareFor    = 200 * time.Millisecond // how long viewers share a Snapshot
)

// A sampler keeps the figures that Snapshots have seen of loops and transports, which it holds
// weakly. Only requests take samples. A timer drops the histories after a minute without a request.
type sampler struct {
	mu         sync.Mutex // guards the fields up to sharing
	loops      map[weak.Pointer[zmqio.EventLoop]]*loopRecord
	transports map[weak.Pointer[zmqio.Transport]]*transportRecord
	lastID     [2]uint64 // ids of the newest loop and transport
	visits     uint64
	samples    int                   // samples taken so far
	times      [maxSamples]time.Time // their times; sample i is at i%maxSamples
	forget     *time.Timer           // drops the histories

	sharing sync.Mutex      // comes before mu
	shared  map[Query]share // under sharing

	callbacks, guests, sockets *survey

	look func(socket) details // lookAt, except in tests
}

// theSampler is the sampler of the process.
var theSampler = newSampler()

func newSampler() *sampler {
	return &sampler{
		loops:      make(map[weak.Pointer[zmqio.EventLoop]]*loopRecord),
		transports: make(map[weak.Pointer[zmqio.Transport]]*transportRecord),
		shared:     make(map[Query]share),
		callbacks:  newSurvey(),
		guests:     newSurvey(),
		sockets:    newSurvey(),
		look:       lookAt,
	}
}

// A share is a Snapshot that several viewers get.
type share struct {
	snapshot *Snapshot
	until    time.Time
}

// A record is what the sampler knows of a loop or a transport. It has rates from its second sample
// on.
type record struct {
	id    uint64
	visit uint64 // number of the last visit that found it
	first int    // number of the sample with its first rates; 0 before
}

type loopRecord struct {
	record
	before zmqio.LoopStats
	rates  *LoopRates
	busy   series
}

type transportRecord struct {
	record
	before         zmqio.Stats
	rates          *Rates
	received, sent series
	details        *details // the answer of the socket; nil if it has not answered yet
}

// A series has a number for each sample. It is nil while all numbers are zero.
type series []float32

func (s *series) put(sample int, v float64) {
	if *s == nil {
		if v == 0 {
			return
		}
		*s = make(series, maxSamples)
	}
	(*s)[sample%maxSamples] = float32(round(v))
}

// list returns up to n numbers, of the samples from first on.
func (s series) list(first, n int) []float32 {
	if s == nil {
		return nil
	}
	list := make([]float32, 0, n-first)
	for i := first; i < n; i++ {
		list = append(list, s[i%maxSamples])
	}
	return list
}

// round returns v with three digits, or without decimals, so that the JSON is short.
func round(v float64) float64 {
	if v == 0 || math.Abs(v) >= 1000 {
		return math.Round(v)
	}
	scale := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// rememberLocked postpones drop. Caller holds s.mu.
func (s *sampler) rememberLocked() {
	if s.forget == nil {
		s.forget = time.AfterFunc(forgetAfter, s.drop)
		return
	}
	s.forget.Reset(forgetAfter)
}

// drop drops the histories. It also drops the last figures, because rates since then would be means
// over a long time.
func (s *sampler) drop() {
	s.sharing.Lock()
	defer s.sharing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.loops {
		*r = loopRecord{record: record{id: r.id, visit: r.visit}}
	}
	for _, r := range s.transports {
		*r = transportRecord{record: record{id: r.id, visit: r.visit}}
	}
	s.samples = 0
	clear(s.shared)
}
