package emit

import (
	"strings"

	"github.com/dave/jennifer/jen"
)

const commentWidth = 86

// comment makes a doc comment of paragraphs, with a blank line between two. Those that
// begin with a dash are items of a list and stand together. A blank line comes before it.
func comment(paragraphs ...string) jen.Code {
	code := jen.Line()
	previous := ""
	for _, p := range paragraphs {
		if p == "" {
			continue
		}
		item := strings.HasPrefix(p, "- ")
		if previous != "" && (!item || !strings.HasPrefix(previous, "- ")) {
			code.Line().Comment("//")
		}
		first, rest := "// ", "// "
		if item {
			first, rest = "//   ", "//     "
		}
		for i, line := range wrap(p, commentWidth-len(rest)) {
			if i == 0 {
				line = first + line
			} else {
				line = rest + line
			}
			code.Line().Comment(line)
		}
		previous = p
	}
	return code
}

// wrap breaks text into lines of at most width characters, if its words let it.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// list joins words as English does: "A, B and C".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
