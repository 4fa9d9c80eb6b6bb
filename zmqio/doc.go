// Package zmqio is ZeroMQ for Go. Its sockets are read and written by calls; below them runs an
// event loop with transports and protocols, as in Python's aiozmq.
//
// A [Stream] is a socket with Send and Recv, for any number of goroutines:
//
//	s, err := zmqio.Dial(ctx, zmq.REQ, "tcp://localhost:5555")
//	...
//	defer s.Close()
//	err = s.Send(ctx, []byte("hello"))
//	...
//	msg, err := s.Recv(ctx)
//
// The socket types and options are in package github.com/zmqio/zmq, here called zmq.
//
// Below a stream, a socket is a [Transport] on an [EventLoop]. The loop calls the methods of a
// [Protocol] that the user writes:
//
//	loop, err := zmqio.NewEventLoop(nil)
//	...
//	defer loop.Close()
//	t, _, err := loop.CreateZmqConnection(ctx, func() zmqio.Protocol { return &echo{} },
//		zmq.REP, zmqio.ConnectionConfig{Bind: []string{"tcp://127.0.0.1:5555"}})
//	...
//	err = loop.RunForever(ctx)
//
// A first echo needs two methods. ConnectionMade keeps the transport, and MsgReceived replies:
//
//	type echo struct {
//		zmqio.BaseProtocol // the other methods
//		t *zmqio.Transport
//	}
//
//	func (e *echo) ConnectionMade(t *zmqio.Transport) { e.t = t }
//	func (e *echo) MsgReceived(msg [][]byte)          { e.t.Write(msg) }
//
// Other packages stand on this one. Package rpc sends requests and receives replies, thousands
// at a time. Package netio has TCP, TLS, UDP, Unix sockets and pipes on the same loop. Package
// subprocess has child processes. Package zap decides who may connect. Package inspect shows
// what lives on the loops, and package zmqiotest helps to test programs.
//
// # Glossary
//
// The documentation uses these words, each for one thing:
//
//   - A frame is a slice of bytes. A message is one frame or more.
//   - The payload of a message is the bytes of all its frames. Sizes are payload in bytes.
//   - A batch is the messages that cross into or out of libzmq in one C call.
//   - libzmq is the C library of ZeroMQ that the process runs with.
//   - A socket is a ZeroMQ socket. A transport owns a socket until the transport ends. A stream
//     is a [Stream]: a transport that is read and written by calls.
//   - An endpoint is a text such as tcp://127.0.0.1:5555, which a socket binds or connects to.
//   - A peer is the socket at the other end of a connection. One socket can have many peers.
//   - A context is a context.Context. A libzmq context is what sockets are made in; inproc
//     endpoints are known in one libzmq context alone.
//   - A loop is an [EventLoop]. It runs while a goroutine is in RunForever, Run or
//     RunUntilComplete, and after Start.
//   - The loop goroutine runs the loop. While no goroutine runs it, a goroutine in
//     CreateZmqConnection, Do or Close works in its place and is the loop goroutine meanwhile.
//   - A callback is a function that the loop calls, on the loop goroutine.
//   - A protocol is the user's value whose methods a transport calls; they are callbacks.
//   - A monitor reports events of a transport's connections. Every stream has one.
//   - A resident lives on a loop and ends with it, as transports do.
//   - A caller is the goroutine that calls the method described. A writer is a caller of Write,
//     WriteContext, Send and the like. A reader is a caller of Recv and the like.
//   - The write buffer of a transport holds what Write has accepted and libzmq has not taken.
//   - A mark is a size of the write buffer. Above the high-water mark the transport pauses the
//     protocol; at the low-water mark it resumes it. libzmq's own high-water marks, ZMQ_SNDHWM
//     and ZMQ_RCVHWM, count messages.
//   - A waiter is a writer that waits for room in the write buffer.
//   - The linger is how long libzmq goes on to send after a socket was closed: ZMQ_LINGER.
//   - A transport ends when it is closed, aborted, or lost by an error of libzmq.
//
// # Streams
//
// A stream lives on a loop: [DefaultLoop], which runs in the background, or one of the
// user's. The loop receives for the stream. StreamConfig.MaxReadBuffer bounds the messages that
// no reader has taken yet. Further messages wait in libzmq and, at its high-water marks, with
// their senders; a PUB drops them. A stream that is not read does not stop other streams.
//
// A cancelled Recv loses no message. [Stream.Messages] is for range, and [Stream.Chan] for
// select. [Stream.Send] waits for room where peers are slow. [Stream.TrySend] fails instead.
//
// [Stream.RecvMessage] also returns what libzmq knows of the peer, its address for example.
// StreamConfig.Metadata names what is wanted. A [MessageProtocol] gets the same.
//
// Close the streams before main returns. The process otherwise ends with messages that libzmq
// has not sent. [Stream.Close] waits for them, at most for LoopConfig.Linger, and its error says
// what was not delivered.
//
// # Socket types
//
// A stream and a transport hand over and take whole messages, in the form that libzmq has for
// the type. Three forms surprise newcomers:
//
//   - REQ and REP have one conversation at a time. A REQ sends and then receives; a REP receives
//     and then sends. Out of turn a send returns zmq.EFSM, and a receive waits. libzmq adds and
//     removes the empty delimiter frame. A REP returns the frames in front of that delimiter to
//     the peer with the reply; the program sees only those behind it. A REP drops a message
//     without a delimiter.
//   - A ROUTER puts the routing id of the peer in front of each message that it receives, as a
//     frame. The first frame of a message that it sends names the peer, and does not travel.
//     A routing id alone sends nothing. SetRoutingID in Configure names a socket for ROUTERs;
//     otherwise a ROUTER makes up an id for each connection.
//   - A DEALER adds no frame. To talk to a REP it sends an empty frame first, and receives it
//     before the reply. A ROUTER receives that of a REQ behind the routing id, and must return
//     it: id, empty frame, body.
//
// A SUB receives nothing before it subscribes: see StreamConfig.Subscribe. A PUB drops what it
// sends before a subscription has come, and does not know its subscribers. An XPUB receives the
// byte 1 and the topic for a subscription, and the byte 0 and the topic for its end.
// [Stream.WaitSubscribed] waits for subscriptions.
//
// # When nothing connects
//
// libzmq connects in the background, and tries again in silence. [Stream.WaitConnected] waits
// for connections, and its error says how far they have come. The field Connections of
// [Transport.Stats] has the same figures, and [Transport.RecentEvents] the last events.
//
//   - Retries without Connects: no peer listens at the endpoint, or its name is unknown.
//   - Failures.Denied: the ZAP handler of the server refused the client.
//   - Failures.Mechanism: only one side has CURVE, or PLAIN.
//   - Failures.Cryptographic, on the server: the client has the wrong key of the server.
//   - Disconnects without Handshakes and Failures: often the two socket types do not fit, PULL
//     and PUB for example.
//
// # Proxies
//
// A [Proxy] forwards the messages of two streams to one another, as zmq_proxy does, until a
// context ends. [RunProxy] is enough for the classic devices: ROUTER and DEALER, XSUB and
// XPUB, PULL and PUSH. A proxy can be paused, and counts its messages. ProxyConfig adds a stream
// that captures, and a filter that changes, drops and answers messages.
//
// Messages stay in libzmq's memory on their way, with three exceptions: with a filter, from an
// XPUB, and while [Stream.Peers] is in use on a ROUTER. When its context ends, a proxy forwards
// what has come, within ProxyConfig.DrainTimeout. The streams keep the rest.
//
// # Goroutines
//
// All methods and functions are safe for concurrent use, from every goroutine and every
// callback, except where their documentation says otherwise. [Batch] and the accessors that
// [SocketOptions] returns are for one goroutine at a time. A method that would wait for the
// loop on the loop goroutine returns [ErrWouldDeadlock].
//
// Callbacks run on the loop goroutine, one at a time. zmqio holds no lock meanwhile. The one
// exception is PauseWriting: the transport calls it inside the Write that fills the write
// buffer, on the writer's goroutine. What it shares with other callbacks needs a lock.
//
// # What it costs
//
// A call into C takes some 60 ns, of the order of what libzmq itself needs for a small
// message. An allocation for each message would take as much again. So both directions go in
// batches. Sockets on which nothing happens cost nothing.
//
// What is received comes in batches of up to 256 messages, as far as they are there, and
// of 64 KiB. Two allocations hold the payload of all and the slices of all; a frame is a
// part of the first. A frame of more than 8 KiB has memory of its own.
//
// What is sent goes to libzmq from inside Write, on the writer's goroutine, where the
// buffer is empty. A write that follows within 20 µs, and one from MsgReceived, is
// copied to the buffer instead. The loop sends the buffer after the batch that is being
// delivered, or in its next iteration. A writer that has gathered 256 frames or 32 KiB
// sends them itself, unless another goroutine is at it. Nothing is allocated. A message of
// 32 KiB and more is copied once, to memory outside Go's heap, and waits there if libzmq has
// no room. zmqio keeps the memory of sent frames of 16 KiB and more for the next ones, at most
// 8 MiB in the process. C's malloc may keep much more after a burst. malloc_trim(3) of glibc
// returns that to the system.
//
// What a user can choose:
//
//   - Keeping frames. A frame that is kept keeps the batch that it came in, up to 64 KiB. On
//     a loop that receives more than 25 MB a second it keeps a block of 256 KiB. Clone what
//     is small and lives long.
//   - The floor of the heap. What MsgReceived does not keep is garbage soon, and Go collects
//     a small heap hundreds of times a second. So while a loop receives more than 25 MB a
//     second, the process holds 24 MiB that it never touches. Go then collects less often.
//     The floor counts in [runtime.MemStats].HeapAlloc; resident memory grows by the garbage
//     that waits, about as much. The floor is smaller with GOGC over 100 and at most a
//     sixteenth of GOMEMLIMIT. It goes a second after the last such receive.
//     [LoopConfig].NoHeapFloor does without it.
//   - Borrowing frames. With [ConnectionConfig].BorrowFrames frames are good only until
//     MsgReceived returns. Then nothing is allocated, and what is received costs no collection
//     of garbage. A frame of more than 8 KiB that ends its message is not copied. That suits a
//     program that forwards, counts or decodes. Over inproc it receives 64 KiB twice as fast.
//   - Receiving batches. A [BatchProtocol] is called once for all messages that came
//     together, and can take a lock, or wake a goroutine, once for all of them.
//   - Batches. A program that has many small messages at hand gathers them in a [Batch], and
//     writes that at once: a message in it costs a few nanoseconds of Go's time. Otherwise it
//     writes messages one after the other, best from a callback: those are copied once and
//     sent in one call. A pause of 20 µs between writes makes each go out alone, with less
//     delay and at more cost.
//   - Inline or queued. Writes from the loop's callbacks never wait for another goroutine.
//     Writes from other goroutines share the socket with the loop. Write takes what it is
//     given and buffers it; WriteContext waits for room, and with the default marks of 64
//     KiB and 16 KiB a small message waits for about a thousand others. Higher marks mean
//     fewer pauses and more memory; ZMQ_SNDHWM and ZMQ_RCVHWM count messages, in libzmq.
//   - Loops. All callbacks of a loop share one goroutine. Transports that are busy are
//     faster on a loop each, in one context or with IOThreads of their own.
//   - Inproc. Both ends share the garbage collector, and the locks of malloc: the receiver
//     frees what the sender has allocated. So over inproc large messages gain less than they
//     do in C. Two loops on one processor take two to three times as long as two threads in C.
//   - Waiting. The first GOMAXPROCS loops that run block in the system call that waits,
//     and keep a thread for that; the others park as goroutines do, which takes a fifth
//     longer to wake up.
//
// # Where threads run
//
// A message passes two threads: that of the loop goroutine, and one of libzmq's I/O threads,
// which calls the system. A message that finds the I/O thread asleep wakes it. Where the system
// places the two threads matters more for the cost than anything else.
//
//   - By default the system moves threads as it likes. Rates then vary by a factor of two
//     from run to run. Keep the default unless a loop has to reach a rate, or costs too much.
//   - [LoopConfig].CPUs with one processor puts both threads there. It suits a loop that
//     mostly sends small messages. Two busy loops need a processor each.
//   - [LoopConfig].CPUs keeps the loop goroutine on one thread. Another goroutine that talks to
//     the loop then wakes that thread each time: a round trip takes about half as long again.
//   - The loop's thread hands its processors on to what a callback starts: processes, and the
//     threads of another libzmq context. Start those off the loop goroutine.
//   - [LoopConfig].SchedBatch is for loops that only send. An I/O thread that is woken then
//     waits until the loop's thread blocks or its time is over, and finds many messages. It
//     always slows down loops that receive.
//
// [ContextOptions] sets the same for a libzmq context that several loops share. Its accessors
// return the system's error where libzmq would end the process. A THREAD_SCHED_POLICY of
// SCHED_FIFO or SCHED_RR needs a THREAD_PRIORITY from 1 to 99. Without one libzmq ends the
// process with its first socket.
//
// # What one core carries
//
// The process had one core of an AMD EPYC, its peer in C another one, over TCP, on 2026-11-26;
// 64 KiB were sent a day later. Rates are in thousands of messages a second, with the ratio to C.
//
//	payload   received       Batch of 256   Write from a goroutine
//	16 B      5,900 (0.90)   8,200 (1.03)   6,400 (0.81)
//	64 B      4,900 (1.10)   3,700 (0.81)   4,200 (0.95)
//	1 KiB       810 (1.06)     740 (1.02)     680 (0.93)
//	64 KiB       24 (0.92)      29 (1.13)      26 (1.00)
//
// Of everything else:
//
//   - Callers. A thousand goroutines that call through one client of package rpc get 310,000
//     replies a second. Each takes 3.1 µs of CPU time.
//   - Timers. A loop carries 100,000 timers that each fire every 1 to 10 s, with a tenth of a
//     core. A timer is 0.6 ms late in the median, and one in a hundred 1.2 ms: the loop waits
//     for whole milliseconds. To set a timer and to cancel it takes 0.12 µs. A timer takes
//     about 100 bytes.
//   - Sockets. An idle socket takes no CPU time. 9,000 connected sockets that each receive a
//     message a second take 0.26 of a core, and zmq_poll in C more than one.
//   - Memory. A transport that is connected over inproc takes 10.6 KiB, of which libzmq takes
//     8.5. A socket has a descriptor, and one more for each connection over TCP.
//   - Latency. At a tenth of the highest rate the median of 64 B is 0.12 ms, as in C. At half of
//     it the median is 0.2 to 0.3 ms, in C 0.15 to 0.25. One message in a hundred takes 2 to 5
//     ms, in C 1 to 2.5. At 90 % queues fill: the median is 1 ms and more, in C 0.4.
//
// How it grows:
//
//   - Loops. Where callbacks take a microsecond, two loops on two cores reach 1.6 times the rate
//     of one, and so do two threads in C. The senders had the same two cores.
//   - Loops that only count. One loop and its sender nearly use up both cores. Two loops reach
//     1.1 times the rate of one, and two threads in C 1.2 to 1.8 times. Four loops do less
//     than two.
//   - GOMAXPROCS. Leave it at the number of cores. Two loops on two cores reach 0.7 of their
//     rate with 1, and four loops 0.8 of theirs with 4.
//   - I/O threads. Each loop has one, in a libzmq context of its own. One carries 1.5 GB a
//     second in messages of 64 KiB.
//
// What limits it:
//
//   - Small messages: the loop goroutine and the I/O thread, at about 0.1 µs each. A [Batch],
//     and short callbacks, relieve the loop goroutine.
//   - Large messages: copying, and the kernel's work for the connection.
//   - Latency: two threads that take turns on a core, for up to 4 ms. It is the same with GOGC=off.
//   - Garbage: the floor of the heap is one for all loops. Several busy loops share it, and
//     collect more often. A higher GOGC may help them.
//   - Descriptors: 10,000 sockets with a connection each need 20,000.
//
// # Loops in the background, and other residents
//
// [EventLoop.Start] runs a loop on a goroutine of its own. [DefaultLoop] returns a loop that
// runs so. [Loops] lists all that are open.
//
// [EventLoop.Adopt] makes any value a [Resident], a transport over TCP for example. A resident
// posts its ConnectionLost and watches its descriptors through its [Residence].
//
// # Child processes
//
// A [ChildWatcher] calls a function on the loop when a child process has ended. Its
// documentation says how to use it beside os/exec. Package subprocess needs no watcher.
//
// # Errors
//
// A failed call of libzmq returns an [*os.SyscallError] that holds a [zmq.Errno]. Package zmq
// says what errors.Is makes of an Errno. Other errors wrap one of the Err variables. An
// [*OpError] around either names the operation of a transport, and the endpoint.
//
// ETERM means that the libzmq context was terminated elsewhere, and ENOTSOCK that the socket was
// closed elsewhere. Either ends a transport that reads or writes. The exception handler and
// ConnectionLost get the error, and so does the writer whose Write met it. Bind, Connect and
// the accessors of options return it to their caller alone.
//
// A panic in a callback goes to the exception handler, as a [*PanicError], and the loop
// goes on. A REP whose MsgReceived panics before its reply also ends; see [Protocol]. The
// result of Run or Go is the panic of the function that they were given.
//
// # Security
//
// CURVE encrypts, and checks that a client knows the server's key. A ZAP handler decides which
// clients may connect. Package zap serves one, with keys in memory or in certificate files. A
// handler is a REP or ROUTER bound to inproc://zeromq.zap.01 in the same libzmq context. Without
// a handler every client may connect. A transport that binds as such a server logs a warning
// once. A PLAIN server without a handler lets no client in.
//
// Over ipc the mode of the socket's file decides who connects. It follows the umask. Put
// the socket in a directory of mode 0700 to keep other users out. Bind leaves alone the
// path of a live server and any file that is not a socket; see [Transport.Bind].
//
// ZMQ_MAXMSGSIZE bounds each frame, and ZMQ_RCVHWM counts whole messages. A peer can fill the
// memory by a message without end, or by subscriptions without end. Accept such connections from
// trusted peers alone. A peer that subscribes to a topic of 200 KB can end the process of a PUB
// or an XPUB: libzmq 4.3.4 overflows its stack when that subscription ends. A Proxy passes topics
// on. ZMQ_MAXMSGSIZE bounds topics too.
//
// # What libzmq gets wrong
//
// Some faults of libzmq 4.3.4 show through, and zmqio cannot mend them from outside.
//
//   - A peer of a PUSH or DEALER with three peers or more goes, or is disconnected, while a
//     message of several frames is sent. Once in thousands of times libzmq sends the rest of the
//     message to another peer, without its beginning. zmqio disconnects between messages, but
//     the peer's acknowledgement comes later.
//   - A receiver disconnects from one of three peers or more. That peer acknowledges while a
//     message of several frames from another peer is read. libzmq may then read the rest from a
//     third peer, or end the process in fq.cpp. Disconnect and Unbind prevent that: they empty
//     the socket first.
//   - Disconnect cannot empty a socket that peers fill faster, nor a REQ or REP out of turn. There
//     the transport handles acknowledgements before each message. One that comes while the last
//     of 100 frames are read can still mix two messages.
//   - A ROUTER with ROUTER_HANDOVER disconnects by itself when a peer takes the routing id of
//     another. libzmq may then mix messages of several frames from other peers, as after a
//     disconnect. Give each peer a routing id of its own.
//   - Both ends of a TCP connection are aborted, or one is and the other exits, amid messages of
//     several frames. libzmq may end the process with an assertion in session_base.cpp. Close the
//     receiving end first, or use Close instead of Abort.
//   - A bound socket is closed, with messages for a peer, just as libzmq learns that the peer has
//     gone. libzmq keeps the socket until LINGER is over, for ever with the default of -1. Give
//     LINGER a bound. Abort avoids that, because Bind gives the listener a LINGER of 0.
//   - A peer hangs up, by a reset over TCP, while the queue of what it has sent is full. libzmq
//     does not look at the connection again until the queue is read. If the socket is closed
//     before that, libzmq keeps it until LINGER is over. Give LINGER a bound. The types that
//     cannot send need none: Close gives them a LINGER of 0.
//   - A peer hangs up in the same way, and HEARTBEAT_IVL is set. At the next heartbeat libzmq
//     ends the process with an assertion in stream_engine_base.cpp. Set TCP_KEEPALIVE and
//     TCP_MAXRT instead, unless the socket is read faster than its peers send.
//   - The queue of what the peer has sent is full, on a connection that this side has made.
//     Heartbeats of this side then end the connection. So does the HEARTBEAT_TTL of the peer. If
//     the peer sends nothing on the next connection, libzmq ends the process when the queue is
//     read. IMMEDIATE prevents that.
//   - A peer breaks the protocol. libzmq drops the connection, and a socket that connects never
//     connects to that endpoint again. Call Disconnect and Connect.
//   - The peer of a REQ goes just as a request is sent to it. Once in a thousand times another
//     peer gets the request without the empty delimiter, and a REP ignores it. Before 4.3.1 that
//     happens to requests of several frames, later to those of one.
//   - A SUB with CONFLATE that is not subscribed to all topics drops the first frame of a message
//     of several. libzmq ends the process. A PULL, a DEALER, and a SUB that is subscribed to all
//     topics, end with ErrMultipart instead.
//   - The process has no descriptor left, and libzmq connects again to tcp://source;destination,
//     or a peer connects to a bound ipc endpoint. libzmq ends the process. Other goroutines can
//     take descriptors that Bind and the first socket of a loop have found free: keep some in
//     reserve.
//   - A ROUTER connects with a CONNECT_ROUTING_ID that a peer has announced as its own. libzmq
//     ends the process. Connect before the first bind.
//   - A sender over ipc exits while its receiver's queue is full. The receiver's libzmq drops what
//     is on the way, as it does after [Transport.Disconnect] and [Transport.Unbind]. On Linux
//     [EventLoop.Shutdown] and [EventLoop.Close] wait until the receiver has read it; see
//     [Transport.Close].
//   - Over inproc a socket connects before the other one is bound, and is closed before that too.
//     libzmq may use memory that it has freed. With CONFLATE it ends the process at the bind, or
//     at the end of the libzmq context, if the socket has sent. Bind first.
//   - The peer goes, or the socket is closed, amid a message of several frames. libzmq may never
//     free the frames that it has queued of that message: at most one message for each connection
//     that ends.
//   - A SOCKS proxy refuses or drops a connection, and the socket with SOCKS_PROXY is closed before
//     the next connection stands. libzmq ends the process with an assertion in epoll.cpp.
//
// # Figures
//
// [Transport.Stats] returns what a transport has sent, received, buffered and dropped, how long
// it was paused, and what its connections did. [EventLoop.Stats] returns how busy a loop is, and
// whether a callback blocks it. Both are safe for concurrent use and never wait for the loop.
// Counting is always on, and costs some 20 ns a batch.
//
// [TransportTotals] and [LoopTotals] sum the figures up for the whole process, by the names in
// ConnectionConfig, StreamConfig and LoopConfig. Package zmqprom, a module of its own, makes
// metrics of them for Prometheus. Its README.md says what each figure means, and what to alert on.
//
// # Debug mode
//
// The environment variable ZMQIO_DEBUG, set to 1, or [EventLoop.SetDebug] turns debug mode on.
// The logger then gets a warning of each slow callback, and of loops and transports that were not
// closed. It also gets a warning of a connection to an inproc endpoint of another loop's libzmq
// context.
//
// In any mode a watchdog logs two mistakes that are silent otherwise. One is a loop that has had
// work for a second while no goroutine ran it. The other is a callback that has run for ten
// seconds. The watchdog does not log a loop whose transports only wait for messages.
//
// [zmq.Errno]: https://pkg.go.dev/github.com/zmqio/zmq#Errno
package zmqio
