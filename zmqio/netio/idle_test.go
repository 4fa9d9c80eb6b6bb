package netio

import (
	"runtime"
	"testing"
)

// An idle connection needs no goroutine and little memory, with TLS too.
func TestIdle(t *testing.T) {
	for name, test := range map[string]struct {
		server, client Config
		most           int // heap bytes a connection, both ends together
	}{
		"plain": {Config{}, Config{}, 2 * 2 << 10},
		"TLS":   {Config{TLS: serverTLS()}, Config{TLS: clientTLS()}, 2 * 10 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := newLoop(t)
			s, err := CreateServer(bounded(t), l, func() Protocol { return BaseProtocol{} }, "tcp", []string{"127.0.0.1:0"}, ServerConfig{Config: test.server})
			must(t, err)
			address := s.Addrs()[0].String()
			total := 0
			connect := func(n int) {
				for range n {
					_, _, err := CreateConnection(bounded(t), l, func() Protocol { return BaseProtocol{} }, "tcp", address, test.client)
					must(t, err)
				}
				total += n
				for arrived := 0; arrived < total; runtime.Gosched() {
					s.mu.Lock()
					arrived = len(s.clients)
					s.mu.Unlock()
				}
			}
			connect(100) // the first connections allocate what later ones share
			goroutines, bytes := runtime.NumGoroutine(), heap()
			n := 400
			if raceEnabled {
				n = 50
			}
			connect(n)
			if more := runtime.NumGoroutine() - goroutines; more > n/10 {
				t.Errorf("%d goroutines more", more)
			}
			each := (heap() - bytes) / n
			t.Logf("%d bytes a connection, both ends", each)
			if each > test.most && !raceEnabled {
				t.Errorf("%d bytes a connection", each)
			}
		})
	}
}

// heap returns the reachable bytes on the heap.
func heap() int {
	runtime.GC()
	runtime.GC() // frees what a pool keeps for one collection
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A round trip allocates nothing.
func TestEchoAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector a pool drops what it is given")
	}
	l, _ := newIdleLoop(t)
	a, b := socketPair(t)
	tr, _, err := CreateTransport(bounded(t), l, func() *echo { return new(echo) }, a, Config{}, true)
	must(t, err)
	buf := make([]byte, 1<<10)
	allocs := testing.AllocsPerRun(100, func() {
		_, err := b.Write(buf)
		must(t, err)
		tr.readReady()
		_, err = b.Read(buf)
		must(t, err)
	})
	if allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}
