//go:build asan

package sock

// #cgo CFLAGS: -DZMQIO_ASAN
import "C"
