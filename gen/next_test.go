package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq/gen/internal/header"
	"github.com/zmqio/zmq/gen/internal/spec"
)

// A nextRelease is what the release after those of the spec could bring: new numbers, and drafts
// that become stable.
type nextRelease struct {
	version                                             spec.Version
	option, socketType, context, errno, event, sendFlag int64       // the next free numbers
	stable, needed                                      spec.Option // drafts; builds without drafts have the first
}

func newNextRelease(t *testing.T, s *spec.Spec) nextRelease {
	last := s.Releases[len(s.Releases)-1].Version
	n := nextRelease{version: spec.Version{Major: last.Major, Minor: last.Minor + 1}}
	for _, o := range s.Options {
		n.option = max(n.option, o.Number+1)
		if o.Origin.Draft() {
			switch {
			case len(o.Needs) == 0:
				n.stable = o
			case slices.Equal(o.Needs, []string{"draft"}):
				n.needed = o
			}
		}
	}
	for _, typ := range s.SocketTypes {
		n.socketType = max(n.socketType, typ.Number+1)
	}
	for _, c := range s.Contexts {
		n.context = max(n.context, c.Number+1)
	}
	for _, e := range s.Errnos {
		n.errno = max(n.errno, e.Native+1)
	}
	for _, e := range s.Enums {
		for _, v := range e.Values {
			if v.Value == nil || *v.Value&(*v.Value-1) != 0 {
				continue
			}
			switch e.Type {
			case "Event":
				n.event = max(n.event, 2**v.Value)
			case "SendFlag":
				n.sendFlag = max(n.sendFlag, 2**v.Value)
			}
		}
	}
	if n.stable.Name == "" || n.needed.Name == "" {
		t.Fatal("the spec has no draft that could become stable")
	}
	return n
}

// values returns constants of the numbers, for the test of the generated code.
func (n nextRelease) values(s *spec.Spec) []byte {
	before := n.needed.DraftSince
	literal := func(v spec.Version) string {
		return fmt.Sprintf("zmq.Version{Major: %d, Minor: %d, Patch: %d}", v.Major, v.Minor, v.Patch)
	}
	return fmt.Appendf(nil, `package zmq_test

import "github.com/zmqio/zmq"

const warpFactor, warpCPUs, eventWarped, release = %d, %d, %#x, %q

var before, after, stable, needed = %s, %s, zmq.%s, zmq.%s
`, n.option, n.context, n.event, n.version, literal(before), literal(n.version), n.stable.Name, n.needed.Name)
}

// TestNextRelease plays the next minor release of libzmq: import reads its header, a maintainer
// edits the result, and the generated code is used. The steps are those of spec/README.md.
func TestNextRelease(t *testing.T) {
	m := newModule(t)
	m.copy("../spec", "spec", "*.yaml")
	for _, dir := range []string{"libzmq", "libzmq/include", "libzmq/src"} {
		if err := os.Mkdir(filepath.Join(m.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p, err := load(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	next, release := newNextRelease(t, p.spec), p.spec.Releases[len(p.spec.Releases)-1]
	zmqH := filepath.Join(m.dir, "libzmq/include/zmq.h")
	m.write("libzmq/include/zmq.h", nextHeader(p.spec, next))
	m.write("libzmq/src/zmq.cpp", nextSource(p.spec))
	begin := time.Now()

	// Before the import: verify reports every new name.
	var out bytes.Buffer
	if err := run([]string{"-root", m.dir, "verify", zmqH}, &out); err == nil {
		t.Error("a new header is as the spec has it")
	}
	for _, want := range []string{
		"ZMQ_WARP_FACTOR", "ZMQ_WARP_TEXT", "ZMQ_HERALD", "EWARP", "ZMQ_EVENT_WARPED", "ZMQ_MSG_PROPERTY_WARP",
		"ZMQ_WARP_CPUS", "ZMQ_SNDWARP", "ZMQ_WARP_MAX_LENGTH", "ZMQ_IN_A_GAP", "zmq_warp", "capability warp",
		"ZMQ_" + next.stable.Name + " is stable", "ZMQ_" + next.needed.Name + " is stable", "ECANCELED", "ZMQ_OLD_LINGER",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("verify says nothing of %s:\n%s", want, &out)
		}
	}

	m.mustRun("import", zmqH, filepath.Join(m.dir, "spec/new.yaml"))
	imported, err := os.ReadFile(filepath.Join(m.dir, "spec/new.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "testdata/next/want.new.yaml.txt", strings.ReplaceAll(string(imported), m.dir+"/", ""))

	// import never overwrites a file, and no file with a TODO loads.
	m.write("kept.yaml", []byte("kept"))
	_, err = load(m.dir)
	mustBeToDo(t, err, next.version)
	if err := os.Remove(filepath.Join(m.dir, "spec/new.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"-root", m.dir, "import", zmqH, filepath.Join(m.dir, "kept.yaml")}, &out); err == nil {
		t.Error("import wrote over a file")
	}
	if text, err := os.ReadFile(filepath.Join(m.dir, "kept.yaml")); string(text) != "kept" || err != nil {
		t.Errorf("a file that was there holds %q, %v", text, err)
	}

	m.write("spec/new.yaml", []byte(fillIn(string(imported))))
	since := next.version.String()
	if release.Unreleased {
		m.edit("spec/*.yaml", release.Version.String(), since)
		m.edit("spec/releases.yaml", "\n    unreleased: true", "")
	} // else import has written the release
	for _, o := range []spec.Option{next.stable, next.needed} {
		number := fmt.Sprintf("    number: %d\n", o.Number)
		m.edit("spec/options_*.yaml", number, number+"    since: "+since+"\n")
	}
	m.edit("spec/options_general.yaml", "    number: 17\n", "    number: 17\n    aliases: [OLD_LINGER]\n    alias_since: {OLD_LINGER: "+since+"}\n")
	out.Reset()
	if err := run([]string{"-root", m.dir, "verify", zmqH}, &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	m.recordsRelease(zmqH)
	m.copy("testdata/next", ".", "next_test.go")
	m.write("next_values_test.go", next.values(p.spec))
	m.generate()
	m.test()
	t.Logf("all steps but typing took %v", time.Since(begin))
}

// recordsRelease adds the release to the history of headers, in place of the expected one. It
// checks that the spec agrees with the history.
func (m module) recordsRelease(zmqH string) {
	m.Helper()
	if err := os.Mkdir(filepath.Join(m.dir, "gen"), 0o755); err != nil {
		m.Fatal(err)
	}
	m.copy(".", "gen", "headers.txt")
	m.mustRun("record", zmqH)
	f, err := os.Open(filepath.Join(m.dir, "gen/headers.txt"))
	if err != nil {
		m.Fatal(err)
	}
	defer f.Close()
	history, err := header.History(f)
	if err != nil {
		m.Fatal(err)
	}
	p, err := load(m.dir)
	if err != nil {
		m.Fatal(err)
	}
	if len(history) != len(p.spec.Releases) {
		m.Errorf("%d releases in the history, %d in the spec", len(history), len(p.spec.Releases))
	}
	for _, line := range history[len(history)-1].Verify(p.spec) {
		m.Error(line)
	}
	var out bytes.Buffer
	if err := run([]string{"-root", m.dir, "record", zmqH}, &out); err == nil {
		m.Error("a release is recorded twice")
	}
}

// mustBeToDo checks that the error reports only TODOs, and that the release is new.
func mustBeToDo(t *testing.T, err error, release spec.Version) {
	t.Helper()
	if err == nil {
		t.Fatal("a spec with something to fill in is accepted")
	}
	for line := range strings.Lines(err.Error()) {
		if !strings.Contains(line, spec.ToDo+" is still to be filled in") && !strings.Contains(line, fmt.Sprint("there is no release ", release)) {
			t.Errorf("more is wrong than what is to be filled in: %s", line)
		}
	}
}

// edit replaces a text in the files of a pattern. At least one file must have it.
func (m module) edit(pattern, from, to string) {
	m.Helper()
	files, err := filepath.Glob(filepath.Join(m.dir, pattern))
	if err != nil {
		m.Fatal(err)
	}
	found := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			m.Fatal(err)
		}
		if changed := strings.ReplaceAll(string(text), from, to); changed != string(text) {
			found = true
			m.write(strings.TrimPrefix(file, m.dir), []byte(changed))
		}
	}
	if !found {
		m.Fatalf("%s: no %q", pattern, from)
	}
}

// facts are the values that a maintainer fills in, by key.
var facts = map[string]string{
	"kind": "int", "effect": "at once", "default": "0", "carries": "fd", "mute": "block", "send": "true",
	"receive": "true", "thread_safe": "false", "peers": "[HERALD]", "calls": "[zmq_send]", "text": "Warp failed",
	"numbers": "{linux: 1, darwin: 1, freebsd: 1, windows: 1}",
}

var toFillIn = regexp.MustCompile(`(?m)^( *(?:- )?)(\w+): (?:\[TODO\]|\{.*TODO.*\}|TODO)`)

// fillIn replaces the TODOs in text.
func fillIn(text string) string {
	return toFillIn.ReplaceAllStringFunc(text, func(line string) string {
		m := toFillIn.FindStringSubmatch(line)
		fact, ok := facts[m[2]]
		if !ok {
			fact = "is filled in."
		}
		return m[1] + m[2] + ": " + fact
	})
}

// nextHeader makes the zmq.h of the next release from the spec, with libzmq's sections and with new
// names.
func nextHeader(s *spec.Spec, next nextRelease) []byte {
	var b strings.Builder
	names := s.Names()
	fmt.Fprintf(&b, `/* made for a test */
#include <errno.h>
#define ZMQ_VERSION_MAJOR %d
#define ZMQ_VERSION_MINOR %d
#define ZMQ_VERSION_PATCH %d
#define ZMQ_HAUSNUMERO %d
`, next.version.Major, next.version.Minor, next.version.Patch, spec.Hausnumero)
	define := func(name string, number int64) string { return fmt.Sprintf("#define %s %d", name, number) }
	section := func(title string, list []string, more ...string) {
		fmt.Fprintf(&b, "\n/*  %-70s  */\n", title)
		for _, name := range list {
			n := names[name]
			draft := n.Origin.Draft() && name != "ZMQ_"+next.stable.Name && name != "ZMQ_"+next.needed.Name
			if draft {
				b.WriteString("#ifdef ZMQ_BUILD_DRAFT_API\n")
			}
			switch {
			case n.Call:
				fmt.Fprintf(&b, "int %s (void *s_);\n", name)
			case n.Errno:
				fmt.Fprintf(&b, "#ifndef %s\n#define %[1]s (ZMQ_HAUSNUMERO + %d)\n#endif\n", name, n.Values[0].Value-spec.Hausnumero)
			case strings.HasPrefix(name, "E"):
				fmt.Fprintf(&b, "#define %s (ZMQ_HAUSNUMERO + %d)\n", name, n.Values[0].Value-spec.Hausnumero)
			case n.Text != "":
				fmt.Fprintf(&b, "#define %s %q\n", name, n.Text)
			default:
				fmt.Fprintf(&b, "#define %s %d\n", name, n.Values[len(n.Values)-1].Value)
			}
			if draft {
				b.WriteString("#endif\n")
			}
		}
		b.WriteString(strings.Join(append(more, ""), "\n"))
	}
	of := func(prefix string, has func(spec.HeaderName) bool) []string {
		var list []string
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if strings.HasPrefix(name, prefix) && has(names[name]) {
				list = append(list, name)
			}
		}
		return list
	}
	section("0MQ errors.", of("E", func(n spec.HeaderName) bool { return n.Errno }),
		"#ifndef ECANCELED", "#define ECANCELED (ZMQ_HAUSNUMERO + 19)", "#endif")
	section("Native 0MQ error codes.", of("E", func(n spec.HeaderName) bool { return !n.Errno }),
		fmt.Sprintf("#define EWARP (ZMQ_HAUSNUMERO + %d)", next.errno))
	section("Functions.", of("zmq_", func(spec.HeaderName) bool { return true }), "int zmq_warp (void *s_);")
	var types, options, contexts []string
	for _, t := range s.SocketTypes {
		types = append(append(types, "ZMQ_"+t.Name), prefixed(t.Aliases)...)
	}
	for _, o := range s.Options {
		options = append(append(options, "ZMQ_"+o.Name), prefixed(o.Aliases)...)
	}
	for _, c := range s.Contexts {
		if !slices.Contains(options, "ZMQ_"+c.Name) {
			contexts = append(contexts, "ZMQ_"+c.Name)
		}
	}
	section("Context options", contexts, define("ZMQ_WARP_CPUS", next.context), "#define ZMQ_WARP_CPUS_DFLT 4096")
	section("Socket types.", types, define("ZMQ_HERALD", next.socketType))
	section("Socket options.", options, define("ZMQ_WARP_FACTOR", next.option), "#define ZMQ_IN_A_GAP 83",
		"#define ZMQ_OLD_LINGER ZMQ_LINGER", "#ifdef ZMQ_BUILD_DRAFT_API", define("ZMQ_WARP_TEXT", next.option+1), "#endif")
	more := map[string][]string{
		"Event":    {fmt.Sprintf("#define ZMQ_EVENT_WARPED %#x", next.event)},
		"SendFlag": {define("ZMQ_SNDWARP", next.sendFlag)},
		"Limit":    {"#define ZMQ_WARP_MAX_LENGTH 99"},
	}
	for _, e := range s.Enums {
		var list []string
		for _, v := range e.Values {
			list = append(list, "ZMQ_"+v.Name)
		}
		section(e.Type+" values", list, more[e.Type]...)
	}
	for _, t := range s.Strings {
		var list []string
		for _, v := range t.Values {
			list = append(list, "ZMQ_"+v.Name)
		}
		section(t.Type+" names", list, `#define ZMQ_MSG_PROPERTY_WARP "Warp"`)
	}
	section("Something else", nil, "#define ZMQ_STRANGE 7")
	return []byte(b.String())
}

func prefixed(names []string) []string {
	var list []string
	for _, name := range names {
		list = append(list, "ZMQ_"+name)
	}
	return list
}

// nextSource makes the part of src/zmq.cpp that has the capabilities.
func nextSource(s *spec.Spec) []byte {
	var b strings.Builder
	for _, c := range s.Capabilities {
		fmt.Fprintf(&b, "    if (strcmp (capability_, %q) == 0)\n        return true;\n", c.Name)
	}
	b.WriteString("    if (strcmp (capability_, zmq::protocol_name::warp) == 0)\n        return true;\n")
	return []byte(b.String())
}

// TestSourcesCapabilities reads capabilities in the forms that releases have used.
func TestSourcesCapabilities(t *testing.T) {
	m := newModule(t)
	for _, dir := range []string{"include", "src"} {
		if err := os.Mkdir(filepath.Join(m.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.write("include/zmq.h", []byte("#define ZMQ_VERSION_MAJOR 4\n#define ZMQ_VERSION_MINOR 1\n#define ZMQ_VERSION_PATCH 8\n"))
	m.write("src/zmq.cpp", []byte(`if (strcmp (capability, "ipc") == 0) if (strcmp (capability_, zmq::protocol_name::tipc) == 0)`))
	h, err := header.Read(filepath.Join(m.dir, "include/zmq.h"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"ipc", "tipc"}; !slices.Equal(h.Capabilities, want) {
		t.Errorf("capabilities are %q, not %q", h.Capabilities, want)
	}
}
