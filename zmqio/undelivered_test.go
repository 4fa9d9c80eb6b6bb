package zmqio

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

// terminated returns a loop whose context was terminated elsewhere, and a transport with three
// buffered messages. told counts the calls of the exception handler.
func terminated(t *testing.T, p Protocol) (l *EventLoop, told *int) {
	t.Helper()
	ctx, err := zmq4.NewContext()
	must(t, err)
	l, err = NewEventLoop(&LoopConfig{Context: ctx})
	must(t, err)
	told = new(int)
	l.SetExceptionHandler(func(*EventLoop, ExceptionContext) { *told++ })
	tr := create(t, l, p, zmq.PUSH, bindTo(anyPort))
	for _, m := range []string{"a", "b", "c"} {
		must(t, tr.Write(msg(m)))
	}
	ended := make(chan error, 1)
	go func() { ended <- ctx.Term() }()
	t.Cleanup(func() { must(t, <-ended) })
	for { // until the termination has begun
		if _, err := tr.Sockopts().Events(); errors.Is(err, zmq.ETERM) {
			return l, told
		}
	}
}

// Messages that an error makes a transport drop during Close or Shutdown count as undelivered. The
// exception handler gets the error.
func TestUndeliveredByAnError(t *testing.T) {
	for name, end := range map[string]func(*EventLoop) error{
		"Close":    (*EventLoop).Close,
		"Shutdown": func(l *EventLoop) error { return l.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			leakCheck(t)
			p := &recorder{}
			l, told := terminated(t, p)
			err := end(l)
			if !errors.Is(err, ErrUndelivered) || !strings.Contains(err.Error(), "PUSH") || !strings.Contains(err.Error(), "3 messages") {
				t.Errorf("got %v", err)
			}
			if *told != 1 || !errors.Is(p.err, zmq.ETERM) {
				t.Errorf("the handler was told %d times, the protocol %v", *told, p.err)
			}
			must(t, l.Close())
		})
	}
}
