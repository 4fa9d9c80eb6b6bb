package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A watch is the command line of monitor.
type watch struct {
	socket
	names  string // of the events, joined by |; parsed below
	events zmq.Event
	json   bool
	wait   time.Duration // 0: no limit
	count  int           // 0: no limit
}

func newMonitorCommand(con *console) *cobra.Command {
	w := &watch{}
	cmd := &cobra.Command{
		Use:   "monitor TYPE {--bind|--connect} ENDPOINT...",
		Short: "print what happens to the connections of a socket",
		Long: `monitor binds and connects a socket of a type, as the command of that type does. It
prints the events of the socket's monitor: connections that are made, retried, accepted
and lost, handshakes that succeed or fail, and why. A line has the time, the event, the
endpoint and what comes with the event. As JSON it is {"time":"...","event":"...",
"endpoint":"...","value":1} and, where something failed, "error".

monitor sends nothing and prints no messages. Its peers send to it all the same: a PUSH
gives it a share of the messages, and that share is lost.`,
		Example: `  zmqcat monitor dealer -c tcp://127.0.0.1:5555
  zmqcat monitor sub -b 'tcp://*:5556' --events 'ACCEPTED|DISCONNECTED' --json`,
		Args:              func(_ *cobra.Command, args []string) (err error) { return w.parseType(args) },
		ValidArgsFunction: completeTypes(1),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := w.check(cmd.Flags()); err != nil {
				return err
			}
			return runMonitor(cmd.Context(), w, cmd.OutOrStdout(), con)
		},
	}
	w.flags(cmd.Flags())
	con.flags(cmd.Flags())
	completeSocketFlags(cmd, "")
	return cmd
}

func (w *watch) flags(fs *pflag.FlagSet) {
	w.socket.flags(fs, "")
	fs.StringVarP(&w.names, "events", "e", "ALL", "print these `EVENTS` alone, by libzmq's names joined by |")
	toggleVar(fs, &w.json, "json", "j", "print an object a line")
	fs.DurationVarP(&w.wait, "wait", "w", 0, "exit after `DURATION`, as in 1.5s")
	fs.IntVarP(&w.count, "count", "n", 0, "exit after `N` events")
}

// parseType reads the argument of monitor.
func (w *watch) parseType(args []string) (err error) {
	if len(args) != 1 {
		return usagef("monitor takes one type of sockets, not %d", len(args))
	}
	if w.typ, err = zmq.ParseSocketType(args[0]); err != nil {
		return usageError{err}
	}
	return nil
}

// check returns a usageError for invalid flags.
func (w *watch) check(fs *pflag.FlagSet) error {
	if err := w.socket.check(); err != nil {
		return err
	}
	switch {
	case fs.Changed("wait") && w.wait < 0:
		return usagef("--wait %v: negative", w.wait)
	case fs.Changed("count") && w.count < 1:
		return usagef("--count %d: less than 1", w.count)
	}
	names := strings.Split(w.names, "|")
	for i, name := range names {
		if !strings.HasPrefix(strings.ToUpper(name), "EVENT_") {
			names[i] = "EVENT_" + name
		}
	}
	var err error
	if w.events, err = zmq.ParseEvent(strings.Join(names, "|")); err != nil {
		return usagef("--events: %w", err)
	}
	return nil
}

// A monitor is the protocol of a transport whose events zmqcat prints. Loop goroutine only.
type monitor struct {
	zmqio.BaseProtocol
	*session
	watch   *watch
	printer *printer
	seen    int
}

// runMonitor prints events until ctx ends, or as w says. An error before it begins is a usageError.
func runMonitor(ctx context.Context, w *watch, stdout io.Writer, con *console) error {
	s, err := newSession(con)
	if err != nil {
		return err
	}
	m := &monitor{session: s, watch: w}
	ignore := func() {}
	m.printer = &printer{w: stdout, before: ignore, tooFast: ignore, resume: ignore}
	m.printer.failed = func() { m.soon(func() { m.finish(nil) }) } // close returns the reason
	m.printer.start()
	err = serveCurve(m.loop, con, &w.socket)
	if err == nil {
		_, err = w.open(ctx, m.loop, m, con)
	}
	if err != nil {
		m.finish(usageError{err})
	}
	if w.wait > 0 {
		m.later(w.wait, func() { m.finish(nil) })
	}
	m.work(ctx)
	return m.close(ctx, m.printer, false, func() bool { return false })
}

// ConnectionMade enables the monitor. Messages stay in libzmq.
func (m *monitor) ConnectionMade(t *zmqio.Transport) {
	if err := t.EnableMonitor(m.watch.events); err != nil {
		m.finish(err)
	}
	_ = t.PauseReading() // fails for types that only send
}

// ConnectionLost ends the work.
func (m *monitor) ConnectionLost(err error) { m.finish(err) }

// EventReceived prints ev.
func (m *monitor) EventReceived(ev zmq.MonitorEvent) {
	if m.watch.count > 0 && m.seen == m.watch.count {
		return
	}
	m.seen++
	m.printer.put(func(buf []byte) []byte { return m.format(buf, time.Now(), ev) })
	if m.seen == m.watch.count {
		m.finish(nil)
	}
}

// format appends a line.
func (m *monitor) format(buf []byte, now time.Time, ev zmq.MonitorEvent) []byte {
	if !m.watch.json {
		buf = now.AppendFormat(buf, "15:04:05.000 ")
		return append(buf, strings.TrimPrefix(ev.String(), "EVENT_")+"\n"...)
	}
	object := struct {
		Time     time.Time `json:"time"`
		Event    string    `json:"event"`
		Endpoint string    `json:"endpoint"`
		Value    int32     `json:"value"`
		Error    string    `json:"error,omitempty"`
	}{now, strings.TrimPrefix(ev.Event.String(), "EVENT_"), ev.Endpoint, ev.Value, ""}
	if err := ev.Err(); err != nil && ev.Event != zmq.EVENT_CONNECT_DELAYED { // EINPROGRESS is no failure
		object.Error = err.Error()
	}
	return appendJSON(buf, object)
}
