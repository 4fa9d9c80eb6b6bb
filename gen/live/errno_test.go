package live

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"
	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/gen/internal/spec"
)

// TestErrnoTexts compares the texts with zmq_strerror's. The texts of the system's own numbers are
// glibc's.
func TestErrnoTexts(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the spec has the texts of Linux")
	}
	newer := make(map[string]bool)
	for _, e := range loadSpec(t).Errnos {
		newer[e.Name] = e.First().Compare(spec.Version(running())) > 0
	}
	for _, e := range append(zmq.Errnos(), 0, 99999, zmq.ETERM+99) {
		if newer[e.Name()] {
			continue
		}
		if e == zmq.EHOSTUNREACH && running().Compare(zmq.Version{Major: 4, Minor: 2}) < 0 {
			continue // libzmq has a text of its own only from this release on
		}
		if got, want := e.Error(), zmq4.Error(int(e)); got != want {
			t.Errorf("%s is %q, libzmq says %q", e.Name(), got, want)
		}
	}
}

// TestErrnoNumbers compares the constants with the numbers in the spec.
func TestErrnoNumbers(t *testing.T) {
	if runtime.GOOS == "linux" && runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("some ports of Linux have numbers of their own")
	}
	s := loadSpec(t)
	for i, e := range zmq.Errnos() {
		want, ok := s.Errnos[i].Numbers[runtime.GOOS]
		if s.Errnos[i].Native != 0 {
			want, ok = spec.Hausnumero+s.Errnos[i].Native, true
		}
		if e.Name() != s.Errnos[i].Name || ok && int64(e) != want {
			t.Errorf("%s is %d, not %d", e.Name(), int(e), want)
		}
	}
}

// classes are the errors for which errors.Is holds, beyond the number itself. An errno without an
// entry has no class.
var classes = map[zmq.Errno][]error{
	zmq.EAGAIN:          {zmq.ErrBlockingIO},
	zmq.EALREADY:        {zmq.ErrBlockingIO},
	zmq.EINPROGRESS:     {zmq.ErrBlockingIO},
	zmq.EPIPE:           {zmq.ErrBrokenPipe, zmq.ErrConnection},
	zmq.ESHUTDOWN:       {zmq.ErrBrokenPipe, zmq.ErrConnection},
	zmq.ECONNABORTED:    {zmq.ErrConnectionAborted, zmq.ErrConnection},
	zmq.ECONNREFUSED:    {zmq.ErrConnectionRefused, zmq.ErrConnection},
	zmq.ECONNRESET:      {zmq.ErrConnectionReset, zmq.ErrConnection},
	zmq.EINTR:           {zmq.ErrInterrupted},
	zmq.EISDIR:          {zmq.ErrIsADirectory},
	zmq.ENOTDIR:         {zmq.ErrNotADirectory},
	zmq.EACCES:          {fs.ErrPermission},
	zmq.EPERM:           {fs.ErrPermission},
	zmq.EEXIST:          {fs.ErrExist},
	zmq.ENOENT:          {fs.ErrNotExist},
	zmq.ETIMEDOUT:       {os.ErrDeadlineExceeded},
	zmq.ETERM:           {net.ErrClosed},
	zmq.ENOTSOCK:        {net.ErrClosed},
	zmq.ENOTSUP:         {errors.ErrUnsupported},
	zmq.EPROTONOSUPPORT: {errors.ErrUnsupported},
	zmq.ESOCKTNOSUPPORT: {errors.ErrUnsupported},
	zmq.EAFNOSUPPORT:    {errors.ErrUnsupported},
	zmq.ENOCOMPATPROTO:  {errors.ErrUnsupported},
}

// TestClasses tries every error with every class.
func TestClasses(t *testing.T) {
	every := []error{
		zmq.ErrBlockingIO, zmq.ErrConnection, zmq.ErrBrokenPipe, zmq.ErrConnectionAborted,
		zmq.ErrConnectionRefused, zmq.ErrConnectionReset, zmq.ErrInterrupted, zmq.ErrIsADirectory,
		zmq.ErrNotADirectory, fs.ErrPermission, fs.ErrExist, fs.ErrNotExist, os.ErrDeadlineExceeded,
		net.ErrClosed, errors.ErrUnsupported, fs.ErrInvalid, fs.ErrClosed, io.EOF,
	}
	for _, e := range zmq.Errnos() {
		err := fmt.Errorf("tcp://127.0.0.1:1: %w", zmq.Translate("zmq_call", e))
		for _, target := range every {
			if got, want := errors.Is(err, target), slices.Contains(classes[e], target); got != want {
				t.Errorf("%s: errors.Is %q is %t", e.Name(), target, got)
			}
			if syscall.Errno(e).Is(target) && !errors.Is(err, target) {
				t.Errorf("%s: syscall.Errno is %q", e.Name(), target)
			}
		}
		for _, other := range zmq.Errnos() {
			for _, target := range []error{other, syscall.Errno(other), zmq4.Errno(other)} {
				if got, want := errors.Is(err, target), e == other; got != want {
					t.Errorf("%s: errors.Is %T of %s is %t", e.Name(), target, other.Name(), got)
				}
			}
		}
	}
}

func TestErrorsAs(t *testing.T) {
	for _, e := range zmq.Errnos() {
		err := fmt.Errorf("tcp://127.0.0.1:1: %w", zmq.Translate("zmq_bind", e))
		var call *os.SyscallError
		if !errors.As(err, &call) || call.Syscall != "zmq_bind" || call.Err != e {
			t.Errorf("%s: *os.SyscallError is %#v", e.Name(), call)
		}
		var number zmq.Errno
		var system syscall.Errno
		var pebbe zmq4.Errno
		if !errors.As(err, &number) || !errors.As(err, &system) || !errors.As(err, &pebbe) {
			t.Errorf("%s: not every type is found", e.Name())
		}
		if number != e || system != syscall.Errno(e) || pebbe != zmq4.Errno(e) {
			t.Errorf("%s: numbers are %d, %d and %d", e.Name(), number, system, pebbe)
		}
		var other *fs.PathError
		if errors.As(err, &other) {
			t.Errorf("%s is a *fs.PathError", e.Name())
		}
		if got, want := err.Error(), "tcp://127.0.0.1:1: zmq_bind: "+e.Error(); got != want {
			t.Errorf("text is %q, want %q", got, want)
		}
		var asNet net.Error = e
		if asNet.Timeout() != syscall.Errno(e).Timeout() || os.IsTimeout(zmq.Translate("zmq_recv", e)) != asNet.Timeout() {
			t.Errorf("%s: Timeout is %t", e.Name(), asNet.Timeout())
		}
		if e.Temporary() != syscall.Errno(e).Temporary() {
			t.Errorf("%s: Temporary is %t", e.Name(), e.Temporary())
		}
	}
	if !zmq.EAGAIN.Timeout() || !zmq.ETIMEDOUT.Timeout() || zmq.EINVAL.Timeout() {
		t.Error("EAGAIN and ETIMEDOUT are timeouts, EINVAL is not")
	}
}

func TestTranslate(t *testing.T) {
	translated := zmq.Translate("zmq_bind", zmq.EADDRINUSE)
	wrapped := fmt.Errorf("wrapped: %w", zmq.EAGAIN)
	for _, c := range []struct {
		in   error
		want zmq.Errno // 0: the error comes back unchanged
	}{
		{nil, 0},
		{zmq.EAGAIN, zmq.EAGAIN},
		{zmq4.ETERM, zmq.ETERM},
		{zmq4.Errno(syscall.EAGAIN), zmq.EAGAIN},
		{syscall.EMFILE, zmq.EMFILE},
		{syscall.Errno(156384763), zmq.EFSM},
		{zmq4.ErrorSocketClosed, zmq.ENOTSOCK},
		{zmq4.ErrorContextClosed, zmq.ETERM},
		{translated, 0},
		{wrapped, 0},
		{io.EOF, 0},
	} {
		got := zmq.Translate("zmq_call", c.in)
		if c.want == 0 {
			if got != c.in {
				t.Errorf("%v became %v", c.in, got)
			}
			continue
		}
		if call, ok := got.(*os.SyscallError); !ok || call.Syscall != "zmq_call" || call.Err != c.want {
			t.Errorf("%v became %#v", c.in, got)
		}
	}
}

// TestClosed gets both errors from pebbe/zmq4 itself.
func TestClosed(t *testing.T) {
	ctx, err := zmq4.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	s, err := ctx.NewSocket(zmq4.PAIR)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zmq.Translate("zmq_bind", s.Bind("inproc://x")); !errors.Is(err, zmq.ENOTSOCK) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed socket: %v", err)
	}
	if err := ctx.Term(); err != nil {
		t.Fatal(err)
	}
	_, err = ctx.NewSocket(zmq4.PAIR)
	if err := zmq.Translate("zmq_socket", err); !errors.Is(err, zmq.ETERM) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed context: %v", err)
	}
}
