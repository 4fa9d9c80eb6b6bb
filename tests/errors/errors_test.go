// Package errors_test provokes each error that a user can meet, and keeps the texts in a golden
// file. There they can be read one after the other.
package errors_test

import (
	"context"
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/rpc"
	"github.com/zmqio/zmq/zmqio/zap"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

var update = flag.Bool("update", false, "write errors.golden anew")

const golden = "errors.golden"

// A provocation is one way to get an error.
type provocation struct {
	name    string
	is      error // the target of errors.Is
	says    says  // words for what was tried, and on what
	provoke func(t *testing.T) error
}

type says []string

// A chapter is the provocations of one part of the module.
type chapter struct {
	name         string
	provocations []provocation
}

var chapters = []chapter{
	{"zmq", zmqCases},
	{"zmqio: loops", loopCases},
	{"zmqio: futures and functions", futureCases},
	{"zmqio: policy and child watchers", policyCases},
	{"zmqio: residents and descriptors", residentCases},
	{"zmqio: names", resolveCases},
	{"zmqio: creating", createCases},
	{"zmqio: endpoints", endpointCases},
	{"zmqio: options", optionCases},
	{"zmqio: writing", writeCases},
	{"zmqio: reading and closing", transportCases},
	{"zmqio: streams", streamCases},
	{"zmqio: proxies", proxyCases},
	{"netio", netioCases},
	{"netio: datagrams", datagramCases},
	{"netio: pipes", pipeCases},
	{"subprocess", subprocessCases},
	{"rpc", rpcCases},
	{"zap", zapCases},
}

// The texts are those of the golden file. Each names what was tried, and on what.
func TestTexts(t *testing.T) {
	var texts strings.Builder
	for _, c := range chapters {
		texts.WriteString("# " + c.name + "\n\n")
		for _, p := range c.provocations {
			t.Run(c.name+"/"+p.name, func(t *testing.T) {
				zmqiotest.CheckLeaks(t)
				err := p.provoke(t)
				p.check(t, err)
				if err != nil {
					texts.WriteString(p.name + ":\n    " + strings.ReplaceAll(mask(err.Error()), "\n", "\n    ") + "\n")
				}
			})
		}
		texts.WriteString("\n")
	}
	if t.Failed() && !*update {
		return
	}
	compare(t, strings.TrimRight(texts.String(), "\n")+"\n")
}

// compare compares the texts with the golden file. Texts of the system are those of Linux.
func compare(t *testing.T, texts string) {
	t.Helper()
	if *update {
		zmqiotest.Must(t, os.WriteFile(golden, []byte(texts), 0o644))
	}
	if runtime.GOOS != "linux" {
		t.Skip("the texts of the system are others")
	}
	want, err := os.ReadFile(golden)
	zmqiotest.Must(t, err)
	lines, wanted := strings.Split(texts, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(lines), len(wanted)) {
		var is, should string
		if i < len(lines) {
			is = lines[i]
		}
		if i < len(wanted) {
			should = wanted[i]
		}
		if is != should {
			t.Fatalf("%s:%d: the text is\n%s\nnot\n%s\n-update writes the file anew", golden, i+1, is, should)
		}
	}
}

// check checks the form that all error texts have.
func (p provocation) check(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if p.is != errAny && !errors.Is(err, p.is) {
		t.Errorf("%v is not %v", err, p.is)
	}
	for name, bare := range variables {
		if err == bare && !results[name] {
			t.Errorf("%q names no call: it is %s as it is", err, name)
		}
	}
	text := err.Error()
	for _, word := range p.says {
		if !strings.Contains(text, word) {
			t.Errorf("%q does not name %s", text, word)
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		first, _ := utf8.DecodeRuneInString(line)
		last, _ := utf8.DecodeLastRuneInString(line)
		if word, _, _ := strings.Cut(line, " "); unicode.IsUpper(first) && !isName(word) {
			t.Errorf("%q begins with a capital letter", line)
		}
		if strings.ContainsRune(".!;:,", last) {
			t.Errorf("%q ends with a punctuation mark", line)
		}
		if strings.Contains(strings.ReplaceAll(line, "got <nil>", ""), "<nil>") || strings.Contains(line, "%!") {
			t.Errorf("%q is not finished", line)
		}
		if n := strings.Count(line, "zmqio: "); n > 1 {
			t.Errorf("%q has the prefix of the package %d times", line, n)
		}
	}
}

// isName reports whether a word is a name that is written with capital letters.
func isName(word string) bool { return word == "EOF" }

// Each mask replaces a part of a text that differs from run to run.
var masks = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`(127\.0\.0\.1|\[::1\]):[2-6][0-9]{4}`), "$1:PORT"},
	{regexp.MustCompile(`[^ "@:]*/(Test|zmqio)[^ "/:]*/[^ ":;]*`), "PATH"},
	{regexp.MustCompile(`(process|pid|goroutine) [0-9]+`), "$1 N"},
	{regexp.MustCompile(`descriptor [0-9]+`), "descriptor FD"},
	{regexp.MustCompile(`were dropped: [0-9]+`), "were dropped: N"},
	{regexp.MustCompile(`libzmq [0-9]+\.[0-9]+\.[0-9]+`), "libzmq VERSION"},
}

func mask(text string) string {
	for _, m := range masks {
		text = m.pattern.ReplaceAllString(text, m.by)
	}
	return text
}

// variables are the exported errors of the packages, by their names in programs.
var variables = map[string]error{
	"zmqio.ErrInvalidArgument":  zmqio.ErrInvalidArgument,
	"zmqio.ErrDNSEndpoint":      zmqio.ErrDNSEndpoint,
	"zmqio.ErrSocketType":       zmqio.ErrSocketType,
	"zmqio.ErrLoopClosed":       zmqio.ErrLoopClosed,
	"zmqio.ErrLoopRunning":      zmqio.ErrLoopRunning,
	"zmqio.ErrLoopStopped":      zmqio.ErrLoopStopped,
	"zmqio.ErrExecutorShutdown": zmqio.ErrExecutorShutdown,
	"zmqio.ErrNoEventLoop":      zmqio.ErrNoEventLoop,
	"zmqio.ErrWouldDeadlock":    zmqio.ErrWouldDeadlock,
	"zmqio.ErrTransportClosed":  zmqio.ErrTransportClosed,
	"zmqio.ErrBufferFull":       zmqio.ErrBufferFull,
	"zmqio.ErrUndelivered":      zmqio.ErrUndelivered,
	"zmqio.ErrMultipart":        zmqio.ErrMultipart,
	"zmqio.ErrAlreadyPaused":    zmqio.ErrAlreadyPaused,
	"zmqio.ErrNotPaused":        zmqio.ErrNotPaused,
	"zmqio.ErrEventsDropped":    zmqio.ErrEventsDropped,
	"zmqio.ErrProxyRunning":     zmqio.ErrProxyRunning,
	"zmqio.ErrNotDrained":       zmqio.ErrNotDrained,
	"zmqio.ErrWatcherClosed":    zmqio.ErrWatcherClosed,
	"zmqio.ErrGoexit":           zmqio.ErrGoexit,
	"zmqio.ErrInvalidState":     zmqio.ErrInvalidState,
	"zmqio.ErrCancelled":        zmqio.ErrCancelled,
	"netio.ErrWriteEOF":         netio.ErrWriteEOF,
	"netio.ErrSendFile":         netio.ErrSendFile,
	"netio.ErrServerClosed":     netio.ErrServerClosed,
	"rpc.ErrTimeout":            rpc.ErrTimeout,
	"rpc.ErrClientClosed":       rpc.ErrClientClosed,
	"rpc.ErrNotDrained":         rpc.ErrNotDrained,
	"zap.ErrCertificate":        zap.ErrCertificate,
	"zap.ErrExposed":            zap.ErrExposed,
	"zap.ErrDenied":             zap.ErrDenied,
	"zap.ErrPanicked":           zap.ErrPanicked,
	"zap.ErrNoAnswer":           zap.ErrNoAnswer,
	"zap.ErrMalformed":          zap.ErrMalformed,
	"zap.ErrIdentity":           zap.ErrIdentity,
}

// results are the variables that calls return as they are. They are the result of what was called,
// or their text names the call, which a program may repeat often.
var results = map[string]bool{
	"zmqio.ErrAlreadyPaused": true, // PauseReading
	"zmqio.ErrNotPaused":     true, // ResumeReading
	"zmqio.ErrNotDrained":    true, // Proxy.Run
	"zmqio.ErrGoexit":        true,
	"zmqio.ErrCancelled":     true,
	"rpc.ErrClientClosed":    true, // Client.Call
	"rpc.ErrNotDrained":      true, // Serve
	"zap.ErrDenied":          true, // a Handler
}

// unprovoked are the variables that no provocation returns, and why.
var unprovoked = map[string]string{
	"rpc.ErrPanicked":  "the caller gets its text, in an Error",
	"zap.ErrTemporary": "for handlers to return",
}

// Each exported error variable is the error of a provocation.
func TestComplete(t *testing.T) {
	provoked := make(map[error]bool)
	for _, c := range chapters {
		names := make(map[string]bool)
		for _, p := range c.provocations {
			provoked[p.is] = true
			if names[p.name] {
				t.Errorf("%s: two provocations are named %q", c.name, p.name)
			}
			names[p.name] = true
		}
	}
	var found []string
	for _, dir := range []string{"zmqio", "zmqio/netio", "zmqio/subprocess", "zmqio/rpc", "zmqio/zap"} {
		found = append(found, declared(t, dir)...)
	}
	for _, name := range found {
		err, known := variables[name]
		_, excused := unprovoked[name]
		switch {
		case known && !provoked[err]:
			t.Errorf("no provocation returns %s", name)
		case known == excused:
			t.Errorf("%s belongs into variables or unprovoked", name)
		}
	}
	for name := range variables {
		if !slices.Contains(found, name) {
			t.Errorf("there is no %s", name)
		}
	}
	for name := range unprovoked {
		if !slices.Contains(found, name) {
			t.Errorf("there is no %s", name)
		}
	}
}

// declared returns the exported error variables of a package, as in "zmqio.ErrCancelled".
func declared(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", dir, "*.go"))
	zmqiotest.Must(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		zmqiotest.Must(t, err)
		for _, d := range f.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok || group.Tok != token.VAR {
				continue
			}
			for _, spec := range group.Specs {
				for _, id := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(id.Name, "Err") {
						names = append(names, f.Name.Name+"."+id.Name)
					}
				}
			}
		}
	}
	return names
}

// Helpers of the provocations.

// errAny stands for errors of the standard library that errors.Is does not find.
var errAny = errors.New("any")

var errBoom = errors.New("boom")

var noContext context.Context

// ended returns a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	return zmqiotest.Bounded(t, zmqiotest.Patience)
}

// onLoop returns what fn returns on the loop goroutine.
func onLoop(t *testing.T, loop *zmqio.EventLoop, fn func() error) (err error) {
	t.Helper()
	zmqiotest.Soon(t, loop, func() { err = fn() })
	return err
}

// create makes a transport. The end of the test aborts it.
func create(t *testing.T, loop *zmqio.EventLoop, typ zmq.SocketType, cfg zmqio.ConnectionConfig) *zmqio.Transport {
	t.Helper()
	tr := zmqiotest.Create(t, loop, zmqio.BaseProtocol{}, typ, cfg)
	t.Cleanup(func() { _ = tr.Abort() }) // returns nil
	return tr
}

// refused returns the error of a creation that must fail.
func refused(t *testing.T, loop *zmqio.EventLoop, typ zmq.SocketType, cfg zmqio.ConnectionConfig) error {
	t.Helper()
	_, _, err := loop.CreateZmqConnection(bounded(t), func() zmqio.Protocol { return zmqio.BaseProtocol{} }, typ, cfg)
	return err
}

func frames(frames ...string) [][]byte {
	msg := make([][]byte, len(frames))
	for i, f := range frames {
		msg[i] = []byte(f)
	}
	return msg
}
