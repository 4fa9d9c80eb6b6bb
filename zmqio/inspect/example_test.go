package inspect_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/inspect"
)

func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/debug/zmq/", inspect.Handler())
	server := httptest.NewServer(mux) // where only the operators are
	defer server.Close()

	r, err := http.Get(server.URL + "/debug/zmq/")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Body.Close()
	fmt.Println(r.Status, r.Header.Get("Content-Type"))
	// Output: 200 OK text/html; charset=utf-8
}

func ExampleTake() {
	loop, err := zmqio.NewEventLoop(&zmqio.LoopConfig{Name: "orders"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer loop.Close()
	for _, l := range inspect.Take().Loops {
		fmt.Println(l.Name, l.State, len(l.Transports))
	}
	// Output: orders stopped 0
}
