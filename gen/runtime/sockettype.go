package zmq

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// SocketTypeInfo is what the spec says about a socket type, for the running libzmq. Do not
// change a SocketTypeInfo.
type SocketTypeInfo struct {
	Type SocketType
	Name string // libzmq's, without ZMQ_
	// Aliases are other names that libzmq has for the type, without ZMQ_.
	Aliases []string
	// Since and DraftSince are the first releases that have the type as a stable and as a
	// draft one. Zero is never.
	Since, DraftSince Version
	// Draft says that libzmq has never called the type stable.
	Draft bool
	// Peers are the types that libzmq lets the type talk to.
	Peers []SocketType
	// CanSend and CanReceive say what an application may do. What an XPUB or an XSUB gets
	// from its peers counts as received.
	CanSend, CanReceive bool
	// ThreadSafe says that several threads may use one socket. Such a socket has no
	// ZMQ_FD, and a message of one frame.
	ThreadSafe bool
	// Mute says what a send does at the high-water mark. It is empty for a type that cannot
	// send.
	Mute Mute
	// Refusal says what libzmq does with the rest of a message after it refused a frame.
	Refusal Refusal
	// Eager says that a send can fail although there is room: with EFSM on a REQ or a REP
	// out of turn, and with ENOTSUP on a type that cannot send. Only a send at once gets
	// that error; a program that queues the message learns of it too late.
	Eager bool
	// ConnectsOnce says that libzmq ignores a connect to an endpoint that the socket is
	// connected to. Over inproc libzmq connects again all the same.
	ConnectsOnce bool
	// Subscribes says how a socket asks its peers for messages. It is empty where a peer
	// sends them without being asked.
	Subscribes Subscription
	Doc        string // what the type is for, in a sentence that follows its name
}

// Mute is what a send does when each peer that it could go to is at its high-water mark.
type Mute string

// The values of Mute.
const (
	MuteBlock Mute = "block"            // the send waits, or returns EAGAIN with ZMQ_DONTWAIT
	MuteDrop  Mute = "drop"             // the message is lost for the peers that have no room
	MuteFail  Mute = "fail with EAGAIN" // the send returns EAGAIN, and does not wait
)

// Refusal is what libzmq does after it refused a frame in the middle of a message with EAGAIN.
// libzmq refuses a frame if the peer has gone that got the earlier frames.
type Refusal string

// The values of Refusal.
const (
	// RefusalForgets means that libzmq has dropped the earlier frames. It takes the next
	// frame for the first of a message. Types that refuse only first frames have this value.
	RefusalForgets Refusal = "forgets"
	// RefusalDiscards means that libzmq has dropped the earlier frames. It also drops the
	// next frames up to the last of the message, without an error.
	RefusalDiscards Refusal = "discards"
	// RefusalRequests is RefusalDiscards on a REQ. The REQ then waits for the reply to the
	// dropped request. If the refused frame is the last, the REQ behaves as in
	// RefusalHeadless.
	RefusalRequests Refusal = "requests"
	// RefusalHeadless is RefusalForgets on a REQ. The REQ takes the next frame for the rest
	// of the request, and puts no empty frame in front of it.
	RefusalHeadless Refusal = "headless"
)

// Subscription is how a socket asks its peers for messages.
type Subscription string

// The ways to subscribe.
const (
	SubscribesByOption  Subscription = "option"  // by setting SUBSCRIBE
	SubscribesByMessage Subscription = "message" // by sending the byte 1 and a prefix
	SubscribesByGroup   Subscription = "group"   // by zmq_join
)

// A rule is what holds from a release on.
type rule[T ~string] struct {
	since Version
	rule  T
}

// inForce returns the rule of the newest release up to v, which is empty before the first.
// The rules are in the order of their releases.
func inForce[T ~string](rules []rule[T], v Version) T {
	var last T
	for _, r := range rules {
		if v.Compare(r.since) >= 0 {
			last = r.rule
		}
	}
	return last
}

// A socketTypeEntry has the facts about a type. Those in info hold in every release.
type socketTypeEntry struct {
	info                SocketTypeInfo
	refusal             []rule[Refusal]
	subscribes          []rule[Subscription]
	eager, connectsOnce Version // the first release; zero is never
}

func (t SocketType) entry() socketTypeEntry {
	i := slices.IndexFunc(socketTypeTable, func(e socketTypeEntry) bool { return e.info.Type == t })
	if i < 0 {
		return socketTypeEntry{info: SocketTypeInfo{Type: t}}
	}
	return socketTypeTable[i]
}

// in returns what holds for a release of libzmq.
func (e socketTypeEntry) in(v Version) SocketTypeInfo {
	holds := func(since Version) bool { return since != Version{} && v.Compare(since) >= 0 }
	info := e.info
	info.Name = info.Type.String()
	info.Refusal = cmp.Or(inForce(e.refusal, v), RefusalForgets)
	info.Subscribes = inForce(e.subscribes, v)
	info.Eager = holds(e.eager)
	info.ConnectsOnce = holds(e.connectsOnce)
	return info
}

// Info returns what the spec says about the type, as it holds for the running libzmq. For
// a number that the spec does not have only Type, Name and Refusal are set.
func (t SocketType) Info() SocketTypeInfo { return t.entry().in(runningVersion()) }

// String returns libzmq's name without ZMQ_, as in "DEALER".
func (t SocketType) String() string { return enumSocketType.text(t) }

// ParseSocketType finds a socket type by libzmq's name, in any case, with or without
// ZMQ_. The aliases XREQ and XREP are known too.
func ParseSocketType(name string) (SocketType, error) { return enumSocketType.parse(name) }

// SocketTypes returns every socket type, in the order of their numbers.
func SocketTypes() []SocketType {
	types := make([]SocketType, len(socketTypeTable))
	for i, e := range socketTypeTable {
		types[i] = e.info.Type
	}
	return types
}

// Draft reports whether libzmq calls the type a draft. Every build makes such sockets. Without
// CapabilityDraft libzmq ends the process when a thread-safe socket among them shakes hands
// with a peer over a network or ipc.
func (t SocketType) Draft() bool { return t.entry().info.Draft }

// ThreadSafe reports whether several threads may use such a socket at the same time. These
// types have no ZMQ_FD, and their messages have one frame. No transport of package zmqio can
// have such a type.
func (t SocketType) ThreadSafe() bool { return t.entry().info.ThreadSafe }

// CanSend reports whether an application may send on such a socket.
func (t SocketType) CanSend() bool { return t.entry().info.CanSend }

// CanReceive reports whether an application may receive on such a socket. Subscriptions that an
// XPUB receives count.
func (t SocketType) CanReceive() bool { return t.entry().info.CanReceive }

// CompatibleWith reports whether libzmq lets sockets of the types t and peer talk to each
// other. A STREAM talks to raw TCP, and to no ZeroMQ socket.
func (t SocketType) CompatibleWith(peer SocketType) bool {
	return slices.Contains(t.entry().info.Peers, peer)
}

// Explain adds what the running libzmq lacks to an EINVAL from creating a socket of this
// type: the error is then errors.ErrUnsupported too. Any other error comes back unchanged.
func (t SocketType) Explain(err error) error {
	if !errors.Is(err, EINVAL) {
		return err
	}
	info := t.entry().info
	why := requirement{since: cmp.Or(info.DraftSince, info.Since)}.unmet()
	if why == "" {
		return err
	}
	return fmt.Errorf("%v: %w (%w: %s)", t, err, errors.ErrUnsupported, why)
}
