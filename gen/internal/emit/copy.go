package emit

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"slices"
	"strconv"

	"github.com/dave/jennifer/jen"
)

// copy adds the declarations of files of gen/runtime, with their comments.
func (g *generator) copy(to *jen.File, names ...string) {
	for _, name := range names {
		if err := copyFile(to, g.runtime, name); err != nil && g.err == nil {
			g.err = err
		}
	}
}

func copyFile(to *jen.File, dir fs.FS, name string) error {
	text, err := fs.ReadFile(dir, name)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments)
	if err != nil {
		return err
	}
	imports, err := importPaths(file)
	if err != nil {
		return err
	}
	to.Line()
	to.Comment("What follows is copied from gen/runtime/" + name + ".")
	for _, decl := range file.Decls {
		if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.IMPORT {
			continue
		}
		to.Line()
		to.Add(quote(text, set.File(file.Pos()), decl, imports))
	}
	return nil
}

// copied are the files of gen/runtime that end zmqio_gen.go. copiedErrno are those that end
// errno_gen.go.
var (
	copied = []string{
		"sockettype.go", "option.go", "sockopts.go", "codec.go", "curvekey.go", "contextopts.go",
		"monitor.go", "names.go", "capability.go", "version.go",
	}
	copiedErrno = []string{"errno.go", "translate.go"}
)

// Declared returns the top-level names of the hand-written part, which the spec must not use.
func Declared(runtime fs.FS) ([]string, error) {
	var names []string
	for _, name := range slices.Concat(copied, copiedErrno) {
		text, err := fs.ReadFile(runtime, name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			names = append(names, declaredBy(decl)...)
		}
	}
	return names, nil
}

func declaredBy(decl ast.Decl) []string {
	var names []string
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			case *ast.ValueSpec:
				for _, name := range s.Names {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// importPaths maps the names of the file's imports to their paths.
func importPaths(file *ast.File) (map[string]string, error) {
	paths := make(map[string]string)
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		if spec.Name != nil {
			return nil, fmt.Errorf("import of %s: gen/runtime renames no imports", path)
		}
		paths[path[lastSlash(path)+1:]] = path
	}
	return paths, nil
}

func lastSlash(path string) int {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return i
		}
	}
	return -1
}

// quote returns the text of a declaration with its doc comment. It turns names of packages into
// jennifer's, so that the generated file imports them.
func quote(text []byte, file *token.File, decl ast.Decl, imports map[string]string) jen.Code {
	from := decl.Pos()
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Doc != nil {
			from = d.Doc.Pos()
		}
	case *ast.GenDecl:
		if d.Doc != nil {
			from = d.Doc.Pos()
		}
	}
	code := jen.Null()
	at := file.Offset(from)
	ast.Inspect(decl, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := sel.X.(*ast.Ident)
		if !ok || imports[pkg.Name] == "" {
			return true
		}
		code.Op(string(text[at:file.Offset(pkg.Pos())])).Qual(imports[pkg.Name], sel.Sel.Name)
		at = file.Offset(sel.End())
		return true
	})
	return code.Op(string(text[at:file.Offset(decl.End())]))
}
