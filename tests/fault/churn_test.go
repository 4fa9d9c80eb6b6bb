package fault

import (
	"context"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// The test opens and closes many connections, again and again. After each round there are as many
// descriptors and goroutines as before, and memory stops growing. The first rounds do not count,
// because the allocator still finds out how much it needs. A busy machine makes it need more later,
// for more threads at once, but not again and again.
func TestConnectionsComeAndGo(t *testing.T) {
	if !alone(t) {
		return
	}
	connections, rounds := form(200, 1000), form(3, 10)
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if needed := uint64(3*connections + 100); uint64(limit.Cur) < needed {
		t.Skipf("the limit of %d descriptors is too low: %d are needed", limit.Cur, needed)
	}
	for _, transport := range []string{"tcp", "ipc", "inproc"} {
		t.Run(transport, func(t *testing.T) {
			checkLeaks(t)
			comeAndGo(t, transport, connections, rounds)
		})
	}
}

func comeAndGo(t *testing.T, transport string, connections, rounds int) {
	ctx := bounded(t, form(hang, 2*hang))
	begin := time.Now()
	loop := newLoop(t, &zmqio.LoopConfig{MaxSockets: connections + 100})
	endpoint := freeEndpoint(t, transport)
	server, got := newPeer(nil), new(arrivals)
	server.received = func(msg [][]byte) { got.add(churnSize, msg) }
	pull := create(t, loop, server, zmq.PULL, zmqio.ConnectionConfig{
		Bind:      []string{endpoint},
		Configure: func(s zmq.Sockopts) error { return s.SetBacklog(connections) }, // a shorter backlog makes the kernel delay connections by a second
	})

	goroutines, fds := runtime.NumGoroutine(), countFDs(t)
	var memory []int
	run := func(rounds int) {
		for range rounds {
			openAndClose(ctx, t, loop, endpoint, connections, got)
			if err := backTo(ctx, t, goroutines, fds); err != nil {
				t.Fatal(err)
			}
			memory = append(memory, kept())
		}
	}
	const allowed = 2 * mib // in the long form 230 bytes for each connection
	run(settling + 1)
	grown := 0
	for range 5 { // a leak grows each time
		before := slices.Max(memory) // the maximum, because the size also falls
		run(rounds - 1)
		if grown = slices.Max(memory) - before; grown <= allowed {
			break
		}
	}
	must(t, pull.Close())
	must(t, server.ended(ctx))
	t.Logf("%d+%d times %d connections in %v; %d goroutines and %d descriptors after each; resident memory %s at first, %s after %d, %s in the end",
		settling, len(memory)-settling, connections, time.Since(begin).Round(time.Millisecond), goroutines, fds,
		quantity(memory[0]), quantity(memory[settling]), settling+1, quantity(memory[len(memory)-1]))
	if grown > allowed {
		t.Errorf("resident memory grew by %s, %s are allowed", quantity(grown), quantity(allowed))
	}
}

const (
	churnSize = 64
	settling  = 10 // rounds
)

// openAndClose makes connections, sends a message on each, and ends them.
func openAndClose(ctx context.Context, t *testing.T, loop *zmqio.EventLoop, endpoint string, connections int, got *arrivals) {
	t.Helper()
	got.Change(func() { got.tracks = make(map[uint64]*track) })
	peers := make([]*peer, connections)
	clients := make([]*zmqio.Transport, connections)
	for i := range clients {
		peers[i] = newPeer(nil)
		clients[i] = create(t, loop, peers[i], zmq.PUSH, zmqio.ConnectionConfig{Connect: []string{endpoint}})
		must(t, clients[i].Write([][]byte{stream{uint64(i), churnSize}.frame(1)}))
	}
	if err := got.Until(ctx, func() bool { return len(got.tracks) == connections || got.wrong != nil }); err != nil {
		t.Fatalf("%d of %d connections delivered: %v", len(got.tracks), connections, err)
	}
	must(t, got.wrong)
	for i, c := range clients {
		if i%2 == 0 {
			must(t, c.Close())
		} else {
			must(t, c.Abort())
		}
	}
	for _, p := range peers {
		must(t, p.ended(ctx))
	}
}
