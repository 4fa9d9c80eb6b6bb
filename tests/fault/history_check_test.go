package fault

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A tale is a small history, written line by line: parties 0 and 1 send to 2 and 3.
type tale struct {
	history
	received []receipt
	clock    uint64
}

// write adds an operation that ends before the next one begins.
func (s *tale) write(source, to int, result outcome) tag {
	s.clock += 2
	t := tag{source: uint16(source), number: uint32(len(s.written[source])), count: 1}
	s.written[source] = append(s.written[source], written{t, to, s.clock - 1, s.clock, result})
	return t
}

func (s *tale) receive(by int, t tag) {
	s.clock++
	s.received = append(s.received, receipt{by: by, at: s.clock, tag: t})
}

// receiveFrames adds a receipt of frames.
func (s *tale) receiveFrames(by int, msg [][]byte) {
	t, wrong := parse(msg)
	s.receive(by, t)
	s.received[len(s.received)-1].wrong = wrong
}

func newTale() *tale {
	return &tale{history: history{
		written: make([][]written, 2), cut: make(map[link]bool), joined: make(map[link][]uint64),
		fanout: make(map[int]bool), steady: make(map[link]uint64),
	}}
}

// check reports each kind of violation, and no correct history.
func TestHistoryChecker(t *testing.T) {
	sizes := []int{50, 0, tagSize, 7, 1000}
	frames := func(t tag, s *tale) [][]byte { return t.compose(sizes, rand.New(rand.NewPCG(1, uint64(s.clock)))) }
	tales := map[string]struct {
		tell func(*tale)
		want []kind
	}{
		"in order": {func(s *tale) {
			a, b := s.write(0, anyone, accepted), s.write(0, 3, accepted)
			s.receiveFrames(2, frames(a, s))
			s.receiveFrames(3, frames(b, s))
			s.write(1, anyone, refused)
		}, nil},
		"the head is missing": {func(s *tale) {
			s.receiveFrames(2, frames(s.write(0, 2, accepted), s)[1:])
			s.receiveFrames(2, frames(s.write(0, 2, accepted), s)[2:])
		}, []kind{torn, torn, lost, lost}},
		"the tail is missing": {func(s *tale) { s.receiveFrames(2, frames(s.write(0, 2, accepted), s)[:4]) }, []kind{torn, lost}},
		"an empty frame is missing": {func(s *tale) {
			s.receiveFrames(2, slices.Delete(frames(s.write(0, 2, accepted), s), 1, 2))
		}, []kind{torn, lost}},
		"frames in another order": {func(s *tale) {
			msg := frames(s.write(0, 2, accepted), s)
			msg[2], msg[4] = msg[4], msg[2]
			s.receiveFrames(2, msg)
		}, []kind{torn, lost}},
		"two halves": {func(s *tale) {
			a, b := frames(s.write(0, 2, accepted), s), frames(s.write(1, 2, accepted), s)
			s.receiveFrames(2, append(a[:2], b[2:]...))
		}, []kind{mixed, lost, lost}},
		"two in one": {func(s *tale) {
			a, b := frames(s.write(0, 2, accepted), s), frames(s.write(1, 2, accepted), s)
			s.receiveFrames(2, append(a, b...))
		}, []kind{mixed, lost, lost}},
		"a small frame of another": {func(s *tale) {
			a, b := frames(s.write(0, 2, accepted), s), frames(s.write(1, 2, accepted), s)
			a[3] = b[3]
			s.receiveFrames(2, a)
		}, []kind{damaged, lost, lost}},
		"a bit": {func(s *tale) {
			msg := frames(s.write(0, 2, accepted), s)
			msg[4][500] ^= 4
			s.receiveFrames(2, msg)
		}, []kind{damaged, lost}},
		"a bit of the head": {func(s *tale) {
			msg := frames(s.write(0, 2, accepted), s)
			msg[0][3] ^= 1
			s.receiveFrames(2, msg)
		}, []kind{damaged, lost}},
		"twice to one": {func(s *tale) { a := s.write(0, anyone, accepted); s.receive(2, a); s.receive(2, a) }, []kind{doubled}},
		"twice to two": {func(s *tale) { a := s.write(0, anyone, accepted); s.receive(2, a); s.receive(3, a) }, []kind{doubled}},
		"lost":         {func(s *tale) { s.write(0, anyone, accepted) }, []kind{lost}},
		"lost where it matters not": {func(s *tale) {
			s.cut[link{0, 2}] = true
			s.write(0, anyone, accepted)
			s.write(0, 2, accepted)
			s.write(0, nowhere, accepted)
		}, nil},
		"lost beside what was cut": {func(s *tale) {
			s.cut[link{0, 2}], s.cut[link{1, 3}] = true, true
			s.write(0, 3, accepted)
			s.write(1, anyone, accepted)
		}, []kind{lost}},
		"never written":     {func(s *tale) { s.receive(2, tag{number: 7}); s.receive(2, tag{source: 9}) }, []kind{invented, invented}},
		"refused":           {func(s *tale) { s.receive(2, s.write(0, anyone, refused)) }, []kind{arrived}},
		"not decided":       {func(s *tale) { s.receive(2, s.write(0, anyone, undecided)); s.write(0, anyone, undecided) }, nil},
		"for another":       {func(s *tale) { s.receive(3, s.write(0, 2, accepted)) }, []kind{stolen}},
		"for one not there": {func(s *tale) { s.receive(3, s.write(0, nowhere, accepted)) }, []kind{stolen}},
		"reordered": {func(s *tale) {
			a, b := s.write(0, anyone, accepted), s.write(0, anyone, accepted)
			s.receive(2, b)
			s.receive(2, a)
		}, []kind{reordered}},
		"in any order on two links": {func(s *tale) {
			a, b, c := s.write(0, anyone, accepted), s.write(0, anyone, accepted), s.write(1, anyone, accepted)
			s.receive(2, c)
			s.receive(2, b)
			s.receive(3, a)
		}, nil},
		"in any order at once": {func(s *tale) {
			a, b := s.write(0, anyone, accepted), s.write(0, anyone, accepted)
			s.written[0][0].end = s.written[0][1].end + 1
			s.receive(2, b)
			s.receive(2, a)
		}, nil},
		"overtaken on a new link": {func(s *tale) {
			a := s.write(0, anyone, accepted)
			s.joined[link{0, 2}] = []uint64{s.clock + 1}
			s.clock++
			b := s.write(0, anyone, accepted)
			s.receive(2, b)
			s.receive(2, a)
		}, nil},
		"reordered on a new link": {func(s *tale) {
			s.joined[link{0, 2}] = []uint64{s.clock + 1}
			s.clock++
			a, b := s.write(0, anyone, accepted), s.write(0, anyone, accepted)
			s.receive(2, b)
			s.receive(2, a)
		}, []kind{reordered}},
		"to each of a fanout, with a gap": {func(s *tale) {
			s.fanout[0] = true
			a, b := s.write(0, anyone, accepted), s.write(0, anyone, accepted)
			s.receive(2, a)
			s.receive(2, b)
			s.receive(3, b)
		}, nil},
		"doubled and reordered of a fanout": {func(s *tale) {
			s.fanout[0] = true
			a, b := s.write(0, anyone, accepted), s.write(0, anyone, accepted)
			s.receive(2, a)
			s.receive(2, a)
			s.receive(3, b)
			s.receive(3, a)
		}, []kind{doubled, reordered}},
		"lost of a steady fanout": {func(s *tale) {
			s.fanout[0] = true
			s.write(0, anyone, accepted)
			s.steady[link{0, 2}] = s.clock + 1
			s.receive(3, s.write(0, anyone, accepted))
		}, []kind{lost}},
	}
	for name, tt := range tales {
		t.Run(name, func(t *testing.T) {
			s := newTale()
			tt.tell(s)
			var got []kind
			found := s.check(s.received)
			for _, v := range found {
				got = append(got, v.kind)
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v: %v", got, tt.want, found)
			}
		})
	}
}

// parse reads what compose writes, for any sizes.
func TestHistoryFrames(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 1000 {
		want := tag{source: uint16(n), writer: 7, number: uint32(n) << 8}
		sizes := []int{tagSize + r.IntN(100)}
		for range r.IntN(20) {
			sizes = append(sizes, r.IntN(60))
		}
		msg := want.compose(sizes, r)
		want.count = uint16(len(sizes))
		if got, wrong := parse(msg); got != want || wrong != nil {
			t.Fatalf("got %v, want %v: %v", got, want, wrong)
		}
	}
}
