package errors_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// badCreate returns the provocation of a transport that cannot be created.
func badCreate(typ zmq.SocketType, cfg zmqio.ConnectionConfig) func(t *testing.T) error {
	return func(t *testing.T) error { return refused(t, zmqiotest.NewLoop(t, nil), typ, cfg) }
}

// socket returns a socket of a new context.
func socket(t *testing.T, typ zmq4.Type) *zmq4.Socket {
	t.Helper()
	z, err := zmq4.NewContext()
	zmqiotest.Must(t, err)
	s, err := z.NewSocket(typ)
	zmqiotest.Must(t, err)
	t.Cleanup(func() {
		_ = s.Close() // a transport may have closed it
		_ = z.Term()
	})
	return s
}

func base() zmqio.Protocol { return zmqio.BaseProtocol{} }

// configured returns the provocation of a Configure whose socket is refused.
func configured(typ zmq.SocketType, configure func(zmq.Sockopts) error) func(t *testing.T) error {
	return badCreate(typ, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}, Configure: configure})
}

var createCases = []provocation{
	{"nil context", zmqio.ErrInvalidArgument, says{"CreateZmqConnection"}, func(t *testing.T) error {
		_, _, err := zmqiotest.NewLoop(t, nil).CreateZmqConnection(noContext, base, zmq.PUB, zmqio.ConnectionConfig{Bind: []string{}})
		return err
	}},
	{"nil factory", zmqio.ErrInvalidArgument, says{"CreateZmqConnection"}, func(t *testing.T) error {
		_, _, err := zmqiotest.NewLoop(t, nil).CreateZmqConnection(context.Background(), nil, zmq.PUB, zmqio.ConnectionConfig{Bind: []string{}})
		return err
	}},
	{"nil loop", zmqio.ErrInvalidArgument, says{"CreateZmqConnection"}, func(*testing.T) error {
		_, _, err := zmqio.CreateZmqConnection(context.Background(), nil, base, zmq.PUB, zmqio.ConnectionConfig{Bind: []string{}})
		return err
	}},
	{"ended context", context.Canceled, says{"PUB"}, func(t *testing.T) error {
		_, _, err := zmqiotest.NewLoop(t, nil).CreateZmqConnection(ended(), base, zmq.PUB, zmqio.ConnectionConfig{Bind: []string{}})
		return err
	}},
	{"closed loop", zmqio.ErrLoopClosed, says{"PUB"}, func(t *testing.T) error {
		return refused(t, closedLoop(t), zmq.PUB, zmqio.ConnectionConfig{Bind: []string{}})
	}},
	{"nothing given", zmqio.ErrInvalidArgument, says{"Bind, Connect and Socket"}, badCreate(zmq.PUB, zmqio.ConnectionConfig{})},
	{
		"Bind and Connect given", zmqio.ErrInvalidArgument,
		says{"Bind, Connect and Socket", "2"},
		badCreate(zmq.PUB, zmqio.ConnectionConfig{Bind: []string{}, Connect: []string{}}),
	},
	{
		"MaxWriteBuffer negative", zmqio.ErrInvalidArgument,
		says{"MaxWriteBuffer", "-1"},
		badCreate(zmq.PUB, zmqio.ConnectionConfig{Bind: []string{}, MaxWriteBuffer: -1}),
	},
	{
		"Name too long", zmqio.ErrInvalidArgument,
		says{"Name", "65"},
		badCreate(zmq.PUB, zmqio.ConnectionConfig{Bind: []string{}, Name: strings.Repeat("x", 65)}),
	},
	{
		"Metadata too many", zmqio.ErrInvalidArgument,
		says{"Metadata", "17"},
		badCreate(zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}, Metadata: strings.Split(strings.Repeat("x,", 16)+"x", ",")}),
	},
	{
		"Metadata no name", zmqio.ErrInvalidArgument,
		says{"Metadata", `"a\x00"`},
		badCreate(zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}, Metadata: []string{"a\x00"}}),
	},
	{"unknown socket type", zmqio.ErrSocketType, says{"99"}, badCreate(99, zmqio.ConnectionConfig{Bind: []string{}})},
	{"thread-safe socket type", zmqio.ErrSocketType, says{"SERVER"}, badCreate(zmq.SERVER, zmqio.ConnectionConfig{Bind: []string{}})},
	{"Socket of another type", zmqio.ErrSocketType, says{"PUB", "PULL"}, func(t *testing.T) error {
		return refused(t, zmqiotest.NewLoop(t, nil), zmq.PUB, zmqio.ConnectionConfig{Socket: socket(t, zmq4.PULL)})
	}},
	{"Socket of a transport", zmqio.ErrInvalidArgument, says{"PUB", "transport"}, func(t *testing.T) error {
		loop, z := zmqiotest.RunLoop(t, nil), socket(t, zmq4.PUB)
		create(t, loop, zmq.PUB, zmqio.ConnectionConfig{Socket: z})
		return refused(t, loop, zmq.PUB, zmqio.ConnectionConfig{Socket: z})
	}},
	{"Socket that is closed", zmq.ENOTSOCK, says{"PUB"}, func(t *testing.T) error {
		z := socket(t, zmq4.PUB)
		zmqiotest.Must(t, z.Close())
		return refused(t, zmqiotest.NewLoop(t, nil), zmq.PUB, zmqio.ConnectionConfig{Socket: z})
	}},
	{"Configure fails", errBoom, says{"PUB"}, configured(zmq.PUB, func(zmq.Sockopts) error { return errBoom })},
	{"Configure panics", errBoom, says{"PUB"}, func(t *testing.T) error {
		loop := zmqiotest.NewLoop(t, nil)
		loop.SetExceptionHandler(func(*zmqio.EventLoop, zmqio.ExceptionContext) {})
		return refused(t, loop, zmq.PUB, zmqio.ConnectionConfig{Bind: []string{}, Configure: func(zmq.Sockopts) error { panic(errBoom) }})
	}},
	{"factory returns nil", zmqio.ErrInvalidArgument, says{"PUB", "factory"}, func(t *testing.T) error {
		_, _, err := zmqiotest.NewLoop(t, nil).CreateZmqConnection(context.Background(), func() zmqio.Protocol { return nil }, zmq.PUB, zmqio.ConnectionConfig{Bind: []string{}})
		return err
	}},
	{"factory returns nil pointer", zmqio.ErrInvalidArgument, says{"PUB", "*errors_test.recorder"}, func(t *testing.T) error {
		_, _, err := zmqiotest.NewLoop(t, nil).CreateZmqConnection(context.Background(), func() zmqio.Protocol { return (*recorder)(nil) }, zmq.PUB, zmqio.ConnectionConfig{Bind: []string{}})
		return err
	}},
	{"keys and MECHANISM NULL", zmqio.ErrInvalidArgument, says{"PUB", "PLAIN_SERVER"}, configured(zmq.PUB, func(o zmq.Sockopts) error {
		return errors.Join(o.SetPlainUsername("user"), o.SetPlainPassword("password"), o.SetPlainServer(false))
	})},
	{"CURVE keys without a role", zmqio.ErrInvalidArgument, says{"127.0.0.1:5555", "CURVE_SERVERKEY", "CURVE_SERVER,"}, func(t *testing.T) error {
		return refused(t, zmqiotest.NewLoop(t, nil), zmq.PUB, zmqio.ConnectionConfig{
			Connect: []string{"tcp://127.0.0.1:5555"}, Configure: func(o zmq.Sockopts) error { return o.SetCurveSecretKey(zmq.CurveKey{1}) },
		})
	}},
	{"ZAP_ENFORCE_DOMAIN without ZAP_DOMAIN", zmqio.ErrInvalidArgument, says{"PUB", "bind", "ZAP_DOMAIN"}, func(t *testing.T) error {
		zmqiotest.NeedsLibrary(t, "4.3.0", "it has ZAP_ENFORCE_DOMAIN")
		return configured(zmq.PUB, func(o zmq.Sockopts) error {
			return errors.Join(o.SetPlainServer(true), o.SetZAPEnforceDomain(true))
		})(t)
	}},
	{"too many sockets", zmq.EMFILE, says{"PUB"}, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, &zmqio.LoopConfig{MaxSockets: 1})
		create(t, loop, zmq.PUB, zmqio.ConnectionConfig{Bind: []string{}})
		return refused(t, loop, zmq.PUB, zmqio.ConnectionConfig{Bind: []string{}})
	}},
	{
		"first of two endpoints bad", zmq.EINVAL,
		says{"PUB", "bind", "tcp://127.0.0.1:x"},
		badCreate(zmq.PUB, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:x", "tcp://127.0.0.1:*"}}),
	},
	{
		"host name in Connect", zmqio.ErrDNSEndpoint,
		says{"connect", "tcp://localhost:5555", "AllowHostnames"},
		badCreate(zmq.PUB, zmqio.ConnectionConfig{Connect: []string{"tcp://localhost:5555"}}),
	},
}

type recorder struct{ zmqio.BaseProtocol }

// These provoke the refused bind or connect of a PULL.
func badBind(endpoint string) func(t *testing.T) error {
	return func(t *testing.T) error {
		_, err := create(t, zmqiotest.RunLoop(t, nil), zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}}).Bind(endpoint)
		return err
	}
}

func badConnect(endpoint string) func(t *testing.T) error {
	return func(t *testing.T) error {
		_, err := create(t, zmqiotest.RunLoop(t, nil), zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}}).Connect(endpoint)
		return err
	}
}

// closedTransport returns a closed transport.
func closedTransport(t *testing.T, typ zmq.SocketType) *zmqio.Transport {
	t.Helper()
	tr := create(t, zmqiotest.RunLoop(t, nil), typ, zmqio.ConnectionConfig{Bind: []string{}})
	gone := tr.Closed()
	zmqiotest.Must(t, tr.Close())
	<-gone
	return tr
}

var endpointCases = []provocation{
	{"bind, empty", zmq.EINVAL, says{`bind ""`}, badBind("")},
	{"bind, no transport", zmq.EINVAL, says{`bind "127.0.0.1:5555"`, "tcp://"}, badBind("127.0.0.1:5555")},
	{"bind, no address", zmq.EINVAL, says{`bind "tcp://"`}, badBind("tcp://")},
	{"bind, no port", zmq.EINVAL, says{`bind "tcp://127.0.0.1"`, "port"}, badBind("tcp://127.0.0.1")},
	{"bind, no host", zmq.EINVAL, says{`bind "tcp://:5555"`, "*"}, badBind("tcp://:5555")},
	{"bind, port no number", zmq.EINVAL, says{`bind "tcp://127.0.0.1:http"`, `"http"`}, badBind("tcp://127.0.0.1:http")},
	{"bind, port out of range", zmq.EINVAL, says{`bind "tcp://127.0.0.1:70000"`, "65535"}, badBind("tcp://127.0.0.1:70000")},
	{"bind, no zone", zmq.EINVAL, says{`bind "tcp://[fe80::1%]:5555"`, "%"}, badBind("tcp://[fe80::1%]:5555")},
	{"bind, IPv6 address", zmq.ENODEV, says{`bind "tcp://[::1]:5555"`, "IPV6"}, badBind("tcp://[::1]:5555")},
	{"bind, host name", zmq.ENODEV, says{`bind "tcp://localhost:5555"`, `"localhost"`}, badBind("tcp://localhost:5555")},
	{"bind, unknown transport", zmq.EPROTONOSUPPORT, says{`bind "http://127.0.0.1:80"`, `"http"`, "tcp"}, badBind("http://127.0.0.1:80")},
	{"bind, transport that is not built in", zmq.EPROTONOSUPPORT, says{`bind "vmci://*:1"`, "vmci"}, badBind("vmci://*:1")},
	{"bind, NUL", zmq.EINVAL, says{`bind "tcp://127.0.0.1:1\x00"`}, badBind("tcp://127.0.0.1:1\x00")},
	{"bind, address of another machine", zmq.EADDRNOTAVAIL, says{`bind "tcp://192.0.2.1:5555"`}, badBind("tcp://192.0.2.1:5555")},
	{"bind, port in use", zmq.EADDRINUSE, says{`bind "tcp://127.0.0.1:`}, func(t *testing.T) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		zmqiotest.Must(t, err)
		defer l.Close()
		return badBind("tcp://" + l.Addr().String())(t)
	}},
	{"bind, twice", zmq.EADDRINUSE, says{`bind "tcp://127.0.0.1:`}, func(t *testing.T) error {
		tr := create(t, zmqiotest.RunLoop(t, nil), zmq.PULL, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:*"}})
		_, err := tr.Bind(tr.Listeners()[0])
		return err
	}},
	{"bind, inproc name in use", zmq.EADDRINUSE, says{`bind "inproc://here"`}, func(t *testing.T) error {
		loop := zmqiotest.RunLoop(t, nil)
		create(t, loop, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{"inproc://here"}})
		return refused(t, loop, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{"inproc://here"}})
	}},
	{"bind, ipc socket in use", zmq.EADDRINUSE, says{`bind "ipc://`}, func(t *testing.T) error {
		loop, endpoint := zmqiotest.RunLoop(t, nil), zmqiotest.FreeEndpoint(t, "ipc")
		create(t, loop, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{endpoint}})
		return refused(t, loop, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{endpoint}})
	}},
	{"bind, ipc directory that is not there", zmq.ENOENT, says{`bind "ipc:///no/such/directory/s"`}, badBind("ipc:///no/such/directory/s")},
	{"bind, ipc path too long", zmq.ENAMETOOLONG, says{`bind "ipc:///`}, badBind("ipc:///" + strings.Repeat("x", 200))},
	{"bind, closed transport", zmqio.ErrTransportClosed, says{`bind "tcp://127.0.0.1:*"`}, func(t *testing.T) error {
		_, err := closedTransport(t, zmq.PULL).Bind("tcp://127.0.0.1:*")
		return err
	}},
	{"connect, empty", zmq.EINVAL, says{`connect ""`}, badConnect("")},
	{"connect, no transport", zmq.EINVAL, says{`connect "127.0.0.1:5555"`, "tcp://"}, badConnect("127.0.0.1:5555")},
	{"connect, no address", zmq.EINVAL, says{`connect "ipc://"`}, badConnect("ipc://")},
	{"connect, no port", zmq.EINVAL, says{`connect "tcp://127.0.0.1"`, "port"}, badConnect("tcp://127.0.0.1")},
	{"connect, no host", zmq.EINVAL, says{`connect "tcp://:5555"`}, badConnect("tcp://:5555")},
	{"connect, port of a service", zmq.EINVAL, says{`connect "tcp://127.0.0.1:http"`}, badConnect("tcp://127.0.0.1:http")},
	{"connect, port 0", zmq.EINVAL, says{`connect "tcp://127.0.0.1:0"`}, badConnect("tcp://127.0.0.1:0")},
	{"connect, wildcard port", zmq.EINVAL, says{`connect "tcp://127.0.0.1:*"`}, badConnect("tcp://127.0.0.1:*")},
	{"connect, wildcard host", zmqio.ErrDNSEndpoint, says{`connect "tcp://*:5555"`}, badConnect("tcp://*:5555")},
	{"connect, wildcard ipc", zmq.EINVAL, says{`connect "ipc://*"`}, badConnect("ipc://*")},
	{"connect, host name", zmqio.ErrDNSEndpoint, says{`connect "tcp://localhost:5555"`, "AllowHostnames"}, badConnect("tcp://localhost:5555")},
	{"connect, IPv6 address", zmq.EINVAL, says{`connect "tcp://[::1]:5555"`, "IPV6"}, badConnect("tcp://[::1]:5555")},
	{"connect, unknown transport", zmq.EPROTONOSUPPORT, says{`connect "http://127.0.0.1:80"`, `"http"`}, badConnect("http://127.0.0.1:80")},
	{"connect, closed transport", zmqio.ErrTransportClosed, says{`connect "tcp://127.0.0.1:5555"`}, func(t *testing.T) error {
		_, err := closedTransport(t, zmq.PULL).Connect("tcp://127.0.0.1:5555")
		return err
	}},
	{"connect, routing id in use", zmq.EADDRINUSE, says{`"peer"`}, func(t *testing.T) error {
		tr := create(t, zmqiotest.RunLoop(t, nil), zmq.ROUTER, zmqio.ConnectionConfig{Bind: []string{}})
		for range 2 {
			if err := tr.Sockopts().SetConnectRoutingID([]byte("peer")); err != nil {
				return err
			}
			if _, err := tr.Connect("tcp://127.0.0.1:5555"); err != nil {
				return err
			}
		}
		return nil
	}},
	{"unbind, unknown", zmq.ENOENT, says{`unbind "tcp://127.0.0.1:5555"`}, func(t *testing.T) error {
		return create(t, zmqiotest.RunLoop(t, nil), zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}}).Unbind("tcp://127.0.0.1:5555")
	}},
	{"unbind, connection", zmq.ENOENT, says{`unbind "tcp://127.0.0.1:5555"`}, func(t *testing.T) error {
		tr := create(t, zmqiotest.RunLoop(t, nil), zmq.PULL, zmqio.ConnectionConfig{Connect: []string{"tcp://127.0.0.1:5555"}})
		return tr.Unbind("tcp://127.0.0.1:5555")
	}},
	{"disconnect, unknown", zmq.ENOENT, says{`disconnect "tcp://127.0.0.1:5555"`}, func(t *testing.T) error {
		return create(t, zmqiotest.RunLoop(t, nil), zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}}).Disconnect("tcp://127.0.0.1:5555")
	}},
	{"disconnect, no endpoint", zmq.EINVAL, says{`disconnect "127.0.0.1"`}, func(t *testing.T) error {
		return create(t, zmqiotest.RunLoop(t, nil), zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}}).Disconnect("127.0.0.1")
	}},
	{"disconnect, listener", zmq.ENOENT, says{`disconnect "inproc://here"`}, func(t *testing.T) error {
		return create(t, zmqiotest.RunLoop(t, nil), zmq.PULL, zmqio.ConnectionConfig{Bind: []string{"inproc://here"}}).Disconnect("inproc://here")
	}},
	{"disconnect, closed transport", zmqio.ErrTransportClosed, says{`disconnect "inproc://here"`}, func(t *testing.T) error {
		return closedTransport(t, zmq.PULL).Disconnect("inproc://here")
	}},
}

// option returns the provocation of a call on the options of a transport.
func option(typ zmq.SocketType, do func(tr *zmqio.Transport) error) func(t *testing.T) error {
	return func(t *testing.T) error {
		return do(create(t, zmqiotest.RunLoop(t, nil), typ, zmqio.ConnectionConfig{Bind: []string{}}))
	}
}

func setting(typ zmq.SocketType, opt zmq.Option, v any) func(t *testing.T) error {
	return option(typ, func(tr *zmqio.Transport) error { return tr.Setsockopt(opt, v) })
}

func getting(typ zmq.SocketType, opt zmq.Option) func(t *testing.T) error {
	return option(typ, func(tr *zmqio.Transport) error {
		_, err := tr.Getsockopt(opt)
		return err
	})
}

var optionCases = []provocation{
	{"set, unknown option", zmq.ErrUnknownName, says{"set", "9999"}, setting(zmq.PUSH, 9999, 1)},
	{"set, wrong type", zmq.ErrValue, says{"set SNDHWM", "int", "string"}, setting(zmq.PUSH, zmq.SNDHWM, "100")},
	{"set, nil", zmq.ErrValue, says{"set SNDHWM", "int"}, setting(zmq.PUSH, zmq.SNDHWM, nil)},
	{"set, out of range", zmq.EINVAL, says{"set SNDHWM", "0 to 2147483647 messages"}, setting(zmq.PUSH, zmq.SNDHWM, -1)},
	{"set, out of range of 32 bits", zmq.EINVAL, says{"set SNDHWM", "4294967296"}, setting(zmq.PUSH, zmq.SNDHWM, int64(1)<<32)},
	{"set, too long", zmq.EINVAL, says{"set ROUTING_ID", "1 to 255 bytes"}, setting(zmq.PUSH, zmq.ROUTING_ID, make([]byte, 256))},
	{"set, read-only option", errors.ErrUnsupported, says{"set RCVMORE"}, setting(zmq.PUSH, zmq.RCVMORE, true)},
	{"set, option of other types", zmq.EINVAL, says{"set ROUTER_MANDATORY", "PUSH", "ROUTER"}, setting(zmq.PUSH, zmq.ROUTER_MANDATORY, true)},
	{"set, key that is none", zmq.ErrValue, says{"set CURVE_SECRETKEY"}, option(zmq.PUSH, func(tr *zmqio.Transport) error {
		return tr.Sockopts().SetText(zmq.CURVE_SECRETKEY, "secret")
	})},
	{"set, text that is no number", zmq.ErrValue, says{"set SNDHWM", `"many"`}, option(zmq.PUSH, func(tr *zmqio.Transport) error {
		return tr.Sockopts().SetText(zmq.SNDHWM, "many")
	})},
	{"set, text that is no duration", zmq.ErrValue, says{"set LINGER", `"long"`}, option(zmq.PUSH, func(tr *zmqio.Transport) error {
		return tr.Sockopts().SetText(zmq.LINGER, "long")
	})},
	{"set, text that is no bool", zmq.ErrValue, says{"set IMMEDIATE", `"maybe"`}, option(zmq.PUSH, func(tr *zmqio.Transport) error {
		return tr.Sockopts().SetText(zmq.IMMEDIATE, "maybe")
	})},
	{"set, duration out of range", zmq.EINVAL, says{"set LINGER"}, setting(zmq.PUSH, zmq.LINGER, time.Duration(1<<62))},
	{"set, closed transport", zmqio.ErrTransportClosed, says{"SNDHWM"}, func(t *testing.T) error {
		tr := closedTransport(t, zmq.PULL)
		return tr.Setsockopt(zmq.SNDHWM, 1)
	}},
	{"get, unknown option", zmq.ErrUnknownName, says{"get", "9999"}, getting(zmq.PUSH, 9999)},
	{"get, write-only option", errors.ErrUnsupported, says{"get SUBSCRIBE"}, getting(zmq.SUB, zmq.SUBSCRIBE)},
	{"get, option of other types", zmq.EINVAL, says{"get ROUTER_MANDATORY"}, getting(zmq.PUSH, zmq.ROUTER_MANDATORY)},
	{"get, closed transport", zmqio.ErrTransportClosed, says{"SNDHWM"}, func(t *testing.T) error {
		tr := closedTransport(t, zmq.PULL)
		_, err := tr.Sockopts().SndHWM()
		return err
	}},
	{"SocketOptions, nil socket", zmqio.ErrInvalidArgument, says{"SocketOptions"}, func(*testing.T) error {
		_, err := zmqio.SocketOptions(nil)
		return err
	}},
	{"SocketOptions, socket of a transport", zmqio.ErrInvalidArgument, says{"Transport.Sockopts"}, func(t *testing.T) error {
		loop, z := zmqiotest.RunLoop(t, nil), socket(t, zmq4.PUB)
		opts, err := zmqio.SocketOptions(z)
		zmqiotest.Must(t, err)
		create(t, loop, zmq.PUB, zmqio.ConnectionConfig{Socket: z})
		_, err = opts.SndHWM()
		return err
	}},
	{"Subscribe, PUSH", zmqio.ErrSocketType, says{"PUSH"}, option(zmq.PUSH, func(tr *zmqio.Transport) error { return tr.Subscribe("news") })},
	{"Subscribe, XSUB", zmqio.ErrSocketType, says{"XSUB"}, option(zmq.XSUB, func(tr *zmqio.Transport) error { return tr.Subscribe("news") })},
	{
		"Unsubscribe, topic that is not subscribed to", zmqio.ErrInvalidArgument,
		says{"nsubscribe", `"news"`},
		option(zmq.SUB, func(tr *zmqio.Transport) error { return tr.Unsubscribe("news") }),
	},
	{"Subscribe, closed transport", zmqio.ErrTransportClosed, says{`"news"`}, func(t *testing.T) error {
		tr := closedTransport(t, zmq.SUB)
		return tr.Subscribe("news")
	}},
	{"CONNECT_ROUTING_ID like libzmq's", zmqio.ErrInvalidArgument, says{"CONNECT_ROUTING_ID"}, setting(zmq.ROUTER, zmq.CONNECT_ROUTING_ID, []byte("\x00abcd"))},
}
