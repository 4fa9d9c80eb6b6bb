package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/zmqio/zmq/tests/bench/peers"
)

//go:embed c/*.c c/*.h py/*.py
var sources embed.FS

// programs knows the commands of the processes.
type programs struct {
	dir      string              // temporary: the C program, the Python sources, ipc endpoints
	commands map[string][]string // by process.Program
	missing  map[string]string   // why a process.Program has no command
}

// preparePrograms builds the C program, and looks for the others, which may be missing.
func preparePrograms() (p *programs, err error) {
	p = &programs{commands: map[string][]string{}, missing: map[string]string{}}
	if p.dir, err = os.MkdirTemp("", "zmqio-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.remove()
		}
	}()
	if err := os.CopyFS(p.dir, sources); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p.commands["go"] = []string{self, peers.Role}
	if err := p.compile(); err != nil {
		return nil, err
	}
	if err := p.certify(); err != nil {
		return nil, err
	}
	p.findPython("aiozmq", "aiozmq")
	p.findPython("pyzmq", "zmq.asyncio")
	p.findPython("asyncio", "asyncio")
	return p, nil
}

func (p *programs) remove() { os.RemoveAll(p.dir) }

// compile builds the C program, which most cases need.
func (p *programs) compile() error {
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "libzmq").Output()
	if err != nil {
		return fmt.Errorf("pkg-config libzmq: %w", err)
	}
	files, err := fs.Glob(os.DirFS(p.dir), "c/*.c")
	if err != nil {
		return err
	}
	args := append([]string{"-O2", "-Wall", "-Werror", "-o", "bench"}, files...)
	args = append(append(args, strings.Fields(string(flags))...), "-pthread")
	cc := exec.Command("cc", args...)
	cc.Dir = p.dir
	if out, err := cc.CombinedOutput(); err != nil {
		return fmt.Errorf("cc: %w\n%s", err, out)
	}
	p.commands["c"] = []string{filepath.Join(p.dir, "bench")}
	return nil
}

// certify writes the certificate that Python's TLS server shows.
func (p *programs) certify() error {
	certificate, key, err := peers.Certificate()
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(p.dir, "certificate.pem"), certificate, 0o600),
		os.WriteFile(filepath.Join(p.dir, "key.pem"), key, 0o600),
	)
}

// findPython looks for a Python that has module.
func (p *programs) findPython(program, module string) {
	var why []string
	for _, python := range []string{os.Getenv("ZMQIO_PYTHON"), "/usr/bin/python3", "python3"} {
		if python == "" {
			continue
		}
		err := exec.Command(python, "-c", "import "+module).Run()
		if err == nil {
			p.commands[program] = []string{python, filepath.Join(p.dir, "py", "with_"+program+".py")}
			return
		}
		why = append(why, fmt.Sprintf("%s: import %s: %v", python, module, err))
	}
	p.missing[program] = strings.Join(why, "; ")
}
