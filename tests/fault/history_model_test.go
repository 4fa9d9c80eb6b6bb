package fault

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
)

// A tag identifies a frame: its message and its place in the message. number counts the messages of
// a source. writer is the goroutine or callback that wrote the message.
type tag struct {
	source, writer uint16
	number         uint32
	index, count   uint16
}

const (
	tagMagic = 0x7a71
	// A frame of tagSize bytes or more has a tag: magic, tag, a sum, and at its end a sum over
	// itself. In the first frame of a message the first sum is over the frames behind it.
	tagSize = 2 + 2 + 2 + 4 + 2 + 2 + 4 + 4
)

func (t tag) message() tag { return tag{t.source, 0, t.number, 0, 0} }

func (t tag) String() string {
	return fmt.Sprintf("message %d of party %d (writer %d, %d frames)", t.number, t.source, t.writer, t.count)
}

// compose returns the message of a tag, with frames of the given sizes and random payload. The
// first frame has room for a tag, so every message is different.
func (t tag) compose(sizes []int, r *rand.Rand) [][]byte {
	t.count = uint16(len(sizes))
	msg := make([][]byte, len(sizes))
	for i := len(sizes) - 1; i >= 0; i-- { // its sum is over the others
		f := make([]byte, sizes[i])
		for j := 0; j < len(f); j += 8 {
			var word [8]byte
			binary.BigEndian.PutUint64(word[:], r.Uint64())
			copy(f[j:], word[:])
		}
		if len(f) >= tagSize {
			t.index = uint16(i)
			var rest uint32
			if i == 0 {
				rest = sumOf(msg[1:])
			}
			t.put(f, rest)
		}
		msg[i] = f
	}
	return msg
}

func (t tag) put(f []byte, rest uint32) {
	b := f[:0]
	b = binary.BigEndian.AppendUint16(b, tagMagic)
	b = binary.BigEndian.AppendUint16(b, t.source)
	b = binary.BigEndian.AppendUint16(b, t.writer)
	b = binary.BigEndian.AppendUint32(b, t.number)
	b = binary.BigEndian.AppendUint16(b, t.index)
	b = binary.BigEndian.AppendUint16(b, t.count)
	binary.BigEndian.AppendUint32(b, rest)
	end := len(f) - 4
	binary.BigEndian.PutUint32(f[end:], crc32.ChecksumIEEE(f[:end]))
}

// tagOf is the inverse of put. It reports whether f has an undamaged tag.
func tagOf(f []byte) (t tag, rest uint32, ok bool) {
	end := len(f) - 4
	if len(f) < tagSize || binary.BigEndian.Uint16(f) != tagMagic ||
		binary.BigEndian.Uint32(f[end:]) != crc32.ChecksumIEEE(f[:end]) {
		return tag{}, 0, false
	}
	return tag{
		source: binary.BigEndian.Uint16(f[2:]), writer: binary.BigEndian.Uint16(f[4:]),
		number: binary.BigEndian.Uint32(f[6:]), index: binary.BigEndian.Uint16(f[10:]), count: binary.BigEndian.Uint16(f[12:]),
	}, binary.BigEndian.Uint32(f[14:]), true
}

// sumOf returns a sum of the payload and the boundaries of frames.
func sumOf(frames [][]byte) (sum uint32) {
	for _, f := range frames {
		sum = crc32.Update(sum, crc32.IEEETable, binary.BigEndian.AppendUint32(nil, uint32(len(f))))
		sum = crc32.Update(sum, crc32.IEEETable, f)
	}
	return sum
}

// A violation is an event that must not happen.
type violation struct {
	kind kind
	text string
}

type kind string

const (
	torn      kind = "torn"      // a part of a message
	mixed     kind = "mixed"     // frames of several messages in one
	damaged   kind = "damaged"   // other bytes than were written
	doubled   kind = "doubled"   // received twice
	reordered kind = "reordered" // received after a message that was written later
	lost      kind = "lost"      // accepted, and not received
	invented  kind = "invented"  // received, and never written
	arrived   kind = "refused but arrived"
	stolen    kind = "stolen" // received by a party that it was not for
)

func (v violation) String() string { return string(v.kind) + ": " + v.text }

// parse is the inverse of compose. The violation is nil if the message is whole.
func parse(msg [][]byte) (tag, *violation) {
	wrong := func(k kind, format string, args ...any) *violation {
		return &violation{k, fmt.Sprintf(format, args...) + ", in " + outline(msg)}
	}
	if len(msg) == 0 {
		return tag{}, wrong(torn, "no frames")
	}
	head, rest, ok := tagOf(msg[0])
	switch {
	case !ok && len(msg[0]) < tagSize:
		return tag{}, wrong(torn, "the first frame has %d bytes", len(msg[0]))
	case !ok:
		return tag{}, wrong(damaged, "the first frame is not as it was written")
	}
	for i, f := range msg {
		if t, _, ok := tagOf(f); ok && t.message() != head.message() {
			return head, wrong(mixed, "frame %d is of another message", i)
		}
	}
	if head.index != 0 || int(head.count) != len(msg) {
		return head, wrong(torn, "%d frames from frame %d on", len(msg), head.index)
	}
	for i, f := range msg {
		switch t, _, ok := tagOf(f); {
		case ok && int(t.index) != i:
			return head, wrong(torn, "frame %d is in the place of frame %d", t.index, i)
		case !ok && len(f) >= tagSize:
			return head, wrong(damaged, "frame %d is not as it was written", i)
		}
	}
	if rest != sumOf(msg[1:]) {
		return head, wrong(damaged, "frames behind the first are not as they were written")
	}
	return head, nil
}

// outline describes the frames of a message.
func outline(msg [][]byte) string {
	var b bytes.Buffer
	for i, f := range msg {
		if i == 20 {
			fmt.Fprintf(&b, " and %d more", len(msg)-i)
			break
		}
		if t, _, ok := tagOf(f); ok {
			fmt.Fprintf(&b, " [%d.%d %d/%d: %d bytes]", t.source, t.number, t.index, t.count, len(f))
		} else {
			fmt.Fprintf(&b, " [%d bytes % x]", len(f), f[:min(len(f), 8)])
		}
	}
	return b.String()
}

// A written message is an operation of a history. It began and ended at times of the history's
// clock, and the transport accepted or refused it.
type written struct {
	tag
	to         int // a party, anyone or nowhere
	start, end uint64
	outcome    outcome
}

const (
	anyone  = -1 // any party that the source is linked to
	nowhere = -2 // a routing id that no party has
)

type outcome int

const (
	undecided outcome = iota
	accepted
	refused
)

// A receipt is a message that a party received, or the violation in it.
type receipt struct {
	by    int
	at    uint64
	tag   tag
	wrong *violation
}

// A link leads from a party that sends to one that receives.
type link struct{ from, to int }

// A history has the operations of an island, and the faults that were allowed.
type history struct {
	written [][]written // by source and number
	// cut links may lose messages, because an end of theirs died or was disconnected.
	cut map[link]bool
	// joined has the times at which a link began anew. A message written before such a time may
	// arrive after one written later.
	joined map[link][]uint64
	// A fanout sends a message to each receiver, or drops it. After the time in steady it drops
	// none.
	fanout map[int]bool
	steady map[link]uint64
}

// A delivery is a message to a party, or to anyone if the receiver does not matter.
type delivery struct {
	source int
	number uint32
	to     int
}

// due returns the deliveries that must have happened at the end.
func (h *history) due() map[delivery]bool {
	due := make(map[delivery]bool)
	for source, all := range h.written {
		anyCut := false
		for l := range h.cut {
			anyCut = anyCut || l.from == source
		}
		for _, w := range all {
			switch {
			case w.outcome != accepted || w.to == nowhere:
			case h.fanout[source]:
				for l, since := range h.steady {
					if l.from == source && w.start >= since && !h.cut[l] {
						due[delivery{source, w.number, l.to}] = true
					}
				}
			case w.to == anyone && !anyCut, w.to != anyone && !h.cut[link{source, w.to}]:
				due[delivery{source, w.number, anyone}] = true
			}
		}
	}
	return due
}

// delivery returns what r delivers, in the form of due.
func (h *history) delivery(r receipt) delivery {
	d := delivery{int(r.tag.source), r.tag.number, anyone}
	if h.fanout[d.source] {
		d.to = r.by
	}
	return d
}

// check compares receipts with written messages, and uses nothing else. The receipts of each party
// are in order.
func (h *history) check(received []receipt) (found []violation) {
	wrong := func(k kind, format string, args ...any) {
		found = append(found, violation{k, fmt.Sprintf(format, args...)})
	}
	due, seen, orders := h.due(), make(map[delivery]receipt), make(map[link]*order)
	for _, r := range received {
		if r.wrong != nil {
			wrong(r.wrong.kind, "party %d received a message %v", r.by, r.wrong)
			continue
		}
		source := int(r.tag.source)
		if source >= len(h.written) || int(r.tag.number) >= len(h.written[source]) {
			wrong(invented, "party %d received %v", r.by, r.tag)
			continue
		}
		w, d, l := h.written[source][r.tag.number], h.delivery(r), link{source, r.by}
		if before, twice := seen[d]; twice {
			wrong(doubled, "%v came to party %d and to party %d", r.tag, before.by, r.by)
			continue
		}
		seen[d] = r
		delete(due, d)
		if w.outcome == refused {
			wrong(arrived, "%v came to party %d", r.tag, r.by)
		}
		if w.to != anyone && w.to != r.by {
			wrong(stolen, "%v for party %d came to party %d", r.tag, w.to, r.by)
		}
		if orders[l] == nil {
			orders[l] = &order{joined: h.joined[l]}
		}
		if later, ok := orders[l].add(w, r.at); !ok {
			wrong(reordered, "%v came to party %d after %v, which was begun when it had been written", r.tag, r.by, later)
		}
	}
	for d := range due {
		w := h.written[d.source][d.number]
		wrong(lost, "%v for party %d, due at %d", w.tag, w.to, d.to)
	}
	slices.SortFunc(found, func(a, b violation) int { return bytes.Compare([]byte(a.text), []byte(b.text)) })
	return found
}

// An order is the messages of one link. A message that was written before another was begun comes
// before it, also from another writer. A link that began anew has an order for each of its lives.
type order struct {
	joined []uint64
	lives  []life
}

type life struct {
	since uint64 // when the link began anew
	last  written
}

// add records that w arrived at a time. It reports whether w is in order, and else returns a
// message that arrived too early.
func (o *order) add(w written, at uint64) (early tag, ok bool) {
	since := uint64(0)
	for _, j := range o.joined {
		if j <= at {
			since = max(since, j)
		}
	}
	for _, l := range o.lives {
		if l.since <= w.start && l.last.start > w.end { // w is from an earlier life of the link
			return l.last.tag, false
		}
	}
	if n := len(o.lives); n == 0 || o.lives[n-1].since != since {
		o.lives = append(o.lives, life{since: since})
	}
	if l := &o.lives[len(o.lives)-1]; w.start > l.last.start {
		l.last = w
	}
	return tag{}, true
}
