package zap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Dir is a store of the CURVE clients that may connect: their public certificates are the
// files *.key of a directory. A Dir follows changes of the directory. At most once a second, a
// request looks at the names, sizes, times and modes of the files. It reads those that have
// changed or could not be read. All methods are safe for concurrent use.
//
// The user id of a client is the name of its file without .key, and its metadata is that of the
// file. If two files have the same key, the first by name counts. A file lets no client in if
// it cannot be read, is not regular, or is larger than MaxCertificate. A Dir follows symbolic
// links; it ignores directories and links to nothing.
type Dir struct {
	path   string
	logger *slog.Logger
	now    func() time.Time

	mu     sync.Mutex
	looked time.Time
	files  map[string]entry
	keys   *Keys
	err    error // of reading the directory
}

// An entry is a file as it was at its last reading.
type entry struct {
	info fs.FileInfo // nil if the file is missing
	read time.Time
	cert Certificate
	err  error
}

const (
	// lookInterval is how long a Dir does not look again.
	lookInterval = time.Second
	// settling is how old a change must be before the file's time shows further changes: file
	// systems have clocks of up to two seconds.
	settling = 2 * time.Second
)

// NewDir returns the store of the directory path. The logger gets a warning of files that
// cannot be read later; nil means slog.Default(). The errors are those of Reload.
//
// pyzmq: configure_curve(location=path)
func NewDir(path string, logger *slog.Logger) (*Dir, error) {
	if logger == nil {
		logger = slog.Default()
	}
	d := &Dir{path: path, logger: logger, now: time.Now, keys: new(Keys)}
	if err := d.Reload(); err != nil {
		return nil, err
	}
	return d, nil
}

// Reload looks at the directory at once. After an error the store has what could be read.
//
// Errors:
//   - Those of the system: the directory or a file cannot be read.
//   - [ErrCertificate] and [ErrIdentity]: a file is not a certificate.
func (d *Dir) Reload() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.lookLocked()
	errs := []error{d.err}
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		errs = append(errs, d.files[name].err)
	}
	return errors.Join(errs...)
}

// Len returns the number of keys.
func (d *Dir) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.keys.Len()
}

// Authenticate is a Handler that lets in CURVE clients whose certificates are in the directory,
// and denies all other peers. While the directory cannot be read, it returns the error.
func (d *Dir) Authenticate(ctx context.Context, r Request) (Identity, error) {
	keys, failed, err := d.current()
	for _, e := range failed {
		d.logger.Warn("zap: a certificate cannot be read, and lets no client in", "error", e)
	}
	if err != nil {
		return Identity{}, err
	}
	return keys.Authenticate(ctx, r)
}

// current returns the keys, and the new errors of files.
func (d *Dir) current() (keys *Keys, failed []error, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now().Sub(d.looked) >= lookInterval {
		failed = d.lookLocked()
	}
	return d.keys, failed, d.err
}

// lookLocked reads changed files, and returns the new errors. Caller holds d.mu.
func (d *Dir) lookLocked() (failed []error) {
	d.looked = d.now()
	list, err := os.ReadDir(d.path)
	d.err = err
	files := make(map[string]entry)
	d.keys = d.keys.successor()
	for _, f := range slices.Backward(list) { // for equal keys the first file is added last
		user, isKey := strings.CutSuffix(f.Name(), ".key")
		if !isKey || user == "" {
			continue
		}
		before, known := d.files[f.Name()]
		e, there := d.look(f.Name(), before)
		if !there {
			continue
		}
		files[f.Name()] = e
		switch {
		case e.err == nil:
			d.keys.Add(e.cert.Public, Identity{user, e.cert.Metadata})
		case !known || before.err == nil || before.err.Error() != e.err.Error():
			failed = append(failed, e.err)
		}
	}
	d.files = files
	return failed
}

// look returns the present entry of a file. It returns before if the file has not changed. there is
// false for a directory.
func (d *Dir) look(name string, before entry) (e entry, there bool) {
	path := filepath.Join(d.path, name)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir():
		return entry{}, false
	case err != nil:
		return entry{err: err}, true
	}
	if before.holds(info) {
		return before, true
	}
	e = entry{info: info, read: d.looked}
	if e.cert, e.err = readPublic(path, info); e.err == nil {
		e.err = checkMetadata(e.cert.Metadata)
	}
	if errors.Is(e.err, fs.ErrNotExist) { // the file has gone since the listing
		return entry{}, false
	}
	e.err = of(path, e.err)
	return e, true
}

// holds reports whether the file still has what was read. info is its present state.
func (e entry) holds(info fs.FileInfo) bool {
	return e.err == nil && e.info != nil && os.SameFile(e.info, info) && e.info.Size() == info.Size() && e.info.Mode() == info.Mode() &&
		changed(e.info).Equal(changed(info)) && e.read.Sub(changed(info)) > settling
}

// readPublic reads the public part of a certificate file. It opens regular files only: a FIFO would
// block all clients.
func readPublic(path string, info fs.FileInfo) (Certificate, error) {
	if !info.Mode().IsRegular() {
		return Certificate{}, fmt.Errorf("%w: it is no regular file, but %v", ErrCertificate, info.Mode())
	}
	f, err := os.Open(path)
	if err != nil {
		return Certificate{}, err
	}
	defer f.Close()
	c, err := read(f)
	return Certificate{Public: c.Public, Metadata: c.Metadata}, err
}
