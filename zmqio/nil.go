package zmqio

import "reflect"

// isNil reports whether v is nil, or holds a nil pointer, function or the like.
func isNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func:
		return r.IsNil()
	}
	return false
}
