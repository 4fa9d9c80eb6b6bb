// Package prose reads the repository's comments and Markdown. It refuses three things in them:
// words that name no actor, other words than those of the glossary, and sentences that are too
// long.
package prose

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// longest is how many words a sentence may have. It ends at . ! ? : or ; and where a line
// is blank or begins an item.
const longest = 25

var (
	noActor = regexp.MustCompile(`(?i)\b((some|no|any)body|(some|any)one|whoever)\b`)
	// The glossary of package zmqio has another word for these: the loop goroutine, and "safe for
	// concurrent use".
	synonym = regexp.MustCompile(`(?i)\bloop's (own )?goroutine\b|\b(may|can) be called from (any|every) goroutine\b`)
	word    = regexp.MustCompile(`\S*[\pL\pN]\S*`)
	end     = regexp.MustCompile(`[.!?:;]["'*_)\]]*$`)
	item    = regexp.MustCompile(`^ *(-|\*|#+|>|[0-9]+\.) `)
	names   = regexp.MustCompile(`([^\s,]+, ){5,}((and|or) )?[^\s,]+`) // more than five
	quoted  = regexp.MustCompile("``.*?``|`[^`]*`|\"[^\"]*\"|[a-z]+://\\S*\\w")
)

// findings returns what is wrong with lines, each after its line number. What is quoted, a URL
// and a word of idents are names: they count as a word, and say what they like. A row of a
// table may be long.
func findings(lines []line, idents map[string]bool) (found []string) {
	var sentence []string
	var start, last int
	flush := func() {
		s := strings.Join(sentence, " ")
		if len(sentence) > longest && s[0] != '|' {
			if n := len(word.FindAllString(names.ReplaceAllString(s, "names"), -1)); n > longest {
				found = append(found, fmt.Sprintf("%d: %d words: %s", start, n, s))
			}
		}
		for _, bad := range noActor.FindAllString(s, -1) {
			if !idents[bad] {
				found = append(found, fmt.Sprintf("%d: %q names no actor: %s", start, bad, s))
			}
		}
		for _, bad := range synonym.FindAllString(s, -1) {
			found = append(found, fmt.Sprintf("%d: %q is not the glossary's word: %s", start, bad, s))
		}
		sentence = nil
	}
	for _, l := range lines {
		if l.alone || l.number != last+1 || strings.TrimSpace(l.text) == "" || item.MatchString(l.text) {
			flush()
		}
		last = l.number
		for _, w := range strings.Fields(quoted.ReplaceAllString(l.text, "`quoted`")) {
			if len(sentence) == 0 {
				start = l.number
			}
			if sentence = append(sentence, w); end.MatchString(w) && l.text[0] != '|' {
				flush()
			}
		}
	}
	flush()
	return found
}

// TestProse reads Markdown and the comments of Go, C, YAML, make, the shell and Dockerfiles, in all
// modules. It reads generated files too.
func TestProse(t *testing.T) {
	root := filepath.Join("..", "..")
	read := make(map[string]int)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && path != root && (name[0] == '.' && name != ".ci" || name == "testdata" || name == "bin"):
			return fs.SkipDir
		}
		var lines []line
		var idents map[string]bool
		ext := filepath.Ext(path)
		if ext == "" {
			ext = d.Name()
		}
		switch ext {
		case ".go", ".c", ".h", ".md", ".yaml", ".yml", ".sh", "run", "Makefile", "Dockerfile":
			src, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			switch ext {
			case ".go":
				lines, idents, err = goLines(src)
			case ".md":
				lines = markdownLines(string(src))
			case ".yaml", ".yml", ".sh", "run", "Makefile", "Dockerfile":
				lines = hashLines(string(src))
			default:
				lines = cLines(string(src))
			}
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			read[ext]++
		}
		for _, f := range findings(lines, idents) {
			t.Errorf("%s:%s", strings.TrimPrefix(filepath.ToSlash(path), "../../"), f)
		}
		return nil
	})
	for ext, least := range map[string]int{
		".go": 300, ".c": 5, ".h": 3, ".md": 5, ".yaml": 15, ".yml": 1, ".sh": 4, "run": 1, "Makefile": 1, "Dockerfile": 1,
	} {
		if read[ext] < least {
			t.Errorf("read %d files of %s, want at least %d", read[ext], ext, least)
		}
	}
	if err != nil {
		t.Error(err)
	}
}
