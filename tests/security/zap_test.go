package security

import (
	"slices"
	"testing"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

const zapEndpoint = "inproc://zeromq.zap.01"

// A request is a request of libzmq to a ZAP handler.
type request struct {
	envelope                                           [][]byte // of a ROUTER
	version, id, domain, address, routingID, mechanism string
	credentials                                        []string
}

// A handler is a ZAP handler that a test controls. It is a ROUTER, because a REP could not skip a
// request.
type handler struct {
	zmqio.BaseProtocol
	t  testing.TB
	tr *zmqio.Transport
	condition
	requests []request
	reply    func(request) [][]byte // nil: none
}

func newHandler(t testing.TB, loop *zmqio.EventLoop, reply func(request) [][]byte) *handler {
	t.Helper()
	_, h, err := zmqio.CreateZmqConnection(bounded(t), loop, func() *handler { return &handler{t: t, reply: reply} },
		zmq.ROUTER, zmqio.ConnectionConfig{Bind: []string{zapEndpoint}})
	must(t, err)
	return h
}

func (h *handler) ConnectionMade(tr *zmqio.Transport) { h.tr = tr }

func (h *handler) MsgReceived(msg [][]byte) {
	if len(msg) < 8 {
		h.t.Errorf("a request of %d frames: %q", len(msg), msg)
		return
	}
	text := make([]string, len(msg))
	for i, frame := range msg {
		text[i] = string(frame)
	}
	r := request{msg[:2], text[2], text[3], text[4], text[5], text[6], text[7], text[8:]}
	var reply [][]byte
	h.Change(func() {
		h.requests = append(h.requests, r)
		reply = h.reply(r)
	})
	h.answer(r, reply)
}

// answer sends a reply to r, unless it is nil.
func (h *handler) answer(r request, reply [][]byte) {
	if reply == nil {
		return
	}
	if err := h.tr.Write(append(slices.Clone(r.envelope), reply...)); err != nil {
		h.t.Error(err)
	}
}

// begin drops the requests so far, and replies with reply from now on.
func (h *handler) begin(reply func(request) [][]byte) {
	h.Change(func() { h.requests, h.reply = nil, reply })
}

// wait waits for n requests, and returns all.
func (h *handler) wait(n int) []request {
	h.t.Helper()
	if err := h.Until(bounded(h.t), func() bool { return len(h.requests) >= n }); err != nil {
		h.t.Fatalf("%v: %d requests, want %d", err, len(h.requests), n)
	}
	return h.asked()
}

func (h *handler) asked() []request {
	h.Lock()
	defer h.Unlock()
	return slices.Clone(h.requests)
}

func frames(text ...string) [][]byte {
	list := make([][]byte, len(text))
	for i, s := range text {
		list[i] = []byte(s)
	}
	return list
}

// status returns a valid reply.
func status(code string) func(request) [][]byte {
	return func(r request) [][]byte { return frames("1.0", r.id, code, "because", "ann", "") }
}

var allow = status("200")

// allowOnly returns replies that admit only clients with the credentials.
func allowOnly(credentials ...string) func(request) [][]byte {
	return func(r request) [][]byte {
		if slices.Equal(r.credentials, credentials) {
			return allow(r)
		}
		return status("400")(r)
	}
}
