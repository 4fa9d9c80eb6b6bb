// Package netio puts sockets of the system on the event loop of package zmqio, as asyncio's
// transports and protocols: TCP and Unix sockets, plain or with TLS, datagrams, pipes and
// terminals. They live beside ZeroMQ's transports, on one loop and on one goroutine.
//
// CreateConnection connects, CreateServer listens, and CreateTransport takes a connection that
// was made elsewhere. Each makes a [Transport], which calls the methods of a [Protocol] that the
// user writes:
//
//	server, err := netio.CreateServer(ctx, loop, func() *echo { return new(echo) },
//		"tcp", []string{"localhost:7"}, netio.ServerConfig{})
//
// The words are those of the glossary of package zmqio.
//
// # Order
//
// A protocol sees ConnectionMade, then DataReceived any number of times, then EOFReceived at
// most once, then ConnectionLost. ConnectionMade has returned before the creator returns.
// ConnectionLost comes on a later iteration of the loop than the Close or Abort that caused it.
//
// # Reading
//
// A transport reads once whenever the loop finds its descriptor readable. It delivers the bytes
// before it reads again, so a slow protocol slows its peer. All transports of a loop share one
// buffer of 256 KiB: the bytes that DataReceived gets are lent. A [BufferedProtocol] has memory
// of its own. After [Transport.PauseReading] nothing is delivered.
//
// A DataReceived that wakes another goroutine should call [zmqio.EventLoop.Share].
//
// # Writing
//
// [Transport.Write] never blocks. It tries once, and buffers the rest. Marks pause and resume
// the protocol, as on zmqio's transports. [Transport.WriteContext] waits for room instead.
// [Transport.WriteEOF] ends one direction. [Transport.Close] sends the write buffer, and
// [Transport.Abort] drops it.
//
// [Transport.SendFile] sends a file with sendfile(2), or by copying.
//
// # Datagrams
//
// CreateDatagramEndpoint makes a [DatagramTransport], of UDP or of Unix sockets, which calls a
// [DatagramProtocol]. ErrorReceived gets errors of the system, and the transport goes on.
// [DatagramTransport.SendTo] never blocks. It buffers what the system does not take, up to a
// limit; marks pause and resume as for streams.
//
// # TLS
//
// With Config.TLS the handshake comes before ConnectionMade. It runs on the creator's goroutine,
// or on one goroutine for each client that a Server accepts. [Transport.StartTLS] begins TLS
// later. After the handshake TLS takes no goroutine. Close sends close_notify and waits for that
// of the peer, for Config.ShutdownTimeout.
//
// # Pipes
//
// ConnectReadPipe and ConnectWritePipe make a Transport of one direction: of a FIFO, a stream
// socket or a character device. A terminal takes one for each direction. Package subprocess
// makes them for the standard streams of children.
//
// # Goroutines
//
// All methods are safe for concurrent use, from every goroutine and every callback. Callbacks
// run on the loop goroutine, one at a time, and no lock is held. The one exception is
// PauseWriting, which runs on the writer's goroutine. A method that would wait for the loop on
// the loop goroutine returns zmqio.ErrWouldDeadlock: call it in [zmqio.Go] there.
//
// # Sockets without a protocol
//
// asyncio's methods for bare sockets are [zmqio.Go] with a method of package net, on a
// goroutine that may block:
//
//	sock_recv, sock_recv_into            conn.Read(buf)
//	sock_sendall                         conn.Write(data)
//	sock_recvfrom, sock_recvfrom_into    packetConn.ReadFrom(buf)
//	sock_sendto                          packetConn.WriteTo(data, addr)
//	sock_connect                         dialer.DialContext(ctx, network, address)
//	sock_accept                          listener.Accept()
//	sock_sendfile                        io.Copy(conn, file)
//
// A deadline makes the others end with a context, as DialContext does:
//
//	future := zmqio.Go(ctx, loop, func(ctx context.Context) (int, error) {
//		stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
//		defer stop()
//		return conn.Read(buf)
//	})
//
// # Errors
//
// Errors of the system are *net.OpError, as package net makes them, and *os.PathError for a
// pipe. errors.Is finds in them the syscall.Errno, and the errors of packages net, os, zmqio and
// this one.
//
// # What it costs
//
// The descriptor leaves the poller of Go's runtime, so that only the loop wakes up for it. An idle
// connection takes no goroutine and about 1.2 KiB. With TLS it takes about 10 KiB, because
// crypto/tls keeps keys and buffers. A connection that has received full records of TLS keeps up
// to 17 KiB more, which belong to crypto/tls.
package netio
