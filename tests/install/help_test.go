//go:build !race

package install

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// repository is the top directory of the repository.
const repository = "../.."

var must = zmqiotest.Must

// output runs the command and returns its standard output. If the command fails, so does the test,
// with the standard error.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", strconv.Quote(cmd.String()), err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String()
}

// needsNamespaces skips a test that this process may not run: chroot and mounts are
// for root, and a container often has no mounts even for root.
func needsNamespaces(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may change its root directory")
	}
	if out, err := exec.Command("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt").CombinedOutput(); err != nil {
		t.Skipf("mounts are not to be had here: %v: %s", err, out)
	}
}
