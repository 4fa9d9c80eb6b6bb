// Programs that show zmqio, kept out of the library's own requirements: one of them reads
// MessagePack, and one has figures for Prometheus.
module github.com/zmqio/zmq/zmqio/examples

go 1.25.0

require (
	github.com/prometheus/client_golang v1.23.2
	github.com/vmihailenco/msgpack/v5 v5.4.1
	github.com/zmqio/zmq v0.1.0
	github.com/zmqio/zmq/zmqio/zmqprom v0.0.0
)

require (
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/pebbe/zmq4 v1.4.0 // indirect
	github.com/petermattis/goid v0.0.0-20260820044319-269ab09b5261 // indirect
	github.com/prometheus/client_model v0.6.2 // indirect
	github.com/prometheus/common v0.66.1 // indirect
	github.com/prometheus/procfs v0.16.1 // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
	go.yaml.in/yaml/v2 v2.4.2 // indirect
	golang.org/x/sys v0.44.0 // indirect
	google.golang.org/protobuf v1.36.8 // indirect
)

replace (
	github.com/zmqio/zmq => ../..
	github.com/zmqio/zmq/zmqio/zmqprom => ../zmqprom
)
