package zmqio

import "github.com/zmqio/zmq"

// topics counts the subscriptions of a socket by topic. The guard of the socket guards it.
type topics map[string]int

// follow records an option that was set.
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
