package errors_test

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zap"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// parses returns the provocation of an invalid certificate.
func parses(text string) func(t *testing.T) error {
	return func(*testing.T) error {
		_, err := zap.ParseCertificate([]byte(text))
		return err
	}
}

const (
	aPublic = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
	aSecret = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
	another = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
)

// written returns the path of a file.
func written(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "me.key")
	zmqiotest.Must(t, os.WriteFile(path, []byte(text), mode))
	return path
}

// reported returns the error that the exception handler gets when h is asked about a client of
// PLAIN.
func reported(cfg zap.Config, h zap.Handler) func(t *testing.T) error {
	return func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		got := make(chan error, 1)
		loop.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) {
			select {
			case got <- c.Err:
			default: // another attempt of the client
			}
		})
		s, err := cfg.Serve(loop, h)
		zmqiotest.Must(t, err)
		defer s.Close()
		server := create(t, loop, zmq.PULL, zmqio.ConnectionConfig{
			Bind: []string{"tcp://127.0.0.1:*"}, Configure: func(o zmq.Sockopts) error { return o.SetPlainServer(true) },
		})
		create(t, loop, zmq.PUSH, zmqio.ConnectionConfig{Connect: server.Listeners(), Configure: func(o zmq.Sockopts) error {
			return errors.Join(o.SetPlainUsername("user"), o.SetPlainPassword("password"))
		}})
		select {
		case err := <-got:
			return err
		case <-bounded(t).Done():
			return nil
		}
	}
}

// identified returns the error that the exception handler gets for the Identity of a handler.
func identified(who zap.Identity) func(t *testing.T) error {
	return reported(zap.Config{}, func(context.Context, zap.Request) (zap.Identity, error) { return who, nil })
}

// denies returns the provocation of a handler that denies a request.
func denies(h zap.Handler, r zap.Request) func(t *testing.T) error {
	return func(t *testing.T) error {
		_, err := h(bounded(t), r)
		return err
	}
}

var zapCases = []provocation{
	{"ParseCertificate, nothing", zap.ErrCertificate, says{"public key"}, parses("")},
	{"ParseCertificate, no quote", zap.ErrCertificate, says{"line 2"}, parses("curve\n    public-key = \"x\n")},
	{"ParseCertificate, public key that is none", zap.ErrCertificate, says{"public key", "40"}, parses("curve\n    public-key = \"x\"\n")},
	{"ParseCertificate, public key that is not Z85", zap.ErrCertificate, says{"public key", "Z85"}, parses("curve\n    public-key = '" + strings.Repeat("~", 40) + "'\n")},
	{"ParseCertificate, secret key that is none", zap.ErrCertificate, says{"secret key", "Z85"}, parses("curve\n    public-key = \"" + aPublic + "\"\n    secret-key = \"x\"\n")},
	{"ParseCertificate, keys of two", zap.ErrCertificate, says{"pair"}, parses("curve\n    public-key = \"" + another + "\"\n    secret-key = \"" + aSecret + "\"\n")},
	{"ReadCertificate, file that is not there", fs.ErrNotExist, says{"/no/such/file.key"}, func(*testing.T) error {
		_, err := zap.ReadCertificate("/no/such/file.key")
		return err
	}},
	{"ReadCertificate, another file", zap.ErrCertificate, says{"me.key", "public key"}, func(t *testing.T) error {
		_, err := zap.ReadCertificate(written(t, "text", 0o600))
		return err
	}},
	{"ReadCertificate, file that is too long", zap.ErrCertificate, says{"me.key", "bytes"}, func(t *testing.T) error {
		_, err := zap.ReadCertificate(written(t, strings.Repeat("#\n", 1<<20), 0o600))
		return err
	}},
	{"ReadCertificate, secret key that others can read", zap.ErrExposed, says{"me.key", "chmod"}, func(t *testing.T) error {
		_, err := zap.ReadCertificate(written(t, "curve\n    public-key = \""+aPublic+"\"\n    secret-key = \""+aSecret+"\"\n", 0o644))
		return err
	}},
	{"WriteFiles, file that is there", fs.ErrExist, says{"me.key"}, func(t *testing.T) error {
		return zap.NewCertificate(nil).WriteFiles(written(t, "", 0o600))
	}},
	{"WriteFiles, metadata", zap.ErrCertificate, says{`"a\nb"`}, func(t *testing.T) error {
		return zap.NewCertificate(map[string]string{"name": "a\nb"}).WriteFiles(filepath.Join(t.TempDir(), "me.key"))
	}},
	{"WriteFiles, keys of two", zap.ErrCertificate, says{"pair"}, func(t *testing.T) error {
		c := zap.NewCertificate(nil)
		c.Public = zap.NewCertificate(nil).Public
		return c.WriteFiles(filepath.Join(t.TempDir(), "me.key"))
	}},
	{"AsServer, no secret key", zap.ErrCertificate, says{"secret key", aPublic, "ReadCertificate", zap.SecretSuffix}, func(t *testing.T) error {
		return configured(zmq.PULL, zap.Certificate{Public: key(t)}.AsServer)(t)
	}},
	{"AsClient, file of the public key", zap.ErrCertificate, says{"secret key", aPublic, "ReadCertificate", zap.SecretSuffix}, func(t *testing.T) error {
		c, err := zap.ReadCertificate(written(t, "curve\n    public-key = \""+aPublic+"\"\n", 0o644))
		zmqiotest.Must(t, err)
		return configured(zmq.PULL, c.AsClient(key(t)))(t)
	}},
	{"NewDir, directory that is not there", fs.ErrNotExist, says{"/no/such/directory"}, func(*testing.T) error {
		_, err := zap.NewDir("/no/such/directory", nil)
		return err
	}},
	{"NewDir, file that is no certificate", zap.ErrCertificate, says{"me.key"}, func(t *testing.T) error {
		_, err := zap.NewDir(filepath.Dir(written(t, "text", 0o600)), nil)
		return err
	}},
	{"NewDir, metadata that libzmq has a meaning for", zap.ErrIdentity, says{"me.key", `"User-Id"`}, func(t *testing.T) error {
		_, err := zap.NewDir(filepath.Dir(written(t, "metadata\n    User-Id = \"me\"\ncurve\n    public-key = \""+aPublic+"\"\n", 0o600)), nil)
		return err
	}},
	{"NewDir, FIFO", zap.ErrCertificate, says{"me.key"}, func(t *testing.T) error {
		dir := t.TempDir()
		zmqiotest.Must(t, syscall.Mkfifo(filepath.Join(dir, "me.key"), 0o600))
		_, err := zap.NewDir(dir, nil)
		return err
	}},
	{"Serve, nil handler", zmqio.ErrInvalidArgument, says{"Serve"}, func(t *testing.T) error {
		_, err := zap.Serve(zmqiotest.NewLoop(t, nil), nil)
		return err
	}},
	{"Serve, Requests negative", zmqio.ErrInvalidArgument, says{"zap.Config", "Requests", "-1"}, func(t *testing.T) error {
		_, err := zap.Config{Requests: -1}.Serve(zmqiotest.NewLoop(t, nil), zap.Anyone)
		return err
	}},
	{"Serve, Timeout negative", zmqio.ErrInvalidArgument, says{"zap.Config", "Timeout", "-1s"}, func(t *testing.T) error {
		_, err := zap.Config{Timeout: -time.Second}.Serve(zmqiotest.NewLoop(t, nil), zap.Anyone)
		return err
	}},
	{"Serve, twice", zmq.EADDRINUSE, says{"ZAP", "handler"}, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		s, err := zap.Serve(loop, zap.Anyone)
		zmqiotest.Must(t, err)
		defer s.Close()
		_, err = zap.Serve(loop, zap.Anyone)
		return err
	}},
	{"Serve, closed loop", zmqio.ErrLoopClosed, says{"ZAP"}, func(t *testing.T) error {
		_, err := zap.Serve(closedLoop(t), zap.Anyone)
		return err
	}},
	{"handler that denies", zap.ErrDenied, nil, denies(zap.Passwords{"user": "password"}.Authenticate, zap.Request{Mechanism: zmq.PLAIN, Username: "user"})},
	{"handler for an unknown domain", zap.ErrDenied, nil, denies(zap.Domains{}.Authenticate, zap.Request{Domain: "other"})},
	{"handler for another network", zap.ErrDenied, nil, denies(zap.Allow(zap.Anyone, netip.MustParsePrefix("10.0.0.0/8")), zap.Request{Address: netip.MustParseAddr("127.0.0.1")})},
	{"exception handler, handler that fails", errBoom, says{"peer", "127.0.0.1"}, reported(zap.Config{}, func(context.Context, zap.Request) (zap.Identity, error) {
		return zap.Identity{}, errBoom
	})},
	{"exception handler, handler that panics", zap.ErrPanicked, says{"peer", "127.0.0.1", "boom"}, reported(zap.Config{}, func(context.Context, zap.Request) (zap.Identity, error) {
		panic(errBoom)
	})},
	{
		"exception handler, handler that does not answer", zap.ErrNoAnswer,
		says{"peer", "127.0.0.1"},
		func(t *testing.T) error {
			over := make(chan struct{})
			defer close(over)
			return reported(zap.Config{Timeout: time.Millisecond}, func(context.Context, zap.Request) (zap.Identity, error) {
				<-over
				return zap.Identity{}, errBoom
			})(t)
		},
	},
	{"Identity, user id too long", zap.ErrIdentity, says{"user id"}, identified(zap.Identity{UserID: strings.Repeat("x", zap.MaxProperty+1)})},
	{"Identity, user id with NUL", zap.ErrIdentity, says{"user id", "NUL"}, identified(zap.Identity{UserID: "a\x00"})},
	{"Identity, property without a name", zap.ErrIdentity, says{`"a b"`}, identified(zap.Identity{Metadata: map[string]string{"a b": "c"}})},
	{"Identity, property of libzmq", zap.ErrIdentity, says{`"Socket-Type"`}, identified(zap.Identity{Metadata: map[string]string{"Socket-Type": "PUB"}})},
	{"Identity, property with NUL", zap.ErrIdentity, says{`"X-Name"`, "NUL"}, identified(zap.Identity{Metadata: map[string]string{"X-Name": "\x00"}})},
	{"exception handler, malformed request", zap.ErrMalformed, says{"frames"}, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		got := make(chan error, 1)
		loop.SetExceptionHandler(func(_ *zmqio.EventLoop, c zmqio.ExceptionContext) { got <- c.Err })
		s, err := zap.Serve(loop, zap.Anyone)
		zmqiotest.Must(t, err)
		defer s.Close()
		tr := create(t, loop, zmq.DEALER, zmqio.ConnectionConfig{Connect: []string{"inproc://zeromq.zap.01"}})
		zmqiotest.Must(t, tr.Write(frames("", "1.0")))
		select {
		case err := <-got:
			return err
		case <-bounded(t).Done():
			return nil
		}
	}},
}

func key(t *testing.T) zmq.CurveKey {
	t.Helper()
	k, err := zmq.ParseCurveKey(aPublic)
	zmqiotest.Must(t, err)
	return k
}
