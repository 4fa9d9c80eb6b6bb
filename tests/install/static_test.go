//go:build linux && !race

package install

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// make static makes a program that runs without shared libraries. The test is skipped without
// libzmq.a, or if libzmq.a needs libraries that exist only as shared ones, as on Debian.
func TestStatic(t *testing.T) {
	const link = `echo 'int zmq_errno(void); int main(void) { return zmq_errno(); }' |
		cc -static -x c - -x none -o "$1" $(pkg-config --static --libs libzmq)`
	if out, err := exec.Command("sh", "-c", link, "sh", filepath.Join(t.TempDir(), "errno")).CombinedOutput(); err != nil {
		t.Skipf("libzmq cannot be linked statically here: %v: %s", err, out)
	}
	output(t, exec.Command("make", "-C", repository, "static"))
	program := repository + "/bin/zmqcat-static"
	if out, err := exec.Command("ldd", program).CombinedOutput(); err == nil {
		t.Errorf("the program has shared libraries: %s", out)
	}
	demo := exec.Command(program, "demo")
	demo.Stdin = strings.NewReader("one\n")
	if out := output(t, demo); !strings.Contains(out, "0 mismatches") {
		t.Errorf("zmqcat demo: %s", out)
	}
}
