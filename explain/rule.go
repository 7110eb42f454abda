package explain

// At is where a rule's measure becomes worth a level. Zero is never.
type At struct{ Notice, Warning, Critical float64 }

// Limits are a user's own thresholds, by the ID of the rule.
type Limits map[string]At

// Rule is the one place that gives a level: the mark in text, the level in
// JSON and the finding all come from it.
type Rule[S Snapshot[S]] struct {
	ID       string         // mem.available_low
	Evidence []string       // keys of the values it rests on; the first carries the level
	Of       func(S) Value  // the measure; absent: nothing to judge
	Below    bool           // small is bad
	At       At             // the thresholds, unless the user set others
	Say      func(S) string // one sentence with this host's numbers
	Next     string         // what to run next
	NextOf   func(S) string // the same for what it found, where that has a name to be put in
	Concept  Concept

	lifted bool // declared in another topic
}

// Finding is a rule that found something.
type Finding struct {
	ID       string
	Level    Level
	Message  string
	Evidence []string
	Table    string // whose row it is; "" for a value of a card
	More     int    // further rows of which the same is found, where only a few are told
	Concept  Concept
	Next     string
}

// level returns what the measure is worth.
func (r *Rule[S]) level(s S, limits Limits) Level {
	at, set := limits[r.ID]
	if !set {
		at = r.At
	}
	v := r.Of(s)
	if !v.Has() {
		return OK
	}
	found := OK
	for i, t := range [...]float64{at.Notice, at.Warning, at.Critical} {
		if t != 0 && (r.Below && v.Float() < t || !r.Below && v.Float() >= t) {
			found = Level(i + 1)
		}
	}
	return found
}

// judge returns what r finds in s.
func (r *Rule[S]) judge(s S, limits Limits) (Finding, bool) {
	l := r.level(s, limits)
	if l == OK {
		return Finding{}, false
	}
	return r.finding(s, l), true
}

func (r *Rule[S]) finding(s S, l Level) Finding {
	f := Finding{ID: r.ID, Level: l, Message: r.Say(s), Evidence: r.Evidence, Concept: r.Concept, Next: r.Next}
	if r.NextOf != nil {
		f.Next = r.NextOf(s)
	}
	return f
}

// RuleDoc is a rule without its type: what documentation and tests walk.
type RuleDoc struct {
	ID       string
	Evidence []string
	Below    bool
	At       At
	Concept  Concept
	Next     string
}

func (r *Rule[S]) doc() RuleDoc {
	return RuleDoc{r.ID, r.Evidence, r.Below, r.At, r.Concept, r.Next}
}
