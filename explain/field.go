package explain

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"kwhy/inspect"
)

// Concept is the name of an essay.
type Concept string

// Level is how much a value matters.
type Level uint8

// The levels. Rules alone give them.
const (
	OK Level = iota
	Notice
	Warning
	Critical
)

// Levels returns the names of the levels, mildest first.
func Levels() []string { return []string{"ok", "notice", "warning", "critical"} }

// String returns the level's name.
func (l Level) String() string { return Levels()[l] }

// Show says when the text has a value.
type Show uint8

// The ways to show. JSON has everything but Asked.
const (
	Always Show = iota // on 80 columns
	Wide               // in a table: where the terminal has room
	Rare               // in a card: where it is not zero
	Data               // in JSON alone
	Asked              // in a table: where its name is given
)

// Doc is the part of a value that is true on every host.
type Doc struct {
	Key      string           // the JSON key: the kernel's spelling in snake_case
	Kernel   string           // the kernel's own spelling; "" where kwhy made the value up
	Label    string           // in text, where it should be neither
	Unit     Unit             // what the number counts
	Counter  bool             // grows since boot or birth: has a rate over --interval
	Interval string           // the --interval that it takes, where that is not 1s
	Grown    bool             // over --interval text has its growth instead of its total
	Gauge    bool             // of a Counter: it falls too, and so its rate has a sign
	Watched  bool             // of a Counter that is data alone: text has its rate where there is room
	Bar      bool             // text draws it against the largest of its column
	Part     rune             // drawn for it in the bar of its section's Whole, which it is a part of
	Source   inspect.Source   // the file it is read from
	Also     []inspect.Source // others that Reading, Derive, Get and Write need
	Since    inspect.Version  // first kernel that has it; zero: older than 4.0
	Until    inspect.Version  // first kernel without it
	Option   string           // what the kernel must be built or booted with
	Words    []Word           // the values it can have, if they are words
	Gist     string           // one sentence, at most 80 columns
	Concept  Concept
	Show     Show
}

// Word is a value that is a word: madvise, anonymous.
type Word struct {
	Name, Gist string
	Concept    Concept
	Label      string // what text calls it, where its name alone would mislead
}

// Called is what text calls a value of d that is a word; "" for its name.
func (d *Doc) Called(v Value) string {
	for _, w := range d.Words {
		if w.Label != "" && v.Kind() == Str && w.Name == v.Text() {
			return w.Label
		}
	}
	return ""
}

// Needs is every source of d.
func (d *Doc) Needs() inspect.Sources { return inspect.Of(d.Source).Plus(inspect.Of(d.Also...)) }

// Description is the heading of a column "why" that gives no reasons, and says what stands
// in the row. As any sentence, text leaves it out where it is asked for none.
const Description = "DESCRIPTION"

// Name is what text calls the value.
func (d *Doc) Name() string {
	switch {
	case d.Label != "":
		return d.Label
	case d.Kernel != "":
		return d.Kernel
	}
	return strings.ReplaceAll(d.Key, "_", " ")
}

// Hint says what it would take to have the value that is absent for a reason
// on a kernel; "" where there is nothing to say.
func (d *Doc) Hint(why inspect.Reason, on inspect.Version) string {
	switch why {
	case inspect.Denied, inspect.Masked, inspect.Hidden:
		return d.Source.Opens()
	case inspect.NotMounted:
		return d.Source.Mounts()
	case inspect.Outside:
		return "give the host's own /proc by --proc-root, or run in its PID namespace"
	case inspect.Unsupported, inspect.Disabled:
		since, option := d.since(), d.Option
		if option == "" {
			option = d.Source.Option()
		}
		if on.Before(since) {
			return fmt.Sprintf("needs Linux %s or later", since)
		}
		if option != "" {
			return "needs " + option
		}
	case inspect.NoInterval:
		return "add --interval " + cmp.Or(d.Interval, "1s")
	case inspect.NoUpdate:
		return "the kernel updated it at no time in the interval: --interval " + cmp.Or(d.Interval, "1s")
	case inspect.TimedOut:
		return "a task holds it up: see what it waits in; a longer --timeout may help"
	}
	return ""
}

// Why returns why there is no value where its source gave nothing: what a copy does not have
// may be too new for the kernel that it is of.
func (d *Doc) Why(why inspect.Reason, on inspect.Version) inspect.Reason {
	if why == inspect.NotSaved && on.Before(d.since()) {
		return inspect.Unsupported
	}
	return why
}

// since is the first kernel that has the value: the one that its literal names, or else
// that of its source.
func (d *Doc) since() inspect.Version {
	if d.Since != (inspect.Version{}) {
		return d.Since
	}
	return d.Source.Since()
}

// Lifetime says which kernels have the value: "Linux 5.9"; "" for all since 4.0.
func (d *Doc) Lifetime() (s string) {
	if since := d.since(); since != (inspect.Version{}) {
		s = "Linux " + since.String()
	}
	if d.Until != (inspect.Version{}) {
		s += ", until " + d.Until.String()
	}
	return strings.TrimPrefix(s, ", ")
}

// Requires says what the kernel must be built or booted with.
func (d *Doc) Requires() string {
	if d.Option != "" {
		return d.Option
	}
	return d.Source.Option()
}

// Snapshot is what getters are given.
type Snapshot[S any] interface {
	Missing(inspect.Source) inspect.Reason // why a source gave nothing
	Before() (S, time.Duration, bool)      // the sample an interval ago
	Kernel() inspect.Version
}

// Field declares one value of S. One of Get and Write is set.
type Field[S Snapshot[S]] struct {
	Doc
	Get     func(S) Value
	Write   func([]byte, S) []byte // a made-up text, into the row's scratch; nothing: inapplicable
	Reading func(S) string         // cards: what it says here and now
	Derive  func(S) Derivation     // cards: the kernel's arithmetic
	Over    func(S) inspect.Seen   // of a value about a set: how much was seen, where that is not what its source says

	Lifted bool // declared in another topic
}
