package emit

import (
	"strings"

	"github.com/dave/jennifer/jen"
)

const commentWidth = 100

// comment makes a doc comment of paragraphs, with a blank line before it.
func comment(paragraphs ...string) jen.Code { return jen.Line().Add(note(paragraphs...)) }

// note is comment without the blank line, for use in a group.
func note(paragraphs ...string) jen.Code {
	code := jen.Null()
	for i, line := range commentLines(paragraphs) {
		if i > 0 {
			code.Line()
		}
		code.Comment(line)
	}
	return code
}

// commentLines returns the lines of a doc comment, with an empty line between two paragraphs.
// Paragraphs that begin with a dash are items of a list, without an empty line before them.
func commentLines(paragraphs []string) []string {
	var lines []string
	previous := ""
	for _, p := range paragraphs {
		if p == "" {
			continue
		}
		item := strings.HasPrefix(p, "- ")
		if previous != "" && !item {
			lines = append(lines, "//")
		}
		first, rest := "// ", "// "
		if item {
			first, rest = "//   ", "//     "
		}
		for _, text := range wrap(p, commentWidth-len(rest)) {
			lines = append(lines, first+text)
			first = rest
		}
		previous = p
	}
	return lines
}

// wrap breaks text into lines of at most width characters, unless a word is longer.
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

// list joins words in English: "A, B and C".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
