package main

import "github.com/zmqio/zmq"

// about is the description of zmqcat.
const about = `zmqcat is netcat for ZeroMQ. Each line of standard input is sent as a message, and
each message received is printed as a line.

The command is the type of the socket, in upper or lower case; zmqcat TYPE --help
tells what it does. Input is read no faster than it can be sent. The frames of a message are
printed with tabs between them.

What was bound, with wildcards resolved, goes to standard error, as do figures at
the end, a hint where no peer has come for a second and, where that is a terminal
and the input does not come from one, progress. With --quiet only errors do.

SIGINT and SIGTERM end zmqcat, a second one at once. After the first, what was sent
has a second to be delivered. When the reader of standard output has gone, zmqcat
exits as if its work were done.`

// exitStatuses is the part of the description that help has last.
const exitStatuses = `Exit status: 0 if all went well, 1 if something went wrong, 2 if an argument is bad,
128 and the signal's number after a signal (130 for SIGINT, 143 for SIGTERM).`

const examples = `  echo hello | zmqcat req -c tcp://127.0.0.1:5555
  zmqcat sub -c tcp://feed.example:5556 -s weather -n 10
  seq 1000 | zmqcat push -b 'tcp://*:5557' -i 100ms
  zmqcat pull -b ipc:///tmp/in --json >messages && zmqcat push -c ipc:///tmp/out --json <messages
  zmqcat pub -c tcp://127.0.0.1:5556 --binary <picture.png
  zmqcat proxy xsub xpub --front-bind 'tcp://*:5556' --back-bind 'tcp://*:5557'
  zmqcat keygen alice
  zmqcat req -c tcp://127.0.0.1:5555 --curve-cert alice.key_secret --curve-server-cert server.key`

// uses tells what zmqcat does with a socket, by its type.
var uses = map[zmq.SocketType]string{
	zmq.PUSH: sends,
	zmq.PUB:  sends + "\n\nWhat PUB sends before a peer has subscribed is lost.",
	zmq.PULL: receives,
	zmq.SUB:  receives + " Without --subscribe it receives everything.",
	zmq.REQ: `Each line of standard input is sent as a request, the next one when the reply has
come. zmqcat exits after the last reply, or with an error when that has not come
within --wait of the end of input.`,
	zmq.REP: `Each request is printed, and answered with a line of standard input. With --count
zmqcat exits when the last reply has been sent, and with --wait that long after the
end of input.`,
	zmq.PAIR:   exchanges,
	zmq.DEALER: exchanges,
	zmq.XPUB: exchanges + `

A subscription is printed as a message: a byte 1, or 0 where it ends, and the topic.
What XPUB sends before a peer has subscribed is lost.`,
	zmq.XSUB: exchanges + `

It subscribes to --subscribe, or with messages that begin with a byte 1: see --json.`,
	zmq.ROUTER: exchanges + `

The first frame says whom to send to, so that sending needs --frames or --json. That
there is no such peer is an error; --set ROUTER_MANDATORY=0 drops the message instead.`,
	zmq.STREAM: exchanges + `

The first frame says whom to send to, so that sending needs --frames or --json. That
there is no such peer is an error.`,
	zmq.DGRAM: exchanges + `

The first frame is the address to send to, so that sending needs --frames or --json.`,
}

const (
	sends = `Each line of standard input is sent as a message. At the end of input zmqcat exits
once everything is delivered, however long that takes.`

	receives = `Each message received is printed. Standard input is left alone, and --wait counts
from the start.`

	exchanges = `Each line of standard input is sent as a message, and each message received is
printed. After the end of input zmqcat goes on receiving, for as long as --wait says
or for ever. What was sent before the exit has a second to be delivered.`
)

const demoAbout = `demo sends the lines of FILE, or of standard input, over TCP through a DEALER to a
ROUTER that sends them back, and compares.`
