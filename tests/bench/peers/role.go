// Package peers has the Go programs that the benchmark measures. They do the same jobs with zmqio,
// pebbe/zmq4, go-zeromq/zmq4 and package net. Each runs in a process of its own. The process prints
// its results as lines of JSON, and ends when its standard input ends.
package peers

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// Role as the first argument of the benchmark's binary makes it a peer. The second argument names
// the job, and the others are parameters, name=value.
const Role = "role"

// A job is what a process does, with its parameters.
type job struct {
	endpoint string
	how      string
	size     int // bytes in a frame
	frames   int // in a message
	hwm      int // of all sockets
	keep     int // how many messages a receiver keeps
	lead     int // messages before the warm-up, more than a sender can queue
	stride   int // messages between two looks at the clock
	inflight int // requests without a reply
	sockets  int
	writers  int
	callers  int
	timers   int
	counter  int           // the descriptor that counts instructions; 0: none
	place    int           // 1: the loop has LoopConfig.CPUs
	scrape   int           // milliseconds between two reads of all figures; 0: none
	warm     time.Duration // the time before the measurement
	length   time.Duration // the time of the measurement
}

var roles = map[string]func(job) error{
	"zmqio-recv": zmqioRecv, "zmqio-send": zmqioSend, "zmqio-roundtrip": zmqioRoundTrip, "zmqio-pub": zmqioPub,
	"zmqio-stream-recv": streamRecv, "zmqio-stream-send": streamSend, "zmqio-stream-roundtrip": streamRoundTrip,
	"zmqio-proxy": zmqioProxy, "zmqio-rpc": zmqioRPC, "pebbe-rpc": pebbeRPC,
	"zmqio-pair": zmqioPair, "zmqio-idle": zmqioIdle, "zmqio-busy": zmqioBusy, "zmqio-memory": zmqioMemory,
	"zmqio-latency": zmqioLatency, "zmqio-active": zmqioActive, "zmqio-loops": zmqioLoops,
	"zmqio-timers": zmqioTimers, "zmqio-cancel": zmqioCancel, "go-timers": goTimers, "go-cancel": goCancel,
	"netio-echo": netioEcho, "netio-idle": netioIdle, "go-echo": goEcho, "go-idle": goIdle, "echo-load": echoLoad, "idle-load": idleLoad,
	"pebbe-recv": pebbeRecv, "pebbe-send": pebbeSend, "pebbe-roundtrip": pebbeRoundTrip, "pebbe-pub": pebbePub,
	"pebbe-reactor-recv": reactorRecv, "pebbe-reactor-roundtrip": reactorRoundTrip,
	"go-zeromq-recv": goZeromqRecv, "go-zeromq-send": goZeromqSend, "go-zeromq-roundtrip": goZeromqRoundTrip,
}

// Main does the job that args describe, those after Role. It returns an exit status.
func Main(args []string) int {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := run(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func run(args []string) error {
	if len(args) == 0 || roles[args[0]] == nil {
		return fmt.Errorf("no such role: %q", args)
	}
	j, err := parse(args[1:])
	if err != nil {
		return err
	}
	if j.scrape > 0 {
		go scrape(time.Duration(j.scrape) * time.Millisecond)
	}
	return roles[args[0]](j)
}

func parse(params []string) (j job, err error) {
	j = job{frames: 1, hwm: 1000, keep: 1, stride: 1, inflight: 1, sockets: 1, writers: 1, callers: 1}
	for _, param := range params {
		name, value, _ := strings.Cut(param, "=")
		if err := j.set(name, value); err != nil {
			return j, fmt.Errorf("%s: %w", param, err)
		}
	}
	return j, nil
}

func (j *job) set(name, value string) (err error) {
	numbers := map[string]*int{
		"size": &j.size, "frames": &j.frames, "hwm": &j.hwm, "keep": &j.keep, "lead": &j.lead, "stride": &j.stride,
		"inflight": &j.inflight, "sockets": &j.sockets, "writers": &j.writers, "callers": &j.callers,
		"counter": &j.counter, "place": &j.place, "timers": &j.timers, "scrape": &j.scrape,
	}
	if name == "rate" {
		return nil // a parameter of the program at the other end
	}
	texts := map[string]*string{"endpoint": &j.endpoint, "how": &j.how}
	seconds := map[string]*time.Duration{"warm": &j.warm, "length": &j.length}
	switch {
	case numbers[name] != nil:
		*numbers[name], err = strconv.Atoi(value)
	case texts[name] != nil:
		*texts[name] = value
	case seconds[name] != nil:
		var s float64
		s, err = strconv.ParseFloat(value, 64)
		*seconds[name] = time.Duration(s * float64(time.Second))
	default:
		err = fmt.Errorf("no such parameter")
	}
	return err
}

// message returns a message of the job's frames and size.
func (j job) message() [][]byte {
	msg := make([][]byte, j.frames)
	for i := range msg {
		msg[i] = make([]byte, j.size)
	}
	return msg
}

// inproc reports whether both ends are in this process.
func (j job) inproc() bool { return strings.HasPrefix(j.endpoint, "inproc:") }

// tell prints v as a line of JSON.
func tell(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }

// tellEndpoint tells the parent process what this process has bound.
func tellEndpoint(endpoint string) error { return tell(map[string]string{"endpoint": endpoint}) }
