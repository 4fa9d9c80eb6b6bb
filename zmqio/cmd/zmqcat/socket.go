package main

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

// A socket is a ZeroMQ socket as the command line describes it.
type socket struct {
	typ           zmq.SocketType
	prefix        string // of its flags
	bind, connect []string
	subscribe     []string
	given         []given // in the order of the command line; parsed below
	settings      []setting
	curve         curve
	// first sets options before those of the command line. It may be nil.
	first func(zmq.Sockopts) error
}

// A given is the argument of a flag that sets an option: OPTION=VALUE, or OPTION=FILE.
type given struct {
	text   string
	isFile bool
}

// A givenFlag is the pflag.Value of such a flag. It leaves errors to given.parse, because those of
// pflag repeat the text, which may have a secret.
type givenFlag struct {
	list   *[]given
	isFile bool
}

// Set implements pflag.Value.
func (f givenFlag) Set(text string) error {
	*f.list = append(*f.list, given{text, f.isFile})
	return nil
}

// String implements pflag.Value.
func (givenFlag) String() string { return "" }

// Type implements pflag.Value. After an array cobra offers the flag again.
func (givenFlag) Type() string { return "stringArray" }

// A setting is a socket option and its value as text.
type setting struct {
	option zmq.Option
	value  string
	isRead bool // the value comes from a file
}

// flags adds the flags that set s. If prefix is not "", their names begin with it, and they have no
// short forms.
func (s *socket) flags(fs *pflag.FlagSet, prefix string) {
	s.prefix = prefix
	letter := func(short string) string {
		if prefix != "" {
			return ""
		}
		return short
	}
	array := func(p *[]string, name, short, usage string) {
		fs.StringArrayVarP(p, prefix+name, letter(short), nil, usage)
	}
	option := func(name, short string, isFile bool, usage string) {
		fs.VarP(givenFlag{&s.given, isFile}, prefix+name, letter(short), usage)
	}
	array(&s.bind, "bind", "b", "accept connections at `ENDPOINT`; may be repeated")
	array(&s.connect, "connect", "c", "connect to `ENDPOINT`; may be repeated; TCP takes host names")
	array(&s.subscribe, "subscribe", "s", "on SUB and XSUB, receive what begins with `TOPIC`; may be "+
		"repeated; a SUB without it receives everything")
	option("set", "o", false, "set a socket option before binding and connecting: `OPTION=VALUE` with "+
		"libzmq's name, as in SNDHWM=10; may be repeated")
	option("set-file", "", true, "the same with the value in a file, without the newline at its end: "+
		"`OPTION=FILE`; for PLAIN_PASSWORD, which others could read on the command line")
	s.curve.flags(fs, prefix)
}

// check reads the flags and certificate files. It may return a usageError.
func (s *socket) check() error {
	switch {
	case len(s.bind)+len(s.connect) == 0:
		return usagef("no endpoint given: use --%sbind or --%[1]sconnect", s.prefix)
	case len(s.subscribe) > 0 && s.typ.Info().Subscribes == "":
		return usagef("--%ssubscribe is for SUB and XSUB, not for %v", s.prefix, s.typ)
	}
	for _, g := range s.given {
		option, err := g.parse(s.prefix)
		if err != nil {
			return err
		}
		s.settings = append(s.settings, option)
	}
	return s.curve.check(s.prefix)
}

// parse returns the setting, and reads the file. The name of the flag, for errors, begins with
// prefix.
func (g given) parse(prefix string) (setting, error) {
	flag, form := "--"+prefix+"set", "OPTION=VALUE"
	if g.isFile {
		flag, form = flag+"-file", "OPTION=FILE"
	}
	name, value, ok := strings.Cut(g.text, "=")
	if !ok {
		return setting{}, usagef("%s %s: not of the form %s", flag, g.text, form)
	}
	option, err := zmq.ParseOption(name)
	if err != nil {
		return setting{}, usagef("%s: %w", flag, err)
	}
	if g.isFile {
		b, err := os.ReadFile(value)
		if err != nil {
			return setting{}, usagef("%s: %w", flag, err)
		}
		value = strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	}
	return setting{option, value, g.isFile}, nil
}

// configure sets the socket's options.
func (s *socket) configure(opts zmq.Sockopts) error {
	if s.first != nil {
		if err := s.first(opts); err != nil {
			return err
		}
	}
	byOption := s.typ.Info().Subscribes == zmq.SubscribesByOption
	everything := byOption && len(s.subscribe) == 0
	for _, option := range s.settings {
		if err := opts.SetText(option.option, option.value); err != nil {
			return err
		}
		everything = everything && option.option != zmq.SUBSCRIBE
	}
	if err := s.curve.configure(opts); err != nil {
		return err
	}
	switch {
	case everything:
		return opts.SetSubscribe(nil)
	case byOption:
		for _, topic := range s.subscribe {
			if err := opts.SetSubscribe([]byte(topic)); err != nil {
				return err
			}
		}
	}
	return nil
}

// warn prints on con which settings of s are unwise.
func (s *socket) warn(con *console) {
	for _, option := range s.settings {
		if option.isRead || !option.option.Info().Secret {
			continue
		}
		secret := "a password; --" + s.prefix + "set-file reads it from a file"
		if option.option == zmq.CURVE_SECRETKEY {
			secret = "a key; --curve-cert reads it from a file"
		}
		con.say("--%sset %v: every user of this machine can read a command line, and so %s", s.prefix, option.option, secret)
	}
}

// open makes the transport of p, and prints its bound endpoints on con.
func (s *socket) open(ctx context.Context, loop *zmqio.EventLoop, p zmqio.Protocol, con *console) (*zmqio.Transport, error) {
	s.warn(con)
	t, _, err := loop.CreateZmqConnection(ctx, func() zmqio.Protocol { return p }, s.typ,
		zmqio.ConnectionConfig{Bind: []string{}, Configure: s.configure, AllowHostnames: true})
	if err != nil {
		return nil, err
	}
	if err := s.ask(t); err != nil {
		return nil, err
	}
	return t, s.attach(t, con)
}

// ask sends the subscriptions of an XSUB, which are messages.
func (s *socket) ask(t *zmqio.Transport) error {
	if s.typ.Info().Subscribes != zmq.SubscribesByMessage {
		return nil
	}
	for _, topic := range s.subscribe {
		if err := t.Write([][]byte{append([]byte{1}, topic...)}); err != nil {
			return err
		}
	}
	return nil
}

// stream opens the stream, and prints its bound endpoints on con.
func (s *socket) stream(ctx context.Context, loop *zmqio.EventLoop, con *console) (*zmqio.Stream, error) {
	s.warn(con)
	stream, err := zmqio.Open(ctx, s.typ, zmqio.StreamConfig{
		Bind: s.bind, Connect: s.connect, Loop: loop, Configure: s.configure, AllowHostnames: true,
	})
	if err != nil {
		return nil, err
	}
	for _, endpoint := range stream.Transport().Listeners() {
		con.say("bound %s", endpoint)
	}
	return stream, s.ask(stream.Transport())
}

// attach binds and connects t.
func (s *socket) attach(t *zmqio.Transport, con *console) error {
	var bound []string
	for _, endpoint := range s.bind {
		actual, err := t.Bind(endpoint)
		if err != nil {
			return err
		}
		bound = append(bound, actual)
	}
	for _, endpoint := range s.connect {
		if _, err := t.Connect(endpoint); err != nil {
			return err
		}
	}
	for _, endpoint := range bound {
		con.say("bound %s", endpoint)
	}
	return nil
}
