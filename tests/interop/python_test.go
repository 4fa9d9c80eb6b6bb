package interop

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// libraries are the peers of every test.
var libraries = []string{"pyzmq", "aiozmq"}

// findPython returns the first Python that has pyzmq.
var findPython = sync.OnceValues(func() (string, error) {
	var tried []string
	for _, name := range []string{os.Getenv("ZMQIO_PYTHON"), "/usr/bin/python3", "python3"} {
		if name == "" {
			continue
		}
		err := imports(name, "zmq")
		if err == nil {
			return name, nil
		}
		tried = append(tried, err.Error())
	}
	return "", fmt.Errorf("no Python with pyzmq: %s", strings.Join(tried, "; "))
})

// findAiozmq reports whether that Python also has aiozmq.
var findAiozmq = sync.OnceValue(func() error {
	python, err := findPython()
	if err != nil {
		return err
	}
	return imports(python, "aiozmq")
})

func imports(python, module string) error {
	out, err := exec.Command(python, "-c", "import "+module).CombinedOutput()
	if err == nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return fmt.Errorf("%s: import %s: %w: %s", python, module, err, lines[len(lines)-1])
}

// pythonWith returns the Python to run a library with. If there is none it skips the test, or with
// CI set fails it, because CI must run all tests.
func pythonWith(t *testing.T, library string) string {
	t.Helper()
	python, err := findPython()
	if err == nil && library == "aiozmq" {
		err = findAiozmq()
	}
	if err != nil {
		missing(t, err)
	}
	return python
}

// missing ends a test whose peer is missing.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
}
