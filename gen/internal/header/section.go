package header

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/zmqio/zmq/gen/internal/spec"
)

var (
	rulerLine   = regexp.MustCompile(`^/\*+/?\s*$`)
	commentLine = regexp.MustCompile(`^/\*\s*(.*?)\s*\*+/?\s*$`)
	defineLine  = regexp.MustCompile(`^#\s*define\s+(\w+)(?:\s+(ZMQ_\w+)\s*$)?`)
	errnoLine   = regexp.MustCompile(`^#\s*define\s+(E[A-Z0-9]+)\s+\(ZMQ_HAUSNUMERO \+ (\d+)\)`)
	guardLine   = regexp.MustCompile(`^#\s*ifndef\s+(\w+)`)
)

// sections reads from the header's text what the preprocessor does not tell: the comment
// that a name stands under, which name it is an alias of, and error numbers for systems
// that lack one.
func (h *Header) sections() error {
	text, err := os.ReadFile(h.File)
	if err != nil {
		return err
	}
	section, guard, inComment := "", "", false
	for line := range strings.Lines(string(text)) {
		if rulerLine.MatchString(line) {
			continue
		}
		if m := commentLine.FindStringSubmatch(line); m != nil {
			if !inComment {
				section = ""
			}
			section, inComment = strings.TrimSpace(section+" "+m[1]), true
			continue
		}
		inComment = inComment && strings.TrimSpace(line) == ""
		if m := errnoLine.FindStringSubmatch(line); m != nil {
			h.errno(m[1], m[2], guard == m[1])
		}
		if m := defineLine.FindStringSubmatch(line); m != nil {
			if n, ok := h.Names[m[1]]; ok {
				n.Section, n.Alias = section, m[2]
				h.Names[m[1]] = n
			}
		}
		guard = ""
		if m := guardLine.FindStringSubmatch(line); m != nil {
			guard = m[1]
		}
	}
	return nil
}

// errno adds an error number of libzmq's own, or one for systems that lack it.
func (h *Header) errno(name, offset string, fallback bool) {
	n := h.Names[name]
	n.Offset, n.Fallback = atoi(offset), fallback
	h.Names[name] = n
}

func atoi(digits string) int64 {
	var n int64
	for _, d := range digits {
		n = n*10 + int64(d-'0')
	}
	return n
}

var capability = regexp.MustCompile(`strcmp\s*\(\s*capability_?\s*,\s*(?:"(\w+)"|(?:zmq::)?protocol_name::(\w+))`)

// capabilities reads what zmq_has can be asked for. No header says so, but in libzmq's
// source tree src/zmq.cpp does, which lies beside include/zmq.h.
func (h *Header) capabilities() error {
	text, err := os.ReadFile(filepath.Join(filepath.Dir(h.File), "..", "src", "zmq.cpp"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, m := range capability.FindAllSubmatch(text, -1) {
		h.Capabilities = append(h.Capabilities, string(m[1])+string(m[2]))
	}
	return err
}

// kindOf says which list of the spec a name is in: the name of an enumeration, or one of
// the words below. It is empty for a name that the spec does not have.
func kindOf(s *spec.Spec) func(name string) string {
	kinds := make(map[string]string)
	for _, t := range s.SocketTypes {
		kinds["ZMQ_"+t.Name] = aSocketType
	}
	for _, c := range s.Contexts {
		kinds["ZMQ_"+c.Name] = aContext
	}
	for _, o := range s.Options {
		kinds["ZMQ_"+o.Name] = anOption
	}
	for _, e := range s.Enums {
		for _, v := range e.Values {
			kinds["ZMQ_"+v.Name] = e.Type
		}
	}
	for _, t := range s.Strings {
		for _, v := range t.Values {
			kinds["ZMQ_"+v.Name] = t.Type
		}
	}
	return func(name string) string { return kinds[name] }
}

// The lists that a name of a header can belong to, but for enumerations.
const (
	aSocketType = "socket type"
	anOption    = "socket option"
	aContext    = "context option"
)

// vote is what most names are that stand in a section and that the spec has: of the
// numbers there, or of the texts.
func (h *Header) vote(s *spec.Spec, section string, text bool) string {
	kind := kindOf(s)
	votes := make(map[string]int)
	best := ""
	for name, n := range h.Names {
		if k := kind(name); k != "" && n.Section == section && (n.Text != "") == text {
			votes[k]++
			if votes[k] > votes[best] || votes[k] == votes[best] && k < best {
				best = k
			}
		}
	}
	return best
}
