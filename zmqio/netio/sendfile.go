package netio

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/internal/flow"
)

// SendFile sends count bytes of f from offset on; count -1 means up to the end of f. It returns
// how many bytes the transport has accepted, also with an error, and leaves f's position behind
// them.
//
// The write buffer goes out first. While SendFile is in progress, Write returns ErrSendFile,
// and WriteContext waits. The transport reads nothing, and neither pauses nor resumes the
// protocol. Close waits for SendFile; Abort ends it.
//
// The system copies with sendfile(2) where it can: on Linux, without TLS, from a regular file.
// Elsewhere SendFile reads f on the calling goroutine and writes, unless Config.NoCopying
// forbids that. The last bytes may then be in the write buffer when SendFile returns.
//
// SendFile waits for the peer, and ctx bounds the wait.
//
// Errors after which the transport goes on:
//   - The cause of ctx, and the error of reading f.
//   - zmqio.ErrInvalidArgument: an argument is impossible, or StartTLS is in progress.
//   - zmqio.ErrWouldDeadlock: the caller is the loop goroutine. Call it in zmqio.Go there.
//   - zmqio.ErrTransportClosed, [ErrWriteEOF], [ErrSendFile] and errors.ErrUnsupported.
//
// Errors of the system end the transport.
//
// asyncio: sendfile
func (t *Transport) SendFile(ctx context.Context, f *os.File, offset, count int64) (n int64, err error) {
	switch {
	case ctx == nil:
		return 0, invalid("netio.Transport.SendFile: nil context")
	case f == nil:
		return 0, invalid("netio.Transport.SendFile: nil file")
	case offset < 0 || count < -1:
		return 0, invalid("netio.Transport.SendFile: offset %d, count %d", offset, count)
	case t.loop.InLoop():
		return 0, refused("Transport.SendFile", zmqio.ErrWouldDeadlock)
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	}
	if count == -1 {
		count = math.MaxInt64 - offset
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &sending{file: f, offset: offset, rest: count, changed: make(chan struct{}, 1), cancel: cancel}
	if err := t.startSending(s); err != nil {
		return 0, err
	}
	err = t.sendAll(ctx, s)
	if n = s.offset - offset; n > 0 {
		_, _ = f.Seek(s.offset, io.SeekStart)
	}
	return n, t.endSending(ctx, err)
}

// A sending is a SendFile in progress.
type sending struct {
	file         *os.File
	offset, rest int64         // of the unsent part
	changed      chan struct{} // gets an element when the buffer becomes empty
	cancel       context.CancelCauseFunc
}

// tell wakes SendFile.
func (s *sending) tell() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// advance records that n bytes were sent.
func (s *sending) advance(n int) {
	s.offset += int64(n)
	s.rest -= int64(n)
}

// next returns how many bytes of the file to send next, at most limit.
func (s *sending) next(limit int) int { return int(min(s.rest, int64(limit))) }

// startSending stops reading and admission of writes.
func (t *Transport) startSending(s *sending) error {
	t.mu.Lock()
	fx, err := t.startSendingLocked(s)
	t.mu.Unlock()
	t.carry(fx)
	return err
}

func (t *Transport) startSendingLocked(s *sending) (flow.Effects, error) {
	_, secure := t.stream.(*tlsStream)
	switch {
	case t.pipe.is(toRead):
		return 0, t.opError("sendfile", errReadOnly)
	case t.state.is(closing):
		return 0, t.errClosed("sendfile")
	case t.state.is(eofWanted):
		return 0, t.opError("sendfile", ErrWriteEOF)
	case t.state.is(filing):
		return 0, t.opError("sendfile", ErrSendFile)
	case t.state.is(starting):
		return 0, invalid("netio.Transport.SendFile: StartTLS is in progress")
	case secure && t.noCopying:
		return 0, t.opError("sendfile", errors.ErrUnsupported)
	}
	t.state |= filing
	t.file = s
	t.flow.Hold()
	return t.settleLocked(), nil
}

// endSending returns err, the reason for the end of the sending, and resumes reading. An error of
// the descriptor ends the transport.
func (t *Transport) endSending(ctx context.Context, err error) error {
	var bad *descriptorError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.As(err, &bad):
		err = t.opError("sendfile", bad.err)
	}
	t.mu.Lock()
	t.state &^= filing
	t.file = nil
	var fx flow.Effects
	switch {
	case t.state.is(closed):
	case bad != nil && ctx.Err() == nil:
		fx = t.endLocked(err)
	default:
		fx = t.offerLocked(t.flow.Release(t.pendingLocked(), flow.Self()))
		t.loop.Share() // for writers that wait
		fx |= t.readAgainLocked()
	}
	t.mu.Unlock()
	t.carry(fx)
	return err
}

// A descriptorError is an error of a transport's descriptor, not of the file.
type descriptorError struct{ err error }

func (e *descriptorError) Error() string { return e.err.Error() }

// sendAll sends the file.
func (t *Transport) sendAll(ctx context.Context, s *sending) error {
	if err := t.awaitEmpty(ctx, s); err != nil {
		return err
	}
	t.mu.Lock()
	_, secure := t.stream.(*tlsStream)
	var to *os.File
	var err error
	if !secure && !t.state.is(closed) {
		to, err = t.fd.blockingFile()
	}
	t.mu.Unlock()
	if err != nil {
		return err
	}
	if to != nil {
		err := s.sendTo(ctx, to)
		to.Close()
		if err != errNoSendfile {
			return err
		}
		if t.noCopying {
			return t.opError("sendfile", errors.ErrUnsupported)
		}
	}
	return t.copyAll(ctx, s)
}

// awaitEmpty waits until the buffer is empty.
func (t *Transport) awaitEmpty(ctx context.Context, s *sending) error {
	for {
		t.mu.Lock()
		empty := t.pendingLocked().Bytes == 0
		t.mu.Unlock()
		if ctx.Err() != nil || empty {
			return ctx.Err()
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
		}
	}
}

// copyAll reads the file chunk by chunk, and writes each chunk.
func (t *Transport) copyAll(ctx context.Context, s *sending) error {
	b := takeBlock()
	defer blocks.Put(b)
	for s.rest > 0 {
		n, err := s.file.ReadAt(b[:s.next(chunk)], s.offset)
		if n > 0 {
			if err := t.copy(ctx, s, b[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copy writes b when everything before has been sent.
func (t *Transport) copy(ctx context.Context, s *sending, b []byte) error {
	if err := t.awaitEmpty(ctx, s); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state.is(closed) {
		return t.errClosed("sendfile")
	}
	n, err := t.stream.write(b)
	if err != nil {
		return &descriptorError{err}
	}
	t.out.add(b[n:])
	s.advance(len(b))
	if err := t.lookLocked(); err != nil {
		return &descriptorError{err}
	}
	return nil
}

// blockingFile returns a file of d's socket whose calls wait in the runtime's poller. The caller
// must close it.
func (d descriptor) blockingFile() (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(d), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, syscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), ""), nil
}

// errNoSendfile means that sendfile(2) cannot send this file.
var errNoSendfile = errors.New("netio: no sendfile")

// mostAtOnce bounds one sendfile(2). Between two calls SendFile notices the end of its context.
const mostAtOnce = 4 << 20

// sendTo sends the file with sendfile(2).
func (s *sending) sendTo(ctx context.Context, to *os.File) error {
	if info, err := s.file.Stat(); err != nil {
		return err
	} else if !info.Mode().IsRegular() {
		return errNoSendfile
	}
	stop := context.AfterFunc(ctx, func() { _ = to.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	for s.rest > 0 {
		n, err := sendfile(to, s.file, s.offset, s.next(mostAtOnce))
		s.advance(n)
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// sendfile sends up to n bytes of from at offset, and waits until to takes some. 0 bytes without an
// error mean the end of from.
func sendfile(to, from *os.File, offset int64, n int) (sent int, err error) {
	into, err := to.SyscallConn()
	if err != nil {
		return 0, err
	}
	source, err := from.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed, waited error
	err = source.Control(func(from uintptr) {
		waited = into.Write(func(to uintptr) (done bool) {
			sent, failed = sendfileOnce(int(to), int(from), offset, n)
			return failed != unix.EAGAIN
		})
	})
	switch failed {
	case nil, unix.EAGAIN:
		return max(sent, 0), errors.Join(err, waited)
	case unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP:
		return 0, errNoSendfile
	case unix.EIO, unix.EOVERFLOW, unix.EBADF: // to was checked before, so from is not open for reading
		return 0, &fs.PathError{Op: "sendfile", Path: from.Name(), Err: failed}
	}
	return 0, &descriptorError{syscallError("sendfile", failed)}
}
