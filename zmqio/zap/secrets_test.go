package zap_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/zap"
)

// Neither package fmt nor package slog prints a secret. They print the rest.
func TestSecretsAreNotPrinted(t *testing.T) {
	c := zap.NewCertificate(map[string]string{"name": "ann"})
	r := zap.Request{Domain: "test", Peer: "10.0.0.1", Address: netip.MustParseAddr("10.0.0.1"), Mechanism: zmq.PLAIN, Username: "ann", Password: "sesame"}
	p := zap.Passwords{"ann": "sesame"}
	for _, value := range []struct {
		any
		want    string
		secrets []string
	}{
		{c, c.Public.String(), []string{c.Secret.String(), fmt.Sprint(c.Secret[:])[1:10], fmt.Sprintf("%#x", c.Secret[:])[2:10], fmt.Sprintf("%#v", c.Secret[0:2])[7:16]}},
		{r, `PLAIN "ann" at "10.0.0.1", domain "test"`, []string{"sesame", "736573616d65", "115 101 115"}},
		{p, "1 passwords", []string{"sesame", "736573616d65", "115 101 115"}},
	} {
		var log strings.Builder
		for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			l := slog.New(h)
			l.Info("logged", "value", value.any)
			l.Info("logged", slog.Group("group", "values", value.any))
		}
		told := map[string]string{"slog": log.String()}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10v", "%t"} {
			told[verb] = fmt.Sprintf(verb, value.any)
			told[verb+" within"] = fmt.Sprintf(verb, []any{value.any, struct{ Field any }{value.any}, map[string]any{"key": value.any}})
			if !strings.Contains(told[verb], value.want) {
				t.Errorf("%s: %s, want %s", verb, told[verb], value.want)
			}
		}
		for how, text := range told {
			for _, secret := range value.secrets {
				if strings.Contains(text, secret) {
					t.Errorf("%T with %s has %s: %s", value.any, how, secret, text)
				}
			}
		}
	}
	public, _ := zap.NewKeypair()
	for want, r := range map[string]zap.Request{
		"NULL":                     {},
		"CURVE " + public.String(): {Mechanism: zmq.CURVE, PublicKey: public},
		`GSSAPI "ann@realm"`:       {Mechanism: zmq.GSSAPI, Principal: "ann@realm"},
	} {
		if want += ` at "", domain ""`; r.String() != want {
			t.Errorf("%s, want %s", r, want)
		}
	}
}

// A parse error names the line, and none of its text, which may be the secret key.
func TestParseErrorsTellNoSecret(t *testing.T) {
	const secret = "abcdefghijklmnopqrstuvwxyzabcdefghijklm=" // a line may be cut at =
	for name, line := range map[string]string{
		"no =":             `    secret-key "` + secret + `"`,
		"a colon":          `    secret-key: "` + secret + `"`,
		"no end":           `    secret-key = "` + secret,
		"other quotes":     `    secret-key = "` + secret + `'`,
		"more":             `    secret-key = "` + secret + `" x`,
		"both in one line": `    public-key = "` + secret + `" secret-key = "` + secret + `"`,
		"too short":        `    public-key = ` + secret[1:],
		"as the public":    `    public-key = "` + secret[:39] + `\"`,
		"in the metadata":  "metadata\n" + `    secret-key = "` + secret + `" x`,
	} {
		_, err := zap.ParseCertificate([]byte("# a comment\ncurve\n" + line + "\n"))
		if !errors.Is(err, zap.ErrCertificate) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), secret[1:10]) {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
		if name == "more" && !strings.Contains(err.Error(), "line 3") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
