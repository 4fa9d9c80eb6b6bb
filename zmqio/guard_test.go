package zmqio

import (
	"errors"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

func configured(cfg ConnectionConfig, fn func(zmq.Sockopts) error) ConnectionConfig {
	cfg.Configure = fn
	return cfg
}

// curveKeys returns a pair of keys. If libzmq lacks CURVE, it skips the test.
func curveKeys(t *testing.T) (public, secret zmq.CurveKey) {
	t.Helper()
	if !zmq.Has(zmq.CapabilityCurve) {
		t.Skip("libzmq is built without CURVE")
	}
	p, s, err := zmq4.NewCurveKeypair()
	must(t, err)
	public, err = zmq.ParseCurveKey(p)
	must(t, err)
	secret, err = zmq.ParseCurveKey(s)
	must(t, err)
	return public, secret
}

// refuses checks that a creation fails with ErrInvalidArgument, and that the error contains words.
func refuses(t *testing.T, l *EventLoop, typ zmq.SocketType, cfg ConnectionConfig, words ...string) {
	t.Helper()
	_, _, err := l.CreateZmqConnection(bounded(t), func() Protocol { return BaseProtocol{} }, typ, cfg)
	if !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("not refused: %v", err)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q says nothing of %s", err, word)
		}
	}
}

// libzmq would end the process at a connect with a routing id that the socket already uses.
func TestRoutingIDSetTwice(t *testing.T) {
	for _, typ := range []zmq.SocketType{zmq.ROUTER, zmq.STREAM, zmq.REP} {
		t.Run(typ.String(), func(t *testing.T) {
			leakCheck(t)
			l := newLoop(t)
			tr := create(t, l, BaseProtocol{}, typ, ConnectionConfig{Connect: []string{}})
			opts, id := tr.Sockopts(), []byte("peer")
			must(t, opts.SetConnectRoutingID(id))
			must(t, opts.SetConnectRoutingID(id)) // no connect has used it yet
			first, err := tr.Connect("tcp://127.0.0.1:1")
			must(t, err)
			for range 2 {
				err := opts.SetConnectRoutingID(id)
				if !errors.Is(err, ErrInvalidArgument) || !errors.Is(err, zmq.EADDRINUSE) || !strings.Contains(err.Error(), `"peer"`) {
					t.Errorf("set twice: %v", err)
				}
				_, err = tr.Connect("tcp://127.0.0.1:2") // libzmq makes up an id for it
				must(t, err)
				must(t, tr.Disconnect("tcp://127.0.0.1:2"))
			}
			// libzmq may keep the old connection, and does not say for how long.
			must(t, tr.Disconnect(first))
			if err := opts.Set(zmq.CONNECT_ROUTING_ID, id); !errors.Is(err, zmq.EADDRINUSE) {
				t.Errorf("after Disconnect: %v", err)
			}
			if err := opts.SetConnectRoutingID([]byte("\x00abcd")); !errors.Is(err, ErrInvalidArgument) {
				t.Errorf("an id of libzmq's own: %v", err)
			}
			must(t, opts.SetConnectRoutingID([]byte("other")))
			_, err = tr.Connect(first)
			must(t, err)
		})
	}
}

// The transport of a socket knows the options that SocketOptions has set.
func TestSocketOptionsAreRemembered(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	factory := func() Protocol { return BaseProtocol{} }
	router, err := l.context.NewSocket(zmq4.ROUTER)
	must(t, err)
	opts, err := SocketOptions(router)
	must(t, err)
	must(t, opts.SetConnectRoutingID([]byte("peer")))
	must(t, router.Connect("tcp://127.0.0.1:1"))
	again, err := SocketOptions(router)
	must(t, err)
	if err := again.SetConnectRoutingID([]byte("peer")); !errors.Is(err, zmq.EADDRINUSE) {
		t.Errorf("set twice: %v", err)
	}
	tr, _, err := l.CreateZmqConnection(bounded(t), factory, zmq.ROUTER, ConnectionConfig{Socket: router})
	must(t, err)
	if err := tr.Sockopts().SetConnectRoutingID([]byte("peer")); !errors.Is(err, zmq.EADDRINUSE) {
		t.Errorf("set again by the transport: %v", err)
	}

	dealer, err := l.context.NewSocket(zmq4.DEALER)
	must(t, err)
	opts, err = SocketOptions(dealer)
	must(t, err)
	must(t, opts.SetPlainUsername("user"))
	must(t, opts.SetPlainServer(false))
	if _, _, err := l.CreateZmqConnection(bounded(t), factory, zmq.DEALER, ConnectionConfig{Socket: dealer}); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("in the clear: %v", err)
	}
	must(t, dealer.Close())
}

// With ZAP_ENFORCE_DOMAIN and no domain libzmq refuses clients, accepts all, or ends the process.
func TestEnforcedDomainThatIsMissing(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	enforce := func(o zmq.Sockopts) error { return o.SetZAPEnforceDomain(true) }
	probe := create(t, l, BaseProtocol{}, zmq.REP, ConnectionConfig{Bind: []string{}})
	if err := enforce(probe.Sockopts()); errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	public, secret := curveKeys(t)
	both := func(fns ...func(zmq.Sockopts) error) func(zmq.Sockopts) error {
		return func(o zmq.Sockopts) error {
			var errs []error
			for _, fn := range fns {
				errs = append(errs, fn(o))
			}
			return errors.Join(errs...)
		}
	}
	plain := func(o zmq.Sockopts) error { return o.SetPlainServer(true) }
	curve := func(o zmq.Sockopts) error { return errors.Join(o.SetCurveServer(true), o.SetCurveSecretKey(secret)) }
	null := func(zmq.Sockopts) error { return nil }
	domain := func(o zmq.Sockopts) error { return o.SetZAPDomain("test") }
	for _, server := range []func(zmq.Sockopts) error{plain, curve, null} {
		refuses(t, l, zmq.REP, configured(bindTo(anyPort), both(enforce, server)), "ZAP_ENFORCE_DOMAIN", "ZAP_DOMAIN")
		must(t, create(t, l, BaseProtocol{}, zmq.REP, configured(bindTo(anyPort), both(enforce, server, domain))).Abort())
	}
	for _, server := range []func(zmq.Sockopts) error{plain, curve} {
		refuses(t, l, zmq.REP, configured(connectTo("tcp://127.0.0.1:1"), both(enforce, server)), "ZAP_ENFORCE_DOMAIN")
	}
	client := func(o zmq.Sockopts) error {
		return errors.Join(o.SetCurvePublicKey(public), o.SetCurveSecretKey(secret), o.SetCurveServerKey(public))
	}
	must(t, create(t, l, BaseProtocol{}, zmq.REQ, configured(connectTo("tcp://127.0.0.1:1"), both(enforce, client))).Abort())
}

// If keys are set and the mechanism is NULL, messages would go in the clear.
func TestKeysWithoutMechanism(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	public, secret := curveKeys(t)
	for name, c := range map[string]struct{ set, reset func(zmq.Sockopts) error }{
		"CURVE_SECRETKEY": {
			func(o zmq.Sockopts) error {
				return errors.Join(o.SetCurveServerKey(public), o.SetCurveSecretKey(secret))
			},
			func(o zmq.Sockopts) error { return o.SetCurveServer(false) },
		},
		"CURVE_SERVER": {
			func(o zmq.Sockopts) error { return o.SetCurveServer(true) },
			func(o zmq.Sockopts) error { return o.SetPlainServer(false) },
		},
		"PLAIN_USERNAME": {
			func(o zmq.Sockopts) error { return o.SetPlainUsername("name") },
			func(o zmq.Sockopts) error { return o.SetPlainServer(false) },
		},
		"PLAIN_SERVER": {
			func(o zmq.Sockopts) error { return o.SetPlainServer(true) },
			func(o zmq.Sockopts) error { return o.SetCurveServer(false) },
		},
	} {
		inOrder := func(fns ...func(zmq.Sockopts) error) func(zmq.Sockopts) error {
			return func(o zmq.Sockopts) error {
				for _, fn := range fns {
					if err := fn(o); err != nil {
						return err
					}
				}
				return nil
			}
		}
		refuses(t, l, zmq.REP, configured(ConnectionConfig{Bind: []string{}}, inOrder(c.set, c.reset)), name, "MECHANISM is NULL", "CURVE_SERVER")
		must(t, create(t, l, BaseProtocol{}, zmq.REP, configured(ConnectionConfig{Bind: []string{}}, inOrder(c.reset, c.set))).Abort())

		// After the creation, the bind or connect is refused.
		tr := create(t, l, BaseProtocol{}, zmq.REP, configured(bindTo(anyPort), c.set))
		must(t, c.reset(tr.Sockopts()))
		_, bound := tr.Bind(anyPort)
		_, connected := tr.Connect("tcp://127.0.0.1:1")
		for _, err := range []error{bound, connected} {
			if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, tr.Abort())
	}
	// A clear takes back a setting.
	must(t, create(t, l, BaseProtocol{}, zmq.REQ, configured(connectTo("tcp://127.0.0.1:1"), func(o zmq.Sockopts) error {
		return errors.Join(o.SetPlainUsername("name"), o.ClearPlainUsername())
	})).Abort())
	must(t, create(t, l, BaseProtocol{}, zmq.REQ, configured(connectTo("tcp://127.0.0.1:1"), func(o zmq.Sockopts) error {
		return errors.Join(o.SetPlainServer(false), o.SetCurveServer(false))
	})).Abort())
}

// A CURVE client that does not know its server would connect, and then stay silent. A socket with
// keys that binds is such a client too, unless CURVE_SERVER is set.
func TestKeysWithoutRole(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	public, secret := curveKeys(t)
	keys := func(o zmq.Sockopts) error {
		return errors.Join(o.SetCurvePublicKey(public), o.SetCurveSecretKey(secret))
	}
	path := "ipc://" + t.TempDir() + "/s"
	for _, cfg := range []ConnectionConfig{
		connectTo("tcp://127.0.0.1:1"), connectTo(path), bindTo(anyPort), bindTo(path),
	} {
		refuses(t, l, zmq.DEALER, configured(cfg, keys), "CURVE_SERVERKEY", "CURVE_SERVER,")
	}
	secretAlone := func(o zmq.Sockopts) error { return o.SetCurveSecretKey(secret) }
	refuses(t, l, zmq.SUB, configured(connectTo("tcp://127.0.0.1:1"), secretAlone), "CURVE_SERVERKEY")

	// Over inproc there are no mechanisms, and a STREAM has none. A role may come after the creation.
	must(t, create(t, l, BaseProtocol{}, zmq.DEALER, configured(bindTo("inproc://role"), keys)).Abort())
	must(t, create(t, l, BaseProtocol{}, zmq.STREAM, configured(connectTo("tcp://127.0.0.1:1"), keys)).Abort())
	for _, role := range []func(zmq.Sockopts) error{
		func(o zmq.Sockopts) error { return o.SetCurveServerKey(public) },
		func(o zmq.Sockopts) error { return o.SetCurveServer(true) },
	} {
		tr := create(t, l, BaseProtocol{}, zmq.DEALER, configured(ConnectionConfig{Connect: []string{}}, keys))
		if _, err := tr.Connect("tcp://127.0.0.1:1"); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("connected without a role: %v", err)
		}
		must(t, role(tr.Sockopts()))
		_, err := tr.Connect("tcp://127.0.0.1:1")
		must(t, err)
		must(t, tr.Abort())
	}
}

// libzmq would tear a message of several frames, and end the process when the connection ends.
func TestWriteToAConflatingSocket(t *testing.T) {
	leakCheck(t)
	l := newLoop(t)
	on := func(o zmq.Sockopts) error { return o.SetConflate(true) }
	tr := create(t, l, BaseProtocol{}, zmq.PUSH, configured(ConnectionConfig{Bind: []string{}}, on))
	refused := func(tr *Transport, when string) {
		t.Helper()
		if err := tr.Write(msg("a", "b")); !errors.Is(err, ErrInvalidArgument) || !errors.Is(err, ErrMultipart) {
			t.Errorf("%s: %v", when, err)
		}
		if err := tr.WriteContext(bounded(t), msg("a", "b")); !errors.Is(err, ErrMultipart) {
			t.Errorf("WriteContext %s: %v", when, err)
		}
	}
	refused(tr, "before a bind")
	must(t, tr.Sockopts().SetConflate(false))
	must(t, tr.Write(msg("a", "b"))) // waits for a peer
	_, err := tr.Bind(anyPort)
	must(t, err)
	must(t, tr.Sockopts().SetConflate(true))
	refused(tr, "set again")
	must(t, tr.Abort())

	tr = create(t, l, BaseProtocol{}, zmq.PUB, configured(bindTo(anyPort), on))
	must(t, tr.Write(msg("a")))
	must(t, tr.Sockopts().SetConflate(false)) // counts for later binds
	refused(tr, "after a bind")
	must(t, tr.Abort())

	tr = create(t, l, BaseProtocol{}, zmq.XPUB, configured(bindTo(anyPort), on)) // XPUB does not heed it
	must(t, tr.Write(msg("a", "b")))
	must(t, tr.Abort())
}

// libzmq before 4.3.3 reads a METADATA up to a NUL, and sends the bytes to peers.
func TestTextIsTerminated(t *testing.T) {
	memory := []byte("X-key:valuesecret")
	value := memory[:len("X-key:value")]
	got := withNUL(zmq.METADATA, value)
	if string(got) != "X-key:value" || got[:len(got)+1][len(got)] != 0 {
		t.Errorf("%q, then %q", got, got[:cap(got)][len(got):])
	}
	if string(memory) != "X-key:valuesecret" {
		t.Errorf("the caller's memory was changed: %q", memory)
	}
	if got := withNUL(zmq.SUBSCRIBE, value); &got[0] != &value[0] {
		t.Error("bytes were copied")
	}
	if withNUL(zmq.SOCKS_PROXY, nil) != nil {
		t.Error("NULL is NULL no more")
	}
}
