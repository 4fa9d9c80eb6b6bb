package zap

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/zmqio/zmq"
)

// Errors of certificate files. Compare with errors.Is.
var (
	// ErrCertificate means that a text is not a certificate, or that a Certificate has no text.
	ErrCertificate = errors.New("zap: not a certificate")
	// ErrExposed refuses a secret key that other users can read. It is also fs.ErrPermission.
	ErrExposed error = exposed{}
)

type exposed struct{}

func (exposed) Error() string {
	return "zap: other users have access to the secret key; chmod 600 takes that from them"
}
func (exposed) Unwrap() error { return fs.ErrPermission }

// NewKeypair returns a new pair of CURVE keys. It calls no libzmq.
//
// libzmq: zmq_curve_keypair
func NewKeypair() (public, secret zmq.CurveKey) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return zmq.CurveKey(key.PublicKey().Bytes()), zmq.CurveKey(key.Bytes())
}

// PublicKey returns the public key of a secret key.
//
// libzmq: zmq_curve_public
func PublicKey(secret zmq.CurveKey) zmq.CurveKey {
	key, err := ecdh.X25519().NewPrivateKey(secret[:])
	if err != nil {
		panic(err) // any 32 bytes are a key
	}
	return zmq.CurveKey(key.PublicKey().Bytes())
}

// A Certificate is a pair of CURVE keys, or a public key alone, with metadata. Certificate
// files have the zcert format of czmq, which pyzmq shares. Packages fmt and slog print the
// public key alone. But package fmt prints all of a Certificate in an unexported field.
type Certificate struct {
	// Public is the public key.
	Public zmq.CurveKey
	// Secret is the secret key. It is zero in a public certificate.
	Secret zmq.CurveKey
	// Metadata is what else the file says. Dir makes it Identity.Metadata.
	Metadata map[string]string
}

// NewCertificate returns a certificate of a new pair of keys, with metadata.
//
// pyzmq: create_certificates
func NewCertificate(metadata map[string]string) Certificate {
	public, secret := NewKeypair()
	return Certificate{public, secret, metadata}
}

// AsServer makes a socket a CURVE server. It is for ConnectionConfig.Configure. It returns
// ErrCertificate if c has no secret key, and the errors of the options that it sets.
func (c Certificate) AsServer(o zmq.Sockopts) error {
	if err := c.needsSecret(); err != nil {
		return err
	}
	if err := o.SetCurveServer(true); err != nil {
		return err
	}
	return o.SetCurveSecretKey(c.Secret)
}

// AsClient returns a function that makes a socket a CURVE client of the server with the public
// key server. It is for ConnectionConfig.Configure. The function returns ErrCertificate if c
// has no secret key, and the errors of the options that it sets.
func (c Certificate) AsClient(server zmq.CurveKey) func(zmq.Sockopts) error {
	return func(o zmq.Sockopts) error {
		if err := c.needsSecret(); err != nil {
			return err
		}
		if err := o.SetCurveServerKey(server); err != nil {
			return err
		}
		if err := o.SetCurvePublicKey(c.Public); err != nil {
			return err
		}
		return o.SetCurveSecretKey(c.Secret)
	}
}

func (c Certificate) needsSecret() error {
	if c.Secret == (zmq.CurveKey{}) {
		return &noSecret{c.Public}
	}
	return nil
}

// A noSecret is the error for a public certificate where a secret one is needed. It is
// ErrCertificate.
type noSecret struct{ public zmq.CurveKey }

func (e *noSecret) Error() string {
	return fmt.Sprintf("zap: the certificate of %v has no secret key; ReadCertificate reads one from the file whose name ends in %s", e.public, SecretSuffix)
}

func (e *noSecret) Unwrap() error { return ErrCertificate }

// ReadCertificate reads a certificate file.
//
// Errors:
//   - [ErrExposed]: the file has a secret key, and the group or others have access to it. pyzmq
//     leaves its files so, under a common umask. To allow that, use os.ReadFile and
//     ParseCertificate.
//   - [ErrCertificate]: the text is not a certificate, or the file is larger than
//     MaxCertificate.
//   - Those of the system.
//
// pyzmq: load_certificate
func ReadCertificate(path string) (Certificate, error) {
	f, err := os.Open(path)
	if err != nil {
		return Certificate{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Certificate{}, err
	}
	c, err := read(f)
	if err == nil && c.Secret != (zmq.CurveKey{}) && info.Mode()&0o077 != 0 {
		c, err = Certificate{}, ErrExposed
	}
	return c, of(path, err)
}

// of adds the name of the file to err, unless err has it.
func of(path string, err error) error {
	if err == nil || errors.As(err, new(*fs.PathError)) {
		return err
	}
	return &fs.PathError{Op: "read", Path: path, Err: err}
}

// MaxCertificate is the size of the largest certificate file, in bytes. A larger one is
// ErrCertificate.
const MaxCertificate = 64 << 10

// read reads a certificate.
func read(r io.Reader) (Certificate, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxCertificate+1))
	switch {
	case err != nil:
		return Certificate{}, err
	case len(text) > MaxCertificate:
		return Certificate{}, fmt.Errorf("%w: it has more than %d bytes", ErrCertificate, MaxCertificate)
	}
	return ParseCertificate(text)
}

// ParseCertificate reads the text of a certificate file. The error is ErrCertificate, also for
// two keys that are not a pair.
func ParseCertificate(text []byte) (Certificate, error) {
	var c Certificate
	var section, public, secret string
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		name, value, ok := parseLine(line)
		switch indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"); {
		case !ok: // the line may have the secret key
			return Certificate{}, fmt.Errorf("%w: line %d has no value in quotes", ErrCertificate, number)
		case name == "":
		case !indented:
			section = name
		case section == "curve" && name == "public-key":
			public = value
		case section == "curve" && name == "secret-key":
			secret = value
		case section == "metadata":
			if c.Metadata == nil {
				c.Metadata = make(map[string]string)
			}
			c.Metadata[name] = value
		}
	}
	if public == "" {
		return Certificate{}, fmt.Errorf("%w: it has no public key", ErrCertificate)
	}
	if err := c.Public.UnmarshalText([]byte(public)); err != nil {
		return Certificate{}, fmt.Errorf("%w: public key: %w", ErrCertificate, err)
	}
	if secret == "" {
		return c, nil
	}
	if err := c.Secret.UnmarshalText([]byte(secret)); err != nil {
		return Certificate{}, fmt.Errorf("%w: the secret key is not Z85", ErrCertificate) // the error must not contain the text
	}
	if PublicKey(c.Secret) != c.Public {
		return Certificate{}, fmt.Errorf("%w: its keys are not a pair", ErrCertificate)
	}
	return c, nil
}

// parseLine reads a line: a name, =, and a value. A value ends with its quote, or without quotes at
// the end of the line or a comment. There are no escapes. ok is false for a quote that is not
// closed, or that is followed by anything but a comment.
func parseLine(line string) (name, value string, ok bool) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", "", true
	}
	name, value, _ = strings.Cut(line, "=")
	if name, value = strings.TrimSpace(name), strings.TrimSpace(value); value == "" {
		name, _, _ = strings.Cut(name, "#")
		return strings.TrimSpace(name), "", true
	}
	if quote := value[:1]; quote == `"` || quote == "'" {
		var rest string
		var closed bool
		value, rest, closed = strings.Cut(value[1:], quote)
		rest = strings.TrimSpace(rest)
		return name, value, closed && (rest == "" || rest[0] == '#')
	}
	value, _, _ = strings.Cut(value, "#")
	return name, strings.TrimSpace(value), true
}

// SecretSuffix is appended to the name of a public certificate file to name the secret one.
// czmq and pyzmq do the same.
const SecretSuffix = "_secret"

// WriteFiles writes the public certificate to path, and the secret one to path with
// SecretSuffix. For Dir and pyzmq path ends in .key. Only the owner can read and write the
// secret file. A certificate without a secret key is one file.
//
// Errors:
//   - fs.ErrExist: a file exists. WriteFiles overwrites none.
//   - [ErrCertificate]: the format cannot hold the metadata.
//   - Those of the system.
//
// pyzmq: create_certificates
func (c Certificate) WriteFiles(path string) error {
	public, err := c.text(false)
	if err != nil {
		return err
	}
	if c.Secret == (zmq.CurveKey{}) {
		return create(path, public, 0o644)
	}
	if PublicKey(c.Secret) != c.Public {
		return fmt.Errorf("write %s: %w: its keys are not a pair", path, ErrCertificate)
	}
	secret, err := c.text(true)
	if err != nil {
		return err
	}
	if err := create(path+SecretSuffix, secret, 0o600); err != nil {
		return err
	}
	if err := create(path, public, 0o644); err != nil {
		return errors.Join(err, os.Remove(path+SecretSuffix))
	}
	return nil
}

// create writes a new file. If it cannot write the whole file, it removes it.
func create(path string, text []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// text returns the text of the public or of the secret file.
func (c Certificate) text(secret bool) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "#   ****  Generated on %s by zmqio  ****\n", time.Now().Format(time.DateTime))
	if secret {
		b.WriteString("#   ZeroMQ CURVE **Secret** Certificate\n" +
			"#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.\n\n")
	} else {
		b.WriteString("#   ZeroMQ CURVE Public Certificate\n" +
			"#   Exchange securely, or use a secure mechanism to verify the contents\n" +
			"#   of this file after exchange.\n\n")
	}
	b.WriteString("metadata\n")
	for _, name := range slices.Sorted(maps.Keys(c.Metadata)) {
		value := c.Metadata[name]
		quote := `"`
		if strings.Contains(value, quote) {
			quote = "'"
		}
		if name == "" || strings.ContainsFunc(name, isNotName) || strings.Contains(value, quote) || strings.ContainsFunc(value, isControl) {
			return nil, fmt.Errorf("%w: a file cannot hold metadata %q = %q", ErrCertificate, name, value)
		}
		fmt.Fprintf(&b, "    %s = %s%s%s\n", name, quote, value, quote)
	}
	fmt.Fprintf(&b, "curve\n    public-key = \"%v\"\n", c.Public)
	if secret {
		fmt.Fprintf(&b, "    secret-key = \"%v\"\n", c.Secret)
	}
	return b.Bytes(), nil
}

func isControl(c rune) bool { return c < ' ' || c == 0x7f }
