package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/zap"
)

func newCompletionCommand() *cobra.Command {
	shells := map[string]func(root, cmd *cobra.Command) error{
		"bash": func(root, cmd *cobra.Command) error { return root.GenBashCompletionV2(cmd.OutOrStdout(), true) },
		"zsh":  func(root, cmd *cobra.Command) error { return root.GenZshCompletion(cmd.OutOrStdout()) },
		"fish": func(root, cmd *cobra.Command) error { return root.GenFishCompletion(cmd.OutOrStdout(), true) },
	}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "print a script that completes commands, flags and options in a shell",
		Long: `completion prints a script for bash, zsh or fish. The script completes commands, flags,
the names of socket options for --set, true and false, and certificate files. The
script for bash needs the package bash-completion.`,
		Example: `  zmqcat completion bash >~/.local/share/bash-completion/completions/zmqcat
  zmqcat completion zsh >"${fpath[1]}/_zmqcat"
  zmqcat completion fish >~/.config/fish/completions/zmqcat.fish`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || shells[args[0]] == nil {
				return usagef("completion takes the name of a shell: bash, zsh or fish")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return shells[args[0]](cmd.Root(), cmd) },
	}
}

// completeSocketFlags completes the values of those flags of cmd that belong to a socket with a
// prefix.
func completeSocketFlags(cmd *cobra.Command, prefix string) {
	for name, complete := range map[string]cobra.CompletionFunc{
		"bind":             completeEndpoint,
		"connect":          completeEndpoint,
		"subscribe":        cobra.NoFileCompletions,
		"set":              completeSetting,
		"curve-server-key": cobra.NoFileCompletions,
		"curve-allow": func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		"curve-cert":        completeFile(strings.TrimPrefix(publicSuffix, ".") + zap.SecretSuffix),
		"curve-server-cert": completeFile(strings.TrimPrefix(publicSuffix, ".")),
	} {
		if err := cmd.RegisterFlagCompletionFunc(prefix+name, complete); err != nil {
			panic(err) // the flag exists
		}
	}
}

func completeFile(extension string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{extension}, cobra.ShellCompDirectiveFilterFileExt
	}
}

func completeEndpoint(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"tcp://", "ipc://"}, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// completeSetting completes OPTION=VALUE with the options of cmd's type, or of every type, except
// secret ones.
func completeSetting(cmd *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	var texts []string
	if name, _, ok := strings.Cut(text, "="); ok {
		option, err := zmq.ParseOption(name)
		if err != nil {
			return nil, directive
		}
		for _, value := range optionValues(option.Info()) {
			texts = append(texts, name+"="+value)
		}
		return texts, cobra.ShellCompDirectiveNoFileComp
	}
	typ, err := zmq.ParseSocketType(cmd.Name())
	for _, option := range zmq.Options() {
		info := option.Info()
		ours := err != nil || info.SetTypes == nil || slices.Contains(info.SetTypes, typ)
		if info.Set && ours && !info.Secret {
			texts = append(texts, cobra.CompletionWithDesc(info.Name+"=", optionHint(info)))
		}
	}
	slices.Sort(texts)
	return texts, directive
}

// optionValues returns values to offer for an option: true and false, or an example.
func optionValues(info zmq.OptionInfo) []string {
	switch {
	case info.Kind == zmq.KindBool:
		return []string{"true", "false"}
	case info.Example != "":
		return []string{info.Example}
	}
	return nil
}

// optionHint returns which values an option accepts.
func optionHint(info zmq.OptionInfo) string {
	hint := info.Range()
	if info.Kind == zmq.KindBool {
		hint = "true or false"
	}
	if info.HasDefault && info.Default != "" {
		hint = strings.TrimPrefix(fmt.Sprintf("%s, default %s", hint, info.Default), ", ")
	}
	return hint
}

// completeTypes completes the arguments up to names with socket types.
func completeTypes(names int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var texts []string
		if len(args) < names {
			for _, typ := range zmq.SocketTypes() {
				if info := typ.Info(); !info.Draft && !info.ThreadSafe {
					texts = append(texts, cobra.CompletionWithDesc(strings.ToLower(info.Name), sentence(info.Doc)))
				}
			}
		}
		return texts, cobra.ShellCompDirectiveNoFileComp
	}
}
