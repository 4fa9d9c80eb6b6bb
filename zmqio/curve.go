package zmqio

import (
	"strings"
	"sync"

	"github.com/pebbe/zmq4"
)

// zapEndpoint is where the sockets of a context find its ZAP handler.
const zapEndpoint = "inproc://zeromq.zap.01"

// zapMu is held while hasZAPHandler has the place of a handler, and while a transport
// takes it.
var zapMu sync.Mutex

// letsAllIn reports whether a bind to endpoint makes a CURVE server that checks no client's
// key. A PLAIN server without a ZAP handler lets no client in, and needs no warning.
func (t *Transport) letsAllIn(endpoint string) (open bool) {
	if t.warned.Load() || strings.HasPrefix(endpoint, "inproc://") { // inproc knows no mechanism
		return false
	}
	_ = t.with(func(r rawSocket) error {
		opts := rawSockopts(r.s)
		if server, err := opts.CurveServer(); err != nil || !server {
			return err
		}
		enforce, _ := opts.ZAPEnforceDomain() // fails before 4.2.3, which have none
		if domain, _ := opts.ZAPDomain(); enforce && domain != "" {
			return nil
		}
		ctx, err := t.zsock.Context()
		open = err == nil && !hasZAPHandler(ctx)
		return err
	})
	return open
}

// warnOpen logs, once for each transport, that letsAllIn.
func (t *Transport) warnOpen(endpoint string) {
	if t.warned.Swap(true) {
		return
	}
	t.loop.protect(ExceptionContext{Message: "logger panicked", Transport: t}, func() {
		t.loop.reactor.Logger().Warn("zmqio: CURVE server without a ZAP handler in its context: every client is let in, whatever its key; package zap serves one",
			"endpoint", endpoint, "transport", t.String())
	})
}

// hasZAPHandler reports whether a socket of ctx is bound to zapEndpoint: whether another
// one cannot be. Where no socket can be made it reports true, for there is nothing to warn of.
//
// libzmq ends the process when it finds anything but a REP or a ROUTER there. A client whose
// handshake asks the REP, in the two microseconds that it is bound, gets no answer. It tries
// again when HANDSHAKE_IVL is over. That can happen to the clients of other servers of ctx that
// have no handler. Therefore the look comes before the transport's own bind. A handler that
// pebbe/zmq4 binds at that moment gets EADDRINUSE; one that a transport binds waits for zapMu.
func hasZAPHandler(ctx *zmq4.Context) bool {
	zapMu.Lock()
	defer zapMu.Unlock()
	z, err := ctx.NewSocket(zmq4.REP)
	if err != nil {
		return true
	}
	defer z.Close()
	if z.SetLinger(0) != nil || z.Bind(zapEndpoint) != nil {
		return true
	}
	_ = z.Unbind(zapEndpoint)
	return false
}
