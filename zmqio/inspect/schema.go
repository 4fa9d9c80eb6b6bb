package inspect

import "time"

// A Snapshot shows what lives on the loops of the process, at one moment. Its JSON has the
// names in the tags. Later releases keep these names and may add others. Durations are in
// seconds, and sizes in bytes of payload, as the names say.
//
// Texts come from endpoints, routing ids and programs. A text is cut after 256 bytes, what does
// not print is escaped, and credentials are replaced by "…".
type Snapshot struct {
	Time    time.Time `json:"time"`
	Process Process   `json:"process"`
	// Loops are the open loops, oldest first.
	Loops        []Loop `json:"loops"`
	LoopsOmitted int    `json:"loops_omitted"` // beyond Query.Limit
	// HistorySecondsAgo are the times of the numbers in each History, oldest first. A History
	// with fewer numbers has those of the last times. It is absent unless Query.History is set.
	HistorySecondsAgo []float64 `json:"history_seconds_ago,omitempty"`
}

// A Process is what the loops have in common.
type Process struct {
	Program       string  `json:"program"` // the base name of the executable
	PID           int     `json:"pid"`
	UptimeSeconds float64 `json:"uptime_seconds"` // since package inspect was initialized
	GoVersion     string  `json:"go_version"`
	LibzmqVersion string  `json:"libzmq_version"`
	GOMAXPROCS    int     `json:"gomaxprocs"`
	Goroutines    int     `json:"goroutines"`
	HeapBytes     uint64  `json:"heap_bytes"` // live objects, and dead ones that are not freed yet
}

// The states of a Loop.
const (
	// LoopRunning means that a goroutine runs the loop.
	LoopRunning = "running"
	// LoopStuck means that RunningCallback has been seen to run for a second.
	LoopStuck = "stuck"
	// LoopStopped means that no goroutine runs the loop.
	LoopStopped = "stopped"
	// LoopClosed means that Close was called.
	LoopClosed = "closed"
)

// A Loop is a zmqio.EventLoop.
type Loop struct {
	ID    uint64 `json:"id"`   // unique among the loops of all Snapshots
	Name  string `json:"name"` // LoopConfig.Name
	State string `json:"state"`
	Debug bool   `json:"debug"` // debug mode is on

	// The figures of zmqio.LoopStats.
	Iterations     uint64  `json:"iterations"`
	Callbacks      uint64  `json:"callbacks"`
	BusySeconds    float64 `json:"busy_seconds"`
	LongestSeconds float64 `json:"longest_seconds"`
	Slow           uint64  `json:"slow"`
	Exceptions     uint64  `json:"exceptions"`
	CurrentSeconds float64 `json:"current_seconds"`
	Ready          int     `json:"ready"`
	Timers         int     `json:"timers"`
	Descriptors    int     `json:"descriptors"`

	// RunningCallback is the callback that runs now. It is absent while none runs.
	RunningCallback *Callback `json:"running_callback,omitempty"`
	// SlowCallbacks are the last 16 callbacks that debug mode found slow, oldest first.
	SlowCallbacks []Callback `json:"slow_callbacks"`

	Transports        []Transport `json:"transports"`         // oldest first
	TransportsOmitted int         `json:"transports_omitted"` // beyond Query.Limit, or not matching
	// Residents are the other residents of the loop, oldest first: transports of package netio,
	// servers and child processes, for example.
	Residents        []Resident `json:"residents"`
	ResidentsOmitted int        `json:"residents_omitted"`

	Rates   *LoopRates `json:"rates,omitempty"` // absent at first
	History *History   `json:"history,omitempty"`
}

// LoopRates are means over the time between two samples.
type LoopRates struct {
	IterationsPerSecond float64 `json:"iterations_per_second"`
	CallbacksPerSecond  float64 `json:"callbacks_per_second"`
	BusyRatio           float64 `json:"busy_ratio"` // from 0 to 1, which is all of the time
}

// A Callback is a function that a loop calls.
type Callback struct {
	Name     string    `json:"name"`     // as package runtime writes it
	Place    string    `json:"place"`    // file and line
	Resident string    `json:"resident"` // the resident that it belongs to, or empty
	Start    time.Time `json:"start"`    // of RunningCallback: when it was first seen
	Seconds  float64   `json:"seconds"`
}

// The states of a Transport.
const (
	// TransportOpen means that the transport sends and receives.
	TransportOpen = "open"
	// TransportClosing means that Close or Abort was called. Messages may be left to send.
	TransportClosing = "closing"
)

// A Transport is a zmqio.Transport. zmqio.Stats explains its counters, which begin with the
// transport.
type Transport struct {
	ID       uint64 `json:"id"`   // unique among the transports of all Snapshots
	Name     string `json:"name"` // ConnectionConfig.Name
	Type     string `json:"type"`
	State    string `json:"state"`
	Reading  bool   `json:"reading"`  // see zmqio.Transport.IsReading
	Protocol string `json:"protocol"` // the Go type

	Bound            []string `json:"bound"`
	BoundOmitted     int      `json:"bound_omitted"` // beyond 32
	Connected        []string `json:"connected"`
	ConnectedOmitted int      `json:"connected_omitted"`

	Received     Traffic    `json:"received"`
	Sent         Traffic    `json:"sent"`
	LastReceived *time.Time `json:"last_received,omitempty"` // absent before the first message

	Buffer Buffer  `json:"buffer"`
	Unread Traffic `json:"unread"` // received by a Stream, and not yet read
	Drops  Drops   `json:"drops"`

	// Connections is what the transport's monitor has reported. It is absent if there is none.
	Connections *Connections `json:"connections,omitempty"`

	// SocketBusy says that the socket did not answer in time, because another goroutine is in a
	// call of libzmq. The fields below are then of an earlier Snapshot, or absent.
	SocketBusy           bool     `json:"socket_busy"`
	Mechanism            string   `json:"mechanism,omitempty"`
	Options              []Option `json:"options,omitempty"` // at most 10 seconds old
	Subscriptions        []string `json:"subscriptions,omitempty"`
	SubscriptionsOmitted int      `json:"subscriptions_omitted"` // beyond 32
	Monitored            bool     `json:"monitored"`             // the transport has a monitor
	Events               []Event  `json:"events,omitempty"`      // the last 16 of the monitor, oldest first

	Rates   *Rates   `json:"rates,omitempty"` // absent at first
	History *History `json:"history,omitempty"`
}

// Traffic counts messages, and bytes of payload.
type Traffic struct {
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
}

// A Buffer is the write buffer of a Transport.
type Buffer struct {
	Traffic
	HighBytes     int     `json:"high_bytes"` // the high-water mark
	LowBytes      int     `json:"low_bytes"`  // the low-water mark
	Paused        bool    `json:"paused"`     // the protocol is paused now
	Pauses        uint64  `json:"pauses"`
	PausedSeconds float64 `json:"paused_seconds"` // of all Pauses
	Waiting       int     `json:"waiting"`        // writes that wait for room now
	Waits         uint64  `json:"waits"`          // writes that have waited for room
	Refused       uint64  `json:"refused"`        // writes that got ErrBufferFull
}

// Drops counts what a Transport has dropped: see zmqio.Drops.
type Drops struct {
	Unroutable Traffic `json:"unroutable"` // the peer was unknown
	Unsent     Traffic `json:"unsent"`     // still buffered when the transport ended
	Unread     Traffic `json:"unread"`     // received, and not read before the end
	Events     uint64  `json:"events"`     // the reader of events was too slow
}

// Connections counts what a monitor has reported: see zmqio.ConnectionStats.
type Connections struct {
	Open              *int              `json:"open,omitempty"` // now; absent if unknown
	Connects          uint64            `json:"connects"`
	Accepts           uint64            `json:"accepts"`
	Disconnects       uint64            `json:"disconnects"`
	Retries           uint64            `json:"retries"`
	AcceptFailures    uint64            `json:"accept_failures"`
	Handshakes        uint64            `json:"handshakes"`
	HandshakeFailures map[string]uint64 `json:"handshake_failures,omitempty"` // by reason, without zeros
}

// An Option is a socket option that can be set, and that differs from its value in a new socket
// of the type. Keys and passwords are left out: see zmq.OptionInfo.Secret.
type Option struct {
	Name    string `json:"name"` // libzmq's, without ZMQ_
	Value   string `json:"value"`
	Default string `json:"default"`
}

// An Event is an event of a monitor.
type Event struct {
	Time     time.Time `json:"time"`
	Event    string    `json:"event"` // libzmq's name, without ZMQ_EVENT_
	Endpoint string    `json:"endpoint"`
	Detail   string    `json:"detail"` // an error or a time, or empty
}

// Rates are means over the time between two samples.
type Rates struct {
	ReceivedMessagesPerSecond float64 `json:"received_messages_per_second"`
	ReceivedBytesPerSecond    float64 `json:"received_bytes_per_second"`
	SentMessagesPerSecond     float64 `json:"sent_messages_per_second"`
	SentBytesPerSecond        float64 `json:"sent_bytes_per_second"`
}

// A History has the rates of the last minutes, oldest first, for the times of requests. A rate
// that is zero at all of these times is absent. A Transport has the first two fields, and a Loop
// the third.
type History struct {
	ReceivedMessagesPerSecond []float32 `json:"received_messages_per_second,omitempty"`
	SentMessagesPerSecond     []float32 `json:"sent_messages_per_second,omitempty"`
	BusyRatio                 []float32 `json:"busy_ratio,omitempty"`
}

// A Resident is a zmqio.Resident that is not a zmqio.Transport.
type Resident struct {
	Text             string `json:"text"` // what its String returns
	Busy             bool   `json:"busy"` // it did not answer in time; then the text is its type
	UndeliveredItems int    `json:"undelivered_items"`
	UndeliveredBytes int    `json:"undelivered_bytes"`
}
