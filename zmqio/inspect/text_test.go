package inspect

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	long := strings.Repeat("é", 5000) // 10,000 bytes
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"tcp://127.0.0.1:5555", "tcp://127.0.0.1:5555"},
		{`<script>alert("1")</script>`, `<script>alert("1")</script>`}, // the page inserts text nodes
		{"שלום", "שלום"},
		{"a\u202eb\u2066c\u200fd", `a\u202eb\u2066c\u200fd`},
		{"a\x00\n\x1b[31mb", `a\x00\n\x1b[31mb`},
		{"\xff\xfe ok", `\xff\xfe ok`},
		{"quote ' and \\", "quote ' and \\"},
		{"quote '\x00", `quote '\x00`},
		{"�", "�"}, // a character like others
		{long, strings.Repeat("é", 128) + "… (10000 bytes)"},
		{"x" + long, "x" + strings.Repeat("é", 127) + "… (10001 bytes)"},
		{strings.Repeat("\xff", 300), strings.Repeat(`\xff`, 253) + "… (300 bytes)"},

		{"tcp://ann:sesame@host:1", "tcp://…@host:1"},
		{"tcp://ann:ses@me@host:1", "tcp://…@host:1"},
		{"<T [ws://ann:sesame@h/a ws://h/b@c]>", "<T [ws://…@h/a ws://h/b@c]>"},
		{"http://token@host", "http://…@host"},
		{"ann:sesame@127.0.0.1:1080", "…@127.0.0.1:1080"},
		{"<T via ann:sesame@h:1>", "<T via …@h:1>"},
		{"ipc://@abstract", "ipc://@abstract"},
		{"ipc:///tmp/a:b@c", "ipc:///tmp/a:b@c"},
		{"inproc://worker@3", "inproc://worker@3"},
		{"inproc://ann:sesame@3", "inproc://…@3"},
		{"ws://h/p?Access_Token=abc&x=1", "ws://h/p?Access_Token=…&x=1"},
		{"--password=sesame --user=ann", "--password=… --user=ann"},
		{"--token=a&b", "--token=…"},
		{"--token=a]b --pass=>c>d", "--token=… --pass=…"},
		{`["--token=a>b"] ('-secret=a>b')`, `["--token=…] ('-secret=…`},
		{"<Child run --token=a>b]>", "<Child run --token=…]>"},
		{"<Child run -secret=a&b;c,d --user=ann --Auth-Token=a&b>", "<Child run -secret=… --user=ann --Auth-Token=…>"},
		{"api-key=1 apikey=2 private_key=3; key=4", "api-key=… apikey=… private_key=…; key=4"},
		{"ipc:///tmp/a=b", "ipc:///tmp/a=b"},
		{"tcp://ann:" + strings.Repeat("s", 300) + "@host", "tcp://…@host"},
	} {
		if got := text(c.in); got != c.want {
			t.Errorf("%.60q: %q, want %q", c.in, got, c.want)
		}
	}
}

// A shown text prints, is UTF-8 and is short.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "tcp://a:b@c", "\xff", "a\u202e", strings.Repeat("é\x00", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := text(s)
		if !utf8.ValidString(got) || len(got) > 10*maxText+30 {
			t.Errorf("%q", got)
		}
		for _, r := range got {
			if !strconv.IsPrint(r) {
				t.Errorf("%q has %q", got, r)
			}
		}
		if again := redact(redact(s)); again != redact(s) {
			t.Errorf("%q leaves %q, and then %q", s, redact(s), again)
		}
	})
}
