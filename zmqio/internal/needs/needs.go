// Package needs makes a build without libzmq's headers, pkg-config or a C compiler say
// which packages to install. Package sock imports it. Each package fails by itself, so
// these words appear beside the errors of pebbe/zmq4, which name no package.
//
// Four things can be missing, and each shows in another place:
//
//   - libzmq.pc: pkg-config names the file that requires it, which is in this directory.
//   - zmq.h, where libzmq.pc is: the preamble in headers.go.
//   - pkg-config: package pkgconfig, which does without.
//   - a C compiler, or cgo: nocgo.go.
//
// The package imports C to have that preamble compiled. It calls nothing.
package needs
