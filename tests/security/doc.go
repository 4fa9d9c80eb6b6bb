// Package security tests who can talk to whom: with each security mechanism, with right and
// wrong keys and roles, with ZAP handlers that refuse, err or stay silent, and over files
// that others own. It uses public API alone.
//
// Each test says what arrived and what the monitors of both ends said. README.md has the
// table. The cases are those of libzmq's own test_security_* programs, and some more.
package security
