// Package interop tests zmqio against other ZeroMQ libraries, each in a process of its own: pyzmq
// and aiozmq, as Debian packages them. It tests package netio against CPython's asyncio, openssl
// and socat.
//
// The tests use a Python that has these libraries: the first of $ZMQIO_PYTHON, /usr/bin/python3 and
// python3. If Python or another program is missing, its tests are skipped. With CI set they fail.
package interop
