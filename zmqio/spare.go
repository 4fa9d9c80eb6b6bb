package zmqio

import (
	"strings"
	"sync"

	"github.com/pebbe/zmq4"

	"github.com/zmqio/zmq"
)

// libzmq ends the process if it cannot open a descriptor for an I/O thread's poller or for the list
// of network interfaces. So zmqio makes those calls only while the process can open enough
// descriptors.
const (
	// An I/O thread takes one descriptor for its poller, and one or two for wake-ups.
	threadDescriptors = 3
	// A socket takes one or two for wake-ups.
	socketDescriptors = 2
	// A bind takes one to list the interfaces and one to listen on. A connect with a source takes
	// as many.
	bindDescriptors = 2
)

// opening is held from the count of free descriptors to the call that opens them.
var opening sync.Mutex

// withSpare calls fn, a libzmq call, if the process can open n more descriptors. Else it returns
// EMFILE, or ENFILE if the whole system has none left. Goroutines outside zmqio may still take the
// descriptors meanwhile.
func (l *EventLoop) withSpare(call string, n int, fn func() error) error {
	opening.Lock()
	defer opening.Unlock()
	if err := l.reactor.Spare(n); err != nil {
		return zmq.Translate(call, err)
	}
	return fn()
}

// openSocket makes a socket in the loop's context. The first socket starts libzmq's threads.
func (l *EventLoop) openSocket(typ zmq4.Type) (z *zmq4.Socket, err error) {
	n := socketDescriptors
	if !l.threads {
		io, err := l.context.GetIoThreads()
		if err != nil {
			return nil, zmq.Translate("zmq_socket", err)
		}
		n += (1 + io) * threadDescriptors // one more thread closes sockets
	}
	err = l.withSpare("zmq_socket", n, func() error {
		z, err = l.context.NewSocket(typ)
		return zmq.Translate("zmq_socket", err)
	})
	l.threads = l.threads || err == nil
	return z, err
}

// listsInterfaces reports whether libzmq lists the network interfaces for a bind to endpoint.
func listsInterfaces(endpoint string) bool {
	transport, _, _ := strings.Cut(endpoint, "://")
	switch transport {
	case "tcp", "udp", "ws", "wss":
		return true
	}
	return false
}
