package zap

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// A store is a Dir whose clock a test sets.
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

// add writes the certificate of a new client.
func (s *store) add(name string, metadata map[string]string) Certificate {
	s.t.Helper()
	c := NewCertificate(metadata)
	zmqiotest.Must(s.t, c.WriteFiles(s.file(name)))
	return c
}

// is checks who the store says that a client is; "" is none.
func (s *store) is(c Certificate, user string) Identity {
	s.t.Helper()
	who, err := s.Authenticate(s.t.Context(), Request{Mechanism: zmq.CURVE, PublicKey: c.Public})
	if user == "" && !errors.Is(err, ErrDenied) || user != "" && (err != nil || who.UserID != user) {
		s.t.Errorf("the client is %q, %v, want %q", who.UserID, err, user)
	}
	return who
}

// The store follows the directory: clients that are added, replaced and removed, a second
// later at most, and at once with Reload.
func TestDirFollows(t *testing.T) {
	s := newStore(t)
	ann := s.add("ann.key", map[string]string{"X-Role": "admin"})
	s.is(ann, "") // it has looked in this second
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

// A file that is written in place, at the same size and at the same time as far as the file
// system tells, is read again.
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

// A file that has not changed is not read again.
func TestDirReadsOnce(t *testing.T) {
	s := newStore(t)
	ann := s.add("ann.key", nil)
	s.at = s.at.Add(2 * settling)
	s.is(ann, "ann")
	read := s.files["ann.key"].read
	s.at = s.at.Add(2 * settling)
	s.is(ann, "ann")
	if got := s.files["ann.key"].read; !got.Equal(read) {
		t.Errorf("read at %v, and again at %v", read, got)
	}
}

// A file that is no certificate lets no client in, and does not keep others out. The logger is
// told once.
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

// Two files with the same key: the first counts.
func TestDirSameKey(t *testing.T) {
	s := newStore(t)
	b := s.add("b.key", nil)
	a := Certificate{Public: b.Public}
	zmqiotest.Must(t, a.WriteFiles(s.file("a.key")))
	zmqiotest.Must(t, s.Reload())
	s.is(b, "a")
}

// A directory that goes lets no client in, until it comes back.
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
