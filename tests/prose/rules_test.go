package prose

import (
	"fmt"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", longest))
	for text, want := range map[string]int{
		"Nobody calls it.":                                         1,
		"Somebody asks someone, anybody or whoever.":               4,
		"The caller gives `nobody`, \"anybody\" or tcp://whoever.": 0,
		"anyone is a constant.":                                    0,
		"It runs on the loop's own goroutine.":                     1,
		"Run may be called from every\ngoroutine.":                 1,
		"It runs on the `loop's goroutine`, a loop goroutine.":     0,
		"Anyone calls it.":                                         1,
		long:                                                       0,
		long + " more":                                             1,
		long + "; more":                                            0,
		long + " - `more` words":                                   1,
		long + "\nmore":                                            1,
		long + "\n\nmore":                                          0,
		long + "\n- more":                                          0,
		"- " + long + "\n  more":                                   1,
		"- " + long + "\n- " + long:                                0,
		"First (word.) " + long:                                    0,
		"| " + long + " | " + long:                                 0,
		"| more. | whoever |":                                      1,
		"```\n" + long + " more\n```":                              0,
		"[" + long + "](more and more and nobody)":                 0,
		"One of a, b, c, d, e, f and g. " + long:                   0,
		long[:100] + " a, b, c, d, e, f, g, h or i":                0,
		long[:115] + " a, b, c, d and e":                           1,
	} {
		if got := findings(markdownLines(text), map[string]bool{"anyone": true}); len(got) != want {
			t.Errorf("%q: %q, want %d", text, got, want)
		}
	}
}

func TestComments(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", longest))
	for _, src := range []string{
		"package p // nobody",
		"/*\n * nobody\n */\npackage p",
		"// p has " + long + "\n// more.\npackage p",
	} {
		if lines, idents, err := goLines([]byte(src)); err != nil || len(findings(lines, idents)) != 1 {
			t.Errorf("%s: %v, %v", src, lines, err)
		}
	}
	for _, src := range []string{
		"// nobody\nimport \"C\"",
		"//\tnobody\n//nolint:nobody\n//go:embed nobody",
		"func f() {\n\t_ = \"// nobody\"\n\t// Output:\n\t// nobody\n}",
		"// nobody is 1.\nvar nobody = 1",
		"var (\n\ta int // " + long + "\n\tb int // " + long + "\n)",
	} {
		if lines, idents, err := goLines([]byte("package p\n" + src)); err != nil || len(findings(lines, idents)) != 0 {
			t.Errorf("%s: %v, %v", src, lines, err)
		}
	}
	const c = "x(\"// nobody\"); /* somebody,\n   anybody */\nint a; // whoever\nint b; // and b"
	want := `[1: "somebody" names no actor: somebody, anybody 1: "anybody" names no actor: somebody, anybody 3: "whoever" names no actor: whoever]`
	if got := fmt.Sprint(findings(cLines(c), nil)); got != want {
		t.Errorf("C: %s, want %s", got, want)
	}

	for text, want := range map[string]int{
		"# nobody\na: 1 # whoever":                         2,
		"a: \"# nobody\" # b\nc: '# nobody'":               0,
		"a: the caller's # nobody":                         1,
		"#!/bin/sh nobody\n# shellcheck nobody":            0,
		"test: ## test what somebody wrote":                1,
		"\t@awk '/## nobody/' ${x##*nobody} $#":            0,
		"#\tnobody\n#   a    " + long[5:] + "\n#   b    c": 0,
		"#   a, b    " + long + "\n#           more":       1,
		"# " + long + "\n# more":                           1,
		"# " + long + "\n#\n# more":                        0,
		"a: 1 # " + long + "\nb: 2 # " + long:              0,
	} {
		if got := findings(hashLines(text), nil); len(got) != want {
			t.Errorf("%q: %q, want %d", text, got, want)
		}
	}
}
