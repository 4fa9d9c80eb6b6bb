// Package interop tests zmqio against other ZeroMQ libraries, each in a process
// of its own: pyzmq and aiozmq, as Debian packages them.
//
// The tests use a Python that has these libraries: $ZMQIO_PYTHON,
// /usr/bin/python3 or python3, whichever comes first. Where there is none they
// are skipped, and with CI set they fail.
package interop
