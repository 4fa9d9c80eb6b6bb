package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// Sixteen goroutines do everything at random to the transports of two loops. Nothing
// hangs, leaks or fails without a reason, no frame is damaged, and the callbacks of
// each transport come in order.
func TestEverythingAtOnce(t *testing.T) {
	needs(t, "4.3.0", "earlier ones end the process in pipe.cpp, in Disconnect")
	checkLeaks(t)
	start := *seed
	if start == 0 {
		start = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d; -args -seed %[1]d makes the same choices", start)
	duration := form(3*time.Second, time.Minute)
	zctx, err := zmq4.NewContext()
	must(t, err)
	t.Cleanup(func() { must(t, zctx.Term()) })
	c := &chaos{t: t, dir: socketDir(t), alive: make(map[*actor]bool), places: places{bound: make(map[string]*actor)}}
	for i := range c.loops {
		c.loops[i] = newLoop(t, &zmqio.LoopConfig{Context: zctx}) // so that inproc connects the two loops
	}
	hung := time.AfterFunc(duration+hang, func() {
		stacks := make([]byte, 4*mib)
		panic(fmt.Sprintf("it hangs:\n%s", stacks[:runtime.Stack(stacks, true)]))
	})
	defer hung.Stop()
	end := time.Now().Add(duration)
	var workers sync.WaitGroup
	for i := range 16 {
		workers.Go(func() {
			for r := rand.New(rand.NewPCG(start, uint64(i))); time.Now().Before(end); {
				c.step(r)
			}
		})
	}
	workers.Wait()
	c.over.Store(true)
	for _, l := range c.loops {
		soon(t, l, func() {}) // waits until a callback that runs has returned
	}
	c.finish(bounded(t, hang))
	c.log()
}

// chaos is the state that all goroutines share.
type chaos struct {
	t      *testing.T
	dir    string // the directory of ipc endpoints
	loops  [2]*zmqio.EventLoop
	actors [16]atomic.Pointer[actor]
	stage  [16]sync.Mutex // each is locked by the goroutine that replaces the actor
	places places
	over   atomic.Bool

	live                                 condition
	alive                                map[*actor]bool
	made, lost                           int64 // guarded by live
	pauses, resumes, messages, goneAlong atomic.Int64
	done, refused                        [len(deeds)]atomic.Int64
}

// wires are the transports of ZeroMQ. An actor keeps to one of them.
var wires = []string{"inproc", "tcp", "ipc"}

// cast are the socket types of the actors, which send and receive messages of one frame.
var cast = []zmq.SocketType{
	zmq.PUSH, zmq.PULL, zmq.PUB, zmq.SUB, zmq.XPUB, zmq.XSUB, zmq.DEALER, zmq.ROUTER, zmq.PAIR,
}

// step does a random deed to a random actor, or replaces an actor that has ended.
func (c *chaos) step(r *rand.Rand) {
	if c.over.Load() {
		return
	}
	i := r.IntN(len(c.actors))
	a := c.actors[i].Load()
	if a == nil || a.t.IsClosing() {
		if c.stage[i].TryLock() {
			defer c.stage[i].Unlock()
			if c.actors[i].Load() == a { // else another goroutine has replaced it
				c.replace(i, r)
			}
		}
		return
	}
	n := r.IntN(len(deeds))
	d := deeds[n]
	err := d.do(a, r)
	switch {
	case err == nil:
		c.done[n].Add(1)
	case errors.Is(err, zmqio.ErrTransportClosed):
		c.goneAlong.Add(1)
	case isOneOf(err, d.may):
		c.refused[n].Add(1)
	default:
		c.t.Errorf("%s on %v: %v", d.name, a.t, err)
	}
}

func isOneOf(err error, targets []error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// replace makes actor i anew.
func (c *chaos) replace(i int, r *rand.Rand) {
	wire := wires[r.IntN(len(wires))]
	a := &actor{chaos: c, wire: wire, random: rand.New(rand.NewPCG(r.Uint64(), 0))}
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	loop := zmqio.RunningLoop() // a callback keeps to its own loop: the other one may be waiting for this one
	if loop == nil {
		loop = c.loops[r.IntN(2)]
	}
	_, _, err := loop.CreateZmqConnection(ctx, func() zmqio.Protocol { return a }, cast[r.IntN(len(cast))],
		zmqio.ConnectionConfig{
			Bind:           []string{},
			MaxWriteBuffer: 256 * kib,
			Configure: func(s zmq.Sockopts) error {
				return errors.Join(s.SetLinger(0), s.SetSndHWM(1+r.IntN(100)), s.SetRcvHWM(1+r.IntN(100)))
			},
		})
	if err != nil {
		c.t.Errorf("create: %v", err)
		return
	}
	c.actors[i].Store(a)
}

// finish ends all actors and waits for them.
func (c *chaos) finish(ctx context.Context) {
	for i := range c.actors {
		if a := c.actors[i].Load(); a != nil {
			_ = a.t.Abort()
		}
	}
	err := c.live.Until(ctx, func() bool {
		return c.made == c.lost
	})
	if err != nil {
		c.t.Errorf("%d transports were made and %d lost: %v", c.made, c.lost, err)
		for a := range c.alive {
			c.t.Errorf("not lost: %v, made %t, paused %t, buffer %d", a.t, a.made, a.paused, a.t.WriteBufferSize())
		}
	}
}

func (c *chaos) log() {
	done, refused := make(map[string]int64), make(map[string]int64)
	for i, d := range deeds {
		done[d.name] += c.done[i].Load()
		refused[d.name] += c.refused[i].Load()
	}
	for name, n := range done {
		if n == 0 {
			c.t.Errorf("%s never succeeded", name)
		}
	}
	c.t.Logf("%d transports, %d messages received, %d pauses, %d resumes; done: %v; refused with reason: %v; too late: %d",
		c.made, c.messages.Load(), c.pauses.Load(), c.resumes.Load(), done, refused, c.goneAlong.Load())
}
