package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// check prints how the present files differ from those that the spec makes.
func (p *project) check(stdout io.Writer) error {
	files, err := p.files()
	if err != nil {
		return err
	}
	docs, err := p.docs()
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range append(files, docs...) {
		same, err := diff(stdout, filepath.Join(p.root, f.Name), f.Name, f.Content)
		if err != nil {
			return err
		}
		if !same {
			errs = append(errs, fmt.Errorf("%s is stale; go generate ./... makes it anew", f.Name))
		}
	}
	return errors.Join(errs...)
}

// diff writes a unified diff from a file to want. A missing file counts as empty.
func diff(w io.Writer, file, name string, want []byte) (same bool, err error) {
	have, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	if err == nil && bytes.Equal(have, want) {
		return true, nil
	}
	if err != nil {
		file = os.DevNull
	}
	cmd := exec.Command("diff", "-u", "--label", name, "--label", name+" from the spec", file, "-")
	cmd.Stdin, cmd.Stdout = bytes.NewReader(want), w
	var exit *exec.ExitError
	// diff exits with 1 if the files differ, and with 2 if it fails.
	if err := cmd.Run(); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return false, fmt.Errorf("diff: %w", err)
	}
	return false, nil
}
