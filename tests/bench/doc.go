// Package bench compares zmqio with what a user would take instead.
//
// A benchmark's peer is a process of its own: the test binary, run again.
package bench
