package explain

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
	ID       string           // mem.available_low
	Evidence []string         // keys of the values it rests on; the first carries the level
	Here     func(S) []string // those of them that matter here; nil: all
	Of       func(S) Value    // the measure; absent: nothing to judge
	What     string           // what the measure is, in words: "MemAvailable / MemTotal"
	Unit     Unit             // of the measure and its thresholds
	Basis    Basis            // what it rests on
	BasisOf  func(S) Basis    // the same, where that depends on whether there was an interval
	Below    bool             // small is bad
	At       At               // the thresholds, unless the user set others
	Most     func(S) Level    // the worst that it may be here, whatever it measures; nil: critical
	Say      func(S) string   // one sentence with this host's numbers
	Means    string           // what it means in terms of the kernel, on every host
	Next     string           // what to run next
	NextOf   func(S) string   // the same for what it found, where that has a name to be put in
	Concept  Concept
	// Unless names a rule that says the same better: where that one finds something,
	// Better leaves this one out.
	Unless string

	Lifted bool // declared in another topic
}
