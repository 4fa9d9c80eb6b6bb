package main

const help = `zmqcat is netcat for ZeroMQ. Each line of standard input is sent as a message, and
each message received is printed as a line.

Usage:
  zmqcat TYPE [--bind ENDPOINT]... [--connect ENDPOINT]... [flags]
  zmqcat demo [FILE]

TYPE is a socket type, in any case: pair, pub, sub, req, rep, dealer, router, pull,
push, xpub, xsub or stream.

Flags:
  --bind ENDPOINT     accept connections there; may be repeated
  --connect ENDPOINT  connect there; may be repeated
  --subscribe TOPIC   on SUB and XSUB, receive what begins with TOPIC; may be
                      repeated; a SUB without it receives everything
  --set OPTION=VALUE  set a socket option, by libzmq's name, before binding and
                      connecting, as in SNDHWM=10; may be repeated
  --frames            split each line of input at tabs into frames
  --json              print messages as {"frames":["text",{"base64":"..."}]}, with
                      base64 for what is not UTF-8
  --wait DURATION     how long to go on receiving after the end of input, as in 1.5s
  --count N           exit after N messages received
  --help              print this

Input is read no faster than it can be sent. PULL and SUB leave it alone. REQ sends
the next line when the reply has come; REP answers each request with a line. ROUTER,
STREAM and DGRAM need --frames: the first frame says whom to send to. If a ROUTER or
STREAM has no such peer, that is an error; --set ROUTER_MANDATORY=0 makes a ROUTER drop
the message instead. What PUB sends before a peer has subscribed is lost.

At the end of input PUSH and PUB exit once everything is delivered, however long that
takes. The other types go on receiving for as long as --wait says; without it, REQ
until the reply has come, the others for ever. For PULL and SUB --wait counts from
the start. A REP with --count exits when the last reply has been sent. An exit in one
of these ways gives what was sent before a second to be delivered.

The frames of a message are printed with tabs between them. What was bound, with
wildcards resolved, goes to standard error, as do figures at the end and, where that
is a terminal and the input does not come from one, progress.

SIGINT and SIGTERM end zmqcat, a second one at once. After the first, what was sent
has a second to be delivered. When the reader of standard output has gone, zmqcat
exits as if its work were done.

The demo sends the lines of FILE, or of standard input, over TCP through a DEALER to a
ROUTER that sends them back, and compares.

Exit status: 0 if all went well, 1 if something went wrong, 2 if an argument is bad,
128 and the signal's number after a signal (130 for SIGINT, 143 for SIGTERM).
`
