package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/zmqio/zmq/zmqio"
)

func TestChildCreateWatcher(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		if n.IsActive() {
			t.Error("active while its loop does not run")
		}
		_, err := n.loop.CallSoon(func() {
			if !n.IsActive() {
				t.Error("not active while its loop runs")
			}
			n.loop.Stop()
		})
		must(t, err)
		must(t, n.loop.RunForever(bounded(t)))
		must(t, n.AttachLoop(n.loop)) // a second AttachLoop changes nothing
		n.settle()
	})
}

func TestChildSigchld(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		k := spawn(t, 12)
		n.watch(k.pid)
		n.settle() // the child is alive: no call
		k.finish()
		n.expect("child 12")
		n.settle() // exactly one call
		if err := syscall.Kill(k.pid, 0); err != syscall.ESRCH {
			t.Errorf("the child was not reaped: %v", err)
		}
	})
}

func TestChildSigchldTwoChildren(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		a, b := spawn(t, 0), spawn(t, 108)
		n.watchAs(a.pid, "a")
		n.watchAs(b.pid, "b")
		a.kill(syscall.SIGQUIT)
		n.expect("a -3")
		b.finish()
		n.expect("a -3", "b 108")
	})
}

func TestChildSigchldTwoChildrenTerminatingTogether(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		a, b := spawn(t, 78), spawn(t, 0)
		n.watchAs(a.pid, "a")
		n.watchAs(b.pid, "b")
		a.die()
		b.kill(syscall.SIGTRAP)
		awaitDeath(t, b.pid)
		n.expect("a 78", "b -5")
	})
}

func TestChildSigchldRaceCondition(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		k := spawn(t, 50)
		k.die()
		n.settle() // the signal has been handled
		n.watch(k.pid)
		if len(n.seen) != 0 {
			t.Error("handler called inside AddChildHandler")
		}
		n.expect("child 50")
	})
}

func TestChildSigchldReplaceHandler(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		k := spawn(t, 51)
		n.watchAs(k.pid, "replaced")
		n.watchAs(k.pid, "second")
		k.finish()
		n.expect("second 51")
	})
}

func TestChildSigchldRemoveHandler(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		k := spawn(t, 52)
		n.watch(k.pid)
		n.RemoveChildHandler(k.pid)
		k.die()
		n.settle()
		if code := k.wait(); code != 52 { // the child is the test's again
			t.Errorf("exit code %d", code)
		}
	})
}

func TestChildRemoveChildHandler(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		a, b, c := spawn(t, 1), spawn(t, 2), spawn(t, 3)
		n.watchAs(a.pid, "a")
		n.watchAs(b.pid, "b")
		n.watchAs(c.pid, "c")
		for _, x := range []struct {
			pid  int
			want bool
		}{{a.pid, true}, {b.pid, true}, {b.pid, false}, {os.Getpid(), false}, {0, false}, {-1, false}} {
			if got := n.RemoveChildHandler(x.pid); got != x.want {
				t.Errorf("RemoveChildHandler(%d) = %t", x.pid, got)
			}
		}
		c.finish()
		n.expect("c 3")
		if n.RemoveChildHandler(c.pid) {
			t.Error("the handler is still there after its call")
		}
		n.watchAs(a.pid, "a") // a removed handler can be added again
		a.finish()
		n.expect("a 1", "c 3")
	})
}

// RemoveChildHandler counts even if the child has ended and the loop knows.
func TestChildSigchldRemoveHandlerLate(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		a, b := spawn(t, 1), spawn(t, 1)
		remove := func(pid int) func(int, int) {
			return func(p, code int) {
				n.seen = append(n.seen, fmt.Sprint("one ", code))
				if !n.RemoveChildHandler(pid) || n.RemoveChildHandler(p) {
					t.Error("the other handler is gone or this one still there")
				}
				n.loop.Stop()
			}
		}
		must(t, n.AddChildHandler(a.pid, remove(b.pid)))
		must(t, n.AddChildHandler(b.pid, remove(a.pid)))
		a.die()
		b.die()
		n.expect("one 1")
		n.settle()
	})
}

func TestChildSigchldChildReapedElsewhere(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		k := spawn(t, 58)
		n.watch(k.pid)
		k.finish()
		if code := k.wait(); code != 58 {
			t.Errorf("exit code %d", code)
		}
		n.expect("child 255")
		if !strings.Contains(n.log.String(), fmt.Sprint("pid=", k.pid)) {
			t.Errorf("no warning: %q", n.log)
		}
	})
}

func TestChildSigchldUnknownPidDuringRegistration(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		unknown := spawn(t, 59)
		unknown.die()
		n.settle()
		if code := unknown.wait(); code != 59 {
			t.Errorf("an unknown child was stolen: exit code %d", code)
		}
	})
}

// Arguments that asyncio asserts, and processes that are no children, are errors.
func TestChildWrongPid(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		for _, pid := range []int{0, -1, -os.Getpid()} {
			if err := n.AddChildHandler(pid, func(int, int) {}); !errors.Is(err, zmqio.ErrInvalidArgument) {
				t.Errorf("AddChildHandler(%d): %v", pid, err)
			}
		}
		if err := n.AddChildHandler(1, nil); !errors.Is(err, zmqio.ErrInvalidArgument) {
			t.Errorf("nil handler: %v", err)
		}
		n.watch(os.Getpid())
		n.expect("child 255")
		k := spawn(t, 1)
		k.finish()
		k.wait()
		switch err := n.AddChildHandler(k.pid, func(int, int) { n.loop.Stop() }); {
		case errors.Is(err, syscall.ESRCH): // a pidfd watcher knows at once
		case err != nil:
			t.Error(err)
		default:
			must(t, n.loop.RunForever(bounded(t)))
		}
	})
}

func TestChildSetLoop(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		k := spawn(t, 60)
		n.watch(k.pid)
		old, oldLog := n.loop, n.log
		n.loop, n.log = openLoop(t)
		must(t, n.AttachLoop(n.loop))
		k.die()
		old.Stop()
		must(t, old.RunForever(bounded(t))) // callbacks posted there call no handler
		n.expect("child 60")
		if oldLog.Len() != 0 {
			t.Errorf("a move is no reason to warn: %s", oldLog)
		}
		closed, _ := openLoop(t)
		must(t, closed.Close())
		if err := n.AttachLoop(closed); !errors.Is(err, zmqio.ErrLoopClosed) {
			t.Errorf("a closed loop: %v", err)
		}
		n.settle() // on the watcher's previous loop
	})
}

func TestChildSetLoopRaceCondition(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		a, b, c := spawn(t, 61), spawn(t, 0), spawn(t, 62)
		n.watchAs(a.pid, "a")
		n.watchAs(b.pid, "b")
		n.watchAs(c.pid, "c")
		must(t, n.AttachLoop(nil))
		if !strings.Contains(n.log.String(), "pending handlers") {
			t.Errorf("no warning: %q", n.log)
		}
		if n.IsActive() {
			t.Error("active without a loop")
		}
		a.die()
		b.kill(syscall.SIGTERM)
		awaitDeath(t, b.pid)
		n.loop, n.log = openLoop(t)
		must(t, n.AttachLoop(n.loop))
		n.expect("a 61", "b -15")
		c.finish()
		n.expect("a 61", "b -15", "c 62")
		must(t, n.AttachLoop(nil))
		if n.log.Len() != 0 {
			t.Errorf("a warning for nothing: %s", n.log)
		}
	})
}

// A watcher without a loop accepts handlers for later.
func TestChildAddWhileDetached(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		must(t, n.AttachLoop(nil))
		a, b := spawn(t, 1), spawn(t, 2)
		n.watchAs(a.pid, "a")
		n.watchAs(b.pid, "b")
		a.die()
		must(t, n.AttachLoop(n.loop))
		n.expect("a 1")
		b.finish()
		n.expect("a 1", "b 2")
	})
}

// A closed loop detaches its watcher, which leaves the rest to the next loop.
func TestChildLoopClosed(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		k := spawn(t, 7)
		n.watch(k.pid)
		k.die()
		must(t, n.loop.Close())
		if !strings.Contains(n.log.String(), "pending handlers") {
			t.Errorf("no warning: %q", n.log)
		}
		n.loop, n.log = openLoop(t)
		must(t, n.AttachLoop(n.loop))
		n.expect("child 7")
	})
}

func TestChildClose(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		k := spawn(t, 63)
		n.watch(k.pid)
		must(t, n.Close())
		must(t, n.Close())
		must(t, n.AttachLoop(nil))
		if n.log.Len() != 0 {
			t.Errorf("a warning: %s", n.log)
		}
		k.die()
		if n.IsActive() || n.RemoveChildHandler(k.pid) {
			t.Error("active or with handlers after Close")
		}
		if err := n.AddChildHandler(k.pid, func(int, int) {}); !errors.Is(err, zmqio.ErrWatcherClosed) || !errors.Is(err, os.ErrClosed) {
			t.Errorf("AddChildHandler: %v", err)
		}
		if err := n.AttachLoop(n.loop); !errors.Is(err, zmqio.ErrWatcherClosed) {
			t.Errorf("AttachLoop: %v", err)
		}
		n.loop.Stop()
		must(t, n.loop.RunForever(bounded(t)))
		if code := k.wait(); code != 63 || len(n.seen) != 0 {
			t.Errorf("exit code %d, handlers saw %q", code, n.seen)
		}
	})
}

// Two watchers have their own children. If the older closes, the newer still gets SIGCHLD, unlike
// in asyncio.
func TestChildTwoWatchers(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		old := zmqio.NewSafeChildWatcher()
		must(t, old.AttachLoop(n.loop))
		newer := &nursery{ChildWatcher: zmqio.NewSafeChildWatcher(), t: t, loop: n.loop, log: n.log}
		must(t, newer.AttachLoop(n.loop))
		defer newer.Close()
		must(t, old.Close())
		newer.settle()
		n.settle()
	})
}

// Neither a panic nor a Goexit of a handler keeps the other handlers from being called.
func TestChildHandlerPanics(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		var reported []error
		n.loop.SetExceptionHandler(func(_ *zmqio.EventLoop, ctx zmqio.ExceptionContext) {
			reported = append(reported, ctx.Err)
		})
		panics := errors.New("the handler's")
		kids := []*kid{spawn(t, 0), spawn(t, 0), spawn(t, 0)}
		slices.SortFunc(kids, func(a, b *kid) int { return a.pid - b.pid }) // the order of the calls
		must(t, n.AddChildHandler(kids[0].pid, func(int, int) { panic(panics) }))
		must(t, n.AddChildHandler(kids[1].pid, func(int, int) { runtime.Goexit() }))
		n.watch(kids[2].pid)
		for _, k := range kids {
			k.die()
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_ = n.loop.RunForever(bounded(t)) // does not return
		}()
		<-gone
		n.expect("child 0")
		if len(reported) != 1 || !errors.Is(reported[0], panics) {
			t.Errorf("reported: %v", reported)
		}
	})
}

// A watcher does not reap the other children, which os/exec waits for.
func TestChildOsExec(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		k := spawn(t, 5)
		n.watch(k.pid)
		err := n.loop.Run(bounded(t), func(ctx context.Context) error {
			for range 3 {
				out, err := exec.CommandContext(ctx, "/bin/sh", "-c", "echo hello; exit 3").Output()
				var exit *exec.ExitError
				if string(out) != "hello\n" || !errors.As(err, &exit) || exit.ExitCode() != 3 {
					t.Errorf("%q, %v", out, err)
				}
			}
			return nil
		})
		must(t, err)
		cmd := exec.Command("/bin/sh", "-c", "exit 9") // the documented way to give a child of os/exec to a watcher
		must(t, cmd.Start())
		n.watchAs(cmd.Process.Pid, "exec")
		n.expect("exec 9")
		must(t, cmd.Process.Release())
		k.finish()
		n.expect("exec 9", "child 5")
	})
}

func TestChildManyGoroutines(t *testing.T) {
	withChildren(t, func(t *testing.T, n *nursery) {
		const goroutines, each = 4, 5
		codes := make(chan int, goroutines*each)
		err := n.loop.Run(bounded(t), func(ctx context.Context) error {
			var group sync.WaitGroup
			for range goroutines {
				group.Go(func() {
					for i := range each {
						k := spawn(t, i)
						if i%2 == 0 {
							k.finish()
						}
						if err := n.AddChildHandler(k.pid, func(_, code int) { codes <- code }); err != nil {
							t.Error(err)
						}
						k.finish()
					}
				})
			}
			group.Wait()
			for range goroutines * each {
				select {
				case <-codes:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			return nil
		})
		must(t, err)
	})
}
