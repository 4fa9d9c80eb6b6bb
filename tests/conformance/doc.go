// Package conformance tests that zmqio behaves as asyncio and aiozmq do. It uses public
// API alone. Each test has the name of the one in CPython's or aiozmq's test suite that
// asserts the same, as far as there is one.
package conformance
