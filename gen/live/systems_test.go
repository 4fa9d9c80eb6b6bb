package live

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/gen/internal/spec"
)

// systemTables are the error numbers of the systems, by system and name, from package syscall of
// the running Go.
type systemTables map[string]map[string]int64

func systems(t *testing.T) systemTables {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	tables := make(systemTables)
	for _, system := range []string{"linux", "darwin", "freebsd"} {
		name := filepath.Join(strings.TrimSpace(string(root)), "src/syscall/zerrors_"+system+"_amd64.go")
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		tables[system] = make(map[string]int64)
		ast.Inspect(file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 || !strings.HasPrefix(v.Names[0].Name, "E") {
				return true
			}
			if call, ok := v.Values[0].(*ast.CallExpr); ok && len(call.Args) == 1 {
				if number, ok := call.Args[0].(*ast.BasicLit); ok {
					n, _ := strconv.ParseInt(number.Value, 0, 64)
					tables[system][v.Names[0].Name] = n
				}
			}
			return true
		})
	}
	return tables
}

// TestErrnoNumbersOfSystems compares the spec's numbers with the systems' own.
func TestErrnoNumbersOfSystems(t *testing.T) {
	for _, line := range systems(t).contradictions(loadSpec(t)) {
		t.Error(line)
	}
}

// TestPebbe compares the capabilities that pebbe/zmq4 can ask for with the spec.
func TestPebbe(t *testing.T) {
	for _, line := range contradictPebbe(loadSpec(t), pebbeHas(t)) {
		t.Error(line)
	}
}

func (tables systemTables) contradictions(s *spec.Spec) []string {
	var lines []string
	for _, e := range s.Errnos {
		for system, table := range tables {
			if n, ok := e.Numbers[system]; e.Native == 0 && (!ok || n != table[e.Name]) {
				lines = append(lines, fmt.Sprintf("%v: %s is %d on %s", e.At("numbers"), e.Name, table[e.Name], system))
			}
		}
	}
	return lines
}

// pebbeHas returns pebbe/zmq4's functions that ask for a capability, in lower case.
func pebbeHas(t *testing.T) []string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/pebbe/zmq4").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range hasFunction.FindAllSubmatch(text, -1) {
			list = append(list, strings.ToLower(string(m[1])))
		}
	}
	return list
}

var hasFunction = regexp.MustCompile(`(?m)^func (Has\w+)\(\) bool`)

// contradictPebbe returns the functions of pebbe/zmq4 that a spec lacks, and those of the spec that
// pebbe/zmq4 lacks.
func contradictPebbe(s *spec.Spec, functions []string) []string {
	var lines []string
	for _, c := range s.Capabilities {
		if there := slices.Contains(functions, "has"+strings.ToLower(c.Name)); there != (c.Pebbe != "") {
			lines = append(lines, fmt.Sprintf("%v: pebbe/zmq4 can ask for %s: %t", c.At("pebbe"), c.Name, there))
		}
	}
	return lines
}

// classNames are the error classes of TestClasses.
var classNames = map[error]string{
	zmq.ErrBlockingIO: "BlockingIO", zmq.ErrConnection: "Connection", zmq.ErrBrokenPipe: "BrokenPipe",
	zmq.ErrConnectionAborted: "ConnectionAborted", zmq.ErrConnectionRefused: "ConnectionRefused",
	zmq.ErrConnectionReset: "ConnectionReset", zmq.ErrInterrupted: "Interrupted",
	zmq.ErrIsADirectory: "IsADirectory", zmq.ErrNotADirectory: "NotADirectory", fs.ErrPermission: "Permission",
	fs.ErrExist: "Exist", fs.ErrNotExist: "NotExist", os.ErrDeadlineExceeded: "Timeout", net.ErrClosed: "Closed",
	errors.ErrUnsupported: "Unsupported",
}

// sentinels are the standard library's errors for classes.
var sentinels = map[string]error{
	"io/fs.ErrExist": fs.ErrExist, "io/fs.ErrNotExist": fs.ErrNotExist, "io/fs.ErrPermission": fs.ErrPermission,
	"os.ErrDeadlineExceeded": os.ErrDeadlineExceeded, "net.ErrClosed": net.ErrClosed,
	"errors.ErrUnsupported": errors.ErrUnsupported,
}

// contradictClasses returns where a spec's classes differ from those of TestClasses.
func contradictClasses(s *spec.Spec) []string {
	parents := make(map[string]string)
	for _, c := range s.Classes {
		parents[c.Name] = c.Parent
	}
	var lines []string
	for _, c := range s.Classes {
		if target, ok := sentinels[c.Sentinel]; c.Sentinel != "" && (!ok || classNames[target] != c.Name) {
			lines = append(lines, fmt.Sprintf("%v: class %s is not %s", c.At("sentinel"), c.Name, c.Sentinel))
		}
	}
	for _, e := range s.Errnos {
		var have, want []string
		for _, name := range e.Is {
			for ; name != ""; name = parents[name] {
				have = append(have, name)
			}
		}
		for errno, targets := range classes {
			if errno.Name() == e.Name {
				for _, target := range targets {
					want = append(want, classNames[target])
				}
			}
		}
		slices.Sort(have)
		slices.Sort(want)
		if !slices.Equal(have, want) {
			lines = append(lines, fmt.Sprintf("%v: %s is %v, not %v", e.At("is"), e.Name, want, have))
		}
	}
	return lines
}
