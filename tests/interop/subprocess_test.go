package interop

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/subprocess"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A collector is the protocol of a child or a pipe that keeps the data.
type collector struct {
	got    bytes.Buffer
	stderr bytes.Buffer
	lost   chan error
}

func newCollector() *collector { return &collector{lost: make(chan error, 1)} }

func (c *collector) end(err error) { c.lost <- err }

type childCollector struct {
	subprocess.BaseProtocol
	*collector
}

func (c childCollector) PipeDataReceived(fd int, b []byte) {
	if fd == 1 {
		c.got.Write(b)
	} else {
		c.stderr.Write(b)
	}
}

func (c childCollector) ConnectionLost(err error) { c.end(err) }

type pipeCollector struct {
	netio.BaseProtocol
	*collector
}

func (c pipeCollector) DataReceived(b []byte)    { c.got.Write(b) }
func (c pipeCollector) ConnectionLost(err error) { c.end(err) }

// CPython's asyncio at the other ends of pipes echoes more than they hold: as a child, and
// over FIFOs with names.
func TestAsyncioAtPipes(t *testing.T) {
	python := pythonWith(t, "pyzmq")
	data := bytes.Repeat([]byte("0123456789abcdef"), 256<<10) // 4 MiB
	ctx := zmqiotest.Bounded(t, deadline)

	t.Run("child", func(t *testing.T) {
		l := zmqiotest.RunLoop(t, nil)
		c := childCollector{collector: newCollector()}
		tr, _, err := subprocess.Exec(ctx, l, func() childCollector { return c }, subprocess.Config{}, python, "-B", "testdata/pipes.py")
		must(t, err)
		pour(ctx, t, tr.Pipe(0), data)
		must(t, awaitEnd(ctx, c.collector))
		if code, err := tr.Wait(ctx); code != 0 || err != nil || !bytes.Equal(c.got.Bytes(), data) {
			t.Errorf("code %d, %v; %d bytes of %d; standard error:\n%s", code, err, c.got.Len(), len(data), c.stderr.Bytes())
		}
	})
	t.Run("FIFO", func(t *testing.T) {
		l := zmqiotest.RunLoop(t, nil)
		dir := t.TempDir()
		open := func(name string) *os.File {
			path := filepath.Join(dir, name)
			must(t, syscall.Mkfifo(path, 0o600))
			f, err := os.OpenFile(path, os.O_RDWR, 0) // so that neither end waits for the other
			must(t, err)
			t.Cleanup(func() { f.Close() })
			return f
		}
		there, back := open("there"), open("back")
		in, err := os.OpenFile(back.Name(), os.O_RDONLY, 0)
		must(t, err)
		out, err := os.OpenFile(there.Name(), os.O_WRONLY, 0)
		must(t, err)
		cmd := exec.CommandContext(ctx, python, "-B", "testdata/pipes.py")
		cmd.Stdin, err = os.OpenFile(there.Name(), os.O_RDONLY, 0)
		must(t, err)
		cmd.Stdout, err = os.OpenFile(back.Name(), os.O_WRONLY, 0)
		must(t, err)
		cmd.Stderr = os.Stderr
		must(t, cmd.Start())
		for _, f := range [...]any{cmd.Stdin, cmd.Stdout, there, back} {
			must(t, f.(*os.File).Close())
		}
		c := pipeCollector{collector: newCollector()}
		_, _, err = netio.ConnectReadPipe(ctx, l, func() pipeCollector { return c }, in)
		must(t, err)
		tr, _, err := netio.ConnectWritePipe(ctx, l, func() netio.BaseProtocol { return netio.BaseProtocol{} }, out)
		must(t, err)
		pour(ctx, t, tr, data)
		must(t, awaitEnd(ctx, c.collector))
		if err := cmd.Wait(); err != nil || !bytes.Equal(c.got.Bytes(), data) {
			t.Errorf("%v; %d bytes of %d", err, c.got.Len(), len(data))
		}
	})
}

// pour writes data while there is room, and then ends the pipe.
func pour(ctx context.Context, t *testing.T, tr *netio.Transport, data []byte) {
	t.Helper()
	for len(data) > 0 {
		n := min(len(data), 50_000)
		must(t, tr.WriteContext(ctx, data[:n]))
		data = data[n:]
	}
	must(t, tr.WriteEOF())
}

func awaitEnd(ctx context.Context, c *collector) error {
	select {
	case err := <-c.lost:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
