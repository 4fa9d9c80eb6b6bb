package spec_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/zmqio/zmq/gen/internal/spec"
)

// FuzzLoad checks that no file makes the loader panic, and that every error has a place. The corpus
// is the spec itself and the cases of gen/testdata.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"../../../spec/*.yaml", "../../testdata/*/*/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := spec.Load(fstest.MapFS{"in.yaml": &fstest.MapFile{Data: text}}, "spec")
		if err == nil {
			return
		}
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok {
			t.Fatalf("not a list of errors: %v", err)
		}
		for _, err := range joined.Unwrap() {
			e, ok := err.(spec.Error)
			if !ok || e.File != "spec/in.yaml" || e.Line < 1 || e.Col < 1 || e.Text == "" {
				t.Errorf("%#v", err)
			}
		}
	})
}
