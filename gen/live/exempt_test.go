package live

import (
	"regexp"
	"slices"
	"strings"
)

// exempt are the facts whose change no test can notice.
var exempt = []exemption{
	{
		fields: []string{
			"calls.doc", "capabilities.doc", "context_options.doc", "context_options.platform", "enums.doc",
			"enums.values.doc", "enums.what", "errnos.doc", "error_classes.doc", "error_classes.text",
			"ignore.reason", "options.doc", "options.platform", "options.traps", "socket_types.doc", "socket_types.traps",
			"strings.doc", "strings.values.doc", "topics.doc", "topics.name",
		},
		reason: "it is prose, which no program reads",
	},
	{
		fields: []string{"enums.type", "enums.values.go", "options.go", "context_options.method", "strings.type", "enums.base", "enums.flags", "enums.was", "options.was", "strings.was"},
		reason: "it is this module's choice and nothing of libzmq; what uses the names must compile",
	},
	{
		fields: []string{"error_classes.python"},
		reason: "it is Python's name, and stands in documentation alone",
	},
	{
		fields: []string{"options.example"},
		reason: "any legal value is as good an example",
	},
	{
		fields: []string{"errnos.calls"},
		reason: "no test can tell that a call never returns a number; they are from libzmq's sources",
	},
	{
		fields: []string{"errnos.since"},
		when:   func(m mutation) bool { return m.has("native") == "" && m.has("fallback") == "" },
		reason: "the header does not have the number, which is the system's",
	},
	{
		fields: []string{"errnos.numbers.*"},
		when:   func(m mutation) bool { return strings.HasSuffix(m.entry, " windows") },
		reason: "the numbers of Windows are from Microsoft's errno.h, which no machine of the tests has",
	},
	{
		fields: []string{"errnos.numbers"},
		when: func(m mutation) bool {
			return strings.Contains(m.from, "windows") && !strings.Contains(m.to, "windows")
		},
		reason: "the numbers of Windows are from Microsoft's errno.h, and may be left out",
	},
	{
		fields: []string{"releases.unreleased"},
		reason: "no header says whether it is a release's",
	},
	{
		fields: []string{"options.status", "options.replaced_by"},
		reason: "that libzmq advises against an option its manual says, and nothing that it does",
	},
	{
		fields: []string{"options.clear"},
		when:   func(m mutation) bool { return m.to == "nothing" && m.has("min_len") == "" },
		reason: "where the empty text is taken, NULL is the same",
	},
	{
		fields: []string{"options.default", "context_options.default"},
		when:   func(m mutation) bool { return m.has("access") == "[set]" },
		reason: "the default of an option that cannot be read is from libzmq's sources",
	},
	{
		fields: []string{"options.min_len"},
		when:   func(m mutation) bool { return m.entry == "TCP_ACCEPT_FILTER" },
		reason: "no network is as short as the shortest text that is taken",
	},
	{
		fields: []string{"options.type"},
		when:   func(m mutation) bool { return m.has("default") == "" || m.has("default") == "0" },
		reason: "without a default that has a name no name of a value is looked up",
	},
	{
		fields: []string{"socket_types.mute", "socket_types.peers", "socket_types.send", "socket_types.receive"},
		when:   func(m mutation) bool { return m.entry == "PEER" || m.entry == "DGRAM" },
		reason: "a PEER needs a routing id of a call that few have, and a DGRAM an address; datagrams shake no hands",
	},
	{
		fields: []string{"socket_types.connects_once"},
		reason: "TestSocketTypeInfo connects twice, with what was generated; since when it holds needs a library of each release",
	},
	{
		fields: []string{"socket_types.eager", "socket_types.subscribes.since"},
		when:   func(m mutation) bool { return releaseText.MatchString(m.to) },
		reason: "since when it holds needs a library of each release; that it holds is tried",
	},
	{
		fields: []string{"socket_types.refusal.rule", "socket_types.refusal.since"},
		reason: "what becomes of a refused message package zmqio's tests try, where a peer goes amid one",
	},
	{
		fields: []string{"options.unit", "options.effect", "options.minus_one", "options.applies"},
		when:   func(m mutation) bool { return documented(m, strings.TrimPrefix(m.field, "options.")) },
		reason: "it was taken from libzmq's documentation or sources, as documented says",
	},
	{
		fields: []string{"options.minus_one"},
		when: func(m mutation) bool {
			return strings.HasPrefix(m.to, "what the system") || strings.HasPrefix(m.to, "no limit") || strings.HasPrefix(m.to, "never")
		},
		reason: "other words for the same",
	},
	{
		fields: []string{"enums.values.carries"},
		reason: "tests/conformance watches the events that connections make",
	},
	{
		fields: []string{"socket_types.subscribes.rule"},
		when:   func(m mutation) bool { return m.from != "option" && m.to != "option" },
		reason: "that a type does not take SUBSCRIBE is tried, and not what it takes in its place",
	},
	{
		fields: []string{"options.kind"},
		when:   func(m mutation) bool { return m.has("access") == "[set]" },
		reason: "what cannot be read is text or bytes, a number or a bool, as this module reads it",
	},
	{
		fields: []string{"options.needs"},
		when: func(m mutation) bool {
			return strings.HasPrefix(m.to, strings.TrimSuffix(m.from, "]")+" ") && rare.MatchString(m.from) || m.to == "[gssapi norm]"
		},
		reason: "no library at hand has norm, vmci or WSS and lacks the other, or gssapi and lacks norm",
	},
	{
		fields: []string{"options.needs"},
		when:   func(m mutation) bool { return strings.Contains(m.from, "draft WSS") && strings.Contains(m.to, "WSS") },
		reason: "no library is built with WSS and without drafts",
	},
	{
		fields: []string{"enums.values.of", "strings.values.of"},
		reason: "it is this module's type, which libzmq does not have",
	},
	{
		fields: []string{"context_options.effect"},
		when:   func(m mutation) bool { return m.to == "nothing" },
		reason: "some options say nothing of when they count",
	},
}

// rare are capabilities that only one recorded library has together with drafts.
var rare = regexp.MustCompile(`norm|vmci|WSS`)

// documented reports whether the entry says that field comes from the documentation.
func documented(m mutation, field string) bool {
	return slices.Contains(strings.Fields(strings.Trim(m.has("documented"), "[]")), field)
}
