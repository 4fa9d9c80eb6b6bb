// Programs that show zmqio, kept out of the library's own requirements: one of them reads
// MessagePack.
module github.com/zmqio/zmq/zmqio/examples

go 1.25.0

require (
	github.com/vmihailenco/msgpack/v5 v5.4.1
	github.com/zmqio/zmq v0.0.0
)

require (
	github.com/pebbe/zmq4 v1.4.0 // indirect
	github.com/petermattis/goid v0.0.0-20260820044319-269ab09b5261 // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
	golang.org/x/sys v0.44.0 // indirect
)

replace github.com/zmqio/zmq => ../..
