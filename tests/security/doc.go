// Package security tests who can talk to whom: with each security mechanism, with right and
// wrong keys and roles, and with ZAP handlers that refuse, err or stay silent. It also tests
// files that other users own. It uses public API alone.
//
// Each test says what arrived and what the monitors of both ends said. README.md has the
// table. The cases are those of libzmq's own test_security_* programs, and some more.
package security
