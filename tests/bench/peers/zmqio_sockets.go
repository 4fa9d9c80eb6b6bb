package peers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// idlePairs makes n transports that stay idle: pairs of a PULL and a PUSH, over inproc.
func (j job) idlePairs(l *zmqio.EventLoop, n int) {
	for i := range n {
		endpoint := fmt.Sprintf("inproc://idle-%d", i/2)
		if i%2 == 0 {
			j.create(l, zmqio.BaseProtocol{}, zmq.PULL, bindTo(endpoint))
		} else {
			j.create(l, zmqio.BaseProtocol{}, zmq.PUSH, connectTo(endpoint))
		}
	}
}

func (j job) loopForMany() *zmqio.EventLoop {
	return newLoop(zmqio.LoopConfig{MaxSockets: j.sockets + 100})
}

// zmqioIdle measures the CPU time of transports that do nothing.
func zmqioIdle(j job) error {
	l := j.loopForMany()
	j.idlePairs(l, j.sockets)
	go func() { must(l.RunForever(context.Background())) }()
	return tell(j.watch(nil))
}

// zmqioBusy receives with one transport, among others that do nothing.
func zmqioBusy(j job) error {
	l := j.loopForMany()
	j.idlePairs(l, j.sockets-1)
	t, m := j.receive(l)
	if err := tellEndpoint(t.Listeners()[0]); err != nil {
		return err
	}
	return runMeasured(l, m)
}

// zmqioMemory measures what a transport adds to the memory of the process.
func zmqioMemory(j job) error {
	l := j.loopForMany()
	j.create(l, zmqio.BaseProtocol{}, zmq.PULL, bindTo("inproc://first")) // allocates what all sockets share
	before, err := resident()
	if err != nil {
		return err
	}
	j.idlePairs(l, j.sockets)
	after, err := resident()
	if err != nil {
		return err
	}
	return tell(map[string]int{"bytes": (after - before) / j.sockets})
}

// resident returns the resident memory of the process in bytes, after a garbage collection.
func resident() (int, error) {
	debug.FreeOSMemory()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var total, pages int
	if _, err := fmt.Fscan(bytes.NewReader(statm), &total, &pages); err != nil {
		return 0, err
	}
	return pages * os.Getpagesize(), nil
}
