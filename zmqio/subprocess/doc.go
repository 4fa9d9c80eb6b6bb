// Package subprocess runs child processes on the event loop of zmqio: as asyncio's
// subprocess transports and protocols, with their pipes as transports of package netio.
//
// # Who reaps
//
// A child is started by package os/exec and reaped by the os.Process behind it, once, when the
// loop learns that the child has exited. No other part of the program may wait for it: do not
// give its PID to a zmqio.ChildWatcher, and do not call wait4 with -1. If the child has been
// reaped elsewhere all the same, its return code is 255, and the exception handler is told.
// Children that the program starts with os/exec itself, and those of a ChildWatcher, are not
// touched.
//
// On Linux a child costs one descriptor beside its pipes, and neither a goroutine nor a
// thread. Where the system has no such descriptors (pidfd_open(2)), it costs a goroutine that
// waits in a thread.
package subprocess
