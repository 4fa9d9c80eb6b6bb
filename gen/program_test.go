package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zmqio/zmq/gen/internal/spec"
)

// newProgram makes a module with one file that uses this module.
func newProgram(t *testing.T, source string) module {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	m := module{t, t.TempDir()}
	text := strings.Replace(string(own), "module github.com/zmqio/zmq", "module program", 1)
	text += fmt.Sprintf("\nrequire github.com/zmqio/zmq v0.0.0\n\nreplace github.com/zmqio/zmq => %s\n", root)
	m.write("go.mod", []byte(text))
	m.copy("..", ".", "go.sum")
	m.write("main.go", []byte(source))
	return m
}

func (m module) run(args ...string) string {
	m.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = m.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestConstantsAlone builds a program that uses only constants. It must link neither the tables of
// package zmq nor code that fills them at the start.
func TestConstantsAlone(t *testing.T) {
	const source = `package main

import "github.com/zmqio/zmq"

func main() { println(int(zmq.DEALER), int(zmq.LINGER), int(zmq.EAGAIN), int(zmq.IO_THREADS), uint64(zmq.EVENT_ALL)) }
`
	m := newProgram(t, source)
	m.run("build", "-o", "program", ".")
	const most = 64 // bytes a symbol: the package's errors are pointers
	symbols := m.run("tool", "nm", "-size", "program")
	if !strings.Contains(symbols, " main.main\n") {
		t.Fatalf("no symbols:\n%s", symbols)
	}
	for _, s := range regexp.MustCompile(`(?m)^ *\w+ +(\d+) \w +(github\.com/zmqio/zmq\.\S+)`).FindAllStringSubmatch(symbols, -1) {
		var size int
		if _, err := fmt.Sscan(s[1], &size); err != nil || size > most || strings.Contains(s[2], ".init") {
			t.Errorf("linked: %s, %s bytes", s[2], s[1])
		}
	}
}

// TestReferenceCompiles compiles every example in the reference of options: both ways to set each
// option, and the way to read it.
func TestReferenceCompiles(t *testing.T) {
	page, err := os.ReadFile("../spec/OPTIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	s, err := spec.Load(os.DirFS("../spec"), "spec")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	source.WriteString(`package program

import (
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

var used = time.Second

func set(err error) {}

func get[T any](v T, err error) {}

func examples(o zmq.Sockopts, t *zmqio.Transport, key zmq.CurveKey) {
`)
	found := make(map[string]int)
	for _, row := range regexp.MustCompile(`(?m)^\| (Set|Get|Clear) \| (.*) \|$`).FindAllStringSubmatch(string(page), -1) {
		function := map[string]string{"Set": "set", "Get": "get", "Clear": "set"}[row[1]]
		for _, call := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[2], -1) {
			fmt.Fprintf(&source, "\t%s(%s)\n", function, call[1])
			found[row[1]]++
		}
	}
	source.WriteString("}\n")
	want := make(map[string]int)
	for _, o := range s.Options {
		for access, label := range map[string]string{"get": "Get", "set": "Set"} {
			if slices.Contains(o.Access, access) {
				want[label] += 2
			}
		}
		if o.Clear != "" {
			want["Clear"]++
		}
	}
	if fmt.Sprint(found) != fmt.Sprint(want) {
		t.Errorf("the page has %v, the spec %v", found, want)
	}
	newProgram(t, source.String()).run("vet", ".")
}

// TestEveryOptionHasItsPlace checks what this project's spec must have although a spec may omit it:
// the topic of an option, and the methods of a context option.
func TestEveryOptionHasItsPlace(t *testing.T) {
	s, err := spec.Load(os.DirFS("../spec"), "spec")
	if err != nil {
		t.Fatal(err)
	}
	topics := make(map[string]bool)
	for _, topic := range s.Topics {
		for _, name := range topic.Options {
			topics[name] = true
		}
	}
	for _, o := range s.Options {
		if !topics[o.Name] {
			t.Errorf("%s: no topic of spec/topics.yaml has %s", o.At("name"), o.Name)
		}
	}
	for _, c := range s.Contexts {
		if c.Method == "" {
			t.Errorf("%s: %s has no method", c.At("name"), c.Name)
		}
	}
}

// TestNamesOneWay checks that Go names spell a word of libzmq's names in one way, as NORM in
// NORMMode and CapabilityNORM. It also checks that types are singular.
func TestNamesOneWay(t *testing.T) {
	s, err := spec.Load(os.DirFS("../spec"), "spec")
	if err != nil {
		t.Fatal(err)
	}
	type spelling struct{ text, name string }
	spellings := make(map[string]spelling)
	check := func(libzmq, name string) {
		for word := range strings.SplitSeq(strings.ToUpper(libzmq), "_") {
			at := strings.Index(strings.ToUpper(name), word)
			if at < 0 || word == "" { // spelt out, as Interval for IVL
				continue
			}
			text := name[at : at+len(word)]
			if first, ok := spellings[word]; ok && first.text != text {
				t.Errorf("%s is %s in %s and %s in %s", word, text, name, first.text, first.name)
			}
			spellings[word] = spelling{text, name}
		}
	}
	for _, o := range s.Options {
		check(o.Name, o.Go)
		if o.Type != "" && o.Type != "SocketType" {
			check(o.Name, o.Type)
		}
	}
	for _, c := range s.Contexts {
		check(c.Name, c.Method)
	}
	for _, c := range s.Capabilities {
		check(c.Name, c.Go)
	}
	for _, e := range s.Enums {
		if strings.HasSuffix(e.Type, "s") {
			t.Errorf("%s: %s is no singular", e.At("type"), e.Type)
		}
	}
	if len(spellings) < len(s.Options) {
		t.Errorf("only %d words were found", len(spellings))
	}
}
