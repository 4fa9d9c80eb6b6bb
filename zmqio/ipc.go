package zmqio

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/zmqio/zmq"
)

// ipcMu is held from the check of an ipc path to the end of the bind. So exactly one of several
// binds in this process wins.
var ipcMu sync.Mutex

// bindLocked is zmq_bind, but never unlinks a file that libzmq should leave alone. Caller holds
// t.sockMu.
func (t *Transport) bindLocked(endpoint string) error {
	switch path, isIPC := strings.CutPrefix(endpoint, "ipc://"); {
	case isIPC && !t.givenFDLocked():
		ipcMu.Lock()
		defer ipcMu.Unlock()
		if err := checkPath(path); err != nil {
			return err
		}
	case endpoint == zapEndpoint:
		zapMu.Lock()
		defer zapMu.Unlock()
	}
	return t.lettingGoLocked(func() error { return t.zsock.Bind(endpoint) })
}

// lettingGoLocked calls bind while LINGER is 0. A listener keeps the LINGER of the moment of its
// bind. libzmq uses it only for connections that their peers have ended, whose messages go nowhere.
// If the socket is closed at the same moment, libzmq would otherwise wait for those messages, and
// with a negative LINGER for ever. Caller holds t.sockMu.
func (t *Transport) lettingGoLocked(bind func() error) (err error) {
	opts := rawSockopts(t.sock)
	linger, err := opts.Linger()
	if err != nil {
		return err
	}
	if err := opts.SetLinger(0); err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, opts.SetLinger(linger)) }()
	return bind()
}

// givenFDLocked reports whether the next bind uses a descriptor that is bound already. libzmq then
// does not touch the file. Caller holds t.sockMu.
func (t *Transport) givenFDLocked() bool {
	fd, err := rawSockopts(t.sock).UseFD()
	return err == nil && fd >= 0
}

// checkPath returns why an ipc socket cannot be bound to path, or nil. libzmq unlinks the file at
// path before it looks at anything else.
//
// Only a socket without a listener may be unlinked. connect(2) tells: success, or EAGAIN for a full
// backlog, means a live server. ECONNREFUSED means a stale file.
func checkPath(path string) error {
	if path == "" || path[0] == '*' { // EINVAL, and a name that libzmq makes up
		return nil
	}
	if len(path) >= len(syscall.RawSockaddrUnix{}.Path) {
		return zmq.ENAMETOOLONG
	}
	info, err := os.Lstat(path)
	switch {
	case err != nil: // unlink fails too, and the error of bind says why
		return nil
	case path[0] == '@': // libzmq binds an abstract name, but unlinks a file of this name
		return taken("the abstract name is a file's too")
	case info.Mode().Type() != fs.ModeSocket:
		return taken("the file is not a socket")
	}
	conn, err := net.Dial("unix", path)
	var errno syscall.Errno
	switch {
	case err == nil:
		conn.Close()
		return taken("a server listens there")
	case !errors.As(err, &errno):
		return err
	case errno == syscall.ECONNREFUSED, errno == syscall.ENOENT:
		return nil
	case errno == syscall.EAGAIN, errno == syscall.EPROTOTYPE:
		return taken("a server has the socket")
	}
	return fmt.Errorf("%w (the socket may be in use)", zmq.Translate("zmq_bind", errno))
}

func taken(why string) error {
	return fmt.Errorf("%w (%s)", zmq.Translate("zmq_bind", zmq.EADDRINUSE), why)
}
