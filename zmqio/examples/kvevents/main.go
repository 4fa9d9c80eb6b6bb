// Kvevents prints the KV-cache events of a vLLM server, all of them and in sequence.
//
//	go run ./kvevents [-topic t] tcp://host:5557 tcp://host:5558
//
// vLLM publishes batches as [topic, sequence number, payload] at the first endpoint. A SUB that
// is slow or was away misses some. At the second endpoint vLLM keeps the last 10,000: a
// DEALER sends ["", first number] and gets all from there on, the newest included, and then
// the number -1. Live messages come meanwhile. They wait in the SUB's stream, because the
// goroutine that would read them reads the replay, and what the replay had is dropped there.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"syscall"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

func main() {
	topic := flag.String("topic", "", "what the topics of messages begin with")
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("usage: kvevents [-topic t] endpoint replay-endpoint")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	c := consumer{replayEndpoint: flag.Arg(1), last: -1}
	if err := c.run(ctx, flag.Arg(0), *topic); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

type consumer struct {
	replayEndpoint string
	next           int64 // the sequence number of the next batch to print
	last           int64 // the sequence number of the last live message
}

func (c *consumer) run(ctx context.Context, endpoint, topic string) error {
	live, err := zmqio.Open(ctx, zmq.SUB, zmqio.StreamConfig{
		Connect: []string{endpoint}, AllowHostnames: true, Subscribe: []string{topic},
		Liveness: zmqio.Liveness{Idle: 30 * time.Second}, // replaces a dead connection
	})
	if err != nil {
		return err
	}
	defer live.Close()
	for msg, err := range live.Messages(ctx) {
		if err != nil {
			return err
		}
		seq, payload, err := parse(msg)
		if err != nil {
			return err
		}
		if seq <= c.last {
			log.Print("the publisher has started anew")
			c.next = 0
		}
		c.last = seq
		if seq > c.next {
			c.fill(ctx)
		}
		if err := c.print(seq, payload); err != nil {
			return err
		}
	}
	return nil
}

// errGap is the error of a replay that lacks a message. vLLM's ROUTER drops messages for which it
// has no room.
var errGap = errors.New("a message of the replay is missing")

// fill replays the messages from c.next on, and repeats this while a replay brings some.
func (c *consumer) fill(ctx context.Context) {
	for {
		before := c.next
		err := c.replay(ctx)
		if err == nil {
			return
		}
		log.Printf("replay from %d up to %d: %v", before, c.next-1, err)
		if c.next == before {
			return // c.print reports what is lost
		}
	}
}

// replay uses a new DEALER, which no reply to an earlier request can reach.
func (c *consumer) replay(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	dealer, err := zmqio.Dial(ctx, zmq.DEALER, c.replayEndpoint)
	if err != nil {
		return err
	}
	defer dealer.Abort()
	if err := dealer.Send(ctx, nil, binary.BigEndian.AppendUint64(nil, uint64(c.next))); err != nil {
		return err
	}
	for first := true; ; first = false {
		msg, err := dealer.Recv(ctx)
		if err != nil {
			return err
		}
		seq, payload, err := parse(msg)
		switch {
		case err != nil:
			return err
		case seq < 0:
			return nil
		case seq > c.next && !first: // vLLM has dropped batches before its first
			return errGap
		}
		if err := c.print(seq, payload); err != nil {
			return err
		}
	}
}

// parse returns the last two frames. A topic may come before them, which replays of older releases
// of vLLM lack. A replay also has an empty frame in front.
func parse(msg [][]byte) (seq int64, payload []byte, err error) {
	n := len(msg)
	if n < 2 || len(msg[n-2]) != 8 {
		return 0, nil, fmt.Errorf("no batch of events: %q", msg)
	}
	return int64(binary.BigEndian.Uint64(msg[n-2])), msg[n-1], nil
}

// print prints the events of a batch that no replay has printed.
func (c *consumer) print(seq int64, payload []byte) error {
	if seq < c.next {
		return nil
	}
	if seq > c.next {
		log.Printf("lost: %d to %d", c.next, seq-1)
	}
	c.next = seq + 1
	var batch any
	if err := msgpack.Unmarshal(payload, &batch); err != nil {
		return fmt.Errorf("batch %d: %w", seq, err)
	}
	events, _ := field(batch, 1, "events").([]any)
	fmt.Printf("%d: %d events\n", seq, len(events))
	for _, e := range events {
		fmt.Printf("  %v %v\n", field(e, 0, "type"), field(e, 1, "block_hashes"))
	}
	return nil
}

// field returns a field of a structure, or nil. The structure is an array or a map, depending on
// the release of vLLM.
func field(v any, index int, name string) any {
	switch v := v.(type) {
	case []any:
		if index < len(v) {
			return v[index]
		}
	case map[string]any:
		return v[name]
	}
	return nil
}
