package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newManualCommand returns the command manual. `make man` runs it, and go-md2man makes zmqcat.1 of
// the output. So the program itself needs no generator.
func newManualCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "manual",
		Short:  "print the manual in Markdown, as go-md2man reads it",
		Hidden: true,
		Args:   noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), manual(cmd.Root()))
			return err
		},
	}
}

// manual returns the manual of root as Markdown.
func manual(root *cobra.Command) string {
	var m manualWriter
	m.line("%% zmqcat 1 \"\" \"zmqio\" \"User Commands\"")
	m.line("# NAME\nzmqcat - %s", plain(root.Short))
	m.line("# SYNOPSIS\n**zmqcat** *TYPE* {**--bind**|**--connect**} *ENDPOINT*... [*flags*]\n\n**zmqcat** *COMMAND* [*flags*]")
	m.line("# DESCRIPTION\n%s", plain(root.Long))
	m.line("# FLAGS OF SOCKETS")
	m.flags(root.Flags(), true)
	m.line("# TYPES OF SOCKETS")
	for _, cmd := range root.Commands() {
		if cmd.GroupID == socketGroup && cmd.IsAvailableCommand() {
			m.line("## zmqcat %s\n%s", cmd.Name(), plain(cmd.Long))
		}
	}
	m.line("# OTHER COMMANDS")
	for _, cmd := range root.Commands() {
		if cmd.GroupID == toolGroup && cmd.IsAvailableCommand() && cmd.Long != "" {
			m.command(cmd)
		}
	}
	m.line("# EXIT STATUS\n%s", plain(strings.TrimPrefix(exitStatuses, "Exit status: ")))
	m.line("# EXAMPLES")
	m.examples(root)
	m.line("# SEE ALSO\n**zmq**(7), **zmq_socket**(3), **zmq_setsockopt**(3), **zmq_curve**(7)")
	return m.String()
}

// A manualWriter collects Markdown.
type manualWriter struct{ strings.Builder }

// line writes a paragraph.
func (m *manualWriter) line(format string, args ...any) { fmt.Fprintf(m, format+"\n\n", args...) }

// command writes the section of a command, and of those below it.
func (m *manualWriter) command(cmd *cobra.Command) {
	m.line("## %s\n%s", plain(strings.TrimSuffix(cmd.UseLine(), " [flags]")), plain(cmd.Long))
	m.flags(cmd.LocalFlags(), false)
	m.examples(cmd)
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			m.command(sub)
		}
	}
}

// flags writes a list of flags.
func (m *manualWriter) flags(fs *pflag.FlagSet, hidden bool) {
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden && !hidden || f.Name == "help" || f.Name == "version" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "**--" + f.Name + "**"
		if f.Shorthand != "" {
			name = "**-" + f.Shorthand + "**, " + name
		}
		if value != "" {
			name += " *" + plain(value) + "*"
		}
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" {
			usage += " (default " + f.DefValue + ")"
		}
		m.line("%s\n: %s", name, plain(usage))
	})
}

func (m *manualWriter) examples(cmd *cobra.Command) {
	if cmd.Example != "" {
		m.line("```\n%s\n```", strings.ReplaceAll(strings.TrimPrefix(cmd.Example, "  "), "\n  ", "\n"))
	}
}

// plain escapes the markup characters in text.
func plain(text string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, ">", `\>`, "`", "\\`", "[", `\[`, "]", `\]`).Replace(text)
}
