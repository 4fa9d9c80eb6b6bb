package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zmqio/zmq"
)

func init() { cobra.EnableCaseInsensitive = true } // zmqcat PULL

// The groups of commands in help.
const (
	socketGroup = "sockets"
	toolGroup   = "tools"
)

// newRoot returns the command zmqcat. Its commands print everything but results on con.
func newRoot(con *console) *cobra.Command {
	root := &cobra.Command{
		Use:               "zmqcat",
		Short:             "netcat for ZeroMQ",
		Long:              about,
		Example:           examples,
		Version:           newVersion().short(),
		Args:              cobra.ArbitraryArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.RunE = func(_ *cobra.Command, args []string) error { return noSuchCommand(root, args) }
	// A flag may come before the type, and root must know whether a value follows the flag.
	(&config{}).flags(root.Flags())
	con.flags(root.Flags())
	root.Flags().VisitAll(func(f *pflag.Flag) { f.Hidden = true })
	toggleVar(root.Flags(), new(bool), "version", "v", "print the versions of zmqcat and libzmq")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if errors.Is(err, pflag.ErrHelp) {
			return err
		}
		return usageError{err}
	})
	root.SetUsageTemplate(usageTemplate)
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddGroup(&cobra.Group{ID: socketGroup, Title: "Types of sockets:"}, &cobra.Group{ID: toolGroup, Title: "Other commands:"})
	root.SetHelpCommand(newHelpCommand(root))
	for _, typ := range zmq.SocketTypes() {
		root.AddCommand(newSocketCommand(typ, con, func(cmd *cobra.Command, cfg *config) error {
			return runCat(cmd.Context(), cfg, cmd.InOrStdin(), cmd.OutOrStdout(), con)
		}))
	}
	for _, tool := range []*cobra.Command{
		newKeygenCommand(), newProxyCommand(con), newMonitorCommand(con), newBenchCommand(con), newDemoCommand(), newVersionCommand(), newCompletionCommand(), newManualCommand(),
	} {
		tool.GroupID = toolGroup
		root.AddCommand(tool)
	}
	addHelp(root)
	return root
}

// noSuchCommand returns the error for an unknown command.
func noSuchCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("no socket type given; see zmqcat --help")
	}
	_, err := zmq.ParseSocketType(args[0])
	if near := root.SuggestionsFor(args[0]); len(near) > 0 && args[0] != "" {
		return usagef("%w; did you mean %s?", err, strings.Join(near, " or "))
	}
	return usagef("%w; see zmqcat --help", err)
}

// newHelpCommand returns the command help, which prints the same as --help. cobra's own accepts any
// word.
func newHelpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND]",
		Short:  "print the help of a command",
		Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, _, err := root.Find(args)
			switch {
			case err != nil:
				return usageError{err}
			case cmd == root && len(args) > 0:
				return noSuchCommand(root, args)
			}
			return cmd.Help()
		},
	}
}

// newSocketCommand returns the command for a socket type. It calls run with the config of the
// command line.
func newSocketCommand(typ zmq.SocketType, con *console, run func(*cobra.Command, *config) error) *cobra.Command {
	cfg := &config{socket: socket{typ: typ}}
	if typ == zmq.ROUTER { // otherwise messages without a peer are dropped silently
		cfg.first = func(opts zmq.Sockopts) error { return opts.SetRouterMandatory(true) }
	}
	info := typ.Info()
	name := strings.ToLower(info.Name)
	cmd := &cobra.Command{
		Use:     name + " {--bind|--connect} ENDPOINT...",
		Aliases: []string{"zmq_" + name},
		Short:   sentence(info.Doc),
		Long:    fmt.Sprintf("%s %s\n\n%s", info.Name, wrapped(info.Doc, len(info.Name)+1), uses[typ]),
		GroupID: socketGroup,
		Hidden:  info.Draft || info.ThreadSafe,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cfg.check(cmd.Flags()); err != nil {
				return err
			}
			return run(cmd, cfg)
		},
	}
	for _, alias := range info.Aliases {
		cmd.Aliases = append(cmd.Aliases, strings.ToLower(alias), "zmq_"+strings.ToLower(alias))
	}
	cfg.flags(cmd.Flags())
	con.flags(cmd.Flags())
	completeSocketFlags(cmd, "")
	return cmd
}

func newDemoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo [FILE]",
		Short: "send lines through an echo service and compare",
		Long:  demoAbout,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("demo takes one file, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var file string
			if len(args) > 0 && args[0] != "-" {
				file = args[0]
			}
			return runDemo(cmd.Context(), file, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	cmd.SetFlagErrorFunc(func(*cobra.Command, error) error { return usagef("demo takes no flags") })
	return cmd
}

// noArguments is the Args of a command that takes flags only.
func noArguments(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case strings.Contains(args[0], "://"):
		return usagef("unexpected argument %q; give an endpoint with --connect or --bind", args[0])
	}
	return usagef("unexpected argument %q", args[0])
}

// sentence returns the short help of a command from doc, which ends in a full stop.
func sentence(doc string) string {
	doc, _, _ = strings.Cut(doc, ";")
	doc = strings.TrimSuffix(doc, ".")
	if head, _, ok := strings.Cut(doc, ","); ok && len(doc) > shortWidth {
		doc = head
	}
	return doc
}

const (
	shortWidth = 64 // of the text after a command's name
	textWidth  = 84 // of a line of help
)

// wrapped breaks text into lines. The first line begins at a column.
func wrapped(text string, column int) string {
	var b strings.Builder
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > textWidth:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// usageTemplate is cobra's own, except for the width, the names and the aliases.
const usageTemplate = `Usage:{{if .HasParent}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND [flags]{{end}}{{range $group := .Groups}}

{{.Title}}{{range $.Commands}}{{if and (eq .GroupID $group.ID) .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if and .HasAvailableSubCommands (not .Groups)}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped ` + "88" + ` | trimTrailingWhitespaces}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if not .HasParent}}

` + exitStatuses + `{{end}}
`
