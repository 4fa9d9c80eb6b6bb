package prose

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
)

var (
	target = regexp.MustCompile(`\]\([^)]*\)`) // of a link in Markdown
	// A directive speaks to a tool, and not to a reader.
	directive = regexp.MustCompile(`^(//(go:|export |nolint)|#!|# shellcheck )`)
	output    = regexp.MustCompile(`^// ?(Unordered output|Output):`)
	// A string may hold what looks like a comment, so the string is matched first.
	inC    = regexp.MustCompile(`(?s)"(\\.|[^"\\])*"|/\*.*?\*/|//[^\n]*`)
	inHash = regexp.MustCompile(`(?m)(^|[\s=:,@([{])("(\\.|[^"\\\n])*"|'[^'\n]*')|(^|[ \t])#[^\n]*`)
	// A field is a row of two columns: a name, and behind two spaces what it means.
	field = regexp.MustCompile(`^ {2,}[^ ,]+(, [^ ,]+)*  +[^ ]`)
)

// A line is one line of prose. One that is alone does not continue the line before.
type line struct {
	number int
	text   string
	alone  bool
}

// goLines returns the comments of a Go file, and the identifiers in it.
func goLines(src []byte) (lines []line, idents map[string]bool, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", src, parser.ParseComments)
	if err != nil {
		return nil, nil, err
	}
	idents = make(map[string]bool)
	var preamble *ast.CommentGroup // before import "C", and so C
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			idents[n.Name] = true
		case *ast.GenDecl:
			if s, ok := n.Specs[0].(*ast.ImportSpec); ok && s.Path.Value == `"C"` {
				preamble = n.Doc
			}
		}
		return true
	})
	for _, group := range file.Comments {
		for i, c := range group.List {
			if group == preamble || output.MatchString(c.Text) {
				break
			}
			if !directive.MatchString(c.Text) {
				lines = append(lines, commentLines(c.Text, files.Position(c.Pos()).Line, i == 0)...)
			}
		}
	}
	return lines, idents, nil
}

// cLines returns the comments of a C file. A comment behind code is alone.
func cLines(src string) (lines []line) {
	for _, at := range inC.FindAllStringIndex(src, -1) {
		if before, text := src[:at[0]], src[at[0]:at[1]]; text[0] == '/' {
			code := strings.TrimSpace(before[strings.LastIndex(before, "\n")+1:])
			lines = append(lines, commentLines(text, 1+strings.Count(before, "\n"), code != "")...)
		}
	}
	return lines
}

// hashLines returns the comments that # begins: those of YAML, make, the shell and a Dockerfile.
// A comment behind code is alone, and so is a field.
func hashLines(src string) (lines []line) {
	for _, at := range inHash.FindAllStringIndex(src, -1) {
		text := strings.TrimLeft(src[at[0]:at[1]], " \t")
		if !strings.HasPrefix(text, "#") || directive.MatchString(text) {
			continue
		}
		before := src[:at[0]]
		code := strings.TrimSpace(before[strings.LastIndex(before, "\n")+1:])
		if text = strings.TrimLeft(text, "#"); strings.HasPrefix(text, "\t") {
			text = "" // code
		}
		lines = append(lines, line{1 + strings.Count(before, "\n"), text, code != "" || field.MatchString(text)})
	}
	return lines
}

// commentLines returns the lines of a comment without its marks. Code, which a tab indents, is blank.
func commentLines(text string, number int, alone bool) (lines []line) {
	for i, s := range strings.Split(strings.TrimSuffix(text[2:], "*/"), "\n") {
		if text[1] == '*' {
			s = strings.TrimLeft(s, "* \t")
		} else if strings.HasPrefix(s, "\t") {
			s = ""
		}
		lines = append(lines, line{number + i, s, alone && i == 0})
	}
	return lines
}

// markdownLines returns a Markdown text without code. A row of a table is alone.
func markdownLines(text string) (lines []line) {
	var code bool
	for i, s := range strings.Split(text, "\n") {
		fence := strings.HasPrefix(strings.TrimSpace(s), "```")
		code = code != fence
		if fence || code || strings.HasPrefix(s, "    ") {
			s = ""
		}
		lines = append(lines, line{i + 1, target.ReplaceAllString(s, "]"), strings.HasPrefix(s, "|")})
	}
	return lines
}
