// Package conformance tests that zmqio behaves as asyncio and aiozmq do. It uses exported names
// alone. A test is named after the test of CPython or aiozmq that asserts the same, if there is
// one.
package conformance
