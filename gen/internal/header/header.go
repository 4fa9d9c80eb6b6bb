// Package header reads the definitions of a zmq.h and compares them with the spec.
package header

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"os/exec"
	"regexp"
	"strings"

	"github.com/zmqio/zmq/gen/internal/spec"
)

// A Header has the definitions of a zmq.h.
type Header struct {
	File    string
	Version spec.Version
	Names   map[string]Name
	// Capabilities are the names that zmq_has knows, if the header is in libzmq's source tree.
	Capabilities []string
}

// A Name is a macro with a value, or a function.
type Name struct {
	Number   int64
	Text     string // the value, if it is a string
	Mark     bool   // the value cannot be known
	Draft    bool   // visible only to programs that ask for drafts
	Own      bool   // counted from ZMQ_HAUSNUMERO
	Call     bool   // it is a function
	Alias    string // the name whose value it has
	Section  string // the comment above it
	Offset   int64  // from ZMQ_HAUSNUMERO, for an error number
	Fallback bool   // a system may have its own number
}

func (n Name) String() string {
	switch {
	case n.Call:
		return "a function"
	case n.Mark:
		return "no number"
	case n.Text != "":
		return fmt.Sprintf("%q", n.Text)
	}
	return fmt.Sprint(n.Number)
}

// Read runs the C preprocessor over a header, with and without drafts.
func Read(file string) (*Header, error) {
	stable, err := preprocess(file)
	if err != nil {
		return nil, err
	}
	all, err := preprocess(file, "-DZMQ_BUILD_DRAFT_API=1")
	if err != nil {
		return nil, err
	}
	h := &Header{File: file, Names: make(map[string]Name)}
	for name, body := range all {
		own := strings.Contains(body, "ZMQ_HAUSNUMERO")
		if !strings.HasPrefix(name, "ZMQ_") && !own && !isErrno(name) {
			continue
		}
		n := evaluate(all, name)
		_, isStable := stable[name]
		n.Draft, n.Own = !isStable, own
		h.Names[name] = n
	}
	if err := errors.Join(h.functions(), h.sections(), h.capabilities()); err != nil {
		return nil, err
	}
	for i, part := range []*int{&h.Version.Major, &h.Version.Minor, &h.Version.Patch} {
		name := "ZMQ_VERSION_" + []string{"MAJOR", "MINOR", "PATCH"}[i]
		n, ok := h.Names[name]
		if !ok || n.Mark {
			return nil, fmt.Errorf("%s: no %s: this is not libzmq's zmq.h", file, name)
		}
		*part = int(n.Number)
	}
	return h, nil
}

var errnoName = regexp.MustCompile(`^E[A-Z0-9]+$`)

func isErrno(name string) bool { return errnoName.MatchString(name) }

var function = regexp.MustCompile(`\b(zmq_\w+)\s*\(`)

// functions adds the header's functions.
func (h *Header) functions() error {
	stable, err := preprocessor(h.File)
	if err != nil {
		return err
	}
	all, err := preprocessor(h.File, "-DZMQ_BUILD_DRAFT_API=1")
	if err != nil {
		return err
	}
	for _, m := range function.FindAllSubmatch(all, -1) {
		h.Names[string(m[1])] = Name{Call: true, Draft: true}
	}
	for _, m := range function.FindAllSubmatch(stable, -1) {
		h.Names[string(m[1])] = Name{Call: true}
	}
	return nil
}

// preprocessor returns the output of the C preprocessor for a file.
func preprocessor(file string, flags ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("cc", append(flags, "-E", "-x", "c", file)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, errors.Join(fmt.Errorf("cc -E %s: %w", file, err), errors.New(strings.TrimSpace(stderr.String())))
	}
	return stdout.Bytes(), nil
}

// preprocess returns the macros without parameters that a file defines.
func preprocess(file string, flags ...string) (map[string]string, error) {
	text, err := preprocessor(file, append(flags, "-dM")...)
	if err != nil {
		return nil, err
	}
	macros := make(map[string]string)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), "#define ")
		name, body, _ := strings.Cut(rest, " ")
		if ok && !strings.Contains(name, "(") {
			macros[name] = body
		}
	}
	return macros, lines.Err()
}

var identifier = regexp.MustCompile(`\b[A-Za-z_]\w*`)

// evaluate returns the value of a macro. C's constant expressions in zmq.h are valid in Go after
// the expansion of macros.
func evaluate(macros map[string]string, name string) Name {
	expr := macros[name]
	for range 10 { // deeper than any header nests, and an end for cycles
		next := identifier.ReplaceAllStringFunc(expr, func(id string) string {
			if body, ok := macros[id]; ok {
				return "(" + body + ")"
			}
			return id
		})
		if next == expr {
			break
		}
		expr = next
	}
	v, err := types.Eval(token.NewFileSet(), nil, token.NoPos, expr)
	if err != nil || v.Value == nil {
		return Name{Mark: true}
	}
	if v.Value.Kind() == constant.String {
		return Name{Text: constant.StringVal(v.Value)}
	}
	if number, ok := constant.Int64Val(v.Value); ok {
		return Name{Number: number}
	}
	return Name{Mark: true}
}
