package zmqio

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layers lists the files of the package, from the bottom to the top. A file uses only names of its
// own layer and of those below.
var layers = []struct{ name, files string }{
	{"loop", `background close contextopts debug doc errors exception executor fd future handle library loop loops loopstats nil operror
		placement resident run shutdown signal spare timer`},
	{"options", `guard priority_linux priority_other topics`},
	{"transport", `batch callback check closed curve departure departures ending endpointcheck endpoints inproc io ipc metadata monitor protocol read
		recentevents rep resolve sender sockopts stats totals transport transportresident unroutable`},
	{"creating", `connection`},
	{"stream", `feed liveness mailbox passage proxy stream stream_events stream_peers`},
	{"policy", `childwatcher pidfd_linux policy safechild`},
}

// upwards has the references that run upwards, with the reason: the file that refers, and the name.
var upwards = map[string]string{
	"close.go: EventLoop.awaitDepartures":    "Close waits for what is on its way over ipc",
	"shutdown.go: EventLoop.awaitDepartures": "Shutdown does, too",
	"exception.go: Protocol":                 "a field of ExceptionContext, as in asyncio",
	"exception.go: Transport":                "a field of ExceptionContext, as in asyncio",
	"exception.go: Transport.String":         "the default handler logs the transport",
	"loop.go: Transport":                     "the loop knows whose batch is being delivered, for what is written meanwhile",
}

const mostUpwards = 12

// No file uses a name of a higher layer, except those in upwards.
func TestLayers(t *testing.T) {
	level := make(map[string]int)
	for i, layer := range layers {
		for _, f := range strings.Fields(layer.files) {
			level[f+".go"] = i
		}
	}
	files, err := filepath.Glob("*.go")
	must(t, err)
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") })
	for _, f := range files {
		if _, ok := level[f]; !ok {
			t.Errorf("%s is in no layer", f)
		}
	}
	for _, f := range slices.Sorted(maps.Keys(level)) {
		if !slices.Contains(files, f) {
			t.Errorf("%s is in a layer, and there is no such file", f)
		}
	}
	found := make(map[string]bool)
	for ref := range references(t) {
		if level[ref.from] < level[ref.to] {
			found[ref.from+": "+ref.name] = true
		}
	}
	for _, ref := range slices.Sorted(maps.Keys(found)) {
		if upwards[ref] == "" {
			t.Errorf("runs upwards, and is not explained: %s", ref)
		}
	}
	for _, ref := range slices.Sorted(maps.Keys(upwards)) {
		if !found[ref] {
			t.Errorf("explained, and there is no such reference: %s", ref)
		}
	}
	if len(found) > mostUpwards {
		t.Errorf("%d references run upwards, and %d are allowed", len(found), mostUpwards)
	}
}

// A reference is a use, in one file, of a name that another file declares. The name of a method or
// a field includes its type's.
type reference struct{ from, to, name string }

// references returns the references between the files of the package, for this system.
func references(t *testing.T) map[reference]bool {
	t.Helper()
	fset := token.NewFileSet()
	list, exports := packages(t)
	var files []*ast.File
	for _, name := range list {
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		must(t, err)
		files = append(files, f)
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object), Defs: make(map[*ast.Ident]types.Object)}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	pkg, err := config.Check("zmqio", fset, files, info)
	must(t, err)
	names := named(pkg)
	refs := make(map[reference]bool)
	for id, obj := range info.Uses {
		obj = origin(obj)
		if name, ok := names[obj]; ok {
			refs[reference{fset.Position(id.Pos()).Filename, fset.Position(obj.Pos()).Filename, name}] = true
		}
	}
	return refs
}

// packages returns the files of this package, and the export data of the packages that it imports.
func packages(t *testing.T) (files []string, exports map[string]string) {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}} {{.GoFiles}}", ".")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	must(t, err)
	exports = make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, rest, _ := strings.Cut(line, " ")
		export, list, _ := strings.Cut(rest, " ")
		exports[path] = export
		files = strings.Fields(strings.Trim(list, "[]\n")) // of the last package, which is this one
	}
	return files, exports
}

// named returns the names that a package declares outside functions: objects, methods and fields.
func named(pkg *types.Package) map[types.Object]string {
	names := make(map[types.Object]string)
	for _, name := range pkg.Scope().Names() {
		obj := pkg.Scope().Lookup(name)
		names[obj] = name
		typ, ok := obj.(*types.TypeName)
		if !ok {
			continue
		}
		if n, ok := typ.Type().(*types.Named); ok {
			for m := range n.Methods() {
				names[m] = name + "." + m.Name()
			}
		}
		switch u := typ.Type().Underlying().(type) {
		case *types.Struct:
			for f := range u.Fields() {
				names[f] = name + "." + f.Name()
			}
		case *types.Interface:
			for m := range u.ExplicitMethods() {
				names[m] = name + "." + m.Name()
			}
		}
	}
	return names
}

// origin returns the object in the generic type that obj is an instance of.
func origin(obj types.Object) types.Object {
	switch obj := obj.(type) {
	case *types.Func:
		return obj.Origin()
	case *types.Var:
		return obj.Origin()
	}
	return obj
}
