// Zmqcat is netcat for ZeroMQ: it sends the lines of its standard input as messages
// and prints the messages that it receives. See zmqcat --help.
//
// The commands are in commands.go, and each in a file of its name. Those for sockets are in
// cat.go. The way of a line out: input.go reads it, as fast as gate.go lets it, and cat.go
// writes it to the transport. The way of a message in: cat.go gets it and output.go
// prints it. close.go waits until all is delivered. socket.go and curve.go set up a socket
// for every command.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses. A signal that ends the program adds its number to exitSignal, as
// shells do.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitSignal  = 128
)

func main() {
	// Makes a write to a pipe without a reader return an error.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(untilSignal(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run runs the program until ctx ends, and returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	con := newConsole(stderr)
	root := newRoot(con)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetArgs(append([]string{}, args...)) // cobra replaces nil by os.Args
	// cobra does not return the error of printing help.
	var unhelped error
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		var text bytes.Buffer
		cmd.SetOut(&text)
		help(cmd, args)
		_, unhelped = stdout.Write(text.Bytes())
	})
	err := cmp.Or(root.ExecuteContext(ctx), unhelped)
	if readerGone(err, stdout) {
		err = nil
	}
	if err != nil && !errors.Is(err, context.Cause(ctx)) { // the exit status tells that ctx has ended
		con.fail("%v", err)
	}
	return exitStatus(ctx, err)
}

// readerGone reports whether err says that the reader of stdout has gone. A connection may fail
// with EPIPE too, so the error must name the file.
func readerGone(err error, stdout io.Writer) bool {
	var failed *fs.PathError
	file, ok := stdout.(*os.File)
	return ok && errors.As(err, &failed) && failed.Path == file.Name() && errors.Is(failed.Err, syscall.EPIPE)
}

// exitStatus returns the status for err, and for ctx if it has ended.
func exitStatus(ctx context.Context, err error) int {
	var sig signalled
	switch {
	case errors.As(context.Cause(ctx), &sig):
		return exitSignal + int(sig.Signal)
	case errors.As(err, new(usageError)):
		return exitUsage
	case err != nil || ctx.Err() != nil:
		return exitFailure
	}
	return exitOK
}

// A usageError is an error in the arguments.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// A signalled is the cause of a context that a signal ended.
type signalled struct{ syscall.Signal }

func (s signalled) Error() string { return s.String() }

// untilSignal returns a context that the first SIGINT or SIGTERM ends. The second ends the program
// at once.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	next := func() signalled { return signalled{(<-signals).(syscall.Signal)} }
	go func() {
		cancel(next())
		os.Exit(exitSignal + int(next().Signal))
	}()
	return ctx
}
