// Pubsub publishes 10,000 messages of 4 KiB to three subscribers, the last of which is slow. A
// PUB drops what a slow subscriber has no room for. Here XPUB_NODROP makes the publisher wait
// instead, so that every subscriber gets every message, and the program tells when it waits.
//
//	go run ./pubsub [-bind endpoint] [-others n]
//
// With -others the publisher also waits for subscribers to "news" of other programs.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/zmqio/zmq"
	"github.com/zmqio/zmq/zmqio"
)

const messages = 10_000

func main() {
	bind := flag.String("bind", "tcp://127.0.0.1:*", "endpoint to publish at")
	others := flag.Int("others", 0, "subscribers of other programs to wait for")
	flag.Parse()
	if err := run(context.Background(), *bind, *others); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, bind string, others int) error {
	pub, err := zmqio.Open(ctx, zmq.XPUB, zmqio.StreamConfig{
		Bind: []string{bind},
		Configure: func(o zmq.Sockopts) error {
			return errors.Join(o.SetXPubNoDrop(true), o.SetXPubVerboser(true))
		},
	})
	if err != nil {
		return err
	}
	fmt.Println("publishing at", pub.Addr())
	var group sync.WaitGroup
	for i := range 3 {
		group.Go(func() {
			err := subscribe(ctx, pub.Addr(), time.Duration(i/2)*time.Millisecond)
			fmt.Printf("subscriber %d has ended: %v\n", i, err)
		})
	}
	if err := pub.WaitSubscribed(ctx, "news", 3+others); err != nil {
		return err
	}
	body := make([]byte, 4096)
	for n := range messages {
		binary.BigEndian.PutUint64(body, uint64(n))
		err := pub.TrySend([]byte("news"), body)
		if errors.Is(err, zmqio.ErrBufferFull) {
			fmt.Println("waiting for room with message", n)
			err = pub.Send(ctx, []byte("news"), body)
		}
		if err != nil {
			return err
		}
	}
	group.Wait()
	return pub.Close()
}

// subscribe receives all messages, and rests after every tenth.
func subscribe(ctx context.Context, endpoint string, rest time.Duration) error {
	sub, err := zmqio.Open(ctx, zmq.SUB, zmqio.StreamConfig{Connect: []string{endpoint}, Subscribe: []string{"news"}})
	if err != nil {
		return err
	}
	defer sub.Close()
	for n := range messages {
		msg, err := sub.Recv(ctx)
		if err != nil {
			return err
		}
		if got := binary.BigEndian.Uint64(msg[1]); got != uint64(n) {
			return fmt.Errorf("got message %d, want %d", got, n)
		}
		if n%10 == 0 {
			time.Sleep(rest)
		}
	}
	return nil
}
