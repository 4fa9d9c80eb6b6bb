package sock

// Without cgo this file is built all the same, unlike those that import "C".
import _ "github.com/zmqio/zmq/zmqio/internal/needs"
