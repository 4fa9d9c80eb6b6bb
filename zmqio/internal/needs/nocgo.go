//go:build unix && !cgo

package needs

// Go turns cgo off where it finds no C compiler, and for other systems than its own.
var _ = zmqio_needs_cgo__install_a_C_compiler_and_libzmq__or_set_CGO_ENABLED_1_and_CC
