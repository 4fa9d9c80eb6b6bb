package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestGeneratedCodeBehaves generates a complete package from a case of testdata/output, and runs
// the tests of the case on it.
func TestGeneratedCodeBehaves(t *testing.T) {
	module := newModule(t)
	module.copy("testdata/output/every-kind", "spec", "*.yaml")
	module.copy("testdata/output/every-kind", ".", "behave_test.go")
	module.generate()
	module.test()
}

// A module is an empty copy of this module.
type module struct {
	*testing.T
	dir string
}

func newModule(t *testing.T) module {
	m := module{t, t.TempDir()}
	if err := os.Mkdir(filepath.Join(m.dir, "spec"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.copy("..", ".", "go.*")
	return m
}

func (m module) write(name string, text []byte) {
	m.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), text, 0o644); err != nil {
		m.Fatal(err)
	}
}

func (m module) copy(from, to, pattern string) {
	m.Helper()
	files, err := filepath.Glob(filepath.Join(from, pattern))
	if err != nil || len(files) == 0 {
		m.Fatalf("no %s in %s: %v", pattern, from, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			m.Fatal(err)
		}
		m.write(filepath.Join(to, filepath.Base(file)), text)
	}
}

func (m module) generate() {
	m.Helper()
	if err := run([]string{"-root", m.dir, "-write"}, os.Stdout); err != nil {
		m.Fatal(err)
	}
}

// test vets the generated package and runs its tests.
func (m module) test() {
	m.Helper()
	for _, args := range [][]string{{"vet", "."}, {"test", "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = m.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			m.Errorf("go %s: %v\n%s", args[0], err, out)
		}
	}
}
