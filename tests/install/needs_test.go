//go:build !race

package install

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const needs = repository + "/zmqio/internal/needs"

// managers are the package managers of the systems that the messages name.
var managers = map[string]string{
	"Debian": "apt-get", "Fedora": "dnf", "openSUSE": "zypper", "Alpine": "apk", "Arch": "pacman", "macOS": "brew",
}

// packageNames returns what deps.sh calls the packages on a system, in one line.
func packageNames(t *testing.T, system string, packages ...string) string {
	t.Helper()
	manager, ok := managers[system]
	if !ok {
		t.Fatalf("no package manager is known of %q", system)
	}
	args := append([]string{"names", manager}, packages...)
	return strings.Join(strings.Fields(output(t, exec.Command(repository+"/tests/tools/deps.sh", args...))), " ")
}

// requirer returns the name of the file that pkg-config says requires libzmq.
func requirer(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob(needs + "/*.pc")
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("%d files end in .pc", len(files))
	}
	return strings.TrimSuffix(filepath.Base(files[0]), ".pc")
}

// The messages name the packages that deps.sh installs, for each of its systems.
func TestNeedsNames(t *testing.T) {
	t.Run("libzmq.pc", func(t *testing.T) {
		var systems []string
		for alternative := range strings.SplitSeq(requirer(t), ".") {
			name, list, _ := strings.Cut(alternative, "_on_")
			for system := range strings.SplitSeq(list, "_and_") {
				systems = append(systems, system)
				if want := packageNames(t, system, "libzmq"); name != want {
					t.Errorf("%s is named for %s, want %s", name, system, want)
				}
			}
		}
		wantAll(t, systems)
	})
	t.Run("zmq.h", func(t *testing.T) {
		var systems []string
		for _, m := range regexp.MustCompile(`(\S+) \(([^)]+)\)`).FindAllStringSubmatch(errorLine(t), -1) {
			for system := range strings.SplitSeq(m[2], ", ") {
				systems = append(systems, system)
				if want := packageNames(t, system, "libzmq"); m[1] != want {
					t.Errorf("%s is named for %s, want %s", m[1], system, want)
				}
			}
		}
		wantAll(t, systems)
	})
	t.Run("pkg-config", func(t *testing.T) {
		text, err := os.ReadFile(needs + "/pkgconfig/pkgconfig.c")
		must(t, err)
		var systems []string
		for _, m := range regexp.MustCompile(`"  (\w+)[, \w]*: +(\S+) (?:install|add|-S) ([^"\\]+)`).FindAllStringSubmatch(string(text), -1) {
			system, manager, names := m[1], m[2], m[3]
			systems = append(systems, system)
			if manager != managers[system] {
				t.Errorf("%s is named for %s, want %s", manager, system, managers[system])
			}
			if want := packageNames(t, system, "libzmq", "pkg-config"); names != want {
				t.Errorf("%s is named for %s, want %s", names, system, want)
			}
		}
		wantAll(t, systems)
	})
}

func wantAll(t *testing.T, systems []string) {
	t.Helper()
	for system := range managers {
		if !slices.Contains(systems, system) {
			t.Errorf("%s is not named among %v", system, systems)
		}
	}
}

// errorLine returns the words of #error.
func errorLine(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(needs + "/headers.go")
	must(t, err)
	m := regexp.MustCompile(`#error "(.*)"`).FindSubmatch(text)
	if m == nil {
		t.Fatal("headers.go has no #error")
	}
	return string(m[1])
}

// A build without a package that zmqio needs fails, and names the package.
func TestNeedsMessages(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		name  string
		env   []string
		mount string // a shell command that runs before the build in a mount namespace
		want  string
	}{
		{
			"libzmq.pc",
			[]string{"PKG_CONFIG_LIBDIR=" + empty, "PKG_CONFIG_PATH="},
			"",
			"Package 'libzmq', required by '" + requirer(t) + "', not found",
		},
		{
			"cgo",
			[]string{"CGO_ENABLED=0"},
			"",
			"undefined: zmqio_needs_cgo__install_a_C_compiler_and_libzmq",
		},
		{
			"another system",
			[]string{"GOARCH=" + otherArch(), "CGO_ENABLED="},
			"",
			"undefined: zmqio_needs_cgo__install_a_C_compiler_and_libzmq",
		},
		{"zmq.h", nil, `hide /usr/include zmq.h`, errorLine(t)},
		{
			"pkg-config", nil, `hide /usr/bin pkg-config`,
			"Debian, Ubuntu:  apt-get install " + packageNames(t, "Debian", "libzmq", "pkg-config"),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := buildNeeds(t, c.env, c.mount)
			if err == nil || !strings.Contains(out, c.want) {
				t.Errorf("go build: %v\n%s\nwant %s", err, out, c.want)
			}
		})
	}
}

// A build with all packages prints nothing.
func TestNeedsNothing(t *testing.T) {
	if out, err := buildNeeds(t, nil, ""); err != nil || out != "" {
		t.Errorf("go build: %v\n%s", err, out)
	}
}

func otherArch() string {
	if out, err := exec.Command("go", "env", "GOHOSTARCH").Output(); err == nil && string(out) == "arm64\n" {
		return "amd64"
	}
	return "arm64"
}

// buildNeeds builds internal/needs as if for the first time: -D only changes the name in the cache.
func buildNeeds(t *testing.T, env []string, mount string) (string, error) {
	t.Helper()
	build := fmt.Sprintf("go build -gcflags=github.com/zmqio/zmq/zmqio/internal/needs/...=-D=%s ./zmqio/internal/sock", t.TempDir())
	cmd := exec.Command("sh", "-ec", build)
	if mount != "" {
		needsNamespaces(t)
		// hide DIR FILE hides a file of a directory.
		hide := fmt.Sprintf(`hide() {
			mount -t overlay overlay -o "lowerdir=$1,upperdir=%s,workdir=%s" "$1"
			rm "$1/$2"
		}
		`, t.TempDir(), t.TempDir())
		cmd = exec.Command("unshare", "--mount", "sh", "-ec", hide+mount+"\n"+build)
	}
	cmd.Dir = repository
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// README and zmqcat's README list the same packages, for the most usual systems and for all.
func TestNeedsInReadme(t *testing.T) {
	if systems := readmeSystems(t, "README.md"); len(systems) < 4 {
		t.Errorf("README.md names only %v", systems)
	}
	wantAll(t, readmeSystems(t, "zmqio/cmd/zmqcat/README.md"))
}

// readmeSystems checks the table of packages in file, and returns the systems that it names.
func readmeSystems(t *testing.T, file string) (systems []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, file))
	must(t, err)
	for _, m := range regexp.MustCompile("(?m)^\\| (\\w+)[, \\w]* \\| `(\\S+) (.*)` \\|$").FindAllStringSubmatch(string(text), -1) {
		system, manager, rest := m[1], m[2], m[3]
		systems = append(systems, system)
		_, names, _ := strings.Cut(rest, " ")
		if want := packageNames(t, system, "cc", "libzmq", "pkg-config"); manager != managers[system] || names != want {
			t.Errorf("%s: %s: %s %s, want %s ... %s", file, system, manager, rest, managers[system], want)
		}
	}
	return systems
}
