// Package subprocess runs child processes on the event loop of package zmqio, as asyncio's
// subprocess transports and protocols. Their pipes are transports of package netio. The words are
// those of the glossary of package zmqio.
//
//	t, p, err := subprocess.Exec(ctx, loop, func() *lines { return new(lines) },
//		subprocess.Config{Stdin: subprocess.Null}, "ls", "-l")
//	...
//	code, err := t.Wait(ctx)
//
// # Who reaps
//
// Package os/exec starts a child, and the os.Process behind it reaps the child, once, when the
// loop learns that the child has exited. No other part of the program may wait for it: do not
// give its PID to a zmqio.ChildWatcher, and do not call wait4 with -1. If another part has reaped
// the child all the same, the return code is 255, and the exception handler gets an error.
// Children that the program starts with os/exec itself, and those of a ChildWatcher, are not
// touched.
//
// On Linux a child costs one descriptor beside its pipes, and neither a goroutine nor a
// thread. Where the system has no pidfds (pidfd_open(2)), a child costs a goroutine that waits
// in a thread.
package subprocess
