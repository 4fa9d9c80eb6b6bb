package live

import (
	"maps"
	"os"
	"testing"

	"github.com/zmqio/zmq/gen/internal/header"
	"github.com/zmqio/zmq/gen/internal/spec"
)

func loadSpec(t *testing.T) *spec.Spec {
	t.Helper()
	s, err := spec.Load(os.DirFS("../../spec"), "spec")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestHistory compares the spec with the header of every release. So each since, draft_since and
// number is checked.
func TestHistory(t *testing.T) {
	s := loadSpec(t)
	headers := history(t)
	for _, line := range headers.contradictions(s) {
		t.Error(line)
	}
	for i, r := range s.Releases {
		if i >= len(headers) || headers[i].Version != r.Version {
			t.Fatalf("gen/headers.txt does not have %v: go run ./gen record adds it", r.Version)
		}
	}
}

type headers []*header.Header

// history reads the headers of all releases. Some numbers differed before 4.2.0, the oldest release
// that this module supports. So only the names of earlier headers count.
func history(t *testing.T) headers {
	t.Helper()
	f, err := os.Open("../headers.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := header.History(f)
	if err != nil {
		t.Fatal(err)
	}
	oldest := spec.Version{Major: 4, Minor: 2}
	var first *header.Header
	for _, h := range list {
		if h.Version == oldest {
			first = h
		}
	}
	for _, h := range list {
		if h.Version.Compare(oldest) >= 0 {
			break
		}
		h.Names = maps.Clone(h.Names)
		for name, n := range h.Names {
			if now, ok := first.Names[name]; ok {
				now.Draft = n.Draft
				h.Names[name] = now
			}
		}
	}
	return list
}

// contradictions returns how a spec is wrong about a release.
func (list headers) contradictions(s *spec.Spec) []string {
	return header.VerifyAll(list, s)
}
