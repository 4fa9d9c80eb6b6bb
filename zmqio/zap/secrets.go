package zap

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/zmqio/zmq"
)

// The String of a type with secrets omits them. Format and LogValue make package fmt and package
// slog print that String, for every verb. A value in an unexported field is different: package fmt
// calls no method, and prints it whole.

// String returns the public key alone.
func (c Certificate) String() string { return c.Public.String() }

// Format prints String, whatever the verb.
func (c Certificate) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }

// LogValue implements slog.LogValuer with String.
func (c Certificate) LogValue() slog.Value { return slog.StringValue(c.String()) }

// String describes the peer, without its password.
func (r Request) String() string {
	var who string
	switch r.Mechanism {
	case zmq.PLAIN:
		who = fmt.Sprintf(" %q", r.Username)
	case zmq.CURVE:
		who = " " + r.PublicKey.String()
	case zmq.GSSAPI:
		who = fmt.Sprintf(" %q", r.Principal)
	}
	return fmt.Sprintf("%v%s at %q, domain %q", r.Mechanism, who, r.Peer, r.Domain)
}

// Format prints String, whatever the verb.
func (r Request) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, r.String()) }

// LogValue implements slog.LogValuer with String.
func (r Request) LogValue() slog.Value { return slog.StringValue(r.String()) }

// String returns how many passwords there are.
func (p Passwords) String() string { return fmt.Sprintf("%d passwords", len(p)) }

// Format prints String, whatever the verb.
func (p Passwords) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, p.String()) }

// LogValue implements slog.LogValuer with String.
func (p Passwords) LogValue() slog.Value { return slog.StringValue(p.String()) }
