//go:build !unix

package poll

// A system without a build of this package should say why.
var _ = zmqio_runs_on_Unix_only__Windows_is_not_supported
