package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/pflag"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zap"
)

// A curve is the encryption of a socket, from the command line. The zero value is no encryption.
type curve struct {
	certFile, serverFile, serverKey, allowDir string
	allowAny                                  bool

	cert   zap.Certificate // this side's
	server zmq.CurveKey    // of a client
	allow  zap.Handler     // of a server
	domain string          // of a server: identifies it among those of the loop
}

func (c *curve) flags(fs *pflag.FlagSet, prefix string) {
	c.domain = strings.TrimSuffix(prefix, "-")
	fs.StringVar(&c.certFile, prefix+"curve-cert", "", "encrypt with CURVE and our own secret certificate `FILE`, as keygen writes it; "+
		"a client without it has new keys each time")
	fs.StringVar(&c.serverFile, prefix+"curve-server-cert", "", "be the CURVE client of the server with the public certificate `FILE`")
	fs.StringVar(&c.serverKey, prefix+"curve-server-key", "", "the same with the server's public `KEY` in Z85")
	fs.StringVar(&c.allowDir, prefix+"curve-allow", "", "be a CURVE server for the clients whose public certificates are *.key in `DIR`")
	toggleVar(fs, &c.allowAny, prefix+"curve-allow-any", "", "be a CURVE server for every client")
}

// check reads the flags and certificate files. It may return a usageError.
func (c *curve) check(prefix string) error {
	client := c.serverFile != "" || c.serverKey != ""
	server := c.allowDir != "" || c.allowAny
	switch flag := "--" + prefix + "curve-"; {
	case !client && !server && c.certFile == "":
		return nil
	case !client && !server:
		return usagef("%[1]scert is not enough: a client needs %[1]sserver-cert, a server %[1]sallow", flag)
	case client && server:
		return usagef("a socket is a CURVE client or a server: %[1]sserver-cert and %[1]sserver-key do not go with %[1]sallow", flag)
	case c.serverFile != "" && c.serverKey != "":
		return usagef("give the server's key once: %[1]sserver-cert or %[1]sserver-key", flag)
	case c.allowDir != "" && c.allowAny:
		return usagef("give one of %[1]sallow and %[1]sallow-any", flag)
	case server && c.certFile == "":
		return usagef("a CURVE server needs %scert: zmqcat keygen makes one", flag)
	}
	if err := zmq.Require(zmq.CapabilityCurve); err != nil {
		return usageError{err}
	}
	if err := c.readKeys(prefix); err != nil {
		return usageError{err}
	}
	return nil
}

// readKeys reads the certificate files, and the key on the command line.
func (c *curve) readKeys(prefix string) (err error) {
	if c.certFile == "" {
		c.cert = zap.NewCertificate(nil)
	} else if c.cert, err = zap.ReadCertificate(c.certFile); err != nil {
		return err
	} else if c.cert.Secret == (zmq.CurveKey{}) {
		return usagef("%s: a public certificate; the secret one ends in %s", c.certFile, zap.SecretSuffix)
	}
	switch {
	case c.serverFile != "":
		var cert zap.Certificate
		cert, err = zap.ReadCertificate(c.serverFile)
		c.server = cert.Public
	case c.serverKey != "":
		if c.server, err = zmq.ParseCurveKey(c.serverKey); err != nil {
			return usagef("--%scurve-server-key: not a key in Z85, which has 40 characters", prefix) // the error must not contain the text, which may be a key
		}
	case c.allowDir != "":
		var dir *zap.Dir
		if dir, err = zap.NewDir(c.allowDir, nil); err == nil {
			c.allow = dir.Authenticate
		}
	default:
		c.allow = zap.Mechanisms{Curve: zap.Anyone}.Authenticate
	}
	return err
}

// configure sets the keys, and for a server the domain.
func (c *curve) configure(opts zmq.Sockopts) error {
	switch {
	case c.allow != nil && c.domain != "":
		if err := opts.SetZAPDomain(c.domain); err != nil {
			return err
		}
		return c.cert.AsServer(opts)
	case c.allow != nil:
		return c.cert.AsServer(opts)
	case c.server != zmq.CurveKey{}:
		return c.cert.AsClient(c.server)(opts)
	}
	return nil
}

// serveCurve makes loop decide which clients may connect to the servers among sockets. It prints
// refused clients on con.
func serveCurve(loop *zmqio.EventLoop, con *console, sockets ...*socket) error {
	domains := make(zap.Domains)
	for _, s := range sockets {
		if s.curve.allow != nil {
			domains[s.curve.domain] = s.curve.allow
		}
	}
	if len(domains) == 0 {
		return nil
	}
	_, err := zap.Serve(loop, func(ctx context.Context, r zap.Request) (zap.Identity, error) {
		who, err := domains.Authenticate(ctx, r)
		if errors.Is(err, zap.ErrDenied) {
			con.say("refused %s with the key %v", r.Peer, r.PublicKey)
		}
		return who, err
	})
	return err
}
