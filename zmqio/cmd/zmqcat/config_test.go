package main

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/zmqio/zmq"
)

func TestBadArguments(t *testing.T) {
	leakCheck(t)
	in := "127.0.0.1:*"
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, `no socket type given; see zmqcat --help`},
		{[]string{"--bind", "tcp://" + in}, `no socket type given; see zmqcat --help`},
		{[]string{"foo", "--bind", "tcp://" + in}, `no socket type is named "foo": unknown name; see zmqcat --help`},
		{[]string{"push"}, `no endpoint given: use --bind or --connect`},
		{[]string{"push", "more", "--bind", "tcp://" + in}, `unexpected argument "more"`},
		{[]string{"push", "tcp://" + in}, `unexpected argument "tcp://127.0.0.1:*"; give an endpoint with --connect or --bind`},
		{[]string{"push", "--bnd", "tcp://" + in}, `unknown flag: --bnd`},
		{[]string{"push", "--bind"}, `flag needs an argument: --bind`},
		{[]string{"push", "-x"}, `unknown shorthand flag: 'x' in -x`},
		{[]string{"client", "--bind", "tcp://" + in}, `create CLIENT: zmqio: wrong socket type: CLIENT is thread-safe and has no ZMQ_FD to wait for: unsupported operation`},

		{[]string{"push", "--bind", "tcp://nowhere"}, `bind "tcp://nowhere": zmq_bind: Invalid argument (missing the port)`},
		{[]string{"push", "--bind", "foo://x"}, `bind "foo://x": zmq_bind: Protocol not supported (no transport is named "foo"; the usual ones are tcp, ipc and inproc)`},
		{[]string{"push", "--bind", "tcp://" + in, "--bind", "tcp://192.0.2.1:5"}, `bind "tcp://192.0.2.1:5": zmq_bind: Cannot assign requested address (no interface of this machine has the address)`},
		{[]string{"push", "--bind", "tcp://" + in, "--connect", "ipc"}, `connect "ipc": zmq_connect: Invalid argument (missing tcp:// or another transport)`},

		{[]string{"push", "--bind", "tcp://" + in, "--set", "SNDHWM"}, `--set SNDHWM: not of the form OPTION=VALUE`},
		{[]string{"push", "--bind", "tcp://" + in, "--set", "FOO=1"}, `--set: no socket option is named "FOO": unknown name`},
		{[]string{"push", "--bind", "tcp://" + in, "--set", "SNDHWM=many"}, `create PUSH: set SNDHWM: "many" is not a number: unfit value`},
		{[]string{"push", "--bind", "tcp://" + in, "--set", "SNDHWM=-2"}, `create PUSH: set SNDHWM: zmq_setsockopt: Invalid argument (allowed: 0 to 2147483647 messages)`},
		{[]string{"push", "--bind", "tcp://" + in, "--set", "IPV6=perhaps"}, `create PUSH: set IPV6: "perhaps" is not true, false, 1 or 0: unfit value`},

		{[]string{"push", "--bind", "tcp://" + in, "--subscribe", "x"}, `--subscribe is for SUB and XSUB, not for PUSH`},
		{[]string{"push", "--bind", "tcp://" + in, "--count", "1"}, `--count is for types that receive, and PUSH does not`},
		{[]string{"pub", "--bind", "tcp://" + in, "--wait", "1s"}, `--wait is for types that receive, and PUB does not`},
		{[]string{"pull", "--bind", "tcp://" + in, "--count", "0"}, `--count 0: less than 1`},
		{[]string{"pull", "--bind", "tcp://" + in, "--count", "x"}, `invalid argument "x" for "-n, --count" flag: must be an integer`},
		{[]string{"pull", "--bind", "tcp://" + in, "--wait", "-1s"}, `--wait -1s: negative`},
		{[]string{"pull", "--bind", "tcp://" + in, "--wait", "1"}, `invalid argument "1" for "-w, --wait" flag: must be a duration like "30s" or "5m"`},

		{[]string{"pull", "--bind", "tcp://" + in, "--interval", "1s"}, `--interval is for types that send, and PULL does not`},
		{[]string{"push", "--bind", "tcp://" + in, "--interval", "0s"}, `--interval 0s: not positive`},
		{[]string{"push", "--bind", "tcp://" + in, "-jB"}, `give one of --json and --binary`},
		{[]string{"push", "--bind", "tcp://" + in, "-fB"}, `--binary sends one frame, so that there is nothing for --frames to split`},
		{[]string{"router", "--bind", "tcp://" + in, "-B"}, `--binary sends one frame, and ROUTER needs the peer's routing id in another: use --json`},
		{[]string{"push", "--bind", "tcp://" + in, "--json=perhaps"}, `invalid argument "perhaps" for "-j, --json" flag: strconv.ParseBool: parsing "perhaps": invalid syntax`},
		{[]string{"pul", "--bind", "tcp://" + in}, `no socket type is named "pul": unknown name; did you mean pull?`},
		{[]string{"push", "--connect", "tcp://localhost"}, `connect "tcp://localhost": zmq_connect: Invalid argument (missing the port)`},

		{[]string{"monitor"}, `monitor takes one type of sockets, not 0`},
		{[]string{"monitor", "foo"}, `no socket type is named "foo": unknown name`},
		{[]string{"monitor", "pull"}, `no endpoint given: use --bind or --connect`},
		{[]string{"monitor", "pull", "-b", "tcp://" + in, "-e", "FOO"}, `--events: no monitor event is named "EVENT_FOO": unknown name`},
		{[]string{"monitor", "pull", "-b", "tcp://" + in, "-n", "0"}, `--count 0: less than 1`},
		{[]string{"monitor", "pull", "-b", "tcp://" + in, "-w", "-1s"}, `--wait -1s: negative`},
		{[]string{"monitor", "pull", "-b", "tcp://nowhere", "-e", "ACCEPTED"}, `bind "tcp://nowhere": zmq_bind: Invalid argument (missing the port)`},
		{[]string{"help", "foo"}, `no socket type is named "foo": unknown name; see zmqcat --help`},
		{[]string{"version", "now"}, `unexpected argument "now"`},
		{[]string{"completion"}, `completion takes the name of a shell: bash, zsh or fish`},
		{[]string{"completion", "csh"}, `completion takes the name of a shell: bash, zsh or fish`},
		{[]string{"bench", "now"}, `unexpected argument "now"`},
		{[]string{"bench", "--size", "15"}, `--size 15: less than 16`},
		{[]string{"bench", "-n", "0"}, `--count 0: less than 1`},
		{[]string{"bench", "-r", "-1"}, `--rate -1: negative`},
		{[]string{"bench", "--endpoint", "tcp://nowhere"}, `create PULL: bind "tcp://nowhere": zmq_bind: Invalid argument (missing the port)`},
		{[]string{"bench", "send"}, `no endpoint given: use --bind or --connect`},
		{[]string{"bench", "send", "-c", "ipc"}, `create PUSH: connect "ipc": zmq_connect: Invalid argument (missing tcp:// or another transport)`},
		{[]string{"bench", "echo", "-b", "tcp://" + in, "--size", "20"}, `unknown flag: --size`},

		{[]string{"bench", "--size", "1073741825"}, `--size 1073741825: more than 1073741824`},
		{[]string{"bench", "-r", "NaN"}, `--rate NaN: not a number of messages`},
		{[]string{"bench", "-r", "Inf"}, `--rate +Inf: not a number of messages`},
		{[]string{""}, `no socket type is named "": unknown name; see zmqcat --help`},

		{[]string{"demo", "a", "b"}, `demo takes one file, not 2`},
		{[]string{"demo", "--frames"}, `demo takes no flags`},
		{[]string{"demo", "/does/not/exist"}, `open /does/not/exist: no such file or directory`},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			p := start(t, test.args...)
			if got := p.wait(); got != exitUsage {
				t.Errorf("exit status %d, want %d", got, exitUsage)
			}
			if got, want := p.stderr.String(), "zmqcat: "+test.want+"\n"; got != want {
				t.Errorf("standard error:\n%s, want:\n%s", got, want)
			}
			p.prints("")
		})
	}
}

func TestAddressInUse(t *testing.T) {
	leakCheck(t)
	first := start(t, "pull", "--bind", anyPort)
	endpoint := first.bound()
	start(t, "pull", "--bind", endpoint).ends(exitUsage, `zmqcat: bind "`+endpoint+`": zmq_bind: Address already in use`)
}

// TestHelp checks that help shows every flag, also the help of the types that have it.
func TestHelp(t *testing.T) {
	p := start(t, "--help")
	p.ends(exitOK)
	for _, want := range []string{about, exitStatuses, examples, "\nTypes of sockets:\n", "\n  dealer "} {
		if !strings.Contains(p.stdout.String(), want) {
			t.Errorf("help does not have %q", want)
		}
	}
	for typ, not := range map[string][]string{
		"pair": {"subscribe"},
		"sub":  {"frames", "interval"},
		"push": {"subscribe", "wait", "count"},
	} {
		p := start(t, typ, "--help")
		p.ends(exitOK)
		if again := output(t, "help", typ); again != p.stdout.String() {
			t.Errorf("help %s is %q", typ, again)
		}
		newRoot(newConsole(io.Discard)).Flags().VisitAll(func(f *pflag.Flag) {
			has := strings.Contains(p.stdout.String(), "  --"+f.Name+" ") || strings.Contains(p.stdout.String(), ", --"+f.Name+" ")
			if want := !slices.Contains(not, f.Name) && f.Name != "version"; has != want {
				t.Errorf("help of %s has --%s: %t, want %t", typ, f.Name, has, want)
			}
		})
	}
}

// TestHostName connects to a host name.
func TestHostName(t *testing.T) {
	leakCheck(t)
	sink := newPeer(t, zmq.PULL, bindTo(anyPort))
	_, port, _ := strings.Cut(strings.TrimPrefix(sink.transport.Listeners()[0], "tcp://"), ":")
	p := start(t, "push", "-c", "tcp://localhost:"+port)
	p.give("hello\n")
	p.endInput()
	p.ends(exitOK)
	sink.receives("hello")
}

// TestFlagsBeforeTheType tries flags with and without a value, in both forms.
func TestFlagsBeforeTheType(t *testing.T) {
	leakCheck(t)
	for _, args := range [][]string{
		{"--json", "--bind", anyPort, "pull", "--count", "1"},
		{"-j", "-n", "1", "-b", anyPort, "pull"},
		{"-jn1", "pull", "-b" + anyPort},
		{"--count=1", "ZMQ_PULL", "--bind=" + anyPort, "--json=true"},
	} {
		p := start(t, args...)
		newPeer(t, zmq.PUSH, connectTo(p.bound())).send("x")
		p.ends(exitOK)
		p.prints(`{"frames":["x"]}` + "\n")
	}
}

// TestTypesInAnyCase tries every type that is neither a draft nor thread-safe.
func TestTypesInAnyCase(t *testing.T) {
	leakCheck(t)
	for _, typ := range []string{"PAIR", "pub", "Sub", "req", "REP", "dealer", "router", "pull", "push", "xpub", "XSUB", "ZMQ_STREAM"} {
		t.Run(typ, func(t *testing.T) {
			p := start(t, typ, "--bind", anyPort)
			p.bound()
			p.stop(signalled{15})
			p.ends(exitSignal + 15)
		})
	}
}
