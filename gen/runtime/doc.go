// Package zmq is the part of package zmq that does not depend on the spec: it is written by
// hand, and compiled and vetted here as ordinary Go. The generator copies it, declaration by
// declaration, into the generated files of the root package, next to the tables and accessors
// made from the spec.
//
// Only tables.go stays behind: it stands in for those tables here.
//
// Nothing but the generator and this directory's own tests may import it.
package zmq
