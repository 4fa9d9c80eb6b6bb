//go:build linux && !zmqio_poll

package poll

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Poller waits for descriptors with epoll.
type Poller struct {
	fd     int
	wake   *waker
	events []unix.EpollEvent

	parking parking

	mu     sync.Mutex
	always map[int]Event // descriptors that epoll refuses, and their events: see ctl
}

// New returns a Poller. It holds two descriptors until Close.
func New() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	p := &Poller{fd: fd, always: make(map[int]Event)}
	if p.wake, err = newWaker(); err == nil {
		err = p.Add(p.wake.readFD(), Read, wakeToken)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Add begins to watch fd. Events of fd carry token.
func (p *Poller) Add(fd int, in Interest, token uint64) error {
	return p.ctl(unix.EPOLL_CTL_ADD, fd, in, token)
}

// Modify changes the readiness of fd that matters.
func (p *Poller) Modify(fd int, in Interest, token uint64) error {
	return p.ctl(unix.EPOLL_CTL_MOD, fd, in, token)
}

// Remove stops watching fd. It must come before fd is closed. A Wait in progress may still report
// an event that it has taken.
func (p *Poller) Remove(fd int) error {
	p.mu.Lock()
	_, always := p.always[fd]
	delete(p.always, fd)
	p.mu.Unlock()
	err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil)
	if always { // epoll never had fd, or the number is another file's by now
		return nil
	}
	return os.NewSyscallError("epoll_ctl", err)
}

// ctl calls epoll_ctl. epoll refuses regular files and directories with EPERM; ctl makes them
// always ready, as poll(2) does.
func (p *Poller) ctl(op, fd int, in Interest, token uint64) error {
	ev := unix.EpollEvent{Fd: int32(uint32(token)), Pad: int32(uint32(token >> 32))}
	if in&Read != 0 {
		ev.Events |= unix.EPOLLIN
	}
	if in&Write != 0 {
		ev.Events |= unix.EPOLLOUT
	}
	err := unix.EpollCtl(p.fd, op, fd, &ev)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == unix.EPERM {
		p.always[fd] = Event{token, in}
		p.wake.wake()
		return nil
	}
	delete(p.always, fd)
	return os.NewSyscallError("epoll_ctl", err)
}

// Wait waits until a descriptor is ready, Wake is called or timeout has passed, and returns the
// number of events stored. A negative timeout is for ever. Wait may return early without an event.
// It blocks its thread.
func (p *Poller) Wait(events []Event, timeout time.Duration) (int, error) {
	stored, _, err := p.wait(events, timeout)
	return stored, err
}

// wait is Wait. woken also tells of a wake-up without an event.
func (p *Poller) wait(events []Event, timeout time.Duration) (stored int, woken bool, err error) {
	if len(p.events) < len(events) {
		p.events = make([]unix.EpollEvent, len(events))
	}
	stored = p.takeAlways(events[:len(events)/2])
	if stored > 0 {
		timeout = 0
	}
	n, err := unix.EpollWait(p.fd, p.events[:len(events)-stored], millis(timeout))
	if err == unix.EINTR {
		return stored, true, nil
	}
	if err != nil {
		return 0, false, os.NewSyscallError("epoll_wait", err)
	}
	woken = stored+n > 0
	for _, ev := range p.events[:n] {
		token := uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
		if token == wakeToken {
			p.wake.drain()
			continue
		}
		var ready Interest
		if ev.Events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			ready |= Read
		}
		if ev.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			ready |= Write
		}
		events[stored] = Event{Token: token, Ready: ready}
		stored++
	}
	return stored, woken, nil
}

// takeAlways stores events of descriptors that are always ready. If not all fit, the random order
// of the map gives each its turn.
func (p *Poller) takeAlways(events []Event) (stored int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ev := range p.always {
		if stored == len(events) {
			break
		}
		events[stored] = ev
		stored++
	}
	return stored
}

// Wake makes the Wait in progress return, or else the next one. After Close it does nothing.
func (p *Poller) Wake() { p.wake.wake() }

// Close closes the descriptors. No Wait may be in progress.
func (p *Poller) Close() error {
	if p.wake != nil {
		p.wake.close()
	}
	p.parking.close()
	return os.NewSyscallError("close", unix.Close(p.fd))
}
