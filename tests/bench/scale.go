package main

import "fmt"

// scale returns the cases in which one process has many loops, timers or sockets.
func scale() []benchCase {
	return []benchCase{
		loops(ours, ""), loops(inC, ""), loops(ours, "hash"), loops(inC, "hash"),
		heartbeats(100_000), rearming(100_000), active(100), active(9000),
		latency(10), latency(50), latency(90),
	}
}

// loops returns the case of 1, 2 and 4 loops, or threads in C. Each receives from a PUSH, which has
// a thread of its own in the C program at the other end. With how=hash the receiver hashes each
// message, for about a microsecond.
func loops(name, how string) benchCase {
	test, each := process{"go", "zmqio-loops"}, "loops"
	if name == inC {
		test, each = process{"c", "threads"}, "threads in C"
	}
	c := benchCase{
		Name: "loops/" + name, Unit: rate, Base: "1", Where: "tcp",
		Title:  fmt.Sprintf("%s that receive 64B, each from a thread in C, in all", each),
		Params: sized(64), Unpinned: true,
	}
	if how != "" {
		c.Name, c.Title = "loops/"+how+"/"+name, c.Title+", and hash it 16 times"
		c.Params = append(c.Params, "how="+how)
	}
	c.Subjects = scaled("sockets", subject{Test: test, Other: process{"c", "senders"}, Binds: true}, 1, 2, 4)
	return c
}

// timing returns the subjects that have timers.
func timing(job string) []subject {
	return []subject{
		{Name: plainGo, Test: process{"go", "go-" + job}},
		{Name: ours, Test: process{"go", "zmqio-" + job}},
		{Name: asyncio, Test: process{"asyncio", job}},
	}
}

// heartbeats returns the case of n timers, each of which sets itself again when it is due.
func heartbeats(n int) benchCase {
	return benchCase{
		Name: fmt.Sprint("timers/", n), Unit: load, Base: plainGo, Where: "none", Unpinned: true,
		Title:    fmt.Sprintf("timers that each set themselves again, every 1 to 10 s: %d, and how late they are", n),
		Params:   []string{fmt.Sprint("timers=", n)},
		Subjects: timing("timers"),
	}
}

// rearming returns the case of setting a timer and cancelling it, while n others wait.
func rearming(n int) benchCase {
	return benchCase{
		Name: fmt.Sprint("timers/cancel/", n), Unit: nanoseconds, Base: plainGo, Where: "none", Unpinned: true,
		Title:    fmt.Sprintf("to set a timer and to cancel it, while others wait: %d", n),
		Params:   []string{fmt.Sprint("timers=", n), "stride=256"},
		Subjects: timing("cancel"),
	}
}

// nanoseconds is the time of one message, or of whatever the case counts.
var nanoseconds = unit{"ns", func(r result) float64 { return r.Seconds / float64(r.Messages) * 1e9 }, true}

// active returns the case of n sockets over TCP, each of which receives one message a second. A
// socket takes two descriptors. The C program waits with zmq_poll.
func active(n int) benchCase {
	return benchCase{
		Name: fmt.Sprint("active/", n), Unit: load, Base: inC, Where: "tcp", Unpinned: true,
		Title:  fmt.Sprintf("sockets that each receive 64B a second from a PUSH in C: %d, and how long that takes", n),
		Params: append(sized(64), fmt.Sprint("sockets=", n), fmt.Sprint("rate=", n)),
		Subjects: []subject{
			{Name: inC, Test: process{"c", "active"}, Other: process{"c", "pace-bind"}},
			{Name: ours, Test: process{"go", "zmqio-active"}, Other: process{"c", "pace-bind"}},
		},
	}
}
