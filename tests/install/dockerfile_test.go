//go:build linux && !race

package install

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A stage is the result of the lines after a FROM. A stage that begins with an image has this
// machine's files below its own, through an overlay: the test fetches no images. A stage that
// begins with scratch has its own files alone.
type stage struct {
	files      string // the directory that has what the stage adds
	machine    bool   // has this machine's files below
	workdir    string
	user       *syscall.Credential
	entrypoint []string
}

// carryOut carries out the Dockerfile as docker build does, and returns the last stage. An unknown
// instruction fails the test.
func carryOut(t *testing.T, dockerfile string) *stage {
	t.Helper()
	text, err := os.ReadFile(dockerfile)
	must(t, err)
	named := make(map[string]*stage)
	var s *stage
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		instruction, rest, _ := strings.Cut(line, " ")
		words := strings.Fields(rest)
		switch instruction {
		case "FROM":
			s = &stage{files: t.TempDir(), machine: words[0] != "scratch", workdir: "/"}
			must(t, os.Chmod(s.files, 0o755))
			if len(words) == 3 && words[1] == "AS" {
				named[words[2]] = s
			}
		case "WORKDIR":
			s.workdir = rest
			must(t, os.MkdirAll(filepath.Join(s.files, rest), 0o755))
		case "COPY":
			from := repository
			if name, ok := strings.CutPrefix(words[0], "--from="); ok {
				from, words = named[name].files, words[1:]
			}
			s.copy(t, from, words)
		case "RUN":
			s.run(t, rest)
		case "USER":
			var uid, gid uint32
			_, err := fmt.Sscanf(rest, "%d:%d", &uid, &gid)
			must(t, err)
			s.user = &syscall.Credential{Uid: uid, Gid: gid}
		case "ENTRYPOINT":
			must(t, json.Unmarshal([]byte(rest), &s.entrypoint))
		default:
			t.Fatalf("%s: the test cannot carry out %s", dockerfile, instruction)
		}
	}
	return s
}

// copy copies files and the contents of directories to the last word, which is a
// directory.
func (s *stage) copy(t *testing.T, from string, words []string) {
	t.Helper()
	last := len(words) - 1
	to := words[last]
	if !filepath.IsAbs(to) {
		to = filepath.Join(s.workdir, to)
	}
	to = filepath.Join(s.files, to)
	for _, word := range words[:last] {
		source := filepath.Join(from, word)
		if info, err := os.Stat(source); err == nil && info.IsDir() {
			source += "/."
		}
		output(t, exec.Command("cp", "-a", source, to))
	}
}

// run runs a shell command with the stage as its root. The overlay is mounted in a
// mount namespace that ends with the command.
func (s *stage) run(t *testing.T, command string) {
	t.Helper()
	if !s.machine {
		t.Fatalf("RUN %s: scratch has no shell", command)
	}
	const script = `
		mount -t overlay overlay -o "lowerdir=/,upperdir=$1,workdir=$2" "$3"
		for dir in proc dev; do mount --rbind "/$dir" "$3/$dir"; done
		exec chroot "$3" sh -ec 'cd "$1"; eval "$2"' sh "$4" "$5"`
	output(t, exec.Command("unshare", "--mount", "sh", "-ec", script, "sh",
		s.files, t.TempDir(), t.TempDir(), s.workdir, command))
}

// command returns a command that docker run would start with the arguments.
func (s *stage) command(args ...string) *exec.Cmd {
	args = append(s.entrypoint[:len(s.entrypoint):len(s.entrypoint)], args...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = s.workdir
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: s.files, Credential: s.user}
	return cmd
}
