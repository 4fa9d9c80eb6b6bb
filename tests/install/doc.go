// Package install tests the ways in which zmqio comes onto a machine. They are the bundle of
// zmqcat and its shared libraries, the Dockerfile, a static zmqcat, and go install and go get
// of a tagged version. It also tests what a build without libzmq's headers says.
//
// The tests start other programs and run nothing of zmqio themselves, so they are left
// out under the race detector.
package install
