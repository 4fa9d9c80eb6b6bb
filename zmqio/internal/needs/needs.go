// Package needs names the packages to install where libzmq's headers, pkg-config or a C
// compiler are missing. Package sock imports it. Packages of a build fail independently, so
// these messages appear beside the errors of pebbe/zmq4, which name no package.
//
// Each of four missing parts is reported at another place:
//
//   - libzmq.pc: pkg-config names the file in this directory that requires it.
//   - zmq.h, although libzmq.pc exists: the preamble in headers.go.
//   - pkg-config: package pkgconfig, which does not need pkg-config itself.
//   - a C compiler, or cgo: nocgo.go.
//
// The package imports C to compile the preamble, and calls nothing.
package needs
