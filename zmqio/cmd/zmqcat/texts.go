package main

import "github.com/zmqio/zmq"

// about is the description of zmqcat.
const about = `zmqcat is netcat for ZeroMQ. Each line of standard input is sent as a message, and
each message received is printed as a line.

The command is the type of the socket, in upper or lower case; zmqcat TYPE --help
describes it. zmqcat reads input no faster than it can send. It prints the frames of a
message with tabs between them.

Standard error gets the bound endpoints with wildcards resolved, figures at the end,
and a hint after a second without a peer. It also gets progress, if it is a terminal and
the input is not. With --quiet it gets only errors.

SIGINT and SIGTERM end zmqcat, a second one at once. After the first, messages that
were sent have a second to be delivered. When the reader of standard output has gone,
zmqcat exits as if its work were done.`

// exitStatuses ends the description in help.
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

// uses says what zmqcat does with a socket of each type.
var uses = map[zmq.SocketType]string{
	zmq.PUSH: sends,
	zmq.PUB:  sends + "\n\nMessages that PUB sends before a peer has subscribed are lost.",
	zmq.PULL: receives,
	zmq.SUB:  receives + " Without --subscribe it receives everything.",
	zmq.REQ: `Each line of standard input is sent as a request, the next one after the reply.
zmqcat exits after the last reply. If that does not come within --wait of the end of
input, zmqcat exits with an error.`,
	zmq.REP: `Each request is printed, and answered with a line of standard input. With --count
zmqcat exits when the last reply has been sent, and with --wait that long after the
end of input.`,
	zmq.PAIR:   exchanges,
	zmq.DEALER: exchanges,
	zmq.XPUB: exchanges + `

A subscription is printed as a message: a byte 1, or 0 where it ends, and the topic.
Messages that XPUB sends before a peer has subscribed are lost.`,
	zmq.XSUB: exchanges + `

It subscribes to --subscribe, or with messages that begin with a byte 1: see --json.`,
	zmq.ROUTER: exchanges + `

The first frame is the routing id of the peer, so sending needs --frames or --json. A
routing id without a peer is an error; --set ROUTER_MANDATORY=0 drops the message instead.`,
	zmq.STREAM: exchanges + `

The first frame is the routing id of the peer, so sending needs --frames or --json. A
routing id without a peer is an error.`,
	zmq.DGRAM: exchanges + `

The first frame is the address to send to, so sending needs --frames or --json.`,
}

const (
	sends = `Each line of standard input is sent as a message. At the end of input zmqcat exits
when everything is delivered, however long that takes.`

	receives = `Each message received is printed. zmqcat does not read standard input, and --wait
counts from the start.`

	exchanges = `Each line of standard input is sent as a message, and each message received is
printed. After the end of input zmqcat goes on receiving, for as long as --wait says
or for ever. Messages sent before the exit have a second to be delivered.`
)

const demoAbout = `demo sends the lines of FILE, or of standard input, over TCP through a DEALER to a
ROUTER that sends them back, and compares.`
