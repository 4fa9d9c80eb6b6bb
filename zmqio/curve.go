package zmqio

import (
	"strings"
	"sync"

	"github.com/pebbe/zmq4"
)

// zapEndpoint is the endpoint at which libzmq's servers look for the ZAP handler of their context.
const zapEndpoint = "inproc://zeromq.zap.01"

// zapMu is held while hasZAPHandler binds zapEndpoint for its check, and while a transport binds
// zapEndpoint.
var zapMu sync.Mutex

// letsAllIn reports whether a bind to endpoint makes a CURVE server that accepts every client key.
// A PLAIN server without a ZAP handler accepts no client, and needs no warning.
func (t *Transport) letsAllIn(endpoint string) (open bool) {
	if t.warned.Load() || strings.HasPrefix(endpoint, "inproc://") { // inproc has no security mechanism
		return false
	}
	_ = t.with(func(r rawSocket) error {
		opts := rawSockopts(r.s)
		if server, err := opts.CurveServer(); err != nil || !server {
			return err
		}
		enforce, _ := opts.ZAPEnforceDomain() // fails before 4.2.3, which lacks the option
		if domain, _ := opts.ZAPDomain(); enforce && domain != "" {
			return nil
		}
		ctx, err := t.zsock.Context()
		open = err == nil && !hasZAPHandler(ctx)
		return err
	})
	return open
}

// warnOpen logs the finding of letsAllIn, once for each transport.
func (t *Transport) warnOpen(endpoint string) {
	if t.warned.Swap(true) {
		return
	}
	t.loop.protect(ExceptionContext{Message: "logger panicked", Transport: t}, func() {
		t.loop.reactor.Logger().Warn("zmqio: CURVE server without a ZAP handler in its context: every client is let in, whatever its key; package zap serves one",
			"endpoint", endpoint, "transport", t.String())
	})
}

// hasZAPHandler reports whether a socket of ctx is bound to zapEndpoint. It tries to bind a REP
// there. If no socket can be made it returns true, so that warnOpen logs nothing.
//
// The socket is a REP because libzmq ends the process if it finds another type than REP or ROUTER
// there. The bind lasts about two microseconds. A client of another server of ctx without a handler
// may ask the REP in that time. It gets no answer, and tries again after HANDSHAKE_IVL. The
// transport therefore calls hasZAPHandler before its own bind. A handler that binds through
// pebbe/zmq4 at that moment gets EADDRINUSE. A handler on a transport waits for zapMu.
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
