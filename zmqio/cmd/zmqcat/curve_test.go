package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zap"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// keys are what zmqcat keygen writes: a server's, and those of the client ann, whom a
// directory allows.
type keys struct{ server, clients, ann string }

func newKeys(t *testing.T) keys {
	t.Helper()
	dir := t.TempDir()
	k := keys{filepath.Join(dir, "server"), filepath.Join(dir, "clients"), filepath.Join(dir, "clients", "ann")}
	must(t, os.Mkdir(k.clients, 0o700))
	for _, name := range []string{k.server, k.ann} {
		p := start(t, "keygen", name)
		p.ends(exitOK)
	}
	return k
}

// TestKeygen reads what it writes, with modes for the owner alone, and keeps what is there.
func TestKeygen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "ann")
	p := start(t, "keygen", name, "-m", "role=admin = all", "--metadata", "mail=")
	p.ends(exitOK)
	secret, err := zap.ReadCertificate(name + ".key_secret")
	must(t, err)
	public, err := zap.ReadCertificate(name + ".key")
	must(t, err)
	if public.Public != secret.Public || zap.PublicKey(secret.Secret) != public.Public || public.Metadata["role"] != "admin = all" || len(public.Metadata) != 2 {
		t.Errorf("%v and %v with %v", public, secret, public.Metadata)
	}
	p.prints("public " + name + ".key\nsecret " + name + ".key_secret\nkey " + public.Public.String() + "\n")
	info, err := os.Stat(name + ".key_secret")
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("the secret key has the mode %v", info.Mode())
	}
	before, err := os.ReadFile(name + ".key_secret")
	must(t, err)
	p = start(t, "keygen", name+".key")
	p.ends(exitFailure, "zmqcat: open "+name+".key_secret: file exists; keygen overwrites no key, so remove it or take another NAME")
	p.prints("")
	if after, err := os.ReadFile(name + ".key_secret"); err != nil || string(after) != string(before) {
		t.Error("the key is not what it was")
	}
}

func TestKeygenErrors(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		args   []string
		status int
		want   string
	}{
		{nil, exitUsage, "keygen takes one NAME, not 0: it writes NAME.key and NAME.key_secret"},
		{[]string{"a", "b"}, exitUsage, "keygen takes one NAME, not 2: it writes NAME.key and NAME.key_secret"},
		{[]string{""}, exitUsage, `"" has no NAME: keygen writes NAME.key and NAME.key_secret`},
		{[]string{dir + "/"}, exitUsage, `"` + dir + `/" has no NAME: keygen writes NAME.key and NAME.key_secret`},
		{[]string{dir + "/.key"}, exitUsage, `"` + dir + `/.key" has no NAME: keygen writes NAME.key and NAME.key_secret`},
		{[]string{dir + "/a", "-m", "role"}, exitUsage, "--metadata role: not of the form NAME=VALUE"},
		{[]string{dir + "/a", "-m", "a b=c"}, exitUsage, `zap: not a certificate: a file cannot hold metadata "a b" = "c"`},
		{[]string{dir + "/no/a"}, exitFailure, "open " + dir + "/no/a.key_secret: no such file or directory; make the directory first"},
	} {
		p := start(t, append([]string{"keygen"}, test.args...)...)
		p.ends(test.status, "zmqcat: "+test.want)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("there are %v, %v", entries, err)
	}
}

// TestCurve has a server that allows a directory of clients, and one that allows all.
func TestCurve(t *testing.T) {
	leakCheck(t)
	k := newKeys(t)
	public, err := zap.ReadCertificate(k.server + ".key")
	must(t, err)
	for name, args := range map[string]struct{ server, client string }{
		"directory":   {"--curve-allow " + k.clients, "--curve-cert " + k.ann + ".key_secret --curve-server-cert " + k.server + ".key"},
		"key in text": {"--curve-allow " + k.clients, "--curve-cert " + k.ann + ".key_secret --curve-server-key " + public.Public.String()},
		"any":         {"--curve-allow-any", "--curve-server-cert " + k.server + ".key"},
		// A secret certificate has the public key too.
		"secret server": {"--curve-allow-any", "--curve-server-cert " + k.server + ".key_secret"},
	} {
		t.Run(name, func(t *testing.T) {
			rep := start(t, append([]string{"rep", "-b", anyPort, "-n", "1", "--curve-cert", k.server + ".key_secret"}, strings.Fields(args.server)...)...)
			req := start(t, append([]string{"req", "-c", rep.bound()}, strings.Fields(args.client)...)...)
			rep.give("answer\n")
			req.give("question\n")
			req.endInput()
			req.ends(exitOK)
			rep.ends(exitOK)
			req.prints("answer\n")
			rep.prints("question\n")
		})
	}
}

// TestCurveRefused has clients that may not come in, one of them without encryption.
func TestCurveRefused(t *testing.T) {
	leakCheck(t)
	k := newKeys(t)
	rep := start(t, "rep", "-b", anyPort, "--curve-cert", k.server+".key_secret", "--curve-allow", k.clients)
	endpoint := rep.bound()
	for _, args := range []string{"", "--curve-server-cert " + k.server + ".key"} {
		got := output(t, append([]string{"monitor", "req", "-c", endpoint, "-n", "1", "-e", "HANDSHAKE_SUCCEEDED|HANDSHAKE_FAILED_PROTOCOL|HANDSHAKE_FAILED_AUTH"}, strings.Fields(args)...)...)
		if !strings.Contains(got, " HANDSHAKE_FAILED_") {
			t.Errorf("with %q: %q", args, got)
		}
	}
	rep.stderr.await(t, func(s string) bool { return strings.Contains(s, "zmqcat: refused 127.0.0.1 with the key ") })
}

func TestCurveErrors(t *testing.T) {
	k := newKeys(t)
	must(t, os.WriteFile(k.clients+"/bad.key", []byte("nonsense"), 0o600))
	exposed := k.clients + "/exposed"
	text, err := os.ReadFile(k.server + ".key_secret")
	must(t, err)
	must(t, os.WriteFile(exposed, text, fs.FileMode(0o644)))
	cert := "--curve-cert " + k.server + ".key_secret "
	for args, want := range map[string]string{
		cert: "--curve-cert is not enough: a client needs --curve-server-cert, a server --curve-allow",
		cert + "--curve-server-cert x --curve-allow y":        "a socket is a CURVE client or a server: --curve-server-cert and --curve-server-key do not go with --curve-allow",
		"--curve-server-cert x --curve-server-key y":          "give the server's key once: --curve-server-cert or --curve-server-key",
		cert + "--curve-allow x --curve-allow-any":            "give one of --curve-allow and --curve-allow-any",
		"--curve-allow-any":                                   "a CURVE server needs --curve-cert: zmqcat keygen makes one",
		"--curve-cert x --curve-server-cert y":                "open x: no such file or directory",
		"--curve-server-cert y":                               "open y: no such file or directory",
		"--curve-server-key short":                            "--curve-server-key: not a key in Z85, which has 40 characters",
		cert + "--curve-allow /no":                            "open /no: no such file or directory",
		cert + "--curve-allow " + k.clients:                   "read " + k.clients + "/bad.key: zap: not a certificate: it has no public key",
		"--curve-allow-any --curve-cert " + k.server + ".key": k.server + ".key: a public certificate; the secret one ends in _secret",
		"--curve-allow-any --curve-cert " + exposed:           "read " + exposed + ": zap: other users have access to the secret key; chmod 600 takes that from them",
		"--curve-server-key " + strings.Repeat("~", 40):       "--curve-server-key: not a key in Z85, which has 40 characters",
	} {
		p := start(t, append([]string{"req", "-c", "tcp://127.0.0.1:1"}, strings.Fields(args)...)...)
		p.ends(exitUsage, "zmqcat: "+want)
	}
}

// A file has the value of an option. The password is not on the command line, and there is no warning.
func TestSecretInAFile(t *testing.T) {
	leakCheck(t)
	path := filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(path, []byte("sesame\n"), 0o600))
	loop, asked := zmqiotest.RunLoop(t, nil), make(chan string, 1)
	_, err := zap.Serve(loop, func(_ context.Context, r zap.Request) (zap.Identity, error) {
		select {
		case asked <- r.Username + ":" + r.Password:
		default: // another attempt of the client
		}
		return zap.Identity{}, nil
	})
	must(t, err)
	pull := zmqiotest.Open(t, zmq.PULL, zmqio.StreamConfig{
		Loop: loop, Bind: []string{anyPort}, Configure: func(o zmq.Sockopts) error { return o.SetPlainServer(true) },
	})
	p := start(t, "push", "-c", pull.Addr(), "--set", "PLAIN_USERNAME=ann", "--set-file", "PLAIN_PASSWORD="+path)
	select {
	case got := <-asked:
		if got != "ann:sesame" {
			t.Errorf("the server got %q", got)
		}
	case <-zmqiotest.Bounded(t, zmqiotest.Patience).Done():
		t.Error("the server was not asked")
	}
	p.endInput()
	p.wait()
	if got := p.stderr.String(); strings.Contains(got, "command line") {
		t.Errorf("standard error says %q", got)
	}
	for args, want := range map[string]string{
		"PLAIN_PASSWORD":         "--set-file PLAIN_PASSWORD: not of the form OPTION=FILE",
		"PLAIN_PASSWORD=/no/one": "--set-file: open /no/one: no such file or directory",
	} {
		p := start(t, "pull", "-b", anyPort, "--set-file", args)
		p.ends(exitUsage, "zmqcat: "+want)
	}
}

// TestSettingsInOrder sets one option several times. The last time counts, whichever flag it is.
func TestSettingsInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hwm")
	must(t, os.WriteFile(path, []byte("2\r\n"), 0o600))
	s, flags := &socket{typ: zmq.PUSH}, pflag.NewFlagSet("push", pflag.ContinueOnError)
	s.flags(flags, "")
	must(t, flags.Parse([]string{"-b", anyPort, "--set", "SNDHWM=1", "--set-file", "SNDHWM=" + path, "-o", "SNDHWM=3"}))
	must(t, s.check())
	want := []setting{{zmq.SNDHWM, "1", false}, {zmq.SNDHWM, "2", true}, {zmq.SNDHWM, "3", false}}
	if !slices.Equal(s.settings, want) {
		t.Errorf("%v, want %v", s.settings, want)
	}
}

// TestSecretOnTheCommandLine warns, and does not repeat the secret.
func TestSecretOnTheCommandLine(t *testing.T) {
	leakCheck(t)
	_, secret := zap.NewKeypair()
	for _, setting := range []string{"CURVE_SECRETKEY=" + secret.String(), "plain_password=hunter2", "SOCKS_PASSWORD=hunter3"} {
		p := start(t, "pull", "-b", anyPort, "-w", "0s", "--set", "PLAIN_USERNAME=ann", "--set", setting)
		p.wait()
		_, value, _ := strings.Cut(setting, "=")
		if got := p.stderr.String(); !strings.Contains(got, "every user of this machine can read a command line") || strings.Contains(got, value) {
			t.Errorf("standard error says %q", got)
		}
	}
}
