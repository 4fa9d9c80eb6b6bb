// Command gen makes package zmq from the files in spec/.
//
//	go run ./gen           compare the generated files with the spec; exit 1 if stale
//	go run ./gen -write    write them
package main

import (
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/zmqio/zmq/gen/internal/emit"
	"github.com/zmqio/zmq/gen/internal/spec"
)

//go:generate go run . -write

//go:embed runtime/*.go
var embedded embed.FS

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	write := flags.Bool("write", false, "write the generated files")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := findRoot()
	if err != nil {
		return err
	}
	files, err := generate(root)
	if err != nil {
		return err
	}
	if *write {
		return writeFiles(root, files)
	}
	return check(root, files)
}

// findRoot goes up from the working directory to the one that holds spec/.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if info, err := os.Stat(filepath.Join(dir, "spec")); err == nil && info.IsDir() {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				return dir, nil
			}
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no directory above this one has go.mod and spec/")
		}
		dir = parent
	}
}

func generate(root string) ([]emit.File, error) {
	s, err := spec.Load(os.DirFS(filepath.Join(root, "spec")), "spec")
	if err != nil {
		return nil, err
	}
	runtime, err := fs.Sub(embedded, "runtime")
	if err != nil {
		return nil, err
	}
	return emit.Files(s, runtime)
}

func writeFiles(root string, files []emit.File) error {
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(root, f.Name), f.Content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// check reports every generated file that differs from what the spec makes.
func check(root string, files []emit.File) error {
	var errs []error
	for _, f := range files {
		have, err := os.ReadFile(filepath.Join(root, f.Name))
		if err != nil || string(have) != string(f.Content) {
			errs = append(errs, fmt.Errorf("%s is stale: run go generate ./...", f.Name))
		}
	}
	return errors.Join(errs...)
}
