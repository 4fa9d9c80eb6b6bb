package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

const inputBuffer = 64 << 10

// errStopped is the error of pump after the gate was stopped.
var errStopped = errors.New("stopped")

// pump calls write with each line of r while the gate is open, and returns nil at the end of input.
// write must not keep the line. An error of a read or of write ends pump. An error of write gets
// the number of its line, from 1.
func pump(r io.Reader, g *gate, write func(line []byte) error) error {
	in := lines{r: bufio.NewReaderSize(r, inputBuffer)}
	for n := 1; ; n++ {
		line, err := in.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("input: %w", err)
		case !g.wait():
			return errStopped
		}
		if err := write(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
}

// pumpWhole is pump with the whole content of r as one message.
func pumpWhole(r io.Reader, g *gate, write func(message []byte) error) error {
	message, err := io.ReadAll(r)
	switch {
	case err != nil:
		return fmt.Errorf("input: %w", err)
	case !g.wait():
		return errStopped
	}
	return write(message)
}

// lines reads lines of any length.
type lines struct {
	r    *bufio.Reader
	long []byte // a line longer than r's buffer
}

// next returns the next line without its newline, which the last line may lack. The line is valid
// until the next call.
func (l *lines) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = l.long[:0]
		for errors.Is(err, bufio.ErrBufferFull) {
			l.long = append(l.long, line...)
			line, err = l.r.ReadSlice('\n')
		}
		l.long = append(l.long, line...)
		line = l.long
	}
	switch {
	case err == nil:
		return line[:len(line)-1], nil
	case errors.Is(err, io.EOF) && len(line) > 0:
		return line, nil
	}
	return nil, err
}

// splitTabs appends to frames the parts of line between tabs.
func splitTabs(frames [][]byte, line []byte) [][]byte {
	for {
		i := bytes.IndexByte(line, '\t')
		if i < 0 {
			return append(frames, line)
		}
		frames = append(frames, line[:i])
		line = line[i+1:]
	}
}
