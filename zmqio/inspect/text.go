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

// text makes s fit to be shown, whatever a peer or a program has put into it.
func text(s string) string { return clean(redact(s)) }

// clean cuts s where it is long, and escapes what does not print. Those are control characters,
// invisible ones, marks that turn the direction of writing, and bytes that are not UTF-8.
func clean(s string) string {
	whole := len(s)
	if whole > maxText {
		s = s[:maxText]
		for i := 1; i < utf8.UTFMax && len(s) > 0; i++ { // what the cut has left of a rune
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

// Credentials in texts: what is before the @ of an address, and parameters that are called like
// a secret.
var (
	userInfo  = regexp.MustCompile(`(\w+)://[^/\s]+@`)
	bareInfo  = regexp.MustCompile(`(^|[\s"'=,;<\[(])[^\s"'=,;<\[(/:@]+:[^\s/@]+@`) // without a scheme, as proxies have it
	parameter = regexp.MustCompile(`(?i)(\b[\w-]*(?:pass|pwd|secret|token|auth|credential|signature|api[_-]?key|private)[\w-]*=)[^&;,\s>\]]+`)
)

// redact replaces credentials in s by "…". The name of an inproc or ipc endpoint, which may well
// have an @, counts as credentials only with a colon before that.
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
		s = parameter.ReplaceAllString(s, "${1}…")
	}
	return s
}

// texts is text for each of list, as far as there are no more than most.
func texts(list []string, most int) (shown []string, omitted int) {
	shown = make([]string, min(len(list), most))
	for i := range shown {
		shown[i] = text(list[i])
	}
	return shown, len(list) - len(shown)
}
