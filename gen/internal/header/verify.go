package header

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zmqio/zmq/gen/internal/spec"
)

// Verify compares a header with the spec, both ways, and returns a line for each thing
// that differs.
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

// verifyCapabilities compares what zmq_has knows, where the header tells.
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

// Missing returns the names of the header that the spec neither has nor leaves out.
func (h *Header) Missing(s *spec.Spec) []string { return h.missing(s, s.Names()) }

func (h *Header) missing(s *spec.Spec, names map[string]spec.HeaderName) []string {
	var missing []string
	for name := range h.Names {
		_, known := names[name]
		// The system defines many error numbers. Only those that libzmq gives a number
		// to are the header's.
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

// compare says how the header differs from the spec about a name.
func (h *Header) compare(name string, want spec.HeaderName) string {
	have, ok := h.Names[name]
	if isErrno(name) && have.Offset == 0 {
		ok = false // the system's, not the header's
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

// compareErrno says whether the header has another offset, or makes an error number up
// where the spec says that it is libzmq's own.
func compareErrno(want spec.HeaderName, offset int64, have Name) string {
	if have.Offset != offset || have.Fallback != want.Errno {
		return fmt.Sprintf("is %s %d, but the header has %s %d",
			offsetKind[want.Errno], offset, offsetKind[have.Fallback], have.Offset)
	}
	return ""
}

var offsetKind = map[bool]string{true: "fallback", false: "native"}

// compareDraft says whether the header and the spec differ about who may use a name.
func (h *Header) compareDraft(want spec.HeaderName, have Name) string {
	stable := !want.Origin.Since.IsZero() && want.Origin.Since.Compare(h.Version) <= 0
	if stable == have.Draft {
		return fmt.Sprintf("is %s in %s, but not so in the spec", map[bool]string{true: "a draft", false: "stable"}[have.Draft], h.File)
	}
	return ""
}
