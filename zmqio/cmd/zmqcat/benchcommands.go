package main

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// newBenchCommand returns the command bench with its subcommands.
func newBenchCommand(con *console) *cobra.Command {
	var b load
	var endpoint string
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "measure throughput and latency",
		Long: `bench measures how many messages a second go one way, and how long a round trip takes:
the least, the greatest and percentiles in microseconds.

Both ends are in this process, with a loop and a context each. The commands send and
receive, ping and echo are the ends alone, for two processes or machines. Either of two
ends can bind. The first end waits for the other. Progress goes to standard error where
that is a terminal.`,
		Example: `  zmqcat bench --size 1024 -n 1000000
  zmqcat bench receive -b 'tcp://*:5560'          # on one machine
  zmqcat bench send -c tcp://server.example:5560  # on another
  zmqcat bench echo -b 'tcp://*:5560' & zmqcat bench ping -c tcp://127.0.0.1:5560 --rate 1000 --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := b.check(); err != nil {
				return err
			}
			return b.local(cmd.Context(), endpoint, con, b.printer(cmd.OutOrStdout()))
		},
	}
	b.flags(cmd.Flags(), "size", "count", "rate", "pub", "json")
	cmd.Flags().Lookup("count").Usage = fmt.Sprintf("send `N` messages one way, and as many round trips as a %dth", pingShare)
	cmd.Flags().StringVar(&endpoint, "endpoint", "tcp://127.0.0.1:*", "bind and connect to `ENDPOINT`")
	cmd.AddCommand(
		newEndCommand(con, "send", "send messages to bench receive",
			`send sends messages, and prints the rate until all are delivered.`,
			[]string{"size", "count", "rate", "pub", "json"}, func(b *load) zmq.SocketType { from, _ := b.types(); return from },
			func(ctx context.Context, b *load, s *zmqio.Stream) (fmt.Stringer, error) { return b.send(ctx, s) }),
		newEndCommand(con, "receive", "receive messages of bench send",
			`receive receives the messages of one bench send. It prints the rate from the first
message to the last, and how many were lost.`,
			[]string{"pub", "json"}, func(b *load) zmq.SocketType { _, to := b.types(); return to },
			func(ctx context.Context, b *load, s *zmqio.Stream) (fmt.Stringer, error) { return b.receive(ctx, s) }),
		newEndCommand(con, "ping", "measure round trips to bench echo",
			`ping is a REQ that sends requests one after another. It prints how long the replies
took. With --rate a request that is late counts from when it was due, so that a stall
shows in all requests that it delays. Any REP that returns its requests can be the other
end.`,
			[]string{"size", "count", "rate", "json"}, func(*load) zmq.SocketType { return zmq.REQ },
			func(ctx context.Context, b *load, s *zmqio.Stream) (fmt.Stringer, error) { return b.ping(ctx, s) }),
		newEndCommand(con, "echo", "answer bench ping",
			`echo is a REP that returns every request, until a signal ends it.`,
			nil, func(*load) zmq.SocketType { return zmq.REP },
			func(ctx context.Context, _ *load, s *zmqio.Stream) (fmt.Stringer, error) { return nil, answer(ctx, s) }),
	)
	return cmd
}

// printer returns what prints a result to w.
func (b *load) printer(w io.Writer) func(fmt.Stringer) error {
	return func(result fmt.Stringer) error {
		text := []byte(result.String() + "\n")
		if b.json {
			text = appendJSON(nil, result)
		}
		_, err := w.Write(text)
		return err
	}
}

// newEndCommand returns the command for one end, of a socket type. It calls work and prints the
// result.
func newEndCommand(con *console, name, short, long string, flags []string, typ func(*load) zmq.SocketType,
	work func(context.Context, *load, *zmqio.Stream) (fmt.Stringer, error),
) *cobra.Command {
	b := &load{size: benchHeader, count: 1}
	s := &socket{}
	cmd := &cobra.Command{
		Use:   name + " {--bind|--connect} ENDPOINT...",
		Short: short,
		Long:  long,
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.typ = typ(b)
			if err := b.check(); err != nil {
				return err
			}
			if err := s.check(); err != nil {
				return err
			}
			result, err := b.socket(s).bench(cmd.Context(), con, func(ctx context.Context, s *zmqio.Stream) (fmt.Stringer, error) {
				return work(ctx, b, s)
			})
			if err != nil || result == nil {
				return err
			}
			return b.printer(cmd.OutOrStdout())(result)
		},
	}
	s.flags(cmd.Flags(), "")
	cmd.Flags().Lookup("subscribe").Hidden = true
	b.flags(cmd.Flags(), flags...)
	con.flags(cmd.Flags())
	completeSocketFlags(cmd, "")
	return cmd
}

// bench calls work with the stream that s describes.
func (s *socket) bench(ctx context.Context, con *console, work func(context.Context, *zmqio.Stream) (fmt.Stringer, error)) (fmt.Stringer, error) {
	e, err := openEnd(ctx, s, con)
	if err != nil {
		return nil, err
	}
	_, stop := lookOut(ctx, e.stream, s.typ, con)
	stopFollowing := func() {}
	if con.terminal() {
		stopFollowing = e.follow(s.typ, con)
	}
	result, err := work(ctx, e.stream)
	stopFollowing()
	stop()
	arrived := s.typ == zmq.REQ || !s.typ.CanSend() // ping has all replies
	return result, cmp.Or(err, e.close(arrived))    // after an error undelivered messages do not matter
}
