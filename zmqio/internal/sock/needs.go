package sock

// A build without cgo compiles this file, unlike those that import "C".
import _ "github.com/zmqio/zmq/zmqio/internal/needs"
