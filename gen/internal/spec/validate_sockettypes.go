package spec

// checkBehaviour checks the facts about sockets of a type, and their releases.
func (v validator) checkBehaviour(t SocketType) {
	v.oneOf(t.Mark, "mute", t.Mute, "block", "drop", "fail with EAGAIN")
	v.rules(t, "refusal", t.Refusal, "forgets", "discards", "requests", "headless")
	v.rules(t, "subscribes", t.Subscribes, "option", "message", "group")
	v.holdsSince(t, t.Mark, "eager", t.Eager)
	v.holdsSince(t, t.Mark, "connects_once", t.ConnectsOnce)
	switch {
	case t.Send, t.Has("send") && !t.Good("send"):
	case t.Has("mute"):
		v.add(t.At("mute"), "mute is for types that send")
	case t.Has("eager"):
		v.add(t.At("eager"), "eager is for types that send: the others always are")
	}
	if t.Has("refusal") && (!t.Send || t.ThreadSafe) {
		v.add(t.At("refusal"), "refusal is for types that send messages of several frames")
	}
	if t.Has("subscribes") && !t.Receive {
		v.add(t.At("subscribes"), "subscribes is for types that receive")
	}
}

// rules checks facts that each hold from one release to the next.
func (v validator) rules(t SocketType, key string, rules []Rule, known ...string) {
	if t.Good(key) && len(rules) == 0 {
		v.add(t.At(key), "%s has no rule", key)
	}
	var last Rule
	for _, r := range rules {
		v.oneOf(r.Mark, "rule", r.Rule, known...)
		v.holdsSince(t, r.Mark, "since", r.Since)
		switch {
		case r.Good("since") && r.Since.Compare(last.Since) <= 0:
			v.add(r.At("since"), "%v does not come after %v", r.Since, last.Since)
		case r.Good("rule") && r.Rule == last.Rule:
			v.add(r.At("rule"), "%q is the rule already", r.Rule)
		}
		last = r
	}
}

// holdsSince checks the first release of a fact about a type.
func (v validator) holdsSince(t SocketType, m Mark, key string, since Version) {
	v.release(m, key, since)
	if m.Good(key) && since.Compare(t.First()) < 0 {
		v.add(m.At(key), "%v is before %s, which begins with %v", since, t.Name, t.First())
	}
}
