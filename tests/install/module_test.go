//go:build !race

package install

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	module  = "github.com/zmqio/zmq"
	version = "v0.1.0"
)

// A user is a machine with an empty module cache of its own. It sees this tree as the first
// tagged version of the module.
type user struct {
	dir string
	env []string
}

// newUser commits the tree to a new repository and tags it. It makes git find that repository where
// the go command looks for the module. Other modules come from the module cache of this machine.
func newUser(t *testing.T) *user {
	t.Helper()
	dir := t.TempDir()
	origin := filepath.Join(dir, "origin")
	git := func(args ...string) {
		t.Helper()
		options := []string{
			"--git-dir", origin, "--work-tree", repository, "-c", "user.name=t", "-c", "user.email=t@localhost",
			"-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false", "-c", "tag.gpgSign=false",
		}
		output(t, exec.Command("git", append(options, args...)...))
	}
	git("init", "--quiet", "--initial-branch", "main")
	git("add", "--all", repository)
	git("commit", "--quiet", "--message", "first")
	git("tag", version)
	git("tag", "zmqio/zmqprom/"+version)

	cache := strings.TrimSpace(output(t, exec.Command("go", "env", "GOMODCACHE")))
	return &user{dir, append(os.Environ(),
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url.file://"+origin+".insteadOf", "GIT_CONFIG_VALUE_0=https://"+module,
		"GOPROXY=file://"+filepath.Join(cache, "cache/download"), "GONOPROXY="+module, "GOSUMDB=off",
		"GOMODCACHE="+filepath.Join(dir, "modules"), "GOBIN="+filepath.Join(dir, "bin"),
		"GOFLAGS=-modcacherw", "GOWORK=off",
	)}
}

// run runs a command in the user's directory and returns its standard output.
func (u *user) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = u.dir, u.env
	return output(t, cmd)
}

// From the first tag on, go install installs zmqcat. go get adds zmqio or zmqprom to a module.
// Until then the test makes the tags. zmqprom's go.mod must require a tagged version of zmqio,
// because users do not have its replace.
func TestModule(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	t.Run("Install", func(t *testing.T) {
		u.run(t, "go", "install", module+"/zmqio/cmd/zmqcat@latest")
		zmqcat := filepath.Join(u.dir, "bin", "zmqcat")
		if out := u.run(t, zmqcat, "version"); !strings.Contains(out, version) {
			t.Errorf("zmqcat is of another version:\n%s", out)
		}
		demo := exec.Command(zmqcat, "demo")
		demo.Stdin = strings.NewReader("one\n")
		if out := output(t, demo); !strings.Contains(out, "0 mismatches") {
			t.Errorf("zmqcat demo: %s", out)
		}
	})
	t.Run("Get", func(t *testing.T) {
		readme, err := os.ReadFile(repository + "/README.md")
		must(t, err)
		program := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(readme)
		must(t, os.WriteFile(filepath.Join(u.dir, "main.go"), program[1], 0o644))
		u.run(t, "go", "mod", "init", "example.com/shout")
		u.run(t, "go", "get", module+"/zmqio@latest")
		u.run(t, "go", "build", "-o", "shout", ".")
		u.run(t, "go", "mod", "tidy")
		u.run(t, "go", "build", "-o", "shout", ".")
	})
	t.Run("Prometheus", func(t *testing.T) {
		u := &user{t.TempDir(), u.env}
		const program = "package main\n\nimport _ \"" + module + "/zmqio/zmqprom\"\n\nfunc main() {}\n"
		must(t, os.WriteFile(filepath.Join(u.dir, "main.go"), []byte(program), 0o644))
		u.run(t, "go", "mod", "init", "example.com/watched")
		u.run(t, "go", "get", module+"/zmqio/zmqprom@latest")
		u.run(t, "go", "list", "-deps", ".") // it finds each package; zmqprom's own tests build it
	})
	t.Run("Zip", func(t *testing.T) {
		testZip(t, filepath.Join(u.dir, "modules/cache/download", module, "@v", version+".zip"))
	})
}

// The download has the packages and the generator, no other module, and is small.
func testZip(t *testing.T, file string) {
	const most = 2 << 20
	if info, err := os.Stat(file); err != nil || info.Size() > most {
		t.Errorf("the module is larger than %d bytes: %v, %v", most, info.Size(), err)
	}
	r, err := zip.OpenReader(file)
	must(t, err)
	defer r.Close()
	var modules []string
	for _, f := range r.File {
		if filepath.Base(f.Name) == "go.mod" {
			modules = append(modules, strings.TrimPrefix(f.Name, module+"@"+version+"/"))
		}
	}
	if len(modules) != 1 || modules[0] != "go.mod" {
		t.Errorf("the module has the modules %v", modules)
	}
}
