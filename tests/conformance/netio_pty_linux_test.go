package conformance

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/netio"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// openPty returns the ends of a raw pseudo-terminal. The slave blocks, as an inherited
// terminal does.
func openPty(t testing.TB) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { master.Close() })
	fd := fdOf(t, master)
	must(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	must(t, err)
	path := fmt.Sprintf("/dev/pts/%d", n)
	slaveFD, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	must(t, err)
	slave = os.NewFile(uintptr(slaveFD), path)
	t.Cleanup(func() { slave.Close() })
	raw, err := unix.IoctlGetTermios(slaveFD, unix.TCGETS)
	must(t, err)
	raw.Iflag, raw.Oflag = 0, 0
	raw.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG | unix.IEXTEN
	must(t, unix.IoctlSetTermios(slaveFD, unix.TCSETS, raw))
	must(t, master.SetDeadline(time.Now().Add(zmqiotest.Patience)))
	return master, slave
}

// dup returns another file for the open file of f.
func dup(t testing.TB, f *os.File) *os.File {
	t.Helper()
	fd, err := unix.FcntlInt(uintptr(fdOf(t, f)), unix.F_DUPFD_CLOEXEC, 0)
	must(t, err)
	d := os.NewFile(uintptr(fd), f.Name())
	t.Cleanup(func() { d.Close() })
	return d
}

func blocks(t testing.TB, f *os.File) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fdOf(t, f)), unix.F_GETFL, 0)
	must(t, err)
	return flags&unix.O_NONBLOCK == 0
}

func TestReadPtyOutput(t *testing.T) {
	l := pipeLoop(t)
	master, slave := openPty(t)
	tr, p := readPipe(t, l, master)
	puts(t, slave, "1")
	p.receives("1")
	puts(t, slave, "2345")
	p.receives("12345")
	p.saw("made data")
	must(t, slave.Close())
	must(t, p.ends()) // the kernel returns EIO
	p.saw("made data eof lost")
	if tr.ExtraInfo("pipe", nil) != "/dev/ptmx" {
		t.Error(tr)
	}
}

func TestWritePty(t *testing.T) {
	l := pipeLoop(t)
	master, slave := openPty(t)
	tr, p := writePipe(t, l, slave)
	must(t, tr.Write([]byte("1")))
	takes(t, master, "1")
	must(t, tr.Write([]byte("2345")))
	takes(t, master, "2345")
	p.saw("made")
	must(t, master.Close())
	must(t, tr.Close())
	must(t, p.ends())
	p.saw("made lost")
}

func TestBidirectionalPty(t *testing.T) {
	l := pipeLoop(t)
	master, slave := openPty(t)
	again := dup(t, slave)
	in, reader := readPipe(t, l, slave)
	out, writer := writePipe(t, l, again)
	must(t, out.Write([]byte("1")))
	takes(t, master, "1")
	puts(t, master, "a")
	reader.receives("a")
	must(t, out.Write([]byte("2345")))
	takes(t, master, "2345")
	puts(t, master, "bcde")
	reader.receives("abcde")
	writer.saw("made")
	must(t, master.Close())
	must(t, reader.ends()) // ends by itself, because the terminal has hung up
	reader.saw("made data eof lost")
	must(t, in.Close())
	must(t, out.Close())
	must(t, writer.ends())
	writer.saw("made lost")
}

// Each end of a pseudo-terminal can be on the loop, in both directions.
func TestPtyOnTheLoop(t *testing.T) {
	l := pipeLoop(t)
	master, slave := openPty(t)
	masterOut, slaveOut := dup(t, master), dup(t, slave)
	_, masterReader := readPipe(t, l, master)
	_, slaveReader := readPipe(t, l, slave)
	toSlave, masterWriter := writePipe(t, l, masterOut)
	toMaster, slaveWriter := writePipe(t, l, slaveOut)
	must(t, toSlave.Write([]byte("question")))
	slaveReader.receives("question")
	must(t, toMaster.Write([]byte("answer")))
	masterReader.receives("answer")
	for _, tr := range [...]*netio.Transport{toSlave, toMaster, slaveReader.tr} {
		must(t, tr.Close())
	}
	must(t, masterWriter.ends())
	must(t, slaveWriter.ends())
	must(t, slaveReader.ends())
	must(t, masterReader.ends()) // the last terminal has been closed
	masterReader.saw("made data eof lost")
}

// A shell may share the terminal. While a transport reads it, the open file that others use still
// blocks.
func TestInheritedTerminalBlocks(t *testing.T) {
	l := pipeLoop(t)
	master, slave := openPty(t)
	shells := dup(t, slave)
	tr, p := readPipe(t, l, slave)
	if !blocks(t, shells) {
		t.Error("the terminal does not block while it is read")
	}
	puts(t, shells, "prompt")
	takes(t, master, "prompt")
	puts(t, master, "line")
	p.receives("line")
	must(t, tr.Close())
	must(t, p.ends())
	if !blocks(t, shells) {
		t.Error("the terminal does not block after it was read")
	}
}

// A written pipe that another standard stream shares still blocks for others. A read pipe is
// borrowed, because a reopened one would not show its end.
func TestInheritedPipeBlocks(t *testing.T) {
	l := pipeLoop(t)
	var fds [2]int
	must(t, unix.Pipe2(fds[:], unix.O_CLOEXEC))
	r, w := os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
	stderr := dup(t, w)
	out, p := writePipe(t, l, w)
	if !blocks(t, stderr) {
		t.Error("the pipe does not block")
	}
	in, q := readPipe(t, l, r)
	must(t, out.Write([]byte("1")))
	q.receives("1")
	must(t, out.Close())
	must(t, p.ends())
	q.saw("made data") // another writer is there
	must(t, stderr.Close())
	must(t, q.ends())
	if in.ExtraInfo("pipe", nil) != "r" {
		t.Error(in)
	}
}

// poll(2) reports the null device as always ready.
func TestNullDevice(t *testing.T) {
	l := pipeLoop(t)
	f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	must(t, err)
	again := dup(t, f)
	_, p := readPipe(t, l, f)
	must(t, p.ends())
	p.saw("made eof lost")
	tr, q := writePipe(t, l, again)
	must(t, tr.Write(make([]byte, 1<<20)))
	if n := tr.WriteBufferSize(); n != 0 {
		t.Errorf("%d bytes buffered", n)
	}
	must(t, tr.Close())
	must(t, q.ends())
	wants(t, tr.Write([]byte("x")), zmqio.ErrTransportClosed)
}
