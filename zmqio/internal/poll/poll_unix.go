//go:build unix && (!linux || zmqio_poll)

package poll

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Poller waits for descriptors with poll(2), which every Unix has. The time of a Wait grows with
// the number of descriptors.
type Poller struct {
	wake *waker

	mu      sync.Mutex
	watched map[int]watch
	changed bool // watched was changed after set was built

	set    []unix.PollFd // the array for poll(2), with the waker first
	tokens []uint64      // tokens of set, by index
	first  int           // index in set at which the next Wait begins, for fairness
}

type watch struct {
	in    Interest
	token uint64
}

// New returns a Poller. It holds descriptors until Close.
func New() (*Poller, error) {
	wake, err := newWaker()
	if err != nil {
		return nil, err
	}
	return &Poller{wake: wake, watched: make(map[int]watch), changed: true}, nil
}

// Add begins to watch fd. Events of fd carry token.
func (p *Poller) Add(fd int, in Interest, token uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.watched[fd]; ok {
		return fmt.Errorf("zmqio: poll: descriptor %d: %w", fd, os.ErrExist)
	}
	return p.put(fd, watch{in, token})
}

// Modify changes the readiness of fd that matters.
func (p *Poller) Modify(fd int, in Interest, token uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.watched[fd]; !ok {
		return fmt.Errorf("zmqio: poll: descriptor %d: %w", fd, os.ErrNotExist)
	}
	return p.put(fd, watch{in, token})
}

// put changes the table, and wakes a Wait that polls the old one.
func (p *Poller) put(fd int, w watch) error {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
		return os.NewSyscallError("fcntl", err) // poll(2) would report a closed descriptor as ready for ever
	}
	p.watched[fd] = w
	p.changed = true
	p.wake.wake()
	return nil
}

// Remove stops watching fd. It must come before fd is closed. A Wait in progress may still report
// an event that it has taken.
func (p *Poller) Remove(fd int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.watched[fd]; !ok {
		return fmt.Errorf("zmqio: poll: descriptor %d: %w", fd, os.ErrNotExist)
	}
	delete(p.watched, fd)
	p.changed = true
	return nil
}

// Wait waits until a descriptor is ready, Wake is called or timeout has passed, and returns the
// number of events stored. A negative timeout is for ever. Wait may return early without an event.
func (p *Poller) Wait(events []Event, timeout time.Duration) (int, error) {
	p.rebuild()
	n, err := unix.Poll(p.set, millis(timeout))
	if err == unix.EINTR {
		return 0, nil
	}
	if err != nil {
		return 0, os.NewSyscallError("poll", err)
	}
	if n > 0 && p.set[0].Revents != 0 {
		p.wake.drain()
		n--
	}
	stored := 0
	for k := range p.set[1:] {
		if stored == min(n, len(events)) {
			p.first += k // the next Wait begins with the descriptors that found no room
			break
		}
		i := 1 + (p.first+k)%(len(p.set)-1)
		got := p.set[i].Revents
		if got == 0 {
			continue
		}
		const bad = unix.POLLHUP | unix.POLLERR | unix.POLLNVAL
		var ready Interest
		if got&(unix.POLLIN|bad) != 0 {
			ready |= Read
		}
		if got&(unix.POLLOUT|bad) != 0 {
			ready |= Write
		}
		events[stored] = Event{Token: p.tokens[i], Ready: ready}
		stored++
	}
	return stored, nil
}

// rebuild rebuilds set if watched has changed.
func (p *Poller) rebuild() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.changed {
		return
	}
	p.changed = false
	p.set = append(p.set[:0], unix.PollFd{Fd: int32(p.wake.readFD()), Events: unix.POLLIN})
	p.tokens = append(p.tokens[:0], wakeToken)
	for fd, w := range p.watched {
		ev := unix.PollFd{Fd: int32(fd)}
		if w.in&Read != 0 {
			ev.Events |= unix.POLLIN
		}
		if w.in&Write != 0 {
			ev.Events |= unix.POLLOUT
		}
		p.set = append(p.set, ev)
		p.tokens = append(p.tokens, w.token)
	}
}

// KeepsThread says whether Park blocks its thread.
const KeepsThread = true

// Park is Wait, because poll(2) always blocks its thread.
func (p *Poller) Park(events []Event, timeout time.Duration) (int, error) {
	return p.Wait(events, timeout)
}

// Wake makes the Wait in progress return, or else the next one. After Close it does nothing.
func (p *Poller) Wake() { p.wake.wake() }

// Close closes the descriptors. No Wait may be in progress.
func (p *Poller) Close() error {
	p.wake.close()
	return nil
}
