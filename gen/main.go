// Command gen makes package zmq from the files in spec/.
//
//	go run ./gen                   show how the generated files differ from the spec
//	go run ./gen -write            write them
//	go run ./gen docs              write spec/README.md and spec/OPTIONS.md
//	go run ./gen verify HEADER...  compare zmq.h files with the spec, both ways
//	go run ./gen import HEADER     print YAML for what a zmq.h has and the spec has not
//	go run ./gen import HEADER FILE  write it to a file that is not there yet
//	go run ./gen record HEADER     add a release to gen/headers.txt
//
// It exits 1 where something differs or is wrong, and 2 where it is called wrongly. All
// that is wrong with a spec is told in one run, each with file, line and column.
package main

import (
	"bytes"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/zmqio/zmq/gen/internal/emit"
	"github.com/zmqio/zmq/gen/internal/header"
	"github.com/zmqio/zmq/gen/internal/spec"
)

//go:generate go run . -write
//go:generate go run . docs

//go:embed runtime/*.go
var embedded embed.FS

func main() {
	err := run(os.Args[1:], os.Stdout)
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

var (
	errUsage   = errors.New("usage: gen [-root DIR] [-write | docs | verify HEADER... | import HEADER [FILE] | record HEADER]")
	errDiffers = errors.New("they differ")
)

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	flags.Usage = func() {}
	flags.SetOutput(io.Discard)
	write := flags.Bool("write", false, "write the generated files")
	root := flags.String("root", "", "the directory of go.mod and spec/; by default the nearest one up from here")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w\n%w", err, errUsage)
	}
	var do func(*project) error
	command, args := flags.Arg(0), flags.Args()
	switch {
	case command == "" && *write:
		do = func(p *project) error { return p.write(p.files) }
	case command == "":
		do = func(p *project) error { return p.check(stdout) }
	case *write:
		return errUsage
	case command == "docs" && len(args) == 1:
		do = func(p *project) error { return p.write(p.docs) }
	case command == "verify" && len(args) > 1:
		do = func(p *project) error { return p.verify(stdout, args[1:]) }
	case command == "import" && len(args) == 2:
		do = func(p *project) error { return p.importHeader(stdout, args[1]) }
	case command == "import" && len(args) == 3:
		do = func(p *project) error { return p.importTo(args[2], args[1]) }
	case command == "record" && len(args) == 2:
		do = func(p *project) error { return p.record(args[1]) }
	default:
		return errUsage
	}
	p, err := load(*root)
	if err != nil {
		return err
	}
	return do(p)
}

// A project is a spec and its directory.
type project struct {
	root    string
	spec    *spec.Spec
	runtime fs.FS
}

func load(root string) (*project, error) {
	if root == "" {
		var err error
		if root, err = findRoot(); err != nil {
			return nil, err
		}
	}
	runtime, err := fs.Sub(embedded, "runtime")
	if err != nil {
		return nil, err
	}
	taken, err := emit.Declared(runtime)
	if err != nil {
		return nil, err
	}
	s, err := spec.Load(os.DirFS(filepath.Join(root, "spec")), "spec", taken...)
	if err != nil {
		return nil, err
	}
	return &project{root, s, runtime}, nil
}

// findRoot returns the first directory, from the working directory upwards, that has go.mod and
// spec/.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if exists(filepath.Join(dir, "go.mod")) && exists(filepath.Join(dir, "spec")) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no directory from here up has go.mod and spec/")
		}
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func (p *project) files() ([]emit.File, error) { return emit.Files(p.spec, p.runtime) }

func (p *project) docs() ([]emit.File, error) { return emit.Docs(p.spec) }

func (p *project) write(make func() ([]emit.File, error)) error {
	files, err := make()
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(p.root, f.Name), f.Content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (p *project) verify(stdout io.Writer, files []string) error {
	differs := false
	for _, file := range files {
		h, err := header.Read(file)
		if err != nil {
			return err
		}
		for _, line := range h.Verify(p.spec) {
			fmt.Fprintln(stdout, line)
			differs = true
		}
	}
	if differs {
		return fmt.Errorf("the spec and the header: %w", errDiffers)
	}
	return nil
}

// importTo writes the output of import to a new file.
func (p *project) importTo(name, file string) error {
	var text bytes.Buffer
	if err := p.importHeader(&text, file); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text.Bytes())
	return errors.Join(err, f.Close())
}

func (p *project) importHeader(stdout io.Writer, file string) error {
	h, err := header.Read(file)
	if err != nil {
		return err
	}
	return h.Import(p.spec, stdout)
}

// record adds a release to the history that tests compare the spec with. A last release that the
// spec has dropped was never published, and is removed.
func (p *project) record(file string) error {
	h, err := header.Read(file)
	if err != nil {
		return err
	}
	name := filepath.Join(p.root, "gen/headers.txt")
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, err := header.History(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	last := &header.Header{}
	if len(before) > 0 {
		last = before[len(before)-1]
		of := func(r spec.Release) bool { return r.Version == last.Version }
		if !slices.ContainsFunc(p.spec.Releases, of) && len(before) > 1 {
			text = text[:bytes.LastIndex(text, []byte("\nrelease "))]
			last = before[len(before)-2]
		}
	}
	if h.Version.Compare(last.Version) <= 0 {
		return fmt.Errorf("%s ends with %v, after %v", name, last.Version, h.Version)
	}
	out := bytes.NewBuffer(text)
	if err := h.Record(last, out); err != nil {
		return err
	}
	return os.WriteFile(name, out.Bytes(), 0o644)
}
