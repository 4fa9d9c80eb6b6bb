package header

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zmqio/zmq/gen/internal/spec"
)

// Verify compares a header with the spec in both directions, and returns a line for each
// difference.
func (h *Header) Verify(s *spec.Spec) []string { return VerifyAll([]*Header{h}, s) }

// VerifyAll is Verify for several headers.
func VerifyAll(headers []*Header, s *spec.Spec) []string {
	names := s.Names()
	sorted := slices.Sorted(maps.Keys(names))
	var lines []string
	for _, h := range headers {
		lines = append(lines, h.verify(s, names, sorted)...)
	}
	return lines
}

func (h *Header) verify(s *spec.Spec, names map[string]spec.HeaderName, sorted []string) []string {
	var lines []string
	for _, name := range h.missing(s, names) {
		lines = append(lines, fmt.Sprintf("%s: %s, %v, is not in the spec", h.File, name, h.Names[name]))
	}
	lines = append(lines, h.verifyCapabilities(s)...)
	for _, name := range sorted {
		if text := h.compare(name, names[name]); text != "" {
			lines = append(lines, fmt.Sprintf("%v: %s %s", names[name].At, name, text))
		}
	}
	return lines
}

// verifyCapabilities compares the capabilities, if the header has them.
func (h *Header) verifyCapabilities(s *spec.Spec) []string {
	if h.Capabilities == nil {
		return nil
	}
	var lines []string
	for _, name := range h.missingCapabilities(s) {
		lines = append(lines, fmt.Sprintf("%s: capability %s is not in the spec", h.File, name))
	}
	for _, c := range s.Capabilities {
		have, due := slices.Contains(h.Capabilities, c.Name), c.First().Compare(h.Version) <= 0
		if have != due {
			lines = append(lines, fmt.Sprintf("%v: capability %s is known to zmq_has of %v: %t, but the spec has it since %v",
				c.At("name"), c.Name, h.Version, have, c.First()))
		}
	}
	return lines
}

// Missing returns the header's names that the spec neither has nor ignores.
func (h *Header) Missing(s *spec.Spec) []string { return h.missing(s, s.Names()) }

func (h *Header) missing(s *spec.Spec, names map[string]spec.HeaderName) []string {
	var missing []string
	for name := range h.Names {
		_, known := names[name]
		// The system defines many error numbers. Only those with a number of libzmq's belong to the
		// header.
		foreign := isErrno(name) && h.Names[name].Offset == 0
		if !known && !foreign && !ignored(s, name) {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

func ignored(s *spec.Spec, name string) bool {
	return slices.ContainsFunc(s.Ignore, func(i spec.Ignored) bool {
		prefix, wild := strings.CutSuffix(i.Name, "*")
		return i.Name == name || wild && strings.HasPrefix(name, prefix)
	})
}

// compare returns how the header and the spec differ about a name.
func (h *Header) compare(name string, want spec.HeaderName) string {
	have, ok := h.Names[name]
	if isErrno(name) && have.Offset == 0 {
		ok = false // the system defines it, not the header
	}
	due := want.Origin.First().Compare(h.Version) <= 0
	switch {
	case !ok && due:
		return fmt.Sprintf("is not in %s, which is %v", h.File, h.Version)
	case !ok:
		return ""
	case !due:
		return fmt.Sprintf("is in %s, which is %v, but the spec has it since %v", h.File, h.Version, want.Origin.First())
	case want.Call:
		return h.compareDraft(want, have)
	case want.Text != "" && want.Text != have.Text:
		return fmt.Sprintf("is %q, but %s has %v", want.Text, h.File, have)
	case want.Text != "":
		return h.compareDraft(want, have)
	}
	value := want.Values[0].Value
	for _, v := range want.Values {
		if v.Since.Compare(h.Version) <= 0 {
			value = v.Value
		}
	}
	if isErrno(name) {
		return compareErrno(want, value-spec.Hausnumero, have)
	}
	if have.Mark || have.Text != "" || have.Number != value {
		return fmt.Sprintf("is %d, but %s has %v", value, h.File, have)
	}
	return h.compareDraft(want, have)
}

// compareErrno returns whether the header has another offset, or makes up a number that the spec
// calls libzmq's own.
func compareErrno(want spec.HeaderName, offset int64, have Name) string {
	if have.Offset != offset || have.Fallback != want.Errno {
		return fmt.Sprintf("is %s %d, but the header has %s %d",
			offsetKind[want.Errno], offset, offsetKind[have.Fallback], have.Offset)
	}
	return ""
}

var offsetKind = map[bool]string{true: "fallback", false: "native"}

// compareDraft returns whether the header and the spec differ about the name being a draft.
func (h *Header) compareDraft(want spec.HeaderName, have Name) string {
	stable := !want.Origin.Since.IsZero() && want.Origin.Since.Compare(h.Version) <= 0
	if stable == have.Draft {
		return fmt.Sprintf("is %s in %s, but not so in the spec", map[bool]string{true: "a draft", false: "stable"}[have.Draft], h.File)
	}
	return ""
}
