package fault

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zmqio/zmq/zmqio"
	"github.com/zmqio/zmq/zmqio/subprocess"
)

// Goroutines do everything at once with children that live, die and are killed. Each child exits
// once, each pipe ends once, ConnectionLost comes last, and nothing is left behind.
func TestChildrenFromEverywhere(t *testing.T) {
	l := childLoop(t)
	number := *seed
	if number == 0 {
		number = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", number)
	commands := []string{"cat", "exit 3", "yes", "trap '' TERM; echo; cat >&2", "exec 1>&-; cat", "cat & exit 4"}
	var round sync.WaitGroup
	for i := range form(60, 600) {
		w := newWard()
		command := commands[i%len(commands)]
		tr := raiseShell(t, l, w, subprocess.Config{}, command)
		for j := range uint64(4) {
			random := rand.New(rand.NewPCG(number, uint64(i)<<8|j))
			round.Go(func() {
				for range 25 {
					if err := meddle(random, tr); err != nil {
						t.Errorf("%s: %v", command, err)
					}
				}
			})
		}
		round.Wait()
		must(t, tr.Abort())
		<-tr.Closed()
		w.Change(func() {
			slices.Sort(w.log[:len(w.log)-1])
			if want := []string{"end 0", "end 1", "end 2", "exited", "lost"}; !slices.Equal(w.log, want) {
				t.Errorf("%s: callbacks %q", command, w.log)
			}
		})
		if err := tr.Kill(); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("Kill after the end: %v", err)
		}
	}
}

// meddle does something to a child. It returns only unexpected errors.
func meddle(random *rand.Rand, tr *subprocess.Transport) error {
	pipe := tr.Pipe(random.IntN(3))
	var err error
	switch random.IntN(40) {
	case 0:
		err = tr.Close()
	case 1:
		err = tr.Abort()
	case 2:
		err = tr.Kill()
	case 3:
		err = tr.Terminate()
	case 4:
		err = pipe.Close()
	case 5:
		err = pipe.Abort()
	case 6, 7, 8, 9:
		err = pipe.PauseReading()
	case 10, 11, 12, 13:
		err = pipe.ResumeReading()
	case 14, 15, 16, 17:
		err = pipe.Write(make([]byte, random.IntN(200_000)))
	case 18:
		err = pipe.WriteEOF()
	case 19, 20:
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		_, err = tr.Wait(ctx)
	case 21, 22:
		err = tr.Signal(syscall.SIGCONT)
	default:
		_ = tr.String()
		_, _ = tr.ReturnCode()
		_ = tr.IsClosing()
	}
	for _, may := range []error{
		nil, os.ErrProcessDone, zmqio.ErrTransportClosed, errors.ErrUnsupported, syscall.EPIPE, context.DeadlineExceeded,
		zmqio.ErrAlreadyPaused, zmqio.ErrNotPaused,
	} {
		if errors.Is(err, may) {
			return nil
		}
	}
	return err
}
