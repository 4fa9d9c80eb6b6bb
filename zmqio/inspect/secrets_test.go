package inspect_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/inspect"
	"github.com/zmqio/zmq/zmqio/zap"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// encodings returns the forms in which a secret might be shown.
func encodings(name, secret string) map[string]string {
	quoted, _ := json.Marshal(secret)
	forms := map[string]string{
		" raw":    secret,
		" quoted": strings.Trim(strconv.Quote(secret), `"`),
		" ASCII":  strings.Trim(strconv.QuoteToASCII(secret), `"`),
		" JSON":   strings.Trim(string(quoted), `"`),
		" hex":    hex.EncodeToString([]byte(secret)),
		" HEX":    strings.ToUpper(hex.EncodeToString([]byte(secret))),
		" base64": base64.RawStdEncoding.EncodeToString([]byte(secret)),
		" URL":    base64.RawURLEncoding.EncodeToString([]byte(secret)),
	}
	list := make(map[string]string)
	for form, s := range forms {
		list[name+form] = s
	}
	return list
}

// A viewer gets no key and no password, in any form.
func TestSecrets(t *testing.T) {
	if !zmq.Has(zmq.CapabilityCurve) {
		t.Skip("this libzmq has no CURVE")
	}
	zmqiotest.CheckLeaks(t)
	server, client := zap.NewCertificate(nil), zap.NewCertificate(nil)
	const password, proxyPassword, inEndpoint = "plain-Sesame<&>1", "socks-Sesame\"2", "endpoint-Sesame3"
	loop := zmqiotest.RunLoop(t, &zmqio.LoopConfig{Name: "secrets\u202e --token=" + password})
	secrets := make(map[string]string)
	for name, secret := range map[string]string{
		"the server's key": string(server.Secret[:]), "the client's key": string(client.Secret[:]),
		"the password": password, "the proxy's password": proxyPassword, "the endpoint's password": inEndpoint,
	} {
		for form, s := range encodings(name, secret) {
			secrets[form] = s
		}
	}
	secrets["the server's key Z85"], secrets["the client's key Z85"] = server.Secret.String(), client.Secret.String()

	policy, err := zap.Serve(loop, zap.Anyone)
	must(t, err)
	t.Cleanup(func() { _ = policy.Close() })
	curve := zmqiotest.Open(t, zmq.ROUTER, zmqio.StreamConfig{Loop: loop, Name: "curve", Bind: []string{"tcp://127.0.0.1:*"}, Configure: server.AsServer})
	zmqiotest.Open(t, zmq.DEALER, zmqio.StreamConfig{Loop: loop, Name: "curve-client", Connect: []string{curve.Addr()}, Configure: client.AsClient(server.Public)})
	plain := zmqiotest.Open(t, zmq.ROUTER, zmqio.StreamConfig{Loop: loop, Name: "plain", Bind: []string{"tcp://127.0.0.1:*"}, Configure: func(o zmq.Sockopts) error { return o.SetPlainServer(true) }})
	zmqiotest.Open(t, zmq.DEALER, zmqio.StreamConfig{Loop: loop, Name: "plain-client", Connect: []string{plain.Addr()}, Configure: func(o zmq.Sockopts) error {
		if err := o.SetPlainUsername("user-of-plain"); err != nil {
			return err
		}
		return o.SetPlainPassword(password)
	}})
	zmqiotest.Open(t, zmq.DEALER, zmqio.StreamConfig{Loop: loop, Name: "socks", Bind: []string{"inproc://ann:" + inEndpoint + "@here"}, Configure: func(o zmq.Sockopts) error {
		if err := o.SetSOCKSProxy("socks5://ann:" + inEndpoint + "@127.0.0.1:1080"); err != nil {
			return err
		}
		if err := o.SetSOCKSPassword(proxyPassword); !errors.Is(err, errors.ErrUnsupported) { // before 4.3.3
			return err
		}
		return nil
	}})
	zmqiotest.Open(t, zmq.DEALER, zmqio.StreamConfig{Loop: loop, Name: "via ann:" + inEndpoint + "@here", Bind: []string{"inproc://via"}, Configure: func(o zmq.Sockopts) error {
		return o.SetSOCKSProxy("ann:" + inEndpoint + "@127.0.0.1:1080") // without a scheme
	}})
	zmqiotest.Open(t, zmq.DEALER, zmqio.StreamConfig{Loop: loop, Name: "told", Bind: []string{"ipc://" + zmqiotest.SocketDir(t) + "/\u202e,pwd=" + inEndpoint}})
	adopt(t, loop, func() string { return "<Guest ws://ann:" + inEndpoint + "@host --token=" + password + ">" })
	ctx := zmqiotest.Bounded(t, zmqiotest.Patience)
	must(t, curve.WaitConnected(ctx, 1))
	must(t, plain.WaitConnected(ctx, 1))

	s := answered(t, "", func(*inspect.Snapshot) bool { return true })
	if one := transportOf(t, s, "curve"); one.Mechanism != "CURVE" || len(one.Options) == 0 {
		t.Errorf("%+v", one)
	}
	if one := transportOf(t, s, "curve-client"); one.Mechanism != "CURVE" || !strings.Contains(optionsOf(one), "CURVE_SERVERKEY "+server.Public.String()) {
		t.Errorf("%+v", one)
	}
	if one := transportOf(t, s, "plain-client"); one.Mechanism != "PLAIN" || !strings.Contains(optionsOf(one), "PLAIN_USERNAME user-of-plain") {
		t.Errorf("%+v", one)
	}
	if one := transportOf(t, s, "socks"); one.Bound[0] != "inproc://…@here" || !strings.Contains(optionsOf(one), "SOCKS_PROXY socks5://…@127.0.0.1:1080") {
		t.Errorf("%+v", one)
	}
	for len(transportOf(t, s, "told").Events) == 0 { // its endpoint is in the monitor's event
		must(t, ctx.Err())
		s = snapshotOf(t, inspect.Handler(), "")
	}
	if one := transportOf(t, s, "told"); !strings.HasSuffix(one.Events[0].Endpoint, `/\u202e,pwd=…`) {
		t.Errorf("%+v", one.Events)
	}
	got := map[string]string{
		"the page": get(t, inspect.Handler(), "/").Body.String(),
		"the JSON": get(t, inspect.Handler(), "/?format=json&history=1&limit=302").Body.String(),
		"expvar":   inspect.Var().String(),
	}
	for what, body := range got {
		if strings.Contains(body, "\u202e") {
			t.Errorf("%s has a mark that turns the direction of writing", what)
		}
		for name, secret := range secrets {
			if strings.Contains(body, secret) {
				t.Errorf("%s has %s", what, name)
			}
		}
	}
	// A viewer cannot find a secret letter by letter either.
	for _, match := range []string{"ann", "endpoint", "plain-Ses"} {
		w := get(t, inspect.Handler(), "/?format=json&match="+match+"&limit=303")
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), `"name":"socks"`) || strings.Contains(w.Body.String(), "inproc://via") || strings.Contains(w.Body.String(), "Guest") {
			t.Errorf("%q matches: %s", match, w.Body)
		}
	}
}

func optionsOf(one inspect.Transport) string {
	var b strings.Builder
	for _, o := range one.Options {
		b.WriteString(o.Name + " " + o.Value + "\n")
	}
	return b.String()
}
