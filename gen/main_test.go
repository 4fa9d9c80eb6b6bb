package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGeneratedFilesAreFresh(t *testing.T) {
	var out bytes.Buffer
	if err := run(nil, &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
}

// TestStale removes a line of each generated file, and then the whole file.
func TestStale(t *testing.T) {
	m := newModule(t)
	m.copy("testdata/output/every-kind", "spec", "*.yaml")
	m.generate()
	m.mustRun("docs")
	m.mustRun()
	for _, name := range []string{"zmqio_gen.go", "errno_gen.go", "spec/README.md", "spec/OPTIONS.md"} {
		file := filepath.Join(m.dir, name)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, rest, _ := strings.Cut(string(text), "\n")
		m.write(name, []byte(rest))
		m.mustDiffer(name, "\n+"+first+"\n")
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		m.mustDiffer(name, "\n+"+first+"\n")
		m.write(name, text)
	}
	m.mustRun()
}

func (m module) mustRun(args ...string) {
	m.Helper()
	var out bytes.Buffer
	if err := run(append([]string{"-root", m.dir}, args...), &out); err != nil {
		m.Errorf("gen %v: %v\n%s", args, err, &out)
	}
}

// mustDiffer checks that the output has a unified diff of a file with this line.
func (m module) mustDiffer(name, line string) {
	m.Helper()
	var out bytes.Buffer
	err := run([]string{"-root", m.dir}, &out)
	if err == nil || !strings.Contains(err.Error(), name+" is stale") {
		m.Errorf("%s: %v", name, err)
	}
	for _, want := range []string{"--- " + name, "+++ " + name, "\n@@ ", line} {
		if !strings.Contains(out.String(), want) {
			m.Errorf("no %q in the diff of %s:\n%s", want, name, &out)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"fly"}, {"verify"}, {"import"}, {"import", "a", "b", "c"}, {"record"}, {"docs", "twice"}, {"-colour"}, {"-write", "docs"},
	} {
		if err := run(args, &bytes.Buffer{}); !errors.Is(err, errUsage) {
			t.Errorf("gen %v: %v", args, err)
		}
	}
	for _, command := range []string{"verify", "import"} {
		err := run([]string{command, filepath.Join(t.TempDir(), "zmq.h")}, &bytes.Buffer{})
		if err == nil || errors.Is(err, errUsage) {
			t.Errorf("gen %s of a file that is not there: %v", command, err)
		}
	}
}

func TestNoRoot(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := run(nil, &bytes.Buffer{}); err == nil {
		t.Error("a directory without a spec is taken")
	}
}
