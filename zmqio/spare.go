package zmqio

import (
	"strings"
	"sync"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

// libzmq ends the process where it cannot open a descriptor for an I/O thread's poller,
// and for the list of network interfaces. So those calls are made only while there are
// descriptors to be had.
const (
	// A thread of libzmq takes a descriptor for its poller, and one or two to be woken by.
	threadDescriptors = 3
	// A socket takes one or two to be woken by.
	socketDescriptors = 2
	// A bind takes one for the list of interfaces and then one to listen on. So does a
	// connect with a source, to connect with.
	bindDescriptors = 2
)

// opening is held while descriptors are counted and then opened.
var opening sync.Mutex

// withSpare calls fn, a call of libzmq, if the process can open n more descriptors. The
// error is EMFILE, or ENFILE where the whole system has no more. Another goroutine that
// opens files may still take them meanwhile.
func (l *EventLoop) withSpare(call string, n int, fn func() error) error {
	opening.Lock()
	defer opening.Unlock()
	if err := l.reactor.Spare(n); err != nil {
		return zmq.Translate(call, err)
	}
	return fn()
}

// openSocket makes a socket of the loop's context. The first one starts libzmq's threads.
func (l *EventLoop) openSocket(typ zmq4.Type) (z *zmq4.Socket, err error) {
	n := socketDescriptors
	if !l.threads {
		io, err := l.context.GetIoThreads()
		if err != nil {
			return nil, zmq.Translate("zmq_socket", err)
		}
		n += (1 + io) * threadDescriptors // and one that closes sockets
	}
	err = l.withSpare("zmq_socket", n, func() error {
		z, err = l.context.NewSocket(typ)
		return zmq.Translate("zmq_socket", err)
	})
	l.threads = l.threads || err == nil
	return z, err
}

// listsInterfaces reports whether libzmq asks for the network interfaces to bind to
// endpoint.
func listsInterfaces(endpoint string) bool {
	transport, _, _ := strings.Cut(endpoint, "://")
	switch transport {
	case "tcp", "udp", "ws", "wss":
		return true
	}
	return false
}
