package zmqio

import (
	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio/internal/sock"
)

func init() { zmq.RegisterHas(sock.Has) }
