package fault

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// An actor is a transport and its protocol. The test does deeds to it, and its callbacks sometimes
// do deeds to any actor.
type actor struct {
	chaos *chaos
	wire  string
	typ   zmq.SocketType
	t     *zmqio.Transport

	mu     sync.Mutex
	random *rand.Rand
	made   bool
	paused bool
	lost   bool
	peer   []byte // the routing id of a peer
}

// wrong reports a callback that comes out of order.
func (a *actor) wrong(callback string) {
	a.chaos.t.Errorf("%s of %v: made %t, paused %t, lost %t", callback, a.t, a.made, a.paused, a.lost)
}

// ConnectionMade is the first callback.
func (a *actor) ConnectionMade(t *zmqio.Transport) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.made {
		a.wrong("ConnectionMade")
	}
	a.made, a.t = true, t
	a.typ = t.ExtraInfo("zmq_type", nil).(zmq.SocketType)
	a.chaos.live.Change(func() { a.chaos.made++; a.chaos.alive[a] = true })
}

// ConnectionLost is the last one.
func (a *actor) ConnectionLost(err error) {
	a.mu.Lock()
	if !a.made || a.lost || err != nil {
		a.wrong(fmt.Sprintf("ConnectionLost(%v)", err))
	}
	a.lost = true
	a.mu.Unlock()
	a.onLoop("ConnectionLost")
	a.chaos.live.Change(func() { a.chaos.lost++; delete(a.chaos.alive, a) })
}

// PauseWriting alternates with ResumeWriting.
func (a *actor) PauseWriting() {
	a.mu.Lock()
	if !a.made || a.paused || a.lost {
		a.wrong("PauseWriting")
	}
	a.paused = true
	a.mu.Unlock()
	a.chaos.pauses.Add(1)
	a.act(4)
}

// ResumeWriting alternates with PauseWriting.
func (a *actor) ResumeWriting() {
	a.mu.Lock()
	if !a.paused || a.lost {
		a.wrong("ResumeWriting")
	}
	a.paused = false
	a.mu.Unlock()
	a.onLoop("ResumeWriting")
	a.chaos.resumes.Add(1)
	a.act(4)
}

// MsgReceived checks that a message is as it was written.
func (a *actor) MsgReceived(msg [][]byte) {
	a.mu.Lock()
	if !a.made || a.lost || len(msg) == 0 {
		a.wrong("MsgReceived")
	}
	if a.typ == zmq.ROUTER {
		a.peer = msg[0]
	}
	a.mu.Unlock()
	a.onLoop("MsgReceived")
	for _, f := range msg {
		if len(f) < headerSize {
			continue // a routing id, an empty frame, a subscription
		}
		if _, _, err := parseFrame(f); err != nil {
			a.chaos.t.Error(err)
		}
	}
	a.chaos.messages.Add(1)
	a.act(16)
}

func (a *actor) onLoop(callback string) {
	if zmqio.RunningLoop() != a.t.Loop() {
		a.chaos.t.Errorf("%s was not called on the loop", callback)
	}
}

// act does a step with a probability of 1/times.
func (a *actor) act(times int) {
	a.mu.Lock()
	n, r := a.random.IntN(times), rand.New(rand.NewPCG(a.random.Uint64(), 1))
	a.mu.Unlock()
	if n == 0 {
		a.chaos.step(r)
	}
}

// A disguise is an actor as a protocol of another type, for SetProtocol.
type disguise struct{ *actor }

// A deed is something that the test does to an actor. may has the errors that it can return beside
// ErrTransportClosed.
type deed struct {
	name string
	do   func(*actor, *rand.Rand) error
	may  []error
}

var sendErrors = []error{zmq.ENOTSUP, zmq.EFSM, zmqio.ErrBufferFull, context.DeadlineExceeded, zmqio.ErrWouldDeadlock, zmq.EINVAL}

// deeds are equally likely, so frequent ones are in the list several times. init fills it in,
// because callbacks refer to it.
var deeds [22]deed

func init() {
	write := deed{"Write", func(a *actor, r *rand.Rand) error { return a.t.Write(a.message(r)) }, sendErrors}
	writeContext := deed{"WriteContext", (*actor).writeContext, sendErrors}
	connect := deed{"Connect", (*actor).connect, []error{zmq.ENOENT}}
	deeds = [...]deed{
		0: {"Close", (*actor).close, nil},
		1: {"Abort", (*actor).abort, nil},
		2: write, 3: write, 4: write, 5: write, 6: write,
		7: writeContext, 8: writeContext,
		9: connect, 10: connect,
		11: {"Bind", (*actor).bind, []error{zmq.EADDRINUSE, zmq.ENOENT}},
		12: {"Unbind", (*actor).unbind, []error{zmq.ENOENT}},
		13: {"Disconnect", (*actor).disconnect, []error{zmq.ENOENT}},
		14: {"PauseReading", func(a *actor, _ *rand.Rand) error { return a.t.PauseReading() }, []error{zmqio.ErrAlreadyPaused}},
		15: {"ResumeReading", func(a *actor, _ *rand.Rand) error { return a.t.ResumeReading() }, []error{zmqio.ErrNotPaused}},
		16: {"Subscribe", func(a *actor, r *rand.Rand) error { return a.t.Subscribe(topic(r)) }, []error{zmqio.ErrSocketType}},
		17: {"Unsubscribe", func(a *actor, r *rand.Rand) error { return a.t.Unsubscribe(topic(r)) }, []error{zmqio.ErrSocketType, zmqio.ErrInvalidArgument, zmq.EINVAL}},
		18: {"SetWriteBufferLimits", (*actor).limits, nil},
		19: {"options", (*actor).options, nil},
		20: {"SetProtocol", (*actor).disguise, nil},
		21: {"looking", (*actor).look, nil},
	}
}

// lives is how many Close and Abort deeds come, on average, until an actor does one.
const lives = 10

func (a *actor) close(r *rand.Rand) error {
	if r.IntN(lives) > 0 {
		return nil
	}
	defer a.chaos.places.leave(a)()
	if err := a.t.Close(); err != nil {
		return err
	}
	// The transport may hold messages for which there is no receiver.
	_, err := a.t.Loop().CallLater(time.Millisecond, func() { _ = a.t.Abort() })
	return err
}

func (a *actor) abort(r *rand.Rand) error {
	if r.IntN(lives) > 0 {
		return nil
	}
	defer a.chaos.places.leave(a)()
	return a.t.Abort()
}

// message returns a message of the actor's type, which is one frame on the wire. If the pipe of a
// longer message dies, libzmq 4.3.4 may end the process at either end.
func (a *actor) message(r *rand.Rand) (msg [][]byte) {
	size := headerSize + r.IntN(2000)
	if r.IntN(50) == 0 {
		size = 64 * kib
	}
	msg = [][]byte{stream{0, size}.frame(r.Uint64() >> 1)}
	switch a.typ {
	case zmq.ROUTER:
		a.mu.Lock()
		defer a.mu.Unlock()
		return append([][]byte{append([]byte("?"), a.peer...)[min(len(a.peer), 1):]}, msg...)
	case zmq.XSUB:
		return [][]byte{append([]byte{byte(r.IntN(2))}, topic(r)...)}
	}
	return msg
}

func (a *actor) writeContext(r *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(3000))*time.Microsecond)
	defer cancel()
	return a.t.WriteContext(ctx, a.message(r))
}

// topic returns a prefix of the frames of stream 0, or another topic.
func topic(r *rand.Rand) string { return []string{"", "\x00", "\x00\x00", "other"}[r.IntN(4)] }

// places has the bound endpoints, each with its actor. The map is locked during a connect, and
// while an actor leaves. No socket may connect over inproc to an endpoint that is not bound: libzmq
// 4.3.4 uses such a connection after it has freed it.
type places struct {
	mu    sync.Mutex
	bound map[string]*actor
}

// leave removes the places of an actor before it closes. The caller calls the result afterwards.
func (p *places) leave(a *actor) func() {
	p.mu.Lock()
	maps.DeleteFunc(p.bound, func(_ string, owner *actor) bool { return owner == a })
	return p.mu.Unlock
}

func (a *actor) bind(r *rand.Rand) error {
	if len(a.t.Listeners()) > 3 {
		return a.unbind(r)
	}
	endpoint := "tcp://127.0.0.1:*"
	switch name := fmt.Sprintf("%v-%d", a.typ, r.IntN(3)); a.wire {
	case "inproc":
		endpoint = "inproc://chaos-" + name
	case "ipc":
		endpoint = "ipc://" + filepath.Join(a.chaos.dir, name)
	}
	p := &a.chaos.places
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Contains(a.t.Connections(), endpoint) {
		return nil // a disconnect would unbind it too: libzmq 4.3.4 has one call for both
	}
	endpoint, err := a.t.Bind(endpoint)
	if err == nil {
		p.bound[endpoint] = a
	}
	return err
}

// connect connects the actor to an endpoint of a type that it can talk to.
func (a *actor) connect(r *rand.Rand) error {
	if len(a.t.Connections()) > 3 {
		return a.disconnect(r)
	}
	p := &a.chaos.places
	p.mu.Lock()
	defer p.mu.Unlock()
	for endpoint, b := range p.bound { // Go's order of a map is random
		if b != a && b.wire == a.wire && a.typ.CompatibleWith(b.typ) {
			_, err := a.t.Connect(endpoint)
			return err
		}
	}
	return nil
}

func (a *actor) unbind(r *rand.Rand) error {
	l := a.t.Listeners()
	if len(l) == 0 {
		return nil
	}
	endpoint := l[r.IntN(len(l))]
	p := &a.chaos.places
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bound[endpoint] == a {
		delete(p.bound, endpoint)
	}
	return a.t.Unbind(endpoint)
}

func (a *actor) disconnect(r *rand.Rand) error {
	l := a.t.Connections()
	if len(l) == 0 {
		return nil
	}
	return a.t.Disconnect(l[r.IntN(len(l))])
}

func (a *actor) limits(r *rand.Rand) error {
	high := r.IntN(100_000) >> r.IntN(17)
	return a.t.SetWriteBufferLimits(high, r.IntN(high+1))
}

func (a *actor) options(r *rand.Rand) error {
	s := a.t.Sockopts()
	// Not the high-water marks: libzmq 4.3.4 also tells them to the other end of a pipe that it has
	// freed.
	if err := s.SetReconnectInterval(time.Duration(1+r.IntN(100)) * time.Millisecond); err != nil {
		return err
	}
	if err := a.t.Setsockopt(zmq.LINGER, time.Duration(0)); err != nil {
		return err
	}
	if _, err := s.Events(); err != nil { // reading EVENTS also takes the signal of a message
		return err
	}
	_, err := a.t.Getsockopt(zmq.TYPE)
	return err
}

func (a *actor) disguise(*rand.Rand) error {
	if a.t.Protocol() == zmqio.Protocol(a) {
		a.t.SetProtocol(disguise{a})
	} else {
		a.t.SetProtocol(a)
	}
	return nil
}

// look calls every method that reads the transport's state.
func (a *actor) look(*rand.Rand) error {
	high, low := a.t.WriteBufferLimits()
	if low > high {
		return fmt.Errorf("limits %d and %d", high, low)
	}
	if size := a.t.WriteBufferSize(); size < 0 || size > 256*kib {
		return fmt.Errorf("%d bytes in the buffer", size)
	}
	if a.t.Subscriptions(); !strings.HasPrefix(a.t.String(), "<Transport "+a.typ.String()) {
		return fmt.Errorf("its String is %v", a.t)
	}
	return nil
}
