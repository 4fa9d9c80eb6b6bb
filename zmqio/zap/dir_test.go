package zap

import (
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A store is a Dir with a clock that the test sets.
type store struct {
	*Dir
	t    *testing.T
	at   time.Time
	logs strings.Builder
}

func newStore(t *testing.T) *store {
	t.Helper()
	s := &store{t: t}
	var err error
	s.Dir, err = NewDir(t.TempDir(), slog.New(slog.NewTextHandler(&s.logs, nil)))
	zmqiotest.Must(t, err)
	s.at = s.looked
	s.now = func() time.Time { return s.at }
	return s
}

func (s *store) file(name string) string { return filepath.Join(s.path, name) }

// tick waits until a change of the file would give it another time. A file system counts in
// milliseconds.
func (s *store) tick(name string) {
	s.t.Helper()
	at := func(name string) time.Time {
		info, err := os.Stat(s.file(name))
		zmqiotest.Must(s.t, err)
		return changed(info)
	}
	for now := at(name); !now.After(at(name)); now = at("clock") {
		zmqiotest.Must(s.t, os.WriteFile(s.file("clock"), nil, 0o600))
	}
}

// add writes the certificate of a new client.
func (s *store) add(name string, metadata map[string]string) Certificate {
	s.t.Helper()
	c := NewCertificate(metadata)
	zmqiotest.Must(s.t, c.WriteFiles(s.file(name)))
	return c
}

// is checks the user id of a client; "" is none.
func (s *store) is(c Certificate, user string) Identity {
	s.t.Helper()
	who, err := s.Authenticate(s.t.Context(), Request{Mechanism: zmq.CURVE, PublicKey: c.Public})
	if user == "" && !errors.Is(err, ErrDenied) || user != "" && (err != nil || who.UserID != user) {
		s.t.Errorf("the client is %q, %v, want %q", who.UserID, err, user)
	}
	return who
}

// A Dir follows its directory: clients that are added, replaced and removed, within a second, and
// at once after Reload.
func TestDirFollows(t *testing.T) {
	s := newStore(t)
	ann := s.add("ann.key", map[string]string{"X-Role": "admin"})
	s.is(ann, "") // the Dir has looked in this second
	s.at = s.at.Add(lookInterval)
	if who := s.is(ann, "ann"); who.Metadata["X-Role"] != "admin" {
		t.Errorf("the metadata is %v", who.Metadata)
	}
	bob := s.add("bob.key", nil)
	s.is(bob, "")
	zmqiotest.Must(t, s.Reload())
	if who := s.is(bob, "bob"); len(who.Metadata) != 1 || who.Metadata["X-Role"] != "" {
		t.Errorf("the metadata is %v", who.Metadata)
	}
	s.is(Certificate{}, "")
	if s.Len() != 2 {
		t.Errorf("the store has %d keys", s.Len())
	}
	zmqiotest.Must(t, os.Remove(s.file("ann.key")))
	zmqiotest.Must(t, os.Rename(s.file("bob.key"), s.file("robert.key")))
	s.at = s.at.Add(lookInterval)
	s.is(ann, "")
	s.is(bob, "robert")
	if who, err := s.Authenticate(t.Context(), Request{Mechanism: zmq.NULL}); !errors.Is(err, ErrDenied) {
		t.Errorf("NULL: %v, %v", who, err)
	}
	if s.logs.Len() > 0 {
		t.Errorf("logged %s", &s.logs)
	}
}

// A file that is overwritten with the same size is read again, even if the file system shows the
// same time.
func TestDirSeesQuickChanges(t *testing.T) {
	s := newStore(t)
	ann := s.add("ann.key", nil)
	zmqiotest.Must(t, s.Reload())
	s.is(ann, "ann")
	info, err := os.Stat(s.file("ann.key"))
	zmqiotest.Must(t, err)
	before, err := os.ReadFile(s.file("ann.key"))
	zmqiotest.Must(t, err)
	other := NewCertificate(nil)
	after := strings.Replace(string(before), ann.String(), other.String(), 1)
	zmqiotest.Must(t, os.WriteFile(s.file("ann.key"), []byte(after), 0o644))
	zmqiotest.Must(t, os.Chtimes(s.file("ann.key"), time.Time{}, info.ModTime()))
	s.at = s.at.Add(lookInterval)
	s.is(ann, "")
	s.is(other, "ann")
}

// A file that replaces one of the same size and mtime is read, whether it was renamed, linked or
// written over it.
func TestDirSeesReplacedFiles(t *testing.T) {
	old := time.Unix(1, 0)
	for name, put := range map[string]func(s *store, from, to string) error{
		"renamed": func(s *store, from, to string) error { return os.Rename(from, to) },
		"linked": func(s *store, from, to string) error {
			return errors.Join(os.Symlink(from, to+".new"), os.Rename(to+".new", to))
		},
		"written over": func(s *store, from, to string) error {
			if runtime.GOOS != "linux" {
				return os.Rename(from, to)
			}
			text, err := os.ReadFile(from)
			return errors.Join(err, os.WriteFile(to, text, 0o644), os.Chtimes(to, old, old))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			ann := s.add("ann.key", nil)
			bob := s.add("bob", nil)
			zmqiotest.Must(t, os.Chtimes(s.file("ann.key"), old, old))
			zmqiotest.Must(t, os.Chtimes(s.file("bob"), old, old))
			s.at = s.at.Add(time.Hour) // so that no file is read for being new
			s.is(ann, "ann")
			s.tick("ann.key")
			zmqiotest.Must(t, put(s, s.file("bob"), s.file("ann.key")))
			s.at = s.at.Add(lookInterval)
			s.is(ann, "")
			s.is(bob, "ann")
		})
	}
}

// A file that could not be read is read again, although its content is the same: its mode may have
// changed. A program of another user may read it.
func TestDirTriesAgain(t *testing.T) {
	s := newStore(t)
	ann := s.add("ann.key", nil)
	s.at = s.at.Add(time.Hour)
	s.is(ann, "ann")
	e := s.files["ann.key"]
	e.cert, e.err = Certificate{}, fs.ErrPermission
	s.files["ann.key"] = e
	s.at = s.at.Add(lookInterval)
	s.is(ann, "ann")
	// Each change of the mode may let the owner read the file.
	read := s.files["ann.key"].read
	s.tick("ann.key")
	zmqiotest.Must(t, os.Chmod(s.file("ann.key"), 0o600))
	s.at = s.at.Add(lookInterval)
	s.is(ann, "ann")
	if s.files["ann.key"].read.Equal(read) {
		t.Error("a file with another mode was not read")
	}
}

// An irregular or large file admits no client, and delays none. A link to a certificate counts as a
// certificate.
func TestDirIrregularFiles(t *testing.T) {
	s := newStore(t)
	ann, bob := s.add("ann.key", nil), s.add("bob", nil)
	zmqiotest.Must(t, syscall.Mkfifo(s.file("fifo.key"), 0o600))
	zmqiotest.Must(t, os.Symlink("/dev/zero", s.file("zero.key")))
	zmqiotest.Must(t, os.Symlink("loop.key", s.file("loop.key")))
	zmqiotest.Must(t, os.Symlink("none", s.file("none.key")))
	zmqiotest.Must(t, os.Symlink("bob", s.file("bob.key")))
	zmqiotest.Must(t, os.Mkdir(s.file("dir.key"), 0o700))
	hidden := s.add(".key", nil) // of no user
	for size, name := range map[int]string{MaxCertificate: "full.key", MaxCertificate + 1: "large.key"} {
		c := NewCertificate(nil)
		text, err := c.text(false)
		zmqiotest.Must(t, err)
		zmqiotest.Must(t, os.WriteFile(s.file(name), append(text, strings.Repeat("#", size-len(text))...), 0o600))
		if name == "full.key" {
			defer s.is(c, "full")
		}
	}
	err := s.Reload()
	if !errors.Is(err, ErrCertificate) || !errors.Is(err, syscall.ELOOP) {
		t.Errorf("the error is %v", err)
	}
	for _, name := range []string{"fifo.key", "zero.key", "loop.key", "large.key"} {
		if !strings.Contains(err.Error(), s.file(name)) {
			t.Errorf("%s is not in %v", name, err)
		}
	}
	for _, name := range []string{"none.key", "full.key", "ann.key", "bob.key", "dir.key"} {
		if strings.Contains(err.Error(), name) {
			t.Errorf("%s is in %v", name, err)
		}
	}
	s.is(ann, "ann")
	s.is(bob, "bob")
	s.is(hidden, "")
}

// A Dir that looks while files come, change and go has no errors, and finds the files of the end.
func TestDirAmidChanges(t *testing.T) {
	s := newStore(t)
	keep := s.add("keep.key", nil)
	done := make(chan error, 1)
	go func() {
		for i := range 100 {
			from, to := s.file("new"), s.file("new.key")
			err := errors.Join(Certificate{Public: NewCertificate(nil).Public}.WriteFiles(from), os.Rename(from, to))
			if i%2 == 1 {
				err = errors.Join(err, os.Remove(to))
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for over := false; !over; {
		select {
		case err := <-done:
			zmqiotest.Must(t, err)
			over = true
		default:
		}
		zmqiotest.Must(t, s.Reload())
		s.is(keep, "keep")
	}
	if s.Len() != 1 {
		t.Errorf("the store has %d keys", s.Len())
	}
}

// Of a secret certificate in the directory the Dir keeps only the public key.
func TestDirKeepsNoSecret(t *testing.T) {
	s := newStore(t)
	ann := s.add("ann.key", nil)
	zmqiotest.Must(t, os.Rename(s.file("ann.key"+SecretSuffix), s.file("ann.key")))
	zmqiotest.Must(t, s.Reload())
	s.is(ann, "ann")
	if s.files["ann.key"].cert.Secret != (zmq.CurveKey{}) {
		t.Error("the store has the secret key")
	}
}

// The logger gets each new error of a file, once.
func TestDirLogsNewErrors(t *testing.T) {
	s := newStore(t)
	ann := s.add("ann.key", nil)
	good, err := os.ReadFile(s.file("ann.key"))
	zmqiotest.Must(t, err)
	logged := 0
	for i, text := range []string{string(good), "bad", "bad", "worse = '", string(good), "bad", string(good)} {
		zmqiotest.Must(t, os.WriteFile(s.file("ann.key"), []byte(text), 0o600))
		user := ""
		if text == string(good) {
			user = "ann"
		} else if i != 2 { // the same error
			logged++
		}
		for range 2 {
			s.at = s.at.Add(time.Hour)
			s.is(ann, user)
		}
		if n := strings.Count(s.logs.String(), s.file("ann.key")); n != logged {
			t.Fatalf("after %q there are %d logs, want %d: %s", text, n, logged, &s.logs)
		}
	}
}

// A file that has not changed is not read again.
func TestDirReadsOnce(t *testing.T) {
	s := newStore(t)
	ann := s.add("ann.key", nil)
	s.at = s.at.Add(time.Hour) // the file's time is a real one
	s.is(ann, "ann")
	read := s.files["ann.key"].read
	s.at = s.at.Add(2 * settling)
	s.is(ann, "ann")
	if got := s.files["ann.key"].read; !got.Equal(read) {
		t.Errorf("read at %v, and again at %v", read, got)
	}
	e := s.files["ann.key"]
	for after, holds := range map[time.Duration]bool{-time.Hour: false, 0: false, settling: false, settling + 1: true, time.Hour: true} {
		if e.read = changed(e.info).Add(after); e.holds(e.info) != holds {
			t.Errorf("read %v after its change, the file holds what was read: %t", after, !holds)
		}
	}
}

// A file that is no certificate admits no client, and shuts none out. The logger is told once.
func TestDirBadFiles(t *testing.T) {
	s := newStore(t)
	ann, bob := s.add("ann.key", nil), s.add("bob.key", nil)
	zmqiotest.Must(t, os.WriteFile(s.file("ann.key"), []byte("metadata\ncurve\n    public-key = \""), 0o644))
	zmqiotest.Must(t, NewCertificate(map[string]string{"Identity": "root"}).WriteFiles(s.file("root.key")))
	zmqiotest.Must(t, os.WriteFile(s.file("README"), []byte("not looked at"), 0o644))
	zmqiotest.Must(t, os.Mkdir(s.file("dir.key"), 0o700))
	for range 3 {
		s.at = s.at.Add(lookInterval)
		s.is(ann, "")
		s.is(bob, "bob")
	}
	for _, name := range []string{"ann.key", "root.key"} {
		if n := strings.Count(s.logs.String(), name); n != 1 {
			t.Errorf("%d logs of %s: %s", n, name, &s.logs)
		}
	}
	err := s.Reload()
	if !errors.Is(err, ErrCertificate) || !errors.Is(err, ErrIdentity) {
		t.Errorf("Reload: %v", err)
	}
	if _, err := NewDir(s.path, nil); !errors.Is(err, ErrCertificate) {
		t.Errorf("NewDir: %v", err)
	}
}

// The metadata names of a removed file stay reserved, so that no other client can claim them.
func TestDirKeepsNames(t *testing.T) {
	s := newStore(t)
	s.add("ann.key", map[string]string{"X-Role": "admin"})
	bob := s.add("bob.key", nil)
	zmqiotest.Must(t, s.Reload())
	zmqiotest.Must(t, os.Remove(s.file("ann.key")))
	for range 2 {
		zmqiotest.Must(t, s.Reload())
		if who := s.is(bob, "bob"); !maps.Equal(who.Metadata, map[string]string{"X-Role": ""}) {
			t.Errorf("the metadata is %v", who.Metadata)
		}
	}
}

// If two files have the same key, the first counts.
func TestDirSameKey(t *testing.T) {
	s := newStore(t)
	b := s.add("b.key", nil)
	a := Certificate{Public: b.Public}
	zmqiotest.Must(t, a.WriteFiles(s.file("a.key")))
	zmqiotest.Must(t, s.Reload())
	s.is(b, "a")
}

// A directory that disappears admits no client, until it comes back.
func TestDirGone(t *testing.T) {
	s := newStore(t)
	ann := s.add("ann.key", nil)
	zmqiotest.Must(t, s.Reload())
	s.is(ann, "ann")
	zmqiotest.Must(t, os.Rename(s.path, s.path+".gone"))
	s.at = s.at.Add(lookInterval)
	if _, err := s.Authenticate(t.Context(), Request{Mechanism: zmq.CURVE, PublicKey: ann.Public}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the error is %v", err)
	}
	zmqiotest.Must(t, os.Rename(s.path+".gone", s.path))
	s.at = s.at.Add(lookInterval)
	s.is(ann, "ann")
	if _, err := NewDir(s.file("none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("NewDir: %v", err)
	}
}
