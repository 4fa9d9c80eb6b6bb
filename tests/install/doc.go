// Package install tests the ways in which zmqio comes onto a machine: the directory of
// zmqcat with its shared libraries, the Dockerfile, go install and go get of a tagged
// version, and what a build without libzmq's headers says.
package install
