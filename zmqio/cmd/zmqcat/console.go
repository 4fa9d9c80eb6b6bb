package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
)

// A console writes to standard error: lines and, on a terminal, a line of progress below them,
// which it rewrites. Its methods are safe for concurrent use.
type console struct {
	mu       sync.Mutex
	w        io.Writer
	progress bool // the cursor is behind a line of progress
	quiet    bool // print errors only; set before the first use
}

const (
	progressInterval = 500 * time.Millisecond

	clearLine     = "\r\x1b[K"
	progressWidth = 79 // a wrapped line cannot be rewritten
)

func newConsole(w io.Writer) *console { return &console{w: w} }

// flags adds the flag that sets c.
func (c *console) flags(fs *pflag.FlagSet) {
	toggleVar(fs, &c.quiet, "quiet", "q", "say nothing but errors on standard error")
}

// terminal reports whether c can show progress.
func (c *console) terminal() bool { return !c.quiet && isTerminal(c.w) }

// isTerminal reports whether v is a character device other than /dev/null. Nearly all such
// devices are terminals.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// say prints a line unless c is quiet.
func (c *console) say(format string, args ...any) {
	if !c.quiet {
		c.fail(format, args...)
	}
}

// fail prints a line about an error.
func (c *console) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	c.clear()
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.w, "zmqcat: %s\n", strings.ReplaceAll(text, "\n", "; "))
}

// show replaces the line of progress by text.
func (c *console) show(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.progress = true
	fmt.Fprintf(c.w, "%s%.*s", clearLine, progressWidth, text)
}

// follow shows the result of line, and repeats this until stop is called. It calls line on its own
// goroutine.
func (c *console) follow(line func() string) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	ticks := time.NewTicker(progressInterval)
	go func() {
		defer close(ended)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
				c.show(line())
			case <-done:
				c.clear()
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// clear removes the line of progress, so that other text can be printed.
func (c *console) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.progress {
		c.progress = false
		_, _ = io.WriteString(c.w, clearLine)
	}
}
