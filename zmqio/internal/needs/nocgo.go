//go:build unix && !cgo

package needs

// The go command turns cgo off if it finds no C compiler, and in builds for another system or
// processor.
var _ = zmqio_needs_cgo__install_a_C_compiler_and_libzmq__or_set_CGO_ENABLED_1_and_CC
