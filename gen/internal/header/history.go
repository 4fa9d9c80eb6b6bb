package header

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/zmqio/zmq/gen/internal/spec"
)

// Record writes the differences between before and h, in the form that History reads.
func (h *Header) Record(before *Header, w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nrelease %v\n", h.Version)
	for _, name := range slices.Sorted(maps.Keys(h.Names)) {
		line := h.Names[name].record(name)
		if n, ok := before.Names[name]; !ok || line != n.record(name) {
			b.WriteString(line)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before.Names)) {
		if _, ok := h.Names[name]; !ok {
			fmt.Fprintf(&b, "%s gone\n", name)
		}
	}
	for _, name := range h.Capabilities {
		if !slices.Contains(before.Capabilities, name) {
			fmt.Fprintf(&b, "%s capability\n", name)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// record returns the line for a name, or "" for a name that is not libzmq's own or changes with
// each release.
func (n Name) record(name string) string {
	var is string
	switch {
	case strings.HasPrefix(name, "ZMQ_VERSION"):
		is = "mark" // its number differs in each release
	case n.Offset != 0 && n.Fallback:
		is = fmt.Sprintf("fallback %d", n.Offset)
	case n.Offset != 0:
		is = fmt.Sprintf("native %d", n.Offset)
	case isErrno(name):
		return ""
	case n.Call:
		is = "call"
	case n.Mark:
		is = "mark"
	case n.Text != "":
		is = "text " + n.Text
	default:
		is = fmt.Sprintf("number %d", n.Number)
	}
	if n.Draft {
		is = "draft " + is
	}
	return name + " " + is + "\n"
}

// History reads what Record wrote, and returns the header of each release.
func History(r io.Reader) ([]*Header, error) {
	var list []*Header
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, is, _ := strings.Cut(line, " ")
		if name == "release" {
			h := &Header{File: "zmq.h of " + is, Names: make(map[string]Name), Capabilities: []string{}}
			if len(list) > 0 {
				h.Names = maps.Clone(list[len(list)-1].Names)
				h.Capabilities = slices.Clone(list[len(list)-1].Capabilities)
			}
			if _, err := fmt.Sscanf(is, "%d.%d.%d", &h.Version.Major, &h.Version.Minor, &h.Version.Patch); err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			list = append(list, h)
			continue
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("line %d: a name before any release", n)
		}
		if err := list[len(list)-1].read(name, is); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return list, lines.Err()
}

// read adds a line about a name.
func (h *Header) read(name, is string) error {
	rest, draft := strings.CutPrefix(is, "draft ")
	kind, value, _ := strings.Cut(rest, " ")
	n := Name{Draft: draft}
	switch kind {
	case "gone":
		delete(h.Names, name)
		return nil
	case "capability":
		h.Capabilities = append(h.Capabilities, name)
		return nil
	case "call":
		n.Call = true
	case "mark":
		n.Mark = true
	case "text":
		n.Text = value
	case "number", "native", "fallback":
		v, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return err
		}
		n.Number = v
		if kind != "number" {
			n.Number, n.Offset, n.Own, n.Fallback = spec.Hausnumero+v, v, true, kind == "fallback"
		}
	default:
		return fmt.Errorf("%s is %q", name, is)
	}
	h.Names[name] = n
	return nil
}
