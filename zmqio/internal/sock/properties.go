package sock

// #include "sock.h"
import "C"

import "bytes"

// MaxProperty is the size of the longest property. zmqio ignores a longer one.
const MaxProperty = C.ZMQIO_MAX_PROPERTY

// AskProperties makes each received message end with one more frame, which has the properties of
// these names: see [Properties]. Names are not empty and have no NUL. At most 16 are possible,
// because MaxProperty bytes of each must leave room in a batch. The properties are a frame so that
// a holder of the message keeps them too.
func (s *Socket) AskProperties(names []string) {
	if len(names) == 0 {
		return
	}
	for _, name := range names {
		if name == "Routing-Id" {
			name = "Identity" // ZMTP's name; libzmq accepts it for both
		}
		s.names = append(append(s.names, name...), 0)
	}
	s.names = append(s.names, 0)
}

// Properties reads the last frame of a message. It returns those of the properties that the message
// has.
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
