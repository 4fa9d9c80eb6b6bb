//go:build !race

package install

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// make vuln fails if zmqio calls code that the database lists, and else passes. If the database
// cannot be reached, it says that nothing was checked.
func TestVulncheck(t *testing.T) {
	t.Parallel()
	tool := filepath.Join(t.TempDir(), "govulncheck")
	build := exec.Command("go", "build", "-o", tool, "golang.org/x/vuln/cmd/govulncheck")
	build.Dir = repository + "/tests/tools"
	output(t, build)

	check := func(t *testing.T, env string, args ...string) (string, error) {
		t.Helper()
		cmd := exec.Command("tests/tools/vulncheck.sh", append([]string{tool}, args...)...)
		cmd.Dir = repository
		cmd.Env = append(os.Environ(), env)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	const (
		module = "github.com/petermattis/goid"
		caller = "./zmqio/internal/goroutine"
	)
	t.Run("Called", func(t *testing.T) {
		out, err := check(t, "", "-db", database(t, module, "Get"), caller)
		const found = 3 // the exit status of govulncheck
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != found || !strings.Contains(out, "GO-2026-0001") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("NotCalled", func(t *testing.T) {
		if out, err := check(t, "", "-db", database(t, module, "NotThere"), caller); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("OutOfReach", func(t *testing.T) {
		out, err := check(t, "HTTPS_PROXY=http://127.0.0.1:1", caller)
		if err != nil || !strings.Contains(out, "nothing was checked") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("OtherFailure", func(t *testing.T) {
		if out, err := check(t, "", "-db", "file:///nonexistent", caller); err == nil {
			t.Errorf("a database that is missing goes unnoticed: %s", out)
		}
	})
}

// database writes a vulnerability database with one entry, for a symbol of all versions
// of a module, and returns its URL.
func database(t *testing.T, module, symbol string) string {
	t.Helper()
	const modified = `"modified":"2026-01-02T03:04:05Z"`
	dir := t.TempDir()
	for name, text := range map[string]string{
		"index/db":      `{` + modified + `}`,
		"index/modules": fmt.Sprintf(`[{"path":%q,"vulns":[{"id":"GO-2026-0001",%s}]}]`, module, modified),
		"index/vulns":   `[{"id":"GO-2026-0001",` + modified + `}]`,
		"ID/GO-2026-0001": fmt.Sprintf(`{"schema_version":"1.3.1","id":"GO-2026-0001",%s,"summary":"made for a test","database_specific":{"url":"https://pkg.go.dev/vuln/GO-2026-0001"},
			"affected":[{"package":{"name":%q,"ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],
			"ecosystem_specific":{"imports":[{"path":%q,"symbols":[%q]}]}}]}`, modified, module, module, symbol),
	} {
		file := filepath.Join(dir, name+".json")
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(text), 0o644))
	}
	return "file://" + dir
}
