package zmq

import "testing"

// What holds of a type depends on the release.
func TestSocketTypeInRelease(t *testing.T) {
	for _, test := range []struct {
		v                   Version
		refusal             Refusal
		subscribes          Subscription
		eager, connectsOnce bool
	}{
		{Version{3, 0, 9}, "forgets", "", false, false},
		{Version{3, 1, 0}, "headless", "", true, false},
		{Version{4, 1, 0}, "headless", "", true, true},
		{Version{4, 2, 0}, "headless", "option", true, true},
		{Version{4, 3, 0}, "headless", "option", true, true},
		{Version{4, 3, 1}, "requests", "option", true, true},
		{Version{5, 0, 0}, "requests", "option", true, true},
	} {
		got := REQ.entry().in(test.v)
		if got.Refusal != test.refusal || got.Subscribes != test.subscribes ||
			got.Eager != test.eager || got.ConnectsOnce != test.connectsOnce {
			t.Errorf("libzmq %v: %+v, want %+v", test.v, got, test)
		}
	}
}

func TestSocketTypeInfo(t *testing.T) {
	info := REP.Info()
	if info.Type != REP || info.Name != "REP" || !info.CanSend || info.Refusal != RefusalForgets || info.Eager || info.ConnectsOnce {
		t.Errorf("%+v", info)
	}
	if info := SocketType(99).Info(); info.Type != 99 || info.Name != "SocketType(99)" || info.CanSend || info.Peers != nil {
		t.Errorf("%+v", info)
	}
}
