//go:build !unix

package poll

// The name of the missing variable is the compiler's error message on this system.
var _ = zmqio_runs_on_Unix_only__Windows_is_not_supported
