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
	sampleEvery = 900 * time.Millisecond // at most: a page asks once a second
	forgetAfter = time.Minute            // without a request
	shareFor    = 200 * time.Millisecond // with viewers that ask for the same
)

// A sampler knows what Snapshots have seen of loops and transports, which it holds weakly. It
// does nothing of its own accord: requests take the samples. One timer drops the histories
// when no request has come for a minute.
type sampler struct {
	mu         sync.Mutex // guards what follows, up to sharing
	loops      map[weak.Pointer[zmqio.EventLoop]]*loopRecord
	transports map[weak.Pointer[zmqio.Transport]]*transportRecord
	lastID     [2]uint64 // of a loop, of a transport
	visits     uint64
	samples    int                   // how many have been taken
	times      [maxSamples]time.Time // when; sample i is at i%maxSamples
	forget     *time.Timer           // drops the histories

	sharing sync.Mutex      // taken before mu
	shared  map[Query]share // under sharing

	callbacks, guests, sockets *survey

	look func(socket) details // lookAt, but for tests
}

// theSampler is that of the process.
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

// A share is a Snapshot for several viewers.
type share struct {
	snapshot *Snapshot
	until    time.Time
}

// A record is what is known of a loop or a transport. It has rates from its second sample
// on.
type record struct {
	id    uint64
	visit uint64 // the last one that found it
	first int    // the sample of its first rates; 0 before the first sample
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
	details        *details // what the socket has told; nil if it has not answered yet
}

// A series has a number for each sample. It is nil while all are zero.
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

// list returns the numbers of the samples from first on, up to n.
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

// round leaves three digits or what is before the point, so that JSON is short.
func round(v float64) float64 {
	if v == 0 || math.Abs(v) >= 1000 {
		return math.Round(v)
	}
	scale := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// rememberLocked puts drop off. Caller holds s.mu.
func (s *sampler) rememberLocked() {
	if s.forget == nil {
		s.forget = time.AfterFunc(forgetAfter, s.drop)
		return
	}
	s.forget.Reset(forgetAfter)
}

// drop forgets the histories, and what would make the next rates means over a long time.
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
