package zmqio

import (
	"errors"
	"reflect"
)

// callbacks maps each method that a transport calls to the interface that declares it.
var callbacks = map[string]reflect.Type{
	"ConnectionMade":  reflect.TypeFor[Protocol](),
	"ConnectionLost":  reflect.TypeFor[Protocol](),
	"PauseWriting":    reflect.TypeFor[Protocol](),
	"ResumeWriting":   reflect.TypeFor[Protocol](),
	"MsgReceived":     reflect.TypeFor[Protocol](),
	"MsgsReceived":    reflect.TypeFor[BatchProtocol](),
	"MessageReceived": reflect.TypeFor[MessageProtocol](),
	"EventReceived":   reflect.TypeFor[MonitorProtocol](),
}

// Check finds methods of p that look like callbacks and are none. Either a name is misspelt, or
// MsgsReceived, MessageReceived or EventReceived have other parameters than their interface.
// The compiler cannot find them where BaseProtocol is embedded, because it has the methods that
// were meant. Check is for tests:
//
//	if err := zmqio.Check(new(myProtocol)); err != nil {
//		t.Error(err)
//	}
//
// The error names each such method. It is ErrInvalidArgument, as it is for a nil p. Check does
// not see methods whose names begin with a small letter.
func Check(p Protocol) error {
	if isNil(p) {
		return invalid("Check: nil protocol")
	}
	var found []error
	typ := reflect.TypeOf(p)
	for i := range typ.NumMethod() {
		m := typ.Method(i)
		if in, ok := callbacks[m.Name]; !ok {
			if meant := callbackLike(m.Name); meant != "" {
				found = append(found, invalid("%v: the method %s is no callback; the nearest is %s", typ, m.Name, meant))
			}
		} else if !typ.Implements(in) {
			want, _ := in.MethodByName(m.Name)
			found = append(found, invalid("%v: the method %s is no callback; that of %v is a %v", typ, m.Name, in, want.Type))
		}
	}
	return errors.Join(found...)
}

// callbackLike returns the callback whose name differs from name by two letters or fewer,
// or "".
func callbackLike(name string) (meant string) {
	nearest := 3
	for callback := range callbacks {
		if d := distance(name, callback); d < nearest || d == nearest && d < 3 && callback < meant {
			nearest, meant = d, callback
		}
	}
	return meant
}

// distance returns the edit distance of a and b: the letters to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // distances of the letters of a read so far to each prefix of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
