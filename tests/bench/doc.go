// Package bench compares zmqio with what a user would take instead. Peers are
// processes of their own.
package bench
