package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// Messages of several frames go over a cable that the test cuts, stalls and fills with garbage at
// any byte. No message is torn, mixed with another or doubled. Garbage damages only the message
// that it hits. Messages that are written after the last fault arrive.
func TestCable(t *testing.T) {
	for _, wire := range []string{"tcp", "ipc"} {
		t.Run(wire, func(t *testing.T) {
			checkLeaks(t)
			overCable(t, wire)
		})
	}
}

func overCable(t *testing.T, wire string) {
	ctx := bounded(t, form(hang, 2*hang))
	start := *seed
	if start == 0 {
		start = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", start)
	r := rand.New(rand.NewPCG(start, 0))
	const size, frames, tail = 300, 3, 100
	limit := func(s zmq.Sockopts) error { return s.SetMaxMsgSize(size) }
	j := job{Endpoint: freeEndpoint(t, wire), Bind: true, HWM: 100, Buffer: killBuffer}

	// A message's frames are numbered 3n+1, 3n+2 and 3n+3.
	var arrived condition
	came, newest, damaged := make(map[uint64]bool), uint64(0), 0
	receiver := newPeer(func(msg [][]byte) {
		arrived.Change(func() {
			first, err := parseWhole(msg, size, frames)
			switch {
			case err != nil:
				damaged++
			case came[first]:
				t.Errorf("message %d came twice", first)
			default:
				came[first] = true
				newest = max(newest, first)
			}
		})
	})
	cfg := j.config()
	cfg.Configure = func(s zmq.Sockopts) error { return errors.Join(j.configure(s), limit(s)) }
	pull := create(t, newLoop(t, nil), receiver, zmq.PULL, cfg)
	cable := zmqiotest.NewCable(t, pull.Listeners()[0])
	j.Endpoint, j.Bind = cable.Endpoint(), false
	sender := newPeer(nil)
	push := create(t, newLoop(t, nil), sender, zmq.PUSH, j.config())

	var written atomic.Uint64
	write := func(ctx context.Context) error {
		var msg [][]byte
		for i := range uint64(frames) {
			msg = append(msg, stream{1, size}.frame(written.Load()*frames+i+1))
		}
		err := push.WriteContext(ctx, msg)
		if err == nil {
			written.Add(1)
		}
		return err
	}
	writing, stop := context.WithCancel(ctx)
	defer stop()
	wrote := make(chan error, 1)
	go func() {
		for {
			if err := write(writing); err != nil {
				wrote <- err
				return
			}
		}
	}()
	garbage := bytes.Repeat([]byte{0xff}, 2*size*frames)
	faults, injected := form(50, 1000), 0
	for range faults {
		arrived.Lock()
		enough := len(came) + 1 + r.IntN(500)
		arrived.Unlock()
		must(t, arrived.Until(ctx, func() bool { return len(came) >= enough }))
		switch r.IntN(4) {
		case 0:
			cable.Cut()
			cable.Mend()
		case 1:
			cable.Stall()
			cable.Flow()
		case 2:
			cable.Stall()
			cable.Cut()
			cable.Flow()
			cable.Mend()
		case 3:
			cable.Inject(garbage, zmqiotest.ServerSide)
			injected++
		}
	}

	// A message that is begun after Mend comes over a new connection, and so do later ones.
	cable.Cut()
	cable.Mend()
	mended := written.Load()
	must(t, arrived.Until(ctx, func() bool { return newest > mended*frames+1 }))
	stop()
	if err := <-wrote; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	last := written.Load()
	for range tail {
		must(t, write(ctx))
	}
	err := arrived.Until(ctx, func() bool {
		for i := range uint64(tail) {
			if !came[(last+i)*frames+1] {
				return false
			}
		}
		return true
	})
	if err != nil {
		t.Errorf("after the last of %d faults not all of %d messages came: %v", faults, tail, err)
	}
	must(t, push.Close())
	must(t, sender.ended(ctx))
	must(t, pull.Close())
	must(t, receiver.ended(ctx))
	t.Logf("%d faults during %d messages; %d were lost and %d damaged", faults, written.Load(), int(written.Load())-len(came)-damaged, damaged)
	if damaged > injected {
		t.Errorf("garbage was injected %d times and damaged %d messages", injected, damaged)
	}
}

// parseWhole returns the number of a message's first frame.
func parseWhole(msg [][]byte, size, frames int) (first uint64, err error) {
	if len(msg) != frames {
		return 0, fmt.Errorf("a message of %d frames, want %d", len(msg), frames)
	}
	for i, frame := range msg {
		_, number, err := stream{size: size}.parseMessage([][]byte{frame})
		if err != nil {
			return 0, err
		}
		if i == 0 {
			first = number
		}
		if number != first+uint64(i) || first%uint64(frames) != 1 {
			return 0, fmt.Errorf("frame %d of a message that begins with %d is %d", i, first, number)
		}
	}
	return first, nil
}
