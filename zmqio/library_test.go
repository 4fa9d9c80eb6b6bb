package zmqio

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
)

// needs skips a test if libzmq is older than a release, such as "4.3.2". why is the reason.
func needs(t testing.TB, release, why string) {
	t.Helper()
	var since zmq.Version
	_, err := fmt.Sscanf(release, "%d.%d.%d", &since.Major, &since.Minor, &since.Patch)
	must(t, err)
	if running := runningLibrary(); running.Compare(since) < 0 {
		t.Skipf("needs libzmq %v, this is %v: %s", since, running, why)
	}
}

// before reports whether the running libzmq is older than a release.
func before(major, minor, patch int) bool {
	return runningLibrary().Compare(zmq.Version{Major: major, Minor: minor, Patch: patch}) < 0
}

func TestOldLibraryIsRefused(t *testing.T) {
	for _, v := range []zmq.Version{{Major: 3, Minor: 2, Patch: 5}, {Major: 4, Minor: 1}, {Major: 4, Minor: 1, Patch: 8}} {
		err := checkLibrary(v)
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "4.2.0") || !strings.Contains(err.Error(), v.String()) {
			t.Errorf("libzmq %v: %v", v, err)
		}
	}
	for _, v := range []zmq.Version{{Major: 4, Minor: 2}, {Major: 4, Minor: 3, Patch: 4}, {Major: 4, Minor: 4}, runningLibrary()} {
		if err := checkLibrary(v); err != nil {
			t.Errorf("libzmq %v: %v", v, err)
		}
	}
}

// NewEventLoop checks the release before anything else.
func TestNewEventLoopRefusesAnOldLibrary(t *testing.T) {
	oldest := oldestLibrary
	defer func() { oldestLibrary = oldest }()
	oldestLibrary.Major = 99
	l, err := NewEventLoop(nil)
	if l != nil || !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "99.2.0") ||
		!strings.Contains(err.Error(), runningLibrary().String()) {
		t.Errorf("%v, %v", l, err)
	}
}
