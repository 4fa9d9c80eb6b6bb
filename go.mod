module github.com/zmqio/zmq

go 1.25.0

require (
	github.com/dave/jennifer v1.7.1
	github.com/pebbe/zmq4 v1.4.0
	github.com/petermattis/goid v0.0.0-20260820044319-269ab09b5261
	github.com/spf13/cobra v1.10.2
	github.com/spf13/pflag v1.1.0
	golang.org/x/sys v0.44.0
	gopkg.in/yaml.v3 v3.0.1
)

require github.com/inconshreveable/mousetrap v1.1.0 // indirect
