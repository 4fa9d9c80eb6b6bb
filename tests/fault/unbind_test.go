package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// An endpoint is bound and unbound at once, repeatedly. Each time libzmq frees it, so that it can
// be bound again. Without sock.Launched after a bind, libzmq sometimes forgets an Unbind, and
// listens until the socket is closed.
func TestUnbindAfterBind(t *testing.T) {
	for _, transport := range []string{"tcp", "ipc"} {
		t.Run(transport, func(t *testing.T) {
			checkLeaks(t)
			ctx := bounded(t, 10*time.Minute)
			begin := time.Now()
			loop, p := newLoop(t, nil), newPeer(nil)
			tr := create(t, loop, p, zmq.PULL, zmqio.ConnectionConfig{Bind: []string{}})
			endpoint := freeEndpoint(t, transport)
			pairs := form(10000, 100000)
			for n := range pairs {
				if err := bindAgain(ctx, tr, endpoint); err != nil {
					t.Fatalf("after %d pairs: %v", n, err)
				}
				must(t, tr.Unbind(endpoint))
			}
			must(t, tr.Close())
			must(t, p.ended(ctx))
			t.Logf("%d times bound and unbound in %v", pairs, time.Since(begin).Round(time.Millisecond))
		})
	}
}

// bindAgain binds tr to an endpoint that libzmq is about to let go.
func bindAgain(ctx context.Context, tr *zmqio.Transport, endpoint string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("the endpoint stays in use"))
	defer cancel()
	for {
		_, err := tr.Bind(endpoint)
		if !errors.Is(err, zmq.EADDRINUSE) {
			return err
		}
		select {
		case <-time.After(10 * time.Microsecond):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}
