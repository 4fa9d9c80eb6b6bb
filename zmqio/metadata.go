package zmqio

import (
	"strings"
	"sync"

	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// A Message is a message with what libzmq knows of the peer that has sent it.
type Message struct {
	// Frames are the frames of the message, one or more.
	Frames [][]byte
	// Metadata has the properties that the peer has, of those that ConnectionConfig.Metadata
	// names. The messages of a peer share the map: do not change it.
	Metadata map[string]string
}

// A MessageProtocol is a Protocol that gets the properties of messages that
// ConnectionConfig.Metadata names. MessageReceived is called instead of MsgReceived and
// MsgsReceived. A transport looks for MessageReceived when it is made, and in SetProtocol.
type MessageProtocol interface {
	Protocol

	// MessageReceived is called as MsgReceived is, with the metadata beside the frames.
	MessageReceived(msg Message)
}

// MaxMetadata is the largest number of names in ConnectionConfig.Metadata.
const MaxMetadata = 16

// checkMetadata returns an error for property names that zmqio cannot ask libzmq for.
func checkMetadata(config string, names []string) error {
	if len(names) > MaxMetadata {
		return invalid("%s.Metadata has %d names, and %d are allowed", config, len(names), MaxMetadata)
	}
	for _, name := range names {
		if name == "" || len(name) > 255 || strings.IndexByte(name, 0) >= 0 {
			return invalid("%s.Metadata has %q, which cannot be the name of a property", config, name)
		}
	}
	return nil
}

// maxKnown bounds the memory of a metadata, in bytes of properties. Peers choose some of the
// properties.
const maxKnown = 1 << 20

// A metadata takes the properties out of the last frame of each message: see
// [sock.Socket.AskProperties]. A nil metadata belongs to a transport that asks for none, whose
// messages have no such frame.
type metadata struct {
	names []string

	mu    sync.Mutex // no other lock is taken under it
	known map[string]map[string]string
	size  int // of the keys of known, in bytes
}

func newMetadata(names []string) *metadata {
	if len(names) == 0 {
		return nil
	}
	return &metadata{names: append([]string(nil), names...)}
}

// frames returns msg without the frame of properties.
func (m *metadata) frames(msg [][]byte) [][]byte {
	if m == nil || msg == nil {
		return msg
	}
	last := len(msg) - 1
	return msg[:last:last]
}

// batch removes the frames of properties from msgs.
func (m *metadata) batch(msgs [][][]byte) {
	if m == nil {
		return
	}
	for i, msg := range msgs {
		msgs[i] = m.frames(msg)
	}
}

// message returns msg as a Message with its properties.
func (m *metadata) message(msg [][]byte) Message {
	if m == nil || msg == nil {
		return Message{Frames: msg}
	}
	return Message{m.frames(msg), m.properties(msg[len(msg)-1])}
}

// properties returns the properties in a frame. Known properties cost no allocation.
func (m *metadata) properties(frame []byte) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if found, ok := m.known[string(frame)]; ok {
		return found
	}
	if m.size += len(frame); m.known == nil || m.size > maxKnown {
		m.known, m.size = make(map[string]map[string]string), len(frame)
	}
	found := sock.Properties(frame, m.names)
	m.known[string(frame)] = found
	return found
}
