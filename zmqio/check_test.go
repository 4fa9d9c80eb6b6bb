package zmqio

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/zmqio/zmq"
)

type misspelt struct{ BaseProtocol }

func (misspelt) MsgRecieved([][]byte)   {}
func (misspelt) ConnectionLots(error)   {}
func (misspelt) PausedWriting()         {}
func (misspelt) OnMsgsReceived()        {}
func (misspelt) MsgsReceived([][]byte)  {}
func (misspelt) EventReceived(int)      {}
func (misspelt) MessageReceived(string) {}
func (misspelt) Received([][]byte)      {}

type allCallbacks struct{ BaseProtocol }

func (allCallbacks) MsgReceived([][]byte)            {}
func (allCallbacks) MsgsReceived([][][]byte)         {}
func (allCallbacks) MessageReceived(Message)         {}
func (*allCallbacks) EventReceived(zmq.MonitorEvent) {}
func (allCallbacks) Close() error                    { return nil }

func TestCheck(t *testing.T) {
	err := Check(misspelt{})
	want := []string{
		"zmqio.misspelt: the method ConnectionLots is no callback; the nearest is ConnectionLost",
		"zmqio.misspelt: the method EventReceived is no callback; that of zmqio.MonitorProtocol is a func(zmq.MonitorEvent)",
		"zmqio.misspelt: the method MessageReceived is no callback; that of zmqio.MessageProtocol is a func(zmqio.Message)",
		"zmqio.misspelt: the method MsgRecieved is no callback; the nearest is MsgReceived",
		"zmqio.misspelt: the method MsgsReceived is no callback; that of zmqio.BatchProtocol is a func([][][]uint8)",
		"zmqio.misspelt: the method OnMsgsReceived is no callback; the nearest is MsgsReceived",
		"zmqio.misspelt: the method PausedWriting is no callback; the nearest is PauseWriting",
	}
	if !errors.Is(err, ErrInvalidArgument) {
		t.Fatal(err)
	}
	got := strings.Split(strings.ReplaceAll(err.Error(), ErrInvalidArgument.Error()+": ", ""), "\n")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, p := range []Protocol{BaseProtocol{}, &allCallbacks{}, struct{ Protocol }{BaseProtocol{}}} {
		if err := Check(p); err != nil {
			t.Errorf("%T: %v", p, err)
		}
	}
	for _, p := range []Protocol{nil, (*allCallbacks)(nil)} {
		if err := Check(p); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%v: %v", p, err)
		}
	}
}

// The table has each callback, with the interface that declares it.
func TestCallbacksAreAll(t *testing.T) {
	for name, in := range callbacks {
		if _, ok := in.MethodByName(name); !ok {
			t.Errorf("%v has no method %s", in, name)
		}
		for i := range in.NumMethod() {
			if m := in.Method(i).Name; callbacks[m] == nil {
				t.Errorf("%s of %v is missing", m, in)
			}
		}
	}
}
