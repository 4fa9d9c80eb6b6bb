package inspect

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxText is how many bytes of a text are shown.
const maxText = 256

// text makes s safe to show, whatever a peer or a program has put into it.
func text(s string) string { return clean(redact(s)) }

// clean cuts a long s, and escapes what does not print: control characters, invisible characters,
// marks that change the direction of writing, and bytes that are not UTF-8.
func clean(s string) string {
	whole := len(s)
	if whole > maxText {
		s = s[:maxText]
		for i := 1; i < utf8.UTFMax && len(s) > 0; i++ { // removes the rest of a cut rune
			if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size > 1 {
				break
			}
			s = s[:len(s)-1]
		}
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) || r == utf8.RuneError }) {
		s = escape(s)
	}
	if whole > maxText {
		s += fmt.Sprintf("… (%d bytes)", whole)
	}
	return s
}

func escape(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		s = s[size:]
	}
	return b.String()
}

// Patterns of credentials in texts: the part before the @ of an address, and parameters whose name
// is that of a secret. The value of a flag, as in --token=a&b, goes on to a blank. It leaves each >
// and ] at its end, which may belong to the text around it. The value of another parameter ends
// before the next one.
var (
	userInfo  = regexp.MustCompile(`(\w+)://[^/\s]+@`)
	bareInfo  = regexp.MustCompile(`(^|[\s"'=,;<\[(])[^\s"'=,;<\[(/:@]+:[^\s/@]+@`) // without a scheme, as in a proxy's address
	flag      = regexp.MustCompile(`(?i)((?:^|[\s"'(\[])--?[\w-]*` + secretName + `[\w-]*=)\S*[^\s>\]]`)
	parameter = regexp.MustCompile(`(?i)(\b[\w-]*` + secretName + `[\w-]*=)[^&;,\s>\]]+`)
)

const secretName = `(?:pass|pwd|secret|token|auth|credential|signature|api[_-]?key|private)`

// redact replaces credentials in s by "…". In an inproc or ipc endpoint, which may have an @, only
// text with a colon before the @ counts as credentials.
func redact(s string) string {
	if strings.Contains(s, "://") {
		s = userInfo.ReplaceAllStringFunc(s, func(m string) string {
			scheme, info, _ := strings.Cut(m, "://")
			if (scheme == "inproc" || scheme == "ipc") && !strings.Contains(info, ":") {
				return m
			}
			return scheme + "://…@"
		})
	}
	if strings.ContainsRune(s, '@') {
		s = bareInfo.ReplaceAllString(s, "${1}…@")
	}
	if strings.ContainsRune(s, '=') {
		s = flag.ReplaceAllString(s, "${1}…")
		s = parameter.ReplaceAllString(s, "${1}…")
	}
	return s
}

// texts returns text of the first most elements of list.
func texts(list []string, most int) (shown []string, omitted int) {
	shown = make([]string, min(len(list), most))
	for i := range shown {
		shown[i] = text(list[i])
	}
	return shown, len(list) - len(shown)
}
