package zmqio

import (
	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

// ContextOptions returns the typed accessors of a libzmq context's options. They are safe for
// concurrent use, except during zmq4.Context.Term. Some options count only before the libzmq
// context's first socket. A loop makes its first socket with its first transport, so set them
// on EventLoop.Context of a new loop.
//
// The error is ErrInvalidArgument for a nil ctx. The accessors return zmq.ETERM after the
// context was terminated.
func ContextOptions(ctx *zmq4.Context) (zmq.Contextopts, error) {
	if ctx == nil {
		return zmq.Contextopts{}, errNilContext("ContextOptions")
	}
	return zmq.Contextopts{RawContextopts: rawContext{ctx}}, nil
}

// rawContext is the zmq.RawContextopts of a context.
type rawContext struct{ ctx *zmq4.Context }

func (r rawContext) GetContext(opt zmq.ContextOption) (int, error) {
	n, err := sock.GetContext(r.ctx, int(opt))
	return n, zmq.Translate("zmq_ctx_get", err)
}

func (r rawContext) SetContext(opt zmq.ContextOption, value int) error {
	if err := r.checkThreadOption(opt, value); err != nil {
		return err
	}
	return zmq.Translate("zmq_ctx_set", sock.SetContext(r.ctx, int(opt), value))
}
