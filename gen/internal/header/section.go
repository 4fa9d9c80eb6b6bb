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

// sections reads from the header's text what the preprocessor drops: the comment above a name, the
// name of which it is an alias, and error numbers for systems that lack one.
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

// errno adds one of libzmq's own error numbers, or one for systems that lack it.
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

// capabilities reads the names that zmq_has knows. No header has them. In libzmq's source tree
// src/zmq.cpp has them, beside include/zmq.h.
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

// kindOf returns which list of the spec a name is in: the name of an enumeration, or one of the
// constants below. It returns "" for a name that the spec lacks.
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

// The lists that a header's name can belong to, except enumerations.
const (
	aSocketType = "socket type"
	anOption    = "socket option"
	aContext    = "context option"
)

// vote returns the list of the spec that most names in a section belong to. It counts either the
// numbers or the texts.
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
