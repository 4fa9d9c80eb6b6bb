package live

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/gen/internal/spec"
)

// oldest is the first release with the defaults and ranges of the spec.
var oldest = spec.Version{Major: 4, Minor: 3}

// TestLibrary measures the installed library and compares the spec with it. It measures the
// accepted lengths and ranges of options, up to the first that is refused, and their defaults. It
// measures which types send, receive and shake hands, and what a send does at the high-water mark.
// It measures context options and error texts.
func TestLibrary(t *testing.T) {
	s := loadSpec(t)
	l := measure(t, s)
	if l.version.Compare(oldest) < 0 {
		t.Skipf("the defaults and ranges of the spec are those of libzmq %v and later, this is %v", oldest, l.version)
	}
	for _, line := range l.contradictions(s) {
		t.Error(line)
	}
	for _, c := range s.Capabilities {
		if got := zmq.Has(zmq.Capability(c.Name)); got != l.has[c.Name] {
			t.Errorf("Has(%s) is %t", c.Name, got)
		}
		if l.has[c.Name] && c.First().Compare(l.version) > 0 {
			t.Errorf("%v: the library has %s, but the spec has it since %v", c.At("since"), c.Name, c.First())
		}
	}
}

// TestRecordedLibraries compares the spec with records of rare libraries: with drafts and every
// transport, and without the usual parts.
func TestRecordedLibraries(t *testing.T) {
	s := loadSpec(t)
	for _, l := range recorded(t) {
		for _, line := range l.contradictions(s) {
			t.Error(line)
		}
	}
}

// TestTopics checks that each option has a topic.
func TestTopics(t *testing.T) {
	for _, line := range contradictTopics(loadSpec(t)) {
		t.Error(line)
	}
}

// contradictTopics returns the options without a topic.
func contradictTopics(s *spec.Spec) []string {
	var lines []string
	for _, o := range s.Options {
		has := func(topic spec.Topic) bool { return slices.Contains(topic.Options, o.Name) }
		if !slices.ContainsFunc(s.Topics, has) {
			lines = append(lines, fmt.Sprintf("%v: %s has no topic in topics.yaml", o.At("name"), o.Name))
		}
	}
	return lines
}

func recorded(t *testing.T) []*library {
	t.Helper()
	files, err := filepath.Glob("testdata/libzmq-*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no libraries: %v", err)
	}
	var list []*library
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		l, err := readLibrary(filepath.Base(file), f)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		list = append(list, l)
	}
	return list
}
