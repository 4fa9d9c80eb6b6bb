package emit

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strconv"

	"github.com/dave/jennifer/jen"
)

// copy adds the declarations of files of gen/runtime, comments and all.
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
	for _, decl := range file.Decls {
		if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.IMPORT {
			continue
		}
		to.Line()
		to.Add(quote(text, set.File(file.Pos()), decl, imports))
	}
	return nil
}

// importPaths maps the names that the file calls its imports to their paths.
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

// quote is the text of a declaration with its doc comment. The names of packages in it
// become jennifer's, which is how the generated file comes to import them.
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
