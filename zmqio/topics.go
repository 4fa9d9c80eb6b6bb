package zmqio

import (
	"fmt"
	"maps"
	"slices"

	"github.com/zmqio/zmq"
)

// Subscribe asks for the messages that begin with topic; empty means all. A SUB
// receives nothing before. A topic counts as often as it was subscribed to. It does
// what setting SUBSCRIBE does, before or after a connect. The error is ErrSocketType for
// any other type than SUB, for which an XSUB writes a message, and ErrTransportClosed.
//
// aiozmq: subscribe
func (t *Transport) Subscribe(topic string) error { return t.subscription(zmq.SUBSCRIBE, topic) }

// Unsubscribe takes one Subscribe of topic back. The errors are those of Subscribe,
// and ErrInvalidArgument if topic is not subscribed to, where libzmq says nothing.
//
// aiozmq: unsubscribe
func (t *Transport) Unsubscribe(topic string) error { return t.subscription(zmq.UNSUBSCRIBE, topic) }

// Subscriptions returns the topics that are subscribed to, sorted, each once: by
// Subscribe, by the options, also in ConnectionConfig.Configure, and not what a socket
// had from elsewhere. After Close it is what they were.
//
// aiozmq: subscriptions
func (t *Transport) Subscriptions() []string {
	t.sockMu.Lock()
	defer t.sockMu.Unlock()
	return slices.Sorted(maps.Keys(t.guard.topics))
}

func (t *Transport) subscription(opt zmq.Option, topic string) error {
	if t.typ.Info().Subscribes != zmq.SubscribesByOption {
		return fmt.Errorf("%v: %w: only a SUB subscribes, not a %v", opt, ErrSocketType, t.typ)
	}
	return t.with("zmq_setsockopt", func(r rawSocket) error {
		if opt == zmq.UNSUBSCRIBE && t.guard.topics[topic] == 0 {
			return invalid("not subscribed to %q", topic)
		}
		return r.SetRaw(opt, []byte(topic))
	})
}

// topics counts the subscriptions of a socket by topic. It is guarded as the socket is.
type topics map[string]int

// follow takes note of an option that has been set.
func (s topics) follow(opt zmq.Option, value []byte) {
	topic := string(value)
	switch {
	case opt == zmq.SUBSCRIBE:
		s[topic]++
	case opt == zmq.UNSUBSCRIBE && s[topic] > 1:
		s[topic]--
	case opt == zmq.UNSUBSCRIBE:
		delete(s, topic)
	}
}
