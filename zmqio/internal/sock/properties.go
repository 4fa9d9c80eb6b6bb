package sock

// #include "sock.h"
import "C"

import "bytes"

// MaxProperty is the size of the longest property. A longer one counts as one that a message
// does not have.
const MaxProperty = C.ZMQIO_MAX_PROPERTY

// AskProperties has each message that is received from now on end with a frame more, of the
// properties of these names: see [Properties]. Names are not empty and have no NUL, and are few
// enough for MaxProperty bytes of each to leave room in a batch: 16. They come with the frames
// so that whatever keeps a message keeps its properties.
func (s *Socket) AskProperties(names []string) {
	if len(names) == 0 {
		return
	}
	for _, name := range names {
		if name == "Routing-Id" {
			name = "Identity" // as ZMTP says; libzmq knows that name for both
		}
		s.names = append(append(s.names, name...), 0)
	}
	s.names = append(s.names, 0)
}

// Properties returns what the last frame of a message says of the properties that were asked
// for: those of names that the message has.
func Properties(frame []byte, names []string) map[string]string {
	found := make(map[string]string, len(names))
	for _, name := range names {
		value, rest, _ := bytes.Cut(frame, []byte{0})
		if len(value) > 0 { // 1, and the text
			found[name] = string(value[1:])
		}
		frame = rest
	}
	return found
}
