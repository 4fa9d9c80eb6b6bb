// Package netio puts TCP and Unix sockets, plain or with TLS, on the event loop of zmqio: as
// asyncio's transports and protocols, beside ZeroMQ's, on one loop and one goroutine.
package netio
