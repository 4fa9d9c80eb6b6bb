// Package fault tests that zmqio loses, doubles and leaks nothing. Meanwhile processes are
// killed, networks are cut, peers send garbage or read nothing, and everything is called at
// once. It uses public API alone.
//
// Each test logs what it measured; go test -v shows it. The tests have a short form,
// which go test ./... runs, and a long one behind the flag -long: make test-fault.
package fault
