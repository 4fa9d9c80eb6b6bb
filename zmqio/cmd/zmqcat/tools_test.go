package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zmqio/zmq"
)

// output returns what zmqcat prints.
func output(t *testing.T, args ...string) string {
	t.Helper()
	p := start(t, args...)
	if got := p.wait(); got != exitOK {
		t.Fatalf("%q: exit status %d: %s", args, got, p.stderr)
	}
	return p.stdout.String()
}

func TestVersion(t *testing.T) {
	text := output(t, "version")
	libzmq := newVersion().Libzmq
	for _, want := range []string{`^zmqcat \S+\n`, `\ngo 1\.\S+ \w+/\w+\n`, `\nlibzmq ` + regexp.QuoteMeta(libzmq) + `\n`, `\n(has|lacks)( .*)? curve( |\n)`} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("%q does not have %s", text, want)
		}
	}
	var v version
	must(t, json.Unmarshal([]byte(output(t, "version", "-j")), &v))
	if v.Libzmq != libzmq || v.Has["curve"] != zmq.Has(zmq.CapabilityCurve) || len(v.Has) != len(capabilities) {
		t.Errorf("%+v", v)
	}
	if got, want := output(t, "--version"), "zmqcat "+v.Zmqcat+", libzmq "+libzmq+"\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestBuildInfo(t *testing.T) {
	var v version
	v.build(&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"},
	}})
	if v.Zmqcat != "v1.2.3" || v.Revision != "abc with changes" {
		t.Errorf("%+v", v)
	}
}

// completions returns what the shell offers for the last argument, without descriptions, and
// cobra's directive.
func completions(t *testing.T, args ...string) (offers []string, directive string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(output(t, append([]string{"__complete"}, args...)...)), "\n")
	for _, line := range lines[:len(lines)-1] {
		offer, _, _ := strings.Cut(line, "\t")
		offers = append(offers, offer)
	}
	return offers, lines[len(lines)-1]
}

func TestCompletions(t *testing.T) {
	const noSpace = cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	for _, test := range []struct {
		args, has, not []string
		directive      string
	}{
		{[]string{""}, []string{"pull", "req", "stream", "bench", "keygen", "monitor"}, []string{"manual", "client", "dgram"}, ":4"},
		{[]string{"pu"}, []string{"pub", "pull", "push"}, []string{"pair"}, ":4"},
		{[]string{"monitor", ""}, []string{"pull", "req"}, []string{"client"}, ":4"},
		{[]string{"monitor", "pull", ""}, nil, []string{"req"}, ":4"},
		{[]string{"bench", ""}, []string{"send", "receive", "ping", "echo"}, nil, ":4"},
		{[]string{"completion", ""}, []string{"bash", "zsh", "fish"}, nil, ":4"},
		{[]string{"pull", "--bind", ""}, []string{"tcp://", "ipc://"}, nil, ":6"},
		{[]string{"pull", "--set", "RCV"}, []string{"RCVHWM=", "RCVBUF="}, []string{"RCVMORE="}, ":6"}, // RCVMORE cannot be set
		{[]string{"push", "--set", "SNDHWM=1", "--set-file", "SNDHWM=f", "--se"}, []string{"--set", "--set-file"}, nil, ":4"},
		{[]string{"sub", "-o", ""}, []string{"SNDHWM=", "SUBSCRIBE="}, []string{"ROUTER_MANDATORY=", "CURVE_SECRETKEY=", "PLAIN_PASSWORD="}, ":6"},
		{[]string{"pull", "-o", "IPV6="}, []string{"IPV6=true", "IPV6=false"}, nil, ":4"},
		{[]string{"pull", "-o", "foo="}, nil, nil, ":6"},
		{[]string{"pull", "--curve-cert", ""}, []string{"key_secret"}, nil, ":8"},
		{[]string{"pull", "--curve-server-cert", ""}, []string{"key"}, nil, ":8"},
		{[]string{"pull", "--curve-allow", ""}, nil, nil, ":16"},
		{[]string{"pull", "--"}, []string{"--bind", "--count"}, []string{"--subscribe", "--interval"}, ":4"},
	} {
		offers, directive := completions(t, test.args...)
		for _, want := range test.has {
			if !slices.Contains(offers, want) {
				t.Errorf("%q: %q is not offered but %q", test.args, want, offers)
			}
		}
		for _, not := range test.not {
			if slices.Contains(offers, not) {
				t.Errorf("%q: %q is offered", test.args, not)
			}
		}
		if directive != test.directive {
			t.Errorf("%q: directive %s, want %s", test.args, directive, test.directive)
		}
	}
	if noSpace != 6 || cobra.ShellCompDirectiveFilterFileExt != 8 || cobra.ShellCompDirectiveFilterDirs != 16 {
		t.Error("cobra has changed its directives")
	}
}

// TestCompletionScripts makes the installed shells read their scripts.
func TestCompletionScripts(t *testing.T) {
	for shell, want := range map[string]string{"bash": "complete -o default -F __start_zmqcat zmqcat", "zsh": "#compdef zmqcat", "fish": "complete -c zmqcat"} {
		t.Run(shell, func(t *testing.T) {
			script := output(t, "completion", shell)
			if !strings.Contains(script, want) {
				t.Errorf("the script does not have %q", want)
			}
			if _, err := exec.LookPath(shell); err != nil {
				t.Skip(err)
			}
			file := filepath.Join(t.TempDir(), "script")
			must(t, os.WriteFile(file, []byte(script), 0o600))
			if out, err := exec.Command(shell, "-n", file).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestManual checks that the manual has every command with every flag.
func TestManual(t *testing.T) {
	text := output(t, "manual")
	root := newRoot(newConsole(nil))
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if !cmd.IsAvailableCommand() || cmd.Name() == "help" {
			return
		}
		_, section, found := strings.Cut(text, "\n## "+cmd.CommandPath())
		if !found {
			t.Errorf("there is no %s", cmd.CommandPath())
			return
		}
		section, _, _ = strings.Cut(section, "\n## ")
		if cmd.GroupID == socketGroup {
			_, section, _ = strings.Cut(text, "\n# FLAGS OF SOCKETS")
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden && f.Name != "help" && !strings.Contains(section, "**--"+f.Name+"**") {
				t.Errorf("%s has no --%s", cmd.CommandPath(), f.Name)
			}
		})
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	for _, cmd := range root.Commands() {
		visit(cmd)
	}
	if hidden := strings.Contains(text, "zmqcat manual"); hidden {
		t.Error("the manual has a hidden command")
	}
}

// TestManualPage makes mandoc and man, if installed, check zmqcat.1. The page has no date, so it
// changes with the help alone. `make fresh` compares it with the help.
func TestManualPage(t *testing.T) {
	for name, args := range map[string][]string{
		"mandoc": {"-T", "lint", "-W", "warning", "zmqcat.1"},
		"man":    {"--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", "zmqcat.1"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(name); err != nil {
				t.Skip(err)
			}
			cmd := exec.Command(name, args...)
			cmd.Stdout = nil // the page, for man
			var complaints strings.Builder
			cmd.Stderr = &complaints
			if name == "mandoc" {
				cmd.Stdout = &complaints
			}
			err := cmd.Run()
			got := strings.TrimSuffix(complaints.String(), "mandoc: zmqcat.1:2:14: WARNING: missing date, using \"\": TH\n")
			if got != "" || err != nil && complaints.Len() == 0 {
				t.Errorf("%v: %s", err, got)
			}
		})
	}
}

// events reads the output of monitor --json.
func events(t *testing.T, text string) (names []string, all []map[string]any) {
	t.Helper()
	for scanner := bufio.NewScanner(strings.NewReader(text)); scanner.Scan(); {
		var ev map[string]any
		must(t, json.Unmarshal(scanner.Bytes(), &ev))
		if when, err := time.Parse(time.RFC3339Nano, ev["time"].(string)); err != nil || time.Since(when).Abs() > time.Hour {
			t.Errorf("time %v, %v", ev["time"], err)
		}
		names = append(names, ev["event"].(string))
		all = append(all, ev)
	}
	return names, all
}

// TestMonitor watches a peer come and go. Its messages are not printed.
func TestMonitor(t *testing.T) {
	leakCheck(t)
	p := start(t, "monitor", "pull", "-b", anyPort, "-j", "-n", "4", "-e", "ACCEPTED|EVENT_HANDSHAKE_SUCCEEDED|disconnected|LISTENING")
	endpoint := p.bound()
	peer := newPeer(t, zmq.PUSH, connectTo(endpoint))
	peer.send("x")
	p.stdout.await(t, func(s string) bool { return strings.Count(s, "\n") == 3 })
	must(t, peer.transport.Close())
	p.ends(exitOK)
	names, all := events(t, p.stdout.String())
	if want := []string{"LISTENING", "ACCEPTED", "HANDSHAKE_SUCCEEDED", "DISCONNECTED"}; !slices.Equal(names, want) {
		t.Errorf("events %q, want %q", names, want)
	}
	if all[1]["endpoint"] != endpoint || all[1]["value"].(float64) <= 0 || all[1]["error"] != nil {
		t.Errorf("%v", all[1])
	}
}

// TestMonitorFailures checks that events name the reason.
func TestMonitorFailures(t *testing.T) {
	leakCheck(t)
	k := newKeys(t)
	server := start(t, "dealer", "-q", "-b", "ipc://"+k.server, "--curve-cert", k.server+".key_secret", "--curve-allow", k.clients)
	defer server.stop(signalled{2})
	args := []string{"monitor", "dealer", "-c", "ipc://" + k.server, "--curve-server-cert", k.server + ".key", "-e", "HANDSHAKE_FAILED_AUTH", "-n", "1"}
	if got := output(t, args...); !regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3} HANDSHAKE_FAILED_AUTH ipc://\S+: refused by the ZAP handler with status 400\n$`).MatchString(got) {
		t.Errorf("%q", got)
	}
	_, all := events(t, output(t, append(args, "-j")...))
	if all[0]["error"] != "refused by the ZAP handler with status 400" || all[0]["value"] != 400.0 {
		t.Errorf("%v", all)
	}
}

func TestMonitorEnds(t *testing.T) {
	leakCheck(t)
	_, all := events(t, output(t, "monitor", "push", "-c", "tcp://127.0.0.1:1", "-n", "1", "-e", "CONNECT_DELAYED", "-j"))
	if all[0]["error"] != nil { // EINPROGRESS is no error
		t.Errorf("%v", all)
	}
	if got := output(t, "monitor", "pub", "-b", anyPort, "-w", "1ms", "-e", "ACCEPTED"); got != "" {
		t.Errorf("%q", got)
	}
	p := start(t, "monitor", "sub", "-b", anyPort)
	p.bound()
	p.stop(signalled{2})
	p.ends(exitSignal + 2)
}
