package zmqio_test

import (
	"context"
	"fmt"
	"log"
	"os/exec"

	"github.com/zmqio/zmq/zmqio"
)

// A watcher waits for a child that os/exec has started.
func ExampleChildWatcher() {
	loop, err := zmqio.NewEventLoop(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer loop.Close()
	watcher := zmqio.NewSafeChildWatcher()
	defer watcher.Close()
	if err := watcher.AttachLoop(loop); err != nil {
		log.Fatal(err)
	}

	cmd := exec.Command("/bin/sh", "-c", "exit 3")
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	err = watcher.AddChildHandler(cmd.Process.Pid, func(_, code int) {
		fmt.Println("exit code", code)
		_ = cmd.Process.Release() // not Wait, because the watcher has reaped the child
		loop.Stop()
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := loop.RunForever(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output: exit code 3
}
