package spec

import (
	"go/token"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A validator checks a whole spec. Each check reports its findings and goes on.
type validator struct {
	*Spec
	*problems
	taken    map[string]holder // top-level Go names and their holders
	releases map[Version]bool
}

// A holder is the owner of a unique name or number.
type holder struct {
	what string
	at   Pos // zero for hand-written code
}

func (h holder) String() string {
	if h.at == (Pos{}) {
		return h.what
	}
	return h.what + " at " + h.at.String()
}

// validate checks a spec. taken has the Go names that the spec must not make.
func (s *Spec) validate(p *problems, taken []string) {
	v := validator{s, p, make(map[string]holder), make(map[Version]bool)}
	for _, name := range taken {
		v.taken[name] = holder{what: "the hand-written part of the package"}
	}
	v.checkReleases()
	v.checkSocketTypes()
	v.checkOptions()
	v.checkTopics()
	v.checkContextopts()
	v.checkContexts()
	v.checkEnums()
	v.checkStrings()
	v.checkCapabilities()
	v.checkClasses()
	v.checkCalls()
	v.checkErrnos()
	v.checkIgnored()
}

func (v validator) checkReleases() {
	var last Release
	for _, r := range v.Releases {
		if !r.Good("version") {
			continue
		}
		if last.Unreleased {
			v.add(r.pos, "release %v comes after %v at %v, which is unreleased: only the last one may be", r.Version, last.Version, last.pos)
		}
		if v.releases[r.Version] {
			v.add(r.At("version"), "release %v is at %v already", r.Version, last.At("version"))
		}
		v.releases[r.Version] = true
		last = r
	}
}

// origin checks the first releases of a name.
func (v validator) origin(m Mark, o Origin) {
	if !m.Has("since") && !m.Has("draft_since") {
		v.add(m.pos, "key \"since\" or \"draft_since\" is missing")
	}
	v.release(m, "since", o.Since)
	v.release(m, "draft_since", o.DraftSince)
	if !o.Since.IsZero() && o.DraftSince.Compare(o.Since) >= 0 {
		v.add(m.At("draft_since"), "draft_since %v is not before since %v", o.DraftSince, o.Since)
	}
}

func (v validator) release(m Mark, key string, version Version) {
	if !version.IsZero() && !v.releases[version] {
		v.add(m.At(key), "there is no release %v", version)
	}
}

// declare reserves a top-level Go name.
func (v validator) declare(at Pos, name, what string) {
	if !v.identifier(at, name) {
		return
	}
	if other, ok := v.taken[name]; ok {
		v.add(at, "the Go name %s of %s is taken by %v", name, what, other)
		return
	}
	v.taken[name] = holder{what, at}
}

// identifier reports whether name can be an exported Go name. An empty name was reported when it
// was read.
func (v validator) identifier(at Pos, name string) bool {
	first, _ := utf8.DecodeRuneInString(name)
	switch {
	case name == "":
		return false
	case token.IsKeyword(name):
		v.add(at, "%q is a keyword of Go", name)
	case !token.IsIdentifier(name):
		v.add(at, "%q is not a name in Go", name)
	case !unicode.IsUpper(first):
		v.add(at, "%q is not a name that other packages see: it begins with no capital", name)
	default:
		return true
	}
	return false
}

// named checks a name of libzmq, which the spec has without ZMQ_.
func (v validator) named(m Mark, key, name string) {
	if rest, ok := strings.CutPrefix(name, "ZMQ_"); ok {
		v.add(m.At(key), "%s is %q: write %q, without ZMQ_", key, name, rest)
	}
}

// natural checks that a number is not negative and fits into C's type.
func (v validator) natural(m Mark, key string, n int64) {
	switch {
	case n < 0:
		v.add(m.At(key), "%s is %d, but libzmq has no negative ones", key, n)
	case n > math.MaxInt32:
		v.add(m.At(key), "%s is %d, more than an int of C holds", key, n)
	}
}

// doc checks a prose text: it follows a name, so it begins in lower case, and it ends with a full
// stop.
func (v validator) doc(m Mark, key, text string) {
	if text != "" && !strings.HasSuffix(text, ".") {
		v.add(m.At(key), "%s does not end with a full stop", key)
	}
}

// oneOf checks that a word is known. An empty word is allowed.
func (v validator) oneOf(m Mark, key, word string, known ...string) {
	if word != "" && !slices.Contains(known, word) {
		v.add(m.At(key), "%s is %q, not one of: %s", key, word, strings.Join(known, ", "))
	}
}

// unique checks that no two entries of a list have the same key.
type unique[K comparable] struct {
	v    validator
	what string
	seen map[K]holder
}

func newUnique[K comparable](v validator, what string) unique[K] {
	return unique[K]{v, what, make(map[K]holder)}
}

// add reserves the key in field of m. name names its owner.
func (u unique[K]) add(m Mark, field string, key K, name string) {
	if !m.Good(field) {
		return
	}
	if other, ok := u.seen[key]; ok {
		u.v.add(m.At(field), "%s %v of %s is that of %v too", u.what, key, name, other)
		return
	}
	u.seen[key] = holder{name, m.At(field)}
}

func (v validator) access(m Mark, access []string) {
	if m.Good("access") && len(access) == 0 {
		v.add(m.At("access"), "access is empty: leave out what libzmq does not serve")
	}
	for i, a := range access {
		v.oneOf(m, "access", a, "get", "set")
		if slices.Contains(access[:i], a) {
			v.add(m.At("access"), "access has %q twice", a)
		}
	}
}

func (v validator) socketType(name string) bool {
	return slices.ContainsFunc(v.SocketTypes, func(t SocketType) bool { return t.Name == name })
}

func (v validator) socketTypes(m Mark, key string, names []string) {
	for i, name := range names {
		if !v.socketType(name) {
			v.add(m.At(key), "%s: there is no socket type %q", key, name)
		}
		if slices.Contains(names[:i], name) {
			v.add(m.At(key), "%s has %s twice", key, name)
		}
	}
}

func (v validator) checkSocketTypes() {
	if len(v.SocketTypes) > 0 {
		v.taken["SocketType"] = holder{what: "the socket types"}
	}
	numbers := newUnique[int64](v, "number")
	for _, t := range v.SocketTypes {
		v.origin(t.Mark, t.Origin)
		v.doc(t.Mark, "doc", t.Doc)
		v.named(t.Mark, "name", t.Name)
		v.declare(t.At("name"), t.Name, "socket type "+t.Name)
		for _, alias := range t.Aliases {
			v.named(t.Mark, "aliases", alias)
			v.declare(t.At("aliases"), alias, "an alias of socket type "+t.Name)
		}
		v.natural(t.Mark, "number", t.Number)
		numbers.add(t.Mark, "number", t.Number, t.Name)
		v.socketTypes(t.Mark, "peers", t.Peers)
		v.checkBehaviour(t)
		for _, peer := range t.Peers {
			if other := v.typeNamed(peer); other != nil && !slices.Contains(other.Peers, t.Name) {
				v.add(t.At("peers"), "%s has the peer %s, but not the other way round at %v", t.Name, peer, other.At("peers"))
			}
		}
	}
}

func (v validator) typeNamed(name string) *SocketType {
	i := slices.IndexFunc(v.SocketTypes, func(t SocketType) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &v.SocketTypes[i]
}
