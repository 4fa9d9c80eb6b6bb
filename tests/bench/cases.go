package main

import (
	"fmt"
	"slices"
	"strings"
)

// Names of subjects that goals and bases speak of.
const (
	inC               = "c"
	inCNoCopy         = "c-no-copy"
	zmqioBatched      = "zmqio-batched"       // Write from callbacks
	zmqioBatch        = "zmqio-batch"         // WriteBatch from callbacks, 256 messages each
	zmqioBatchCPUs    = "zmqio-batch-cpus"    // the same with LoopConfig.CPUs
	zmqioBatchContext = "zmqio-batch-context" // WriteBatchContext from a goroutine
	zmqioWrite        = "zmqio-write"         // Write from a goroutine
	zmqioContext      = "zmqio-context"       // WriteContext from a goroutine
	ours              = "zmqio"
	fewerCycles       = "zmqio-gogc400" // GOGC=400: garbage collection is rarer
	borrowing         = "zmqio-borrow"  // BorrowFrames, with a copy of what it keeps
	streaming         = "zmqio-stream"  // a Stream, from one goroutine
	scraped           = "zmqio-scraped" // the process reads its figures every 10 ms
	calling           = "zmqio-rpc"     // one Client of package rpc
	filtering         = "zmqio-filter"  // a Filter that forwards everything
	pebbe             = "pebbe"
	reactor           = "pebbe-reactor"
	goZeromq          = "go-zeromq"
	aiozmq            = "aiozmq"
	pyzmq             = "pyzmq"
	plainGo           = "go" // package net, with a goroutine for each connection
	asyncio           = "asyncio"
)

var sizes = []int{16, 64, kib, 64 * kib, mib}

// allCases returns all cases, in the order in which they run.
func allCases() []benchCase {
	var all []benchCase
	for _, where := range []string{"tcp", "ipc", "inproc"} {
		for _, size := range sizes {
			all = append(all, receiving(where, size))
		}
	}
	for _, where := range []string{"tcp", "ipc"} {
		for _, size := range sizes {
			all = append(all, sending(where, size))
		}
	}
	all = append(all, threeFrames(receiving("tcp", 64)), threeFrames(sending("tcp", 64)))
	all = append(all, oneInFlight(64), oneInFlight(kib), inFlight(100), inFlight(10_000))
	all = append(all, callers(1), callers(100), callers(1000), toREP(callers(1000)))
	for _, n := range []int{1, 10, 100} {
		all = append(all, publishing(n))
	}
	for _, size := range []int{16, 64, kib, 64 * kib} {
		all = append(all, throughProxy(size))
	}
	all = append(all, threeFrames(throughProxy(64)), queueing(1), queueing(100))
	for _, how := range []string{"tcp", "tls"} {
		for _, size := range []int{64, kib, 64 * kib} {
			all = append(all, echoing(how, size, 1), echoing(how, size, 100))
		}
	}
	all = append(all, scraping(receiving("tcp", 64)), scraping(oneInFlight(64)))
	all = append(all, connectionsIdle(), memoryOfConnection("tcp", 10_000, 2), memoryOfConnection("tls", 2000, 10))
	all = append(all, scale()...)
	return append(all, writers("write"), writers("context"), idle(), busy(ours), busy(fewerCycles), busy(borrowing), memoryOfSocket(), aiozmqOwn())
}

// receivers are the subjects of one-way cases in which the one that is measured
// receives, from a C program.
func receivers(names ...string) []subject {
	jobs := map[string]subject{
		inC:         {Test: process{"c", "recv"}, Params: []string{"how=copy"}},
		inCNoCopy:   {Test: process{"c", "recv"}},
		ours:        {Test: process{"go", "zmqio-recv"}},
		fewerCycles: {Test: process{"go", "zmqio-recv"}, Env: []string{"GOGC=400"}},
		borrowing:   {Test: process{"go", "zmqio-recv"}, Params: []string{"how=borrow"}},
		streaming:   {Test: process{"go", "zmqio-stream-recv"}},
		pebbe:       {Test: process{"go", "pebbe-recv"}},
		reactor:     {Test: process{"go", "pebbe-reactor-recv"}},
		goZeromq:    {Test: process{"go", "go-zeromq-recv"}},
		aiozmq:      {Test: process{"aiozmq", "recv"}},
		pyzmq:       {Test: process{"pyzmq", "recv"}},
	}
	return subjects(names, jobs, process{"c", "send"}, true)
}

// subjects picks from jobs by name, and completes them.
func subjects(names []string, jobs map[string]subject, other process, binds bool) []subject {
	var all []subject
	for _, name := range names {
		s := jobs[name]
		s.Name, s.Other, s.Binds = name, other, binds
		all = append(all, s)
	}
	return all
}

// receiveGoals returns the goals of receivers of messages of n bytes. The C program that they are
// compared with copies each message too. A receiver keeps its frames, or copies lent ones.
func receiveGoals(n int) []goal {
	bound := 0.9
	switch {
	case n >= mib:
		bound = 0.6
	case n >= 64*kib:
		bound = 0.8
	}
	return []goal{{Of: ours, To: inC, AtLeast: bound}, {Of: borrowing, To: inC, AtLeast: bound}}
}

func receiving(where string, size int) benchCase {
	c := benchCase{
		Name: fmt.Sprintf("recv/%s/%s", where, sizeName(size)), Unit: rate, Base: inC, Where: where,
		Title:  fmt.Sprintf("PULL receives %s over %s from a PUSH in C", sizeName(size), where),
		Params: sized(size), Goals: in(pinned, receiveGoals(size)...),
	}
	switch where {
	case "tcp":
		c.Subjects = receivers(append([]string{inC, inCNoCopy, ours, fewerCycles, borrowing, pebbe, reactor}, slow(size, goZeromq, aiozmq, pyzmq)...)...)
	case "ipc":
		c.Subjects = receivers(inC, inCNoCopy, ours, borrowing, pebbe)
	case "inproc":
		c.Title = fmt.Sprintf("PUSH to PULL, %s, in one process on two threads or loops", sizeName(size))
		c.Unpinned, c.Goals = true, in(unpinned, receiveGoals(size)...)
		c.Subjects = receivers(inC, inCNoCopy, ours, borrowing, pebbe)
		for i := range c.Subjects {
			c.Subjects[i].Other = process{}
		}
	}
	if where == "tcp" && size == 64 {
		c.Goals = append(c.Goals, inBoth(goal{Of: ours, To: pebbe, AtLeast: 2.5})...)
		c.Goals = append(c.Goals, in(unpinned, goal{Of: ours, To: aiozmq, AtLeast: 25})...)
	}
	if where == "tcp" && (size == 64 || size == kib) {
		c.Subjects = append(c.Subjects, receivers(streaming)...)
		c.Goals = append(c.Goals, in(pinned, goal{Of: streaming, To: ours, AtLeast: 0.8})...)
	}
	return c
}

// slow returns names, those of slow libraries, if n is at most 64 KiB.
func slow(n int, names ...string) []string {
	if n > 64*kib {
		return nil
	}
	return names
}

func sending(where string, size int) benchCase {
	jobs := map[string]subject{
		inC:               {Test: process{"c", "send"}},
		zmqioBatched:      {Test: process{"go", "zmqio-send"}, Params: []string{"how=batched"}},
		zmqioBatch:        {Test: process{"go", "zmqio-send"}, Params: []string{"how=batch"}},
		zmqioBatchCPUs:    {Test: process{"go", "zmqio-send"}, Params: []string{"how=batch", "place=1"}},
		zmqioBatchContext: {Test: process{"go", "zmqio-send"}, Params: []string{"how=batch-context", "writers=1"}},
		zmqioWrite:        {Test: process{"go", "zmqio-send"}, Params: []string{"how=write", "writers=1"}},
		zmqioContext:      {Test: process{"go", "zmqio-send"}, Params: []string{"how=context", "writers=1"}},
		streaming:         {Test: process{"go", "zmqio-stream-send"}},
		pebbe:             {Test: process{"go", "pebbe-send"}},
		goZeromq:          {Test: process{"go", "go-zeromq-send"}},
		aiozmq:            {Test: process{"aiozmq", "send"}},
		pyzmq:             {Test: process{"pyzmq", "send"}},
	}
	names := []string{inC, zmqioBatch, zmqioBatchCPUs, zmqioBatchContext, zmqioBatched, zmqioWrite, zmqioContext, pebbe}
	goals := append(in(pinned,
		goal{Of: zmqioBatch, To: inC, AtLeast: 0.85}, goal{Of: zmqioBatched, To: inC, AtLeast: 0.8},
		goal{Of: zmqioWrite, To: inC, AtLeast: 0.6}, goal{Of: zmqioContext, To: inC, AtLeast: 0.6},
	), inBoth(
		goal{Of: zmqioBatchCPUs, To: inC, AtLeast: 0.9},
		goal{Of: zmqioBatch, To: pebbe, AtLeast: 1.5, OrTo: inC, OrAtLeast: 0.85},
	)...)
	if where == "tcp" && (size == 64 || size == kib) {
		names = append(names, streaming)
		goals = append(goals, in(pinned, goal{Of: streaming, To: zmqioBatched, AtLeast: 0.8})...)
	}
	if where == "tcp" {
		names = append(names, slow(size, goZeromq, aiozmq, pyzmq)...)
	}
	return benchCase{
		Name: fmt.Sprintf("send/%s/%s", where, sizeName(size)), Unit: rate, Base: inC, Where: where,
		Title:    fmt.Sprintf("PUSH sends %s over %s to a PULL in C", sizeName(size), where),
		Params:   leading(size),
		Subjects: subjects(names, jobs, process{"c", "sink"}, false),
		Goals:    goals,
	}
}

// threeFrames makes the messages of a case have three frames.
func threeFrames(c benchCase) benchCase {
	c.Name += "x3"
	c.Title += ", three frames of that"
	c.Params = append(slices.Clone(c.Params), "frames=3")
	c.Goals = nil
	return c
}

// requesters are the subjects that send requests to an echo server in C.
func requesters(names ...string) []subject {
	jobs := map[string]subject{
		inC:       {Test: process{"c", "roundtrip"}},
		ours:      {Test: process{"go", "zmqio-roundtrip"}},
		streaming: {Test: process{"go", "zmqio-stream-roundtrip"}},
		pebbe:     {Test: process{"go", "pebbe-roundtrip"}},
		reactor:   {Test: process{"go", "pebbe-reactor-roundtrip"}},
		goZeromq:  {Test: process{"go", "go-zeromq-roundtrip"}},
		aiozmq:    {Test: process{"aiozmq", "roundtrip"}},
		pyzmq:     {Test: process{"pyzmq", "roundtrip"}},
	}
	return subjects(names, jobs, process{"c", "echo"}, false)
}

func oneInFlight(size int) benchCase {
	return benchCase{
		Name: "roundtrip/tcp/" + sizeName(size), Unit: roundTrip, Base: inC, Where: "tcp",
		Title:    fmt.Sprintf("DEALER to a ROUTER in C and back, %s, one in flight", sizeName(size)),
		Params:   append(sized(size), "inflight=1", "stride=16"),
		Subjects: requesters(inC, ours, streaming, pebbe, reactor, goZeromq, aiozmq, pyzmq),
		Goals:    inBoth(goal{Of: ours, To: inC, AtMost: 1.2}, goal{Of: streaming, To: inC, AtMost: 1.2}),
	}
}

// scraping keeps zmqio's subject of a case, and adds the same one with figures that are read
// meanwhile. Other programs of the machine disturb samples, so the goals cannot be narrower.
func scraping(c benchCase) benchCase {
	i := slices.IndexFunc(c.Subjects, func(s subject) bool { return s.Name == ours })
	s := c.Subjects[i]
	s.Name, s.Params = scraped, []string{"scrape=10"}
	c.Name, c.Title = "stats/"+c.Name, c.Title+", while all figures are read every 10 ms"
	c.Base, c.Subjects = ours, []subject{c.Subjects[i], s}
	c.Goals = inBoth(goal{Of: scraped, To: ours, AtLeast: 0.95})
	if c.Unit.less {
		c.Goals = inBoth(goal{Of: scraped, To: ours, AtMost: 1.05})
	}
	return c
}

func inFlight(n int) benchCase {
	return benchCase{
		Name: fmt.Sprintf("pipeline/tcp/%d", n), Unit: rate, Base: inC, Where: "tcp",
		Title:    fmt.Sprintf("DEALER to a ROUTER in C and back, 64B, %d in flight", n),
		Params:   append(sized(64), fmt.Sprint("inflight=", n), "hwm=20000"), // a ROUTER drops what is over
		Subjects: requesters(inC, ours, pebbe, reactor, goZeromq, aiozmq, pyzmq),
	}
}

// callers returns the case of n callers, each with one call of 64 bytes in flight. The rpc client
// has one socket for all callers. The others have a REQ for each.
func callers(n int) benchCase {
	jobs := map[string]subject{
		inC:     {Test: process{"c", "roundtrip"}, Params: []string{"how=req", "stride=16"}},
		calling: {Test: process{"go", "zmqio-rpc"}},
		pebbe:   {Test: process{"go", "pebbe-rpc"}},
		pyzmq:   {Test: process{"pyzmq", "rpc"}, Params: []string{"stride=16"}},
	}
	c := benchCase{
		Name: fmt.Sprintf("rpc/%d", n), Unit: calls, Base: pebbe, Where: "tcp", Slow: n > 1,
		Title:  fmt.Sprintf("callers of a ROUTER in C, 64B, with one call in flight each: %d", n),
		Params: append(sized(64), fmt.Sprint("callers=", n), fmt.Sprint("lead=", n), "hwm=20000"), // a ROUTER drops what is over
	}
	names := []string{calling, pebbe, pyzmq}
	switch n {
	case 1:
		c.Unit, c.Base = roundTrip, inC
		c.Goals = inBoth(goal{Of: calling, To: inC, AtMost: 1.3})
		names = append([]string{inC}, names...)
	case 1000:
		c.Goals = inBoth(goal{Of: calling, To: pebbe, AtLeast: 5})
	}
	c.Subjects = subjects(names, jobs, process{"c", "echo"}, false)
	return c
}

// toREP makes a REP in Python the server of a case.
func toREP(c benchCase) benchCase {
	c.Name = strings.Replace(c.Name, "rpc/", "rpc-rep/", 1)
	c.Title = strings.Replace(c.Title, "ROUTER in C", "REP of pyzmq", 1)
	for i := range c.Subjects {
		c.Subjects[i].Other = process{"pyzmq", "rep"}
	}
	return c
}

// publishing leaves out go-zeromq, because its PUB drops messages for slow subscribers.
func publishing(n int) benchCase {
	jobs := map[string]subject{
		inC:    {Test: process{"c", "pub"}},
		ours:   {Test: process{"go", "zmqio-pub"}},
		pebbe:  {Test: process{"go", "pebbe-pub"}},
		aiozmq: {Test: process{"aiozmq", "pub"}},
	}
	return benchCase{
		Name: fmt.Sprintf("pub/tcp/%d", n), Unit: rate, Base: inC, Where: "tcp", Slow: true,
		Title:    fmt.Sprintf("PUB with XPUB_NODROP sends 64B to SUBs in C: %d", n),
		Params:   append(sized(64), fmt.Sprint("sockets=", n)),
		Subjects: subjects([]string{inC, ours, pebbe, aiozmq}, jobs, process{"c", "subs"}, true),
	}
}

// scaled returns a subject for each of numbers, which is the value of param.
func scaled(param string, s subject, numbers ...int) []subject {
	var all []subject
	for _, n := range numbers {
		s.Name = fmt.Sprint(n)
		one := s
		one.Params = append(slices.Clone(s.Params), fmt.Sprint(param, "=", n))
		all = append(all, one)
	}
	return all
}

func writers(how string) benchCase {
	call := map[string]string{"write": "Write", "context": "WriteContext"}[how]
	s := subject{Test: process{"go", "zmqio-send"}, Other: process{"c", "sink"}, Params: []string{"how=" + how}}
	c := benchCase{
		Name: "writers/" + how, Unit: rate, Base: "1", Where: "tcp",
		Title:    fmt.Sprintf("zmqio: goroutines that %s 64B to one transport", call),
		Params:   leading(64),
		Subjects: scaled("writers", s, 1, 10, 100, 1000),
	}
	for _, s := range c.Subjects[1:] {
		c.Goals = append(c.Goals, inBoth(goal{Of: s.Name, To: "1", AtLeast: 0.8})...)
	}
	return c
}

func idle() benchCase {
	return benchCase{
		Name: "sockets/idle", Unit: load, Where: "inproc", Unpinned: true,
		Title:    "zmqio: transports on one loop that do nothing",
		Params:   sized(64),
		Subjects: scaled("sockets", subject{Test: process{"go", "zmqio-idle"}}, 1, 100, 1000, 10_000),
		Goals:    in(unpinned, goal{Of: "10000", AtMost: 0.01}),
	}
}

// busy returns the case of one transport that receives among others that do nothing. It receives in
// the same ways as in one-way cases.
func busy(kind string) benchCase {
	s := subject{Test: process{"go", "zmqio-busy"}, Other: process{"c", "send"}, Binds: true}
	c := benchCase{
		Name: "sockets/busy", Unit: rate, Base: "1", Where: "tcp",
		Title:  "zmqio: one transport receives 64B, and the others on its loop do nothing",
		Params: sized(64),
		Goals:  inBoth(goal{Of: "10000", To: "1", AtLeast: 0.9}),
	}
	switch kind {
	case fewerCycles:
		s.Env = []string{"GOGC=400"}
		c.Name, c.Title = c.Name+"-gogc400", c.Title+", with GOGC=400"
	case borrowing:
		s.Params = []string{"how=borrow"}
		c.Name, c.Title = c.Name+"-borrow", c.Title+", with frames that are lent"
	}
	c.Subjects = scaled("sockets", s, 1, 100, 1000, 10_000)
	return c
}

func memoryOfSocket() benchCase {
	return benchCase{
		Name: "sockets/memory", Unit: memory, Base: inC, Where: "inproc", Unpinned: true,
		Title:  "resident memory that a socket adds, of 1,000, connected in pairs",
		Params: append(sized(64), "sockets=1000"),
		Subjects: []subject{
			{Name: inC, Test: process{"c", "memory"}},
			{Name: ours, Test: process{"go", "zmqio-memory"}},
		},
	}
}

// throughProxy returns the case of proxies that forward one way.
func throughProxy(size int) benchCase {
	return proxying(benchCase{
		Name: "proxy/streamer/" + sizeName(size), Unit: rate,
		Title:  fmt.Sprintf("%s through a proxy, from a PUSH to a PULL in C", sizeName(size)),
		Params: append(leading(size), "how=streamer"),
	}, inC, ours)
}

// queueing returns the case of proxies that forward both ways, with n requests in flight.
func queueing(n int) benchCase {
	unit := rate
	if n == 1 {
		unit = roundTrip
	}
	return proxying(benchCase{
		Name: fmt.Sprintf("proxy/queue/%d", n), Unit: unit,
		Title:  fmt.Sprintf("64B through a proxy and back, between DEALERs in C, in flight: %d", n),
		Params: append(sized(64), "how=queue", fmt.Sprint("inflight=", n), "hwm=20000"), // a ROUTER drops what is over
	}, inC, ours, filtering)
}

// proxying completes a case: the ends are a C program, and the proxy is measured.
func proxying(c benchCase, names ...string) benchCase {
	c.Base, c.Where = inC, "tcp"
	c.Subjects = subjects(names, map[string]subject{
		inC:       {Test: process{"c", "proxy"}},
		ours:      {Test: process{"go", "zmqio-proxy"}},
		filtering: {Test: process{"go", "zmqio-proxy"}, Params: []string{"how=filter"}},
	}, process{"c", "ends"}, false)
	c.Goals = inBoth(goal{Of: ours, To: inC, AtLeast: 0.9})
	if c.Unit.less {
		c.Goals = inBoth(goal{Of: ours, To: inC, AtMost: 1.2})
	}
	return c
}

// echoing measures servers of package netio, of package net and of Python's asyncio that
// return what a Go program sends. One trip is in flight on each of n connections.
func echoing(how string, size, n int) benchCase {
	c := benchCase{
		Name: fmt.Sprintf("echo/%s/%s/%d", how, sizeName(size), n), Unit: trips, Base: plainGo, Where: "tcp",
		Title:  fmt.Sprintf("echo servers, %s over %s, connections: %d", sizeName(size), how, n),
		Params: []string{"how=" + how, fmt.Sprint("size=", size), fmt.Sprint("sockets=", n), fmt.Sprint("lead=", n), "stride=16"},
		Subjects: []subject{
			{Name: plainGo, Test: process{"go", "go-echo"}},
			{Name: ours, Test: process{"go", "netio-echo"}},
			{Name: asyncio, Test: process{"asyncio", "echo"}},
		},
	}
	if n == 100 {
		c.Goals = append(inBoth(goal{Of: ours, To: plainGo, AtLeast: 0.9}), in(unpinned, goal{Of: ours, To: asyncio, AtLeast: 1})...)
	}
	for i := range c.Subjects {
		c.Subjects[i].Other, c.Subjects[i].Binds = process{"go", "echo-load"}, true
	}
	return c
}

func connectionsIdle() benchCase {
	return benchCase{
		Name: "connections/idle", Unit: load, Where: "tcp", Unpinned: true,
		Title: "netio: connections on one loop that do nothing", Params: []string{"how=idle"},
		Subjects: scaled("sockets", subject{Test: process{"go", "netio-idle"}, Other: process{"go", "idle-load"}, Binds: true}, 1, 10_000),
		Goals:    in(unpinned, goal{Of: "10000", AtMost: 0.01}),
	}
}

// memoryOfConnection returns the case of idle connections. most is the goal, in KiB a connection.
func memoryOfConnection(how string, n int, most float64) benchCase {
	other := process{"go", "idle-load"}
	return benchCase{
		Name: "connections/memory/" + how, Unit: memory, Base: plainGo, Where: "tcp", Unpinned: true,
		Title:  fmt.Sprintf("resident memory that an idle connection over %s adds to a server, of %d", how, n),
		Params: []string{"how=" + how, fmt.Sprint("sockets=", n)},
		Subjects: []subject{
			{Name: plainGo, Test: process{"go", "go-idle"}, Other: other, Binds: true},
			{Name: ours, Test: process{"go", "netio-idle"}, Other: other, Binds: true},
		},
		Goals: in(unpinned, goal{Of: ours, AtMost: most}),
	}
}

func aiozmqOwn() benchCase {
	return benchCase{
		Name: "aiozmq/own", Unit: roundTrip, Base: aiozmq, Where: "tcp", Unpinned: true,
		Title:  "aiozmq's own benchmark: DEALER and ROUTER on one loop, func and 200 bytes, one in flight",
		Params: append(sized(200), "stride=16"),
		Subjects: []subject{
			{Name: aiozmq, Test: process{"aiozmq", "pair"}},
			{Name: ours, Test: process{"go", "zmqio-pair"}},
		},
	}
}
