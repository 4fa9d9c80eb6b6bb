package zap_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/zap"
	"github.com/zmqio/zmq/zmqio/zmqiotest"
)

// NewCertificate's keys are libzmq's: libzmq derives the same public key.
func TestNewKeypair(t *testing.T) {
	if !zmq.Has(zmq.CapabilityCurve) {
		t.Skip("this libzmq has no CURVE")
	}
	seen := make(map[zmq.CurveKey]bool)
	for range 100 {
		public, secret := zap.NewKeypair()
		want, err := zmq4.AuthCurvePublic(secret.String())
		zmqiotest.Must(t, err)
		if public.String() != want || zap.PublicKey(secret) != public {
			t.Errorf("the public key is %v, libzmq finds %v", public, want)
		}
		if seen[secret] {
			t.Error("a key came twice")
		}
		seen[secret] = true
	}
}

func sameCertificate(a, b zap.Certificate) bool {
	return a.Public == b.Public && a.Secret == b.Secret && maps.Equal(a.Metadata, b.Metadata)
}

func TestWriteAndRead(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0)) // the mode of the secret file does not depend on the umask
	path := filepath.Join(t.TempDir(), "ann.key")
	c := zap.NewCertificate(map[string]string{"X-Role": "admin # no comment", "email": `"ann" <a@b>`, "empty": "", "x": "it's"})
	zmqiotest.Must(t, c.WriteFiles(path))
	public, err := zap.ReadCertificate(path)
	zmqiotest.Must(t, err)
	if !sameCertificate(public, zap.Certificate{Public: c.Public, Metadata: c.Metadata}) {
		t.Errorf("read %v with %v", public, public.Metadata)
	}
	secret, err := zap.ReadCertificate(path + zap.SecretSuffix)
	zmqiotest.Must(t, err)
	if !sameCertificate(secret, c) {
		t.Errorf("read %v with %v", secret, secret.Metadata)
	}
	info, err := os.Stat(path + zap.SecretSuffix)
	zmqiotest.Must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is %v", info.Mode())
	}
	if info, err = os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the mode of the public file is %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(path)
	zmqiotest.Must(t, err)
	if strings.Contains(string(text), c.Secret.String()) || strings.Contains(c.String(), c.Secret.String()) {
		t.Error("the secret key is told")
	}
}

// WriteFiles overwrites nothing, and leaves nothing of a file that it cannot write whole.
func TestWriteFilesKeeps(t *testing.T) {
	dir := t.TempDir()
	for _, there := range []string{"ann.key", "ann.key_secret"} {
		path := filepath.Join(dir, there)
		zmqiotest.Must(t, os.WriteFile(path, []byte("old"), 0o600))
		if err := zap.NewCertificate(nil).WriteFiles(filepath.Join(dir, "ann.key")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over %s: %v", there, err)
		}
		if text, err := os.ReadFile(path); string(text) != "old" {
			t.Errorf("%s is %q, %v", there, text, err)
		}
		list, err := os.ReadDir(dir)
		if zmqiotest.Must(t, err); len(list) != 1 {
			t.Errorf("the directory has %v", list)
		}
		zmqiotest.Must(t, os.Remove(path))
	}
	elsewhere, link := filepath.Join(t.TempDir(), "elsewhere"), filepath.Join(dir, "ann.key_secret")
	zmqiotest.Must(t, os.Symlink(elsewhere, link))
	if err := zap.NewCertificate(nil).WriteFiles(filepath.Join(dir, "ann.key")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a link to nothing: %v", err)
	}
	if _, err := os.Lstat(elsewhere); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the secret key went through a link: %v", err)
	}
	zmqiotest.Must(t, os.Remove(link))
	public, _ := zap.NewKeypair()
	_, other := zap.NewKeypair()
	for name, c := range map[string]zap.Certificate{
		"both quotes":      {Public: public, Metadata: map[string]string{"a": `"'`}},
		"a line":           {Public: public, Metadata: map[string]string{"a": "b\ncurve"}},
		"a tab":            {Public: public, Metadata: map[string]string{"a": "\t"}},
		"a DEL":            {Public: public, Metadata: map[string]string{"a": "\x7f"}},
		"a name of spaces": {Public: public, Metadata: map[string]string{"a b": ""}},
		"no name":          {Public: public, Metadata: map[string]string{"": ""}},
		"no pair":          {Public: public, Secret: other},
	} {
		if err := c.WriteFiles(filepath.Join(dir, "bob.key")); !errors.Is(err, zap.ErrCertificate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := os.ReadDir(dir); len(list) > 0 || err != nil {
		t.Errorf("the directory has %v, %v", list, err)
	}
}

// A secret key that others can read is refused, and a public one is accepted.
func TestExposedSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ann.key")
	zmqiotest.Must(t, zap.NewCertificate(nil).WriteFiles(path))
	for mode, exposed := range map[fs.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o620: true, 0o601: true} {
		zmqiotest.Must(t, os.Chmod(path+zap.SecretSuffix, mode))
		c, err := zap.ReadCertificate(path + zap.SecretSuffix)
		if exposed != errors.Is(err, zap.ErrExposed) || exposed != errors.Is(err, fs.ErrPermission) || exposed != (c.Secret == zmq.CurveKey{}) {
			t.Errorf("mode %v: %v", mode, err)
		}
		zmqiotest.Must(t, os.Chmod(path, mode))
		_, err = zap.ReadCertificate(path)
		zmqiotest.Must(t, err)
	}
	if _, err := zap.ReadCertificate(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := zap.ReadCertificate("/dev/zero"); !errors.Is(err, zap.ErrCertificate) || !strings.Contains(err.Error(), "/dev/zero") {
		t.Errorf("a file without end: %v", err)
	}
}

func TestParseCertificate(t *testing.T) {
	c := zap.NewCertificate(nil)
	public, secret := c.Public.String(), c.Secret.String()
	for name, text := range map[string]string{
		"czmq":   "#   ****  Generated on 2014-01-01 by CZMQ  ****\n\nmetadata\n    name = \"ann\"\ncurve\n    public-key = \"" + public + "\"\n    secret-key = \"" + secret + "\"\n",
		"pyzmq":  "#  pyzmq\r\nmetadata\r\n    name = ann\r\ncurve\r\n    public-key = \"" + public + "\"\r\n    secret-key = '" + secret + "'\r\n",
		"loose":  "metadata # of the key\n\tname=ann # the owner\n\tdeep\ncurve\n    secret-key = '" + secret + "' # keep it\n    public-key = '" + public + "'",
		"others": "version = 1\n    public-key = no\n    secret-key = no\nmetadata\n    name = 'ann'\ncurve\n    public-key = \"" + public + "\"\n    secret-key = \"" + secret + "\"\n    other = 1\n",
	} {
		got, err := zap.ParseCertificate([]byte(text))
		if err != nil || got.Public != c.Public || got.Secret != c.Secret || got.Metadata["name"] != "ann" {
			t.Errorf("%s: %v with %v, %v", name, got, got.Metadata, err)
		}
	}
	other, _ := zap.NewKeypair()
	for name, text := range map[string]string{
		"empty":        "",
		"no section":   "    public-key = \"" + public + "\"\n",
		"no key":       "curve\n    secret-key = \"" + secret + "\"\n",
		"a short key":  "curve\n    public-key = \"" + public[1:] + "\"\n",
		"no Z85":       "curve\n    public-key = \"" + strings.Repeat("\\", 40) + "\"\n",
		"an open one":  "curve\n    public-key = \"" + public + "\n",
		"more":         "curve\n    public-key = \"" + public + "\" x\n",
		"a bad secret": "curve\n    public-key = \"" + public + "\"\n    secret-key = \"" + secret[1:] + "\"\n",
		"no pair":      "curve\n    public-key = \"" + other.String() + "\"\n    secret-key = \"" + secret + "\"\n",
	} {
		_, err := zap.ParseCertificate([]byte(text))
		if !errors.Is(err, zap.ErrCertificate) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), secret[1:]) {
			t.Errorf("%s: the error tells the secret key", name)
		}
	}
}

func FuzzParseCertificate(f *testing.F) {
	f.Add("metadata\n    name = \"ann\"\ncurve\n    public-key = \"" + zap.NewCertificate(nil).String() + "\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := zap.ParseCertificate([]byte(text))
		if err != nil && !errors.Is(err, zap.ErrCertificate) {
			t.Errorf("the error is %v", err)
		}
		if err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "a.key")
		if err := c.WriteFiles(path); err != nil {
			return // metadata that WriteFiles does not write
		}
		if c.Secret != (zmq.CurveKey{}) {
			path += zap.SecretSuffix
		}
		again, err := zap.ReadCertificate(path)
		if err != nil || !sameCertificate(again, c) {
			t.Errorf("%v became %v, %v", c, again, err)
		}
	})
}
