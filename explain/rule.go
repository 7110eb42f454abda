package explain

import (
	"cmp"
	"strings"
)

// At is where a rule's measure becomes worth a level. Zero is never.
type At struct{ Notice, Warning, Critical float64 }

// Words tells thresholds by level: "notice 15 %, warning 8.0 %"; "off" where none is set.
func (a At) Words(u Unit) string {
	var words []string
	for i, n := range [...]float64{a.Notice, a.Warning, a.Critical} {
		if n != 0 {
			words = append(words, Levels()[i+1]+" "+Threshold(n, u))
		}
	}
	return cmp.Or(strings.Join(words, ", "), "off")
}

// Limits are a user's own thresholds, by the ID of the rule. One of zeros switches
// the rule off.
type Limits map[string]At

// Basis is the time that a finding rests on.
type Basis uint8

// The bases. What was counted since the beginning may be long over, and is worth a
// notice at most.
const (
	Now      Basis = iota // how it stands, or the kernel's own mean over some seconds
	Interval              // what went on between two samples
	Ever                  // what was counted since boot, or since what counts it is there
)

// Bases returns the names of the bases.
func Bases() []string { return []string{"now", "interval", "since_start"} }

// String returns the name of the basis, as JSON spells it.
func (b Basis) String() string { return Bases()[b] }

// Rule is the one place that gives a level: the mark in text, the level in
// JSON and the finding all come from it.
type Rule[S Snapshot[S]] struct {
	ID       string         // mem.available_low
	Evidence []string       // keys of the values it rests on; the first carries the level
	Of       func(S) Value  // the measure; absent: nothing to judge
	What     string         // what the measure is, in words: "MemAvailable / MemTotal"
	Unit     Unit           // of the measure and its thresholds
	Basis    Basis          // what it rests on
	BasisOf  func(S) Basis  // the same, where that depends on whether there was an interval
	Below    bool           // small is bad
	At       At             // the thresholds, unless the user set others
	Most     func(S) Level  // the worst that it may be here, whatever it measures; nil: critical
	Say      func(S) string // one sentence with this host's numbers
	Means    string         // what it means in terms of the kernel, on every host
	Next     string         // what to run next
	NextOf   func(S) string // the same for what it found, where that has a name to be put in
	Concept  Concept
	// Unless names a rule that says the same better: where that one finds something,
	// Better leaves this one out.
	Unless string

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

	Measure Value // what was judged
	What    string
	Unit    Unit
	Basis   Basis
	Below   bool
	At      At // the thresholds that it was held against
	Means   string
	Unless  string // the rule that says the same better, where it finds something
	Cells   []Cell // the evidence with its values, where the report is about findings
}

// at returns the thresholds in force.
func (r *Rule[S]) at(limits Limits) At {
	if at, set := limits[r.ID]; set {
		return at
	}
	return r.At
}

func (r *Rule[S]) basis(s S) Basis {
	if r.BasisOf != nil {
		return r.BasisOf(s)
	}
	return r.Basis
}

// level returns what the measure is worth.
func (r *Rule[S]) level(s S, limits Limits) Level { return r.grade(s, r.Of(s), limits) }

func (r *Rule[S]) grade(s S, v Value, limits Limits) Level {
	if !v.Has() {
		return OK
	}
	at, found := r.at(limits), OK
	for i, t := range [...]float64{at.Notice, at.Warning, at.Critical} {
		if t != 0 && (r.Below && v.Float() < t || !r.Below && v.Float() >= t) {
			found = Level(i + 1)
		}
	}
	if found > Notice && r.basis(s) == Ever {
		return Notice
	}
	if found > Notice && r.Most != nil {
		return min(found, r.Most(s))
	}
	return found
}

// judge returns what r finds in s.
func (r *Rule[S]) judge(s S, limits Limits) (Finding, bool) {
	l := r.level(s, limits)
	if l == OK {
		return Finding{}, false
	}
	return r.finding(s, l, limits), true
}

// finding is what r found in s, of that level.
func (r *Rule[S]) finding(s S, l Level, limits Limits) Finding {
	f := Finding{
		ID: r.ID, Level: l, Message: r.Say(s), Evidence: r.Evidence, Concept: r.Concept, Next: r.Next,
		Measure: r.Of(s), What: r.What, Unit: r.Unit, Basis: r.basis(s), Below: r.Below, At: r.at(limits), Means: r.Means, Unless: r.Unless,
	}
	if r.NextOf != nil {
		f.Next = r.NextOf(s)
	}
	return f
}

// RuleDoc is a rule without its type: what documentation and tests walk.
type RuleDoc struct {
	ID       string
	Command  string // of whose report it is: mem, mem PID
	Evidence []string
	What     string
	Unit     Unit
	Basis    Basis
	Below    bool
	At       At
	Means    string
	Concept  Concept
	Next     string
	Unless   string
}

func (r *Rule[S]) doc(command string) RuleDoc {
	return RuleDoc{r.ID, command, r.Evidence, r.What, r.Unit, r.Basis, r.Below, r.At, r.Means, r.Concept, r.Next, r.Unless}
}
