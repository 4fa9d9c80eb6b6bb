package interop

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zap"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

func needsCurve(t *testing.T) {
	t.Helper()
	if !zmq.Has(zmq.CapabilityCurve) {
		t.Skip("this libzmq has no CURVE")
	}
}

// pyzmqs makes pyzmq write the certificates of names to dir.
func pyzmqs(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		s := startScript(zmqiotest.Bounded(t, deadline), t, dir+" "+name, `
import os, zmq.auth
os.umask(0o022)
print(*zmq.auth.create_certificates(*endpoint.split(" "), metadata={"X-Role": "admin"}))
`)
		s.want(fmt.Sprintf("%[1]s/%[2]s.key %[1]s/%[2]s.key_secret", dir, name))
	}
}

// secret reads a secret certificate that pyzmq has written, although other users can read it.
func secret(t *testing.T, path string) zap.Certificate {
	t.Helper()
	if _, err := zap.ReadCertificate(path); !errors.Is(err, zap.ErrExposed) {
		t.Errorf("%s as pyzmq has left it: %v", path, err)
	}
	must(t, os.Chmod(path, 0o600))
	c, err := zap.ReadCertificate(path)
	must(t, err)
	return c
}

// zap reads the certificates of pyzmq, and pyzmq those of zap.
func TestCertificates(t *testing.T) {
	needsCurve(t)
	dir := t.TempDir()
	pyzmqs(t, dir, "ann")
	path := filepath.Join(dir, "ann.key")
	public, err := zap.ReadCertificate(path)
	must(t, err)
	own := secret(t, path+zap.SecretSuffix)
	if public.Public != own.Public || public.Secret != (zmq.CurveKey{}) || zap.PublicKey(own.Secret) != own.Public || own.Metadata["X-Role"] != "admin" {
		t.Errorf("pyzmq's certificates: %v, %v with %v", public, own, own.Metadata)
	}

	bob := zap.NewCertificate(map[string]string{"X-Role": "user"})
	path = filepath.Join(dir, "bob.key")
	must(t, bob.WriteFiles(path))
	s := startScript(zmqiotest.Bounded(t, deadline), t, path, `
import os, zmq.auth
print(zmq.auth.load_certificate(endpoint))
print(zmq.auth.load_certificate(endpoint + "_secret"))
print(sorted(zmq.auth.load_certificates(os.path.dirname(endpoint))) == sorted(
    zmq.auth.load_certificate(os.path.join(os.path.dirname(endpoint), name))[0] for name in ("ann.key", "bob.key")))
`)
	s.want(fmt.Sprintf("(b'%v', None)", bob.Public))
	s.want(fmt.Sprintf("(b'%v', b'%v')", bob.Public, bob.Secret))
	s.want("True")
}

// dial runs a client of pyzmq, which the Python code mechanism configures. The client sends a word.
// It prints the reply, or the status of a refusal. dial compares that with want.
func dial(t *testing.T, url, argument, mechanism, want string) {
	t.Helper()
	p := startScript(zmqiotest.Bounded(t, deadline), t, url+" "+argument, `
import zmq.auth
from zmq.utils.monitor import recv_monitor_message
url, argument = endpoint.split(" ")
s = ctx.socket(zmq.DEALER)
s.linger = 0
`+mechanism+`
m = s.get_monitor_socket(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
s.connect(url)
s.send(b"hello")
poller = zmq.Poller()
poller.register(s, zmq.POLLIN)
poller.register(m, zmq.POLLIN)
if s in dict(poller.poll()):
    print(s.recv().decode())
else:
    print("refused with", recv_monitor_message(m)["value"])
s.disable_monitor()
s.close()
`)
	p.want(want)
}

// What dial sets up for a client with a certificate file, whose server has another beside it.
const curve = `
import os
s.curve_publickey, s.curve_secretkey = zmq.auth.load_certificate(argument)
s.curve_serverkey, _ = zmq.auth.load_certificate(os.path.join(os.path.dirname(argument), "server.key_secret"))
`

// serveZAP runs a server that returns each message behind the user id, on a loop with the ZAP
// handler h.
func serveZAP(t *testing.T, h zap.Handler, configure func(zmq.Sockopts) error) (url string) {
	t.Helper()
	loop := zmqiotest.RunLoop(t, nil)
	server, err := zap.Serve(loop, h)
	must(t, err)
	t.Cleanup(func() { must(t, server.Close()) })
	s := zmqiotest.Open(t, zmq.ROUTER, zmqio.StreamConfig{Loop: loop, Bind: []string{"tcp://127.0.0.1:*"}, Configure: configure, Metadata: []string{"User-Id"}})
	ctx := zmqiotest.Bounded(t, deadline)
	go func() {
		for {
			msg, err := s.RecvMessage(ctx)
			if err == nil {
				err = s.Send(ctx, msg.Frames[0], fmt.Appendf(nil, "%s: %s", msg.Metadata["User-Id"], msg.Frames[1]))
			}
			if err != nil {
				return // at the end of the test
			}
		}
	}()
	return s.Addr()
}

// A ZAP handler lets clients of pyzmq in, and refuses them, with each mechanism.
func TestPyzmqAsks(t *testing.T) {
	h := zap.Domains{"test": zap.Mechanisms{
		Null:  zap.Allow(zap.Anyone, netip.MustParsePrefix("127.0.0.0/8")),
		Plain: zap.Passwords{"ann": "sesame"}.Authenticate,
	}.Authenticate, "closed": zap.Deny(zap.Anyone, netip.MustParsePrefix("127.0.0.1/32"))}
	domain := func(name string) func(zmq.Sockopts) error {
		return func(o zmq.Sockopts) error { return o.SetZAPDomain(name) }
	}
	plain := func(o zmq.Sockopts) error { return errors.Join(domain("test")(o), o.SetPlainServer(true)) }
	const password = `s.plain_username, s.plain_password = b"ann", argument.encode()`
	for name, c := range map[string]struct {
		configure           func(zmq.Sockopts) error
		argument, mechanism string
		want                string
	}{
		"NULL":                    {domain("test"), "x", "", "anonymous: hello"},
		"NULL, denied":            {domain("closed"), "x", "", "refused with 400"},
		"NULL, no such domain":    {domain("other"), "x", "", "refused with 400"},
		"PLAIN":                   {plain, "sesame", password, "ann: hello"},
		"PLAIN, a wrong password": {plain, "Sesame", password, "refused with 400"},
	} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			dial(t, serveZAP(t, h.Authenticate, c.configure), c.argument, c.mechanism, c.want)
		})
	}
}

// Clients of pyzmq with certificates of its own come in while those are in the directory.
func TestPyzmqAsksDir(t *testing.T) {
	needsCurve(t)
	checkLeaks(t)
	all, allowed := t.TempDir(), t.TempDir()
	pyzmqs(t, all, "server", "ann", "bob")
	must(t, os.Rename(filepath.Join(all, "ann.key"), filepath.Join(allowed, "ann.key")))
	dir, err := zap.NewDir(allowed, nil)
	must(t, err)
	own := secret(t, filepath.Join(all, "server.key_secret"))
	url := serveZAP(t, dir.Authenticate, own.AsServer)
	dial(t, url, filepath.Join(all, "ann.key_secret"), curve, "ann: hello")
	dial(t, url, filepath.Join(all, "bob.key_secret"), curve, "refused with 400")
	must(t, os.Remove(filepath.Join(allowed, "ann.key")))
	must(t, os.Rename(filepath.Join(all, "bob.key"), filepath.Join(allowed, "bob.key")))
	must(t, dir.Reload())
	dial(t, url, filepath.Join(all, "ann.key_secret"), curve, "refused with 400")
	dial(t, url, filepath.Join(all, "bob.key_secret"), curve, "bob: hello")
}

// A server of pyzmq with its ThreadAuthenticator lets clients in by certificates of package zap.
func TestThreadAuthenticator(t *testing.T) {
	needsCurve(t)
	checkLeaks(t)
	dir, allowed := t.TempDir(), t.TempDir()
	own, ann, bob := zap.NewCertificate(nil), zap.NewCertificate(nil), zap.NewCertificate(nil)
	must(t, own.WriteFiles(filepath.Join(dir, "server.key")))
	must(t, zap.Certificate{Public: ann.Public}.WriteFiles(filepath.Join(allowed, "ann.key")))
	ctx := zmqiotest.Bounded(t, deadline)
	p := startScript(ctx, t, dir+" "+allowed, `
import os, zmq.auth
from zmq.auth.thread import ThreadAuthenticator
dir, allowed = endpoint.split(" ")
auth = ThreadAuthenticator(ctx)
auth.start()
auth.configure_curve(domain="*", location=allowed)
s = ctx.socket(zmq.ROUTER)
s.linger = 0
s.curve_publickey, s.curve_secretkey = zmq.auth.load_certificate(os.path.join(dir, "server.key_secret"))
s.curve_server = True
s.bind("tcp://127.0.0.1:*")
print(s.getsockopt(zmq.LAST_ENDPOINT).decode().strip("\0"))
id, word = s.recv_multipart(copy=False)
print(word.get("User-Id"))
s.send_multipart([id.bytes, word.bytes.upper()])
sys.stdin.readline()
s.close()
auth.stop()
`)
	url := p.line()
	open := func(c zap.Certificate) streamTest {
		return streamTest{zmqiotest.Open(t, zmq.DEALER, zmqio.StreamConfig{Connect: []string{}, Configure: func(o zmq.Sockopts) error {
			return errors.Join(o.SetLinger(0), c.AsClient(own.Public)(o))
		}}), t, ctx}
	}
	refused := open(bob)
	events := refused.Events(ctx)
	_, err := refused.Transport().Connect(url)
	must(t, err)
	refused.sends("let me in")
	for ev, err := range events {
		must(t, err)
		if ev.Event == zmq.EVENT_HANDSHAKE_FAILED_AUTH {
			if ev.Value != 400 {
				t.Errorf("the status is %d", ev.Value)
			}
			break
		}
	}
	must(t, refused.Abort())
	client := open(ann)
	_, err = client.Transport().Connect(url)
	must(t, err)
	client.sends("hello")
	p.want(ann.Public.String())
	client.wants("HELLO")
}

// A server of pyzmq with its ThreadAuthenticator lets clients in, or refuses them, by NULL and
// by PLAIN.
func TestThreadAuthenticatorAsks(t *testing.T) {
	plain := func(name, word string) func(zmq.Sockopts) error {
		return func(o zmq.Sockopts) error { return errors.Join(o.SetPlainUsername(name), o.SetPlainPassword(word)) }
	}
	const passwords = `auth.configure_plain(domain="test", passwords={"ann": "sesame"}); s.plain_server = True`
	for name, c := range map[string]struct {
		set    string
		client func(zmq.Sockopts) error
		want   string // the user, or "" for a refusal
	}{
		"NULL":                    {`auth.allow("127.0.0.1")`, nil, "anonymous"},
		"NULL, denied":            {`auth.deny("127.0.0.1")`, nil, ""},
		"PLAIN":                   {passwords, plain("ann", "sesame"), "ann"},
		"PLAIN, a wrong password": {passwords, plain("ann", "Sesame"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			ctx := zmqiotest.Bounded(t, deadline)
			p := startScript(ctx, t, "none", `
from zmq.auth.thread import ThreadAuthenticator
auth = ThreadAuthenticator(ctx)
auth.start()
s = ctx.socket(zmq.ROUTER)
s.linger = 0
s.zap_domain = b"test"
`+c.set+`
s.bind("tcp://127.0.0.1:*")
print(s.getsockopt(zmq.LAST_ENDPOINT).decode().strip("\0"))
if "`+c.want+`":
    id, word = s.recv_multipart(copy=False)
    s.send_multipart([id.bytes, word.get("User-Id").encode()])
sys.stdin.readline()
s.close()
auth.stop()
`)
			client := streamTest{zmqiotest.Open(t, zmq.DEALER, zmqio.StreamConfig{Connect: []string{}, Configure: func(o zmq.Sockopts) error {
				if c.client != nil {
					return errors.Join(o.SetLinger(0), c.client(o))
				}
				return o.SetLinger(0)
			}}), t, ctx}
			events := client.Events(ctx)
			_, err := client.Transport().Connect(p.line())
			must(t, err)
			client.sends("hello")
			if c.want != "" {
				client.wants(c.want)
				return
			}
			for ev, err := range events {
				must(t, err)
				if ev.Event == zmq.EVENT_HANDSHAKE_FAILED_AUTH {
					if ev.Value != 400 {
						t.Errorf("the status is %d", ev.Value)
					}
					break
				}
			}
		})
	}
}
