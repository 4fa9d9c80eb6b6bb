// Package spec loads the YAML in spec/ and checks it.
package spec

// A Spec is everything the YAML files say, in the order of the files' names and of the
// entries in them. Any file may hold any of the lists.
type Spec struct {
	Releases     []Release    `yaml:"releases"`
	SocketTypes  []SocketType `yaml:"socket_types"`
	Options      []Option     `yaml:"options"`
	Topics       []Topic      `yaml:"topics"`
	Contexts     []Context    `yaml:"context_options"`
	Enums        []Enum       `yaml:"enums"`
	EnumValues   []EnumValue  `yaml:"enum_values"`
	Strings      []Strings    `yaml:"strings"`
	StringValues []TextValue  `yaml:"string_values"`
	Capabilities []Capability `yaml:"capabilities"`
	Classes      []Class      `yaml:"error_classes"`
	Errnos       []Errno      `yaml:"errnos"`
	Calls        []Call       `yaml:"calls"`
	Ignore       []Ignored    `yaml:"ignore"`
}

// A Release is a libzmq that was published, or is about to be.
type Release struct {
	Mark
	Version    Version `yaml:"version,required"`
	Unreleased bool    `yaml:"unreleased"`
}

// Origin is since when libzmq's header has a name.
type Origin struct {
	Since      Version `yaml:"since"`       // as a stable name; none is never
	DraftSince Version `yaml:"draft_since"` // as a draft, where it began as one
}

// First is the first release that has the name at all.
func (o Origin) First() Version {
	if o.DraftSince.IsZero() {
		return o.Since
	}
	return o.DraftSince
}

// Draft reports whether the name has never become stable.
func (o Origin) Draft() bool { return o.Since.IsZero() }

// Former is what had another name in Go before.
type Former struct {
	Was string `yaml:"was"` // a deprecated alias
}

// A SocketType is one of the ZMQ_PAIR family.
type SocketType struct {
	Mark
	Origin
	Name         string   `yaml:"name,required"`
	Number       int64    `yaml:"number,required"`
	Aliases      []string `yaml:"aliases"`
	Peers        []string `yaml:"peers"`
	Send         bool     `yaml:"send"`
	Receive      bool     `yaml:"receive"`
	ThreadSafe   bool     `yaml:"thread_safe"`
	Mute         string   `yaml:"mute"`          // what a send does at the high-water mark
	Refusal      []Rule   `yaml:"refusal"`       // see zmq.Refusal
	Eager        Version  `yaml:"eager"`         // the first release with zmq.SocketTypeInfo.Eager
	ConnectsOnce Version  `yaml:"connects_once"` // the first that ignores a second connect
	Subscribes   []Rule   `yaml:"subscribes"`    // how a socket asks its peers for messages
	Doc          string   `yaml:"doc,required"`
	Traps        []string `yaml:"traps"` // what surprises newcomers to the type
}

// EagerSince returns the first release in which a send can fail although there is room. A type
// that cannot send is eager in all releases.
func (t SocketType) EagerSince() Version {
	if !t.Send {
		return t.First()
	}
	return t.Eager
}

// A Rule is what holds from a release on, up to the next rule.
type Rule struct {
	Mark
	Since Version `yaml:"since,required"`
	Rule  string  `yaml:"rule,required"`
}

// An Option is a socket option.
type Option struct {
	Former
	Mark
	Origin
	Name       string             `yaml:"name,required"`
	Number     int64              `yaml:"number,required"`
	Go         string             `yaml:"go,required"` // the name of its methods
	Aliases    []string           `yaml:"aliases"`
	AliasSince map[string]Version `yaml:"alias_since"` // of aliases that are newer than the number
	Status     string             `yaml:"status"`      // "deprecated"; else stable or draft, by its origin
	ReplacedBy string             `yaml:"replaced_by"`
	Kind       string             `yaml:"kind,required"`
	Type       string             `yaml:"type"` // the enumeration, for the kinds enum and flags
	Unit       string             `yaml:"unit"`
	Step       int64              `yaml:"step"`
	Access     []string           `yaml:"access,required"`
	GetOn      []string           `yaml:"get_on"`
	SetOn      []string           `yaml:"set_on"`
	SetWith    map[string]string  `yaml:"set_with"` // by socket type: an option to set first
	Min        *int64             `yaml:"min"`
	Max        *int64             `yaml:"max"`
	MinLen     int64              `yaml:"min_len"`
	MaxLen     int64              `yaml:"max_len"`
	Clear      string             `yaml:"clear"`
	Unchecked  bool               `yaml:"unchecked"`
	Secret     bool               `yaml:"secret"`
	Default    *string            `yaml:"default,empty"`
	Defaults   map[string]string  `yaml:"defaults"`
	MinusOne   string             `yaml:"minus_one"`
	Example    string             `yaml:"example"`
	Effect     string             `yaml:"effect"`
	Applies    string             `yaml:"applies"`
	Served     Version            `yaml:"served_since"`
	Needs      []string           `yaml:"needs"`
	Platform   string             `yaml:"platform"`
	Doc        string             `yaml:"doc,required"`
	Documented []string           `yaml:"documented"` // the keys whose facts no test can see
	Traps      []string           `yaml:"traps"`
}

// A Topic is a group of socket options that a reader looks for in one place.
type Topic struct {
	Mark
	Name    string   `yaml:"name,required"`
	Options []string `yaml:"options,required"` // by name
	Doc     string   `yaml:"doc,required"`
}

// A Context is a context option.
type Context struct {
	Mark
	Origin
	Name     string   `yaml:"name,required"`
	Number   int64    `yaml:"number,required"`
	Go       string   `yaml:"go"`              // the constant, where the name is taken
	Method   string   `yaml:"method,required"` // what its methods are named after
	Kind     string   `yaml:"kind"`            // "bool"; else int
	Access   []string `yaml:"access,required"`
	Default  string   `yaml:"default"`
	Min      *int64   `yaml:"min"`
	Effect   string   `yaml:"effect"`
	Platform string   `yaml:"platform"`
	Doc      string   `yaml:"doc,required"`
}

// An Enum is a type with named values: an enumeration, or a set of flags.
type Enum struct {
	Former
	Mark
	Type   string  `yaml:"type,required"`
	Base   string  `yaml:"base"` // "uint64"; else int
	Flags  bool    `yaml:"flags"`
	What   string  `yaml:"what,required"` // what errors call a value
	Doc    string  `yaml:"doc,required"`
	Values []Value `yaml:"values,required"`
}

// A Value is a constant of an enumeration.
type Value struct {
	Mark
	Origin
	Name    string   `yaml:"name,required"`
	Go      string   `yaml:"go"` // the constant, where the name will not do
	Value   *int64   `yaml:"value"`
	History []Change `yaml:"history"` // instead of value, where releases differ
	Carries string   `yaml:"carries"` // what comes with it, for a monitor event
	Doc     string   `yaml:"doc"`
}

// An EnumValue is a Value that does not stand in the list of its type. Load puts it there.
type EnumValue struct {
	Of string `yaml:"of,required"`
	Value
}

// A Change is the value that a constant has from a release on.
type Change struct {
	Mark
	Since Version `yaml:"since,required"`
	Value int64   `yaml:"value,required"`
}

// Strings is a type whose values are strings.
type Strings struct {
	Mark
	Type   string        `yaml:"type,required"`
	Doc    string        `yaml:"doc,required"`
	Values []StringValue `yaml:"values,required"`
}

// A StringValue is a constant of such a type.
type StringValue struct {
	Mark
	Origin
	Name   string `yaml:"name,required"`
	String string `yaml:"string,required"`
	Doc    string `yaml:"doc,required"`
}

// A TextValue is a StringValue that does not stand in the list of its type. Load puts it
// there.
type TextValue struct {
	Of string `yaml:"of,required"`
	StringValue
}

// A Capability is a string that zmq_has knows.
type Capability struct {
	Mark
	Origin
	Name  string `yaml:"name,required"`
	Go    string `yaml:"go,required"`
	Pebbe string `yaml:"pebbe"` // pebbe/zmq4's function that asks for it
	Doc   string `yaml:"doc,required"`
}

// A Class is a group of errors that errors.Is holds for.
type Class struct {
	Mark
	Name     string `yaml:"name,required"`
	Python   string `yaml:"python"`   // the exception that PEP 3151 has for it
	Parent   string `yaml:"parent"`   // a class that it belongs to
	Sentinel string `yaml:"sentinel"` // the standard library's error; else one is made
	Text     string `yaml:"text"`     // the text of the error that is made
	Doc      string `yaml:"doc"`
}

// An Errno is an error number that a call of libzmq may return.
type Errno struct {
	Mark
	Origin
	Name     string           `yaml:"name,required"`
	Native   int64            `yaml:"native"`   // offset from ZMQ_HAUSNUMERO: libzmq's own
	Fallback int64            `yaml:"fallback"` // the offset where the system lacks the number
	Numbers  map[string]int64 `yaml:"numbers"`
	Text     string           `yaml:"text,required"`
	Is       []string         `yaml:"is"`
	Calls    []string         `yaml:"calls,required"`
	Doc      string           `yaml:"doc,required"`
}

// A Call is a function of libzmq.
type Call struct {
	Mark
	Origin
	Name string `yaml:"name,required"`
}

// An Ignored is a name of the header that the spec leaves out.
type Ignored struct {
	Mark
	Name   string `yaml:"name,required"`
	Reason string `yaml:"reason,required"`
}
