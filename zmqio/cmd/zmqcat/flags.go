package main

import (
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A toggle is the value of a flag without an argument. The help shows pflag's own as
// --name[=true|false].
type toggle bool

// Set implements pflag.Value.
func (t *toggle) Set(text string) error {
	v, err := strconv.ParseBool(text)
	*t = toggle(v)
	return err
}

// String implements pflag.Value.
func (t *toggle) String() string { return strconv.FormatBool(bool(*t)) }

// Type implements pflag.Value.
func (t *toggle) Type() string { return "bool" }

// toggleVar adds a flag without an argument that sets p.
func toggleVar(fs *pflag.FlagSet, p *bool, name, short, usage string) {
	fs.VarPF((*toggle)(p), name, short, usage).NoOptDefVal = "true"
}

// addHelp adds --help to cmd and its subcommands, and keeps flags in the order of the code.
func addHelp(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	toggleVar(cmd.Flags(), new(bool), "help", "h", "print this")
	for _, sub := range cmd.Commands() {
		addHelp(sub)
	}
}
