package main

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/zmqio/zmq/gen/internal/emit"
	"github.com/zmqio/zmq/gen/internal/header"
	"github.com/zmqio/zmq/gen/internal/spec"
)

var update = flag.Bool("update", false, "write the wanted outputs in testdata")

// cases runs a test for each directory of testdata/<name>.
func cases(t *testing.T, name string, test func(t *testing.T, dir string)) {
	dirs, err := filepath.Glob(filepath.Join("testdata", name, "*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) { test(t, dir) })
	}
}

// compare compares an output with a file of the case.
func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		var out bytes.Buffer
		if _, err := diff(&out, file, file, []byte(got)); err != nil {
			t.Fatal(err)
		}
		t.Errorf("not as wanted:\n%s", &out)
	}
}

func source(t *testing.T) fs.FS {
	runtime, err := fs.Sub(embedded, "runtime")
	if err != nil {
		t.Fatal(err)
	}
	return runtime
}

func TestErrors(t *testing.T) {
	taken, err := emit.Declared(source(t))
	if err != nil {
		t.Fatal(err)
	}
	cases(t, "errors", func(t *testing.T, dir string) {
		_, err := spec.Load(os.DirFS(dir), "spec", taken...)
		if err == nil {
			t.Fatal("no error")
		}
		compare(t, filepath.Join(dir, "want.txt"), err.Error()+"\n")
	})
}

// TestOutput compares the output for the spec alone: the hand-written part is empty.
func TestOutput(t *testing.T) {
	empty := fstest.MapFS{}
	names, err := fs.Glob(source(t), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		empty[name] = &fstest.MapFile{Data: []byte("package zmq\n")}
	}
	cases(t, "output", func(t *testing.T, dir string) {
		s, err := spec.Load(os.DirFS(dir), "spec")
		if err != nil {
			t.Fatal(err)
		}
		files, err := emit.Files(s, empty)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := emit.Docs(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range append(files, docs...) {
			compare(t, filepath.Join(dir, "want."+filepath.Base(f.Name)+".txt"), string(f.Content))
		}
	})
}

// TestHeaders verifies and imports each case's header.
func TestHeaders(t *testing.T) {
	cases(t, "headers", func(t *testing.T, dir string) {
		s, err := spec.Load(os.DirFS(dir), "spec")
		if err != nil {
			t.Fatal(err)
		}
		h, err := header.Read(filepath.Join(dir, "zmq.h"))
		if err != nil {
			t.Fatal(err)
		}
		h.File = "zmq.h"
		compare(t, filepath.Join(dir, "want.verify.txt"), strings.Join(append(h.Verify(s), ""), "\n"))
		var out bytes.Buffer
		if err := h.Import(s, &out); err != nil {
			t.Fatal(err)
		}
		compare(t, filepath.Join(dir, "want.import.yaml.txt"), out.String())
		reload(t, dir, out.Bytes())
	})
}

// reload checks that the output of import loads as a file of the spec once it is filled in, and not
// before.
func reload(t *testing.T, dir string, stubs []byte) {
	t.Helper()
	imported := &fstest.MapFile{Data: stubs}
	files := fstest.MapFS{"zz_imported.yaml": imported}
	names, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = &fstest.MapFile{Data: text}
	}
	if bytes.Contains(stubs, []byte(spec.ToDo+" ")) {
		_, err := spec.Load(files, "spec")
		mustBeToDo(t, err, spec.Version{})
	}
	imported.Data = []byte(fillIn(string(stubs)))
	if _, err := spec.Load(files, "spec"); err != nil {
		t.Errorf("what import prints is no spec: %v\n%s", err, imported.Data)
	}
}

func TestInstalledHeader(t *testing.T) {
	const file = "/usr/include/zmq.h"
	if !exists(file) {
		t.Skipf("%s is not there", file)
	}
	var out bytes.Buffer
	if err := run([]string{"verify", file}, &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
}
