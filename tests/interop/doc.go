// Package interop tests zmqio against other ZeroMQ libraries, each in a process
// of its own: pyzmq and aiozmq, as Debian packages them. Package netio it tests against
// CPython's asyncio, openssl and socat.
//
// The tests use a Python that has these libraries: $ZMQIO_PYTHON,
// /usr/bin/python3 or python3, whichever comes first. Where there is none, or one of the
// other programs is missing, they are skipped, and with CI set they fail.
package interop
