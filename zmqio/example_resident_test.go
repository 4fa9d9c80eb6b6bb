package zmqio_test

import (
	"context"
	"fmt"
	"os"

	"github.com/zmqio/zmq/zmqio"
)

// A pipeReader is a resident that reads a pipe: a very small transport.
type pipeReader struct {
	file  *os.File
	place *zmqio.Residence
	watch *zmqio.Watch
	data  func([]byte)
	lost  func()
}

// newPipeReader puts a pipeReader on a loop. Loop goroutine only.
func newPipeReader(l *zmqio.EventLoop, file *os.File, data func([]byte), lost func()) (*pipeReader, error) {
	p := &pipeReader{file: file, data: data, lost: lost}
	var err error
	if p.place, err = l.Adopt(p); err != nil {
		return nil, err
	}
	p.watch, err = p.place.Watch(int(file.Fd()), p.read, nil)
	if err == nil {
		err = p.watch.Want(true, false)
	}
	if err != nil {
		p.place.Leave()
		return nil, err
	}
	return p, nil
}

func (p *pipeReader) read() {
	buf := make([]byte, 4096)
	n, err := p.file.Read(buf)
	if err != nil {
		_ = p.Close() // the end of the pipe
		return
	}
	p.data(buf[:n])
}

// Close ends the reader on the loop.
func (p *pipeReader) Close() error {
	p.place.Post(func() {
		if p.watch == nil {
			return
		}
		p.watch.Stop()
		p.watch = nil
		_ = p.file.Close()
		p.lost()
		p.place.Leave()
	})
	return nil
}

// Abort is Close: a reader has nothing to send.
func (p *pipeReader) Abort() error { return p.Close() }

// Undelivered returns 0: a reader has nothing to send.
func (p *pipeReader) Undelivered() (items, bytes int) { return 0, 0 }

func (p *pipeReader) String() string { return "<pipeReader " + p.file.Name() + ">" }

// A transport of the program's own kind lives on a loop and ends with it.
func ExampleEventLoop_Adopt() {
	ctx := context.Background()
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer loop.Close()
	r, w, err := os.Pipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	err = loop.Do(ctx, func() error {
		_, err := newPipeReader(loop, r, func(b []byte) { fmt.Printf("read %q\n", b) }, func() {
			fmt.Println("lost")
			loop.Stop()
		})
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = w.WriteString("hello")
	_ = w.Close()
	if err := loop.RunForever(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// read "hello"
	// lost
}

// A program without a loop of its own uses the one that runs in the background.
func ExampleDefaultLoop() {
	ctx := context.Background()
	loop, err := zmqio.DefaultLoop()
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = loop.Do(ctx, func() error {
		fmt.Println("on the loop:", loop.InLoop())
		return nil
	})
	if err := zmqio.ShutdownDefault(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: on the loop: true
}
