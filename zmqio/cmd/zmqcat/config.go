package main

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/zmqio/zmq"
)

// A config is what the command line says.
type config struct {
	demo bool
	file string // of the demo; empty is standard input

	typ           zmq.SocketType
	bind, connect []string
	subscribe     []string
	set           []string // OPTION=VALUE, and parsed:
	settings      []setting
	frames, json  bool
	wait          time.Duration // negative: forever
	count         int           // 0: no limit
}

// A setting is a socket option and its value as text.
type setting struct {
	option zmq.Option
	value  string
}

const forever = -1

// flags returns the flags, which set c. What they do is in help.
func (c *config) flags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("zmqcat", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	fs.StringArrayVar(&c.bind, "bind", nil, "")
	fs.StringArrayVar(&c.connect, "connect", nil, "")
	fs.StringArrayVar(&c.subscribe, "subscribe", nil, "")
	fs.StringArrayVar(&c.set, "set", nil, "")
	fs.BoolVar(&c.frames, "frames", false, "")
	fs.BoolVar(&c.json, "json", false, "")
	fs.DurationVar(&c.wait, "wait", forever, "")
	fs.IntVar(&c.count, "count", 0, "")
	return fs
}

// parse reads the command line. Its errors are usageErrors, and pflag.ErrHelp.
func parse(args []string) (*config, error) {
	cfg := &config{}
	fs := cfg.flags()
	if err := fs.Parse(args); err != nil {
		return nil, usageError{err}
	}
	if fs.NArg() == 0 {
		return nil, usagef("no socket type given; see zmqcat --help")
	}
	if fs.Arg(0) == "demo" {
		return cfg, cfg.parseDemo(fs)
	}
	return cfg, cfg.check(fs)
}

func (c *config) parseDemo(fs *pflag.FlagSet) error {
	c.demo = true
	switch {
	case fs.NFlag() > 0:
		return usagef("demo takes no flags")
	case fs.NArg() > 2:
		return usagef("demo takes one file, not %d", fs.NArg()-1)
	}
	if c.file = fs.Arg(1); c.file == "-" {
		c.file = ""
	}
	return nil
}

// check is parse for what follows the flags, and for flags that do not go together.
func (c *config) check(fs *pflag.FlagSet) error {
	var err error
	if c.typ, err = zmq.ParseSocketType(fs.Arg(0)); err != nil {
		return usageError{err}
	}
	switch {
	case fs.NArg() > 1:
		return usagef("unexpected argument %q", fs.Arg(1))
	case len(c.bind)+len(c.connect) == 0:
		return usagef("nowhere to go: give --bind or --connect")
	case len(c.subscribe) > 0 && c.typ.Info().Subscribes == "":
		return usagef("--subscribe is for SUB and XSUB, not for %v", c.typ)
	case fs.Changed("wait") && c.wait < 0:
		return usagef("--wait %v: negative", c.wait)
	case fs.Changed("count") && c.count < 1:
		return usagef("--count %d: less than 1", c.count)
	}
	for _, name := range []string{"wait", "count"} {
		if fs.Changed(name) && !c.typ.CanReceive() {
			return usagef("--%s is for types that receive, and %v does not", name, c.typ)
		}
	}
	for _, text := range c.set {
		s, err := parseSetting(text)
		if err != nil {
			return err
		}
		c.settings = append(c.settings, s)
	}
	return nil
}

func parseSetting(text string) (setting, error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return setting{}, usagef("--set %s: not of the form OPTION=VALUE", text)
	}
	option, err := zmq.ParseOption(name)
	if err != nil {
		return setting{}, usagef("--set: %w", err)
	}
	return setting{option, value}, nil
}

// configure sets the socket's options.
func (c *config) configure(opts zmq.Sockopts) error {
	if c.typ == zmq.ROUTER { // else what cannot be sent is lost without a word
		if err := opts.SetRouterMandatory(true); err != nil {
			return err
		}
	}
	byOption := c.typ.Info().Subscribes == zmq.SubscribesByOption
	everything := byOption && len(c.subscribe) == 0
	for _, s := range c.settings {
		if err := opts.SetText(s.option, s.value); err != nil {
			return err
		}
		everything = everything && s.option != zmq.SUBSCRIBE
	}
	switch {
	case everything:
		return opts.SetSubscribe(nil)
	case byOption:
		for _, topic := range c.subscribe {
			if err := opts.SetSubscribe([]byte(topic)); err != nil {
				return err
			}
		}
	}
	return nil
}
