package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/zmqio/zmq"
)

// A config is the command line of a command that sends and receives.
type config struct {
	socket
	frames, json, binary bool
	interval             time.Duration // between messages sent
	wait                 time.Duration // negative: forever
	count                int           // 0: no limit
}

const forever = -1

// flags adds the flags that set c. It hides flags that do not apply to the type.
func (c *config) flags(fs *pflag.FlagSet) {
	c.socket.flags(fs, "")
	toggleVar(fs, &c.frames, "frames", "f", "split each line of input at tabs into frames")
	toggleVar(fs, &c.json, "json", "j", `read and print messages as {"frames":["text",{"base64":"..."}]}, with base64 for what is not UTF-8`)
	toggleVar(fs, &c.binary, "binary", "B", "send all of the input as one message; print what is received as it is, without newlines")
	fs.DurationVarP(&c.interval, "interval", "i", 0, "pause for `DURATION` between two messages sent, as in 100ms")
	fs.DurationVarP(&c.wait, "wait", "w", forever, "go on receiving for `DURATION` after the end of input, as in 1.5s")
	fs.IntVarP(&c.count, "count", "n", 0, "exit after `N` messages received")
	fs.Lookup("wait").DefValue = "0s"     // pflag does not show such a default
	fs.Lookup("interval").DefValue = "0s" // pflag does not show such a default
	hide := func(unless bool, names ...string) {
		for _, name := range names {
			fs.Lookup(name).Hidden = !unless
		}
	}
	hide(c.typ.Info().Subscribes != "", "subscribe")
	hide(c.typ.CanSend(), "frames", "interval")
	hide(c.typ.CanReceive(), "wait", "count")
}

// check returns a usageError for flags that do not go together.
func (c *config) check(fs *pflag.FlagSet) error {
	if err := c.socket.check(); err != nil {
		return err
	}
	switch {
	case fs.Changed("wait") && c.wait < 0:
		return usagef("--wait %v: negative", c.wait)
	case fs.Changed("count") && c.count < 1:
		return usagef("--count %d: less than 1", c.count)
	case fs.Changed("interval") && c.interval <= 0:
		return usagef("--interval %v: not positive", c.interval)
	case c.json && c.binary:
		return usagef("give one of --json and --binary")
	case c.binary && c.frames:
		return usagef("--binary sends one frame, so that there is nothing for --frames to split")
	case c.binary && c.addressee() != "":
		return usagef("--binary sends one frame, and %v needs %s in another: use --json", c.typ, c.addressee())
	}
	for _, name := range []string{"wait", "count"} {
		if fs.Changed(name) && !c.typ.CanReceive() {
			return usagef("--%s is for types that receive, and %v does not", name, c.typ)
		}
	}
	if fs.Changed("interval") && !c.typ.CanSend() {
		return usagef("--interval is for types that send, and %v does not", c.typ)
	}
	return nil
}

// addressee says what the first frame of a message must be, if it names the peer to send to.
func (c *config) addressee() string {
	switch c.typ {
	case zmq.ROUTER, zmq.STREAM:
		return "the peer's routing id"
	case zmq.DGRAM:
		return "the peer's address"
	}
	return ""
}
