package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A cut is a connection between two network namespaces that a test can cut.
type cut struct {
	t     *testing.T
	names [2]string // the names of the namespaces, and of the interface in each
}

// addresses of the two ends, kept for documentation by RFC 5737.
var addresses = [2]string{"192.0.2.1", "192.0.2.2"}

// newCut makes two namespaces and connects them. The test's end removes them. If the system does
// not permit that, newCut skips the test. With CI set it then fails, unless the kernel is the
// reason.
func newCut(t *testing.T) *cut {
	t.Helper()
	if err := ip("-V"); err != nil {
		unavailable(t, err)
	}
	if os.Geteuid() != 0 {
		unavailable(t, errors.New("network namespaces need root"))
	}
	c := &cut{t: t}
	for i, side := range []string{"a", "b"} {
		name := fmt.Sprintf("zf%d%s", os.Getpid(), side)
		err := ip("netns", "add", name)
		if err != nil && strings.Contains(err.Error(), syscall.EPERM.Error()) {
			t.Skip("the kernel refuses:", err)
		}
		if err != nil {
			unavailable(t, err)
		}
		// The interfaces go with the namespaces.
		t.Cleanup(func() { must(t, ip("netns", "delete", name)) })
		c.names[i] = name
	}
	must(t, ip("-n", c.names[0], "link", "add", c.names[0], "type", "veth", "peer", "name", c.names[1], "netns", c.names[1]))
	for i, name := range c.names {
		must(t, ip("-n", name, "address", "add", addresses[i]+"/24", "dev", name))
		c.link(i, "up")
	}
	return c
}

func unavailable(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// ip runs the command of that name.
func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// link sets the interface of one side up or down.
func (c *cut) link(side int, state string) {
	c.t.Helper()
	must(c.t, ip("-n", c.names[side], "link", "set", c.names[side], state))
}

// start starts a process on one side.
func (c *cut) start(side int, j job) *process {
	c.t.Helper()
	return start(c.t, j, "ip", "netns", "exec", c.names[side])
}

// connection returns the process's TCP connection, by its addresses. It returns "" if there is
// none.
func (p *process) connection() string {
	p.t.Helper()
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", p.cmd.Process.Pid))
	must(p.t, err)
	for line := range strings.Lines(string(table)) {
		const established = "01"
		if f := strings.Fields(line); f[3] == established {
			return f[1] + " " + f[2]
		}
	}
	return ""
}

// A cut that is shorter than TCP's patience loses nothing. The connection is still there at its
// end.
func TestPartitionSurvived(t *testing.T) {
	partition(t, 0, func(ctx context.Context, sender, receiver *process) {
		// The cut lasts longer than buffers on the way hold messages.
		err := sender.Until(ctx, func() bool { return sender.tracks[1].last > receiver.track(1).last+1000 })
		must(t, err)
	})
}

// Heartbeats end the connection during a cut. libzmq connects again, and only messages on their way
// are lost.
func TestPartitionNoticed(t *testing.T) {
	partition(t, 100*time.Millisecond, func(ctx context.Context, sender, receiver *process) {
		for sender.connection() != "" || receiver.connection() != "" {
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				t.Fatalf("the sender has %q, the receiver %q: %v", sender.connection(), receiver.connection(), context.Cause(ctx))
			}
		}
	})
}

// partition runs a stream from one namespace to the other. It cuts the connection again and again
// until during has returned.
func partition(t *testing.T, heartbeat time.Duration, during func(ctx context.Context, sender, receiver *process)) {
	checkLeaks(t)
	begin := time.Now()
	ctx := bounded(t, form(hang, 2*hang))
	c := newCut(t)
	receiver := job{
		Role: "receive", Endpoint: "tcp://" + addresses[1] + ":5555", Bind: true, HWM: killHWM, Buffer: killBuffer,
		Size: killSize, Heartbeat: heartbeat,
	}
	sender := receiver
	sender.Role, sender.Bind, sender.Name, sender.First, sender.Pace = "send", false, 1, 1, time.Millisecond
	to := c.start(1, receiver)
	from := c.start(0, sender)
	to.reach(ctx, 1, 1000)

	cuts := form(1, 10)
	var away time.Duration
	for n := range cuts {
		before := to.connection()
		reversed := strings.Fields(from.connection())
		if len(reversed) != 2 || before != reversed[1]+" "+reversed[0] {
			t.Fatalf("connections %q and %q", before, reversed)
		}
		c.link(n%2, "down")
		since := time.Now()
		during(ctx, from, to)
		away += time.Since(since)
		c.link(n%2, "up")
		must(t, to.Until(ctx, func() bool { return to.wrong != nil || to.tracks[1].last+100 > from.track(1).last }))
		if kept := to.connection() == before; kept != (heartbeat == 0) {
			t.Errorf("the connection was kept: %t", kept)
		}
	}
	from.finish()
	wrote := from.track(1)
	to.reach(ctx, 1, wrote.last)
	to.finish()
	got := to.track(1)
	bound, _, sum := atMost("tcp")
	if heartbeat == 0 {
		bound = 0
	} else {
		t.Log("a cut may lose", sum)
	}
	t.Logf("%d messages of %d bytes in %v; %d cuts of %v on average lost %d", wrote.last, killSize,
		time.Since(begin).Round(time.Millisecond), cuts, (away / time.Duration(cuts)).Round(time.Millisecond), got.lost)
	if got.lost > bound*uint64(cuts) || got.first() != 1 {
		t.Errorf("%d messages lost, %d allowed for each cut; the first is %d", got.lost, bound, got.first())
	}
}
