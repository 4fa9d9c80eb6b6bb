package zmqio_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// root is the top directory of the repository.
const root = ".."

func readReadme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// programs returns the Go programs in README.
func programs(t *testing.T) (texts []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readReadme(t), -1) {
		texts = append(texts, m[1])
	}
	if len(texts) != 2 {
		t.Fatalf("%d Go programs in README.md, want one with a Stream and one with a loop", len(texts))
	}
	return texts
}

// README's programs compile as they stand, except for a port, and print what README says.
func TestProgram(t *testing.T) {
	for i, text := range programs(t) {
		t.Run(strconv.Itoa(i), func(t *testing.T) { testProgram(t, text) })
	}
}

func testProgram(t *testing.T, text string) {
	if n := len(regexp.MustCompile(`(?m)^.*\S.*$`).FindAllString(text, -1)); n > 25 {
		t.Errorf("the program has %d lines, not counting empty ones; 25 are promised", n)
	}
	const endpoint = "tcp://127.0.0.1:5555"
	own := zmqiotest.FreeEndpoint(t, "tcp")
	if strings.Count(text, endpoint) != 1 {
		t.Fatalf("%s is not in the program once", endpoint)
	}
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte(strings.Replace(text, endpoint, own, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", binary, source)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	start(t, binary)
	for range 2 {
		if got := request(t, own, "hello"); got != "HELLO" {
			t.Errorf("the reply is %q", got)
		}
	}
}

// start runs the program until the test ends.
func start(t *testing.T, binary string) {
	t.Helper()
	cmd := exec.Command(binary)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// A client sends one request and stops the loop with the reply.
type client struct {
	zmqio.BaseProtocol
	loop  *zmqio.EventLoop
	reply string
}

func (c *client) MsgReceived(msg [][]byte) {
	c.reply = string(bytes.Join(msg, []byte("|")))
	c.loop.Stop()
}

func request(t *testing.T, endpoint, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer loop.Close()
	c := &client{loop: loop}
	tr, _, err := zmqio.CreateZmqConnection(ctx, loop, func() *client { return c }, zmq.REQ,
		zmqio.ConnectionConfig{Connect: []string{endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Write([][]byte{[]byte(text)}); err != nil {
		t.Fatal(err)
	}
	if err := loop.RunForever(ctx); err != nil {
		t.Fatal(err)
	}
	return c.reply
}

// The sample output in README is that of the program; only the figures differ.
func TestOutputOfMakeRun(t *testing.T) {
	demo := exec.Command("go", "run", "./zmqio/cmd/zmqcat", "demo", "README.md")
	demo.Dir = root
	demo.Stderr = io.Discard
	out, err := demo.Output()
	if err != nil {
		t.Fatal(err)
	}
	number := regexp.MustCompile(`[0-9][0-9.]*`)
	blank := func(s string) string { return number.ReplaceAllString(strings.TrimSpace(s), "N") }
	for line := range strings.Lines(readReadme(t)) {
		if blank(line) == blank(string(out)) {
			return
		}
	}
	t.Errorf("README.md does not show the output of make run: %s", out)
}

// Every name in README's tables exists in zmqio, or in the packages that the row names.
func TestNamesInTheTables(t *testing.T) {
	docs := make(map[string]string)
	for _, pkg := range []string{"zmqio", "zmqio/netio", "zmqio/subprocess", "zmqio/rpc", "zmqio/zap", "."} {
		doc := exec.Command("go", "doc", "-all", "./"+pkg)
		doc.Dir = root
		text, err := doc.Output()
		if err != nil {
			t.Fatal(err)
		}
		docs[filepath.Base(pkg)] = string(text)
	}
	docs["zmq"] = docs["."]
	delete(docs, ".")
	for theirs, least := range map[string]int{"pebbe/zmq4": 15, "pyzmq": 15, "aiozmq": 30} {
		_, table, _ := strings.Cut(readReadme(t), "## From "+theirs)
		table, _, _ = strings.Cut(table, "\n## ")
		if n := checkNames(t, table, docs); n < least {
			t.Errorf("from %s: only %d names were found", theirs, n)
		}
	}
}

// checkNames checks the functions and methods in the last column of a table, and returns their
// number.
func checkNames(t *testing.T, table string, docs map[string]string) (n int) {
	t.Helper()
	name := regexp.MustCompile(`(?:(\b[a-z]\w*)\.|^|[ ,\x60])([A-Z]\w+)[\[(]`)
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		text := docs["zmqio"]
		for pkg, doc := range docs {
			if strings.Contains(cells[2], pkg+".") {
				text += doc
			}
		}
		for _, m := range name.FindAllStringSubmatch(cells[2], -1) {
			if m[1] == "errors" || m[1] == "o" { // the standard library's, and options of a socket
				continue
			}
			n++
			if !regexp.MustCompile(`\b` + m[2] + `[\[(]`).MatchString(text) {
				t.Errorf("%s is not in the package: %s", m[2], cells[2])
			}
		}
	}
	return n
}

// The names in zmqio/internal/README.md exist: files behind links, and functions of the numbered
// lists in their files.
func TestNamesOfTheInside(t *testing.T) {
	const dir = "internal"
	text, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(dir, string(m[1]))); err != nil {
			t.Error(err)
		}
	}
	n := 0
	step := regexp.MustCompile("(?m)^[0-9]+\\. \\[[^]]+\\]\\(([^)]+)\\), ((?:`\\w+`(?:, )?)+):")
	for _, m := range step.FindAllSubmatch(text, -1) {
		source, err := os.ReadFile(filepath.Join(dir, string(m[1])))
		if err != nil {
			continue // reported above
		}
		for _, name := range regexp.MustCompile(`\w+`).FindAllString(string(m[2]), -1) {
			n++
			declaration := `(?m)^(func (\(.*\) )?|\t|void )` + name + `\(`
			if !regexp.MustCompile(declaration).Match(source) {
				t.Errorf("%s is not in %s", name, m[1])
			}
		}
	}
	if n < 16 {
		t.Errorf("only %d functions were found", n)
	}
}
