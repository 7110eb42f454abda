package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
	"kwhy/inspect"
	doctorfacts "kwhy/inspect/doctor"
	procfacts "kwhy/inspect/proc"
)

type (
	doc   = explain.Doc
	value = explain.Value
)

// Source is what came of one source.
type Source struct {
	inspect.Unpaired[*Source]

	inspect.Source
	Why    inspect.Reason // Present: readable, for Gave of Of processes where it is of processes
	Gave   int
	Of     int
	Others inspect.Reason // why not for the others
	Keys   []string       // of the values that rest on it

	host *inspect.Host
	who  who
}

// who is what decides how a denial is told.
type who struct {
	root    bool // user 0 of the host
	inside  bool // user 0 of a user namespace of its own
	pidOnly bool // /proc is mounted with subset=pid
}

func whoIs(s *doctorfacts.Environment) (w who) {
	user := s.Space("user")
	own := user != nil && user.Known && !user.First
	w.root, w.inside = s.Host.AsRoot() && !own, s.Host.AsRoot() && own
	w.pidOnly = s.Proc != nil && s.Proc.Option("subset") == "pid"
	return w
}

// Missing says that what became of it is known.
func (s *Source) Missing(inspect.Source) inspect.Reason { return inspect.Present }

// Kernel returns the kernel that was read.
func (s *Source) Kernel() inspect.Version { return s.host.Kernel }

// Sources are the rows of the table of sources.
type Sources []*Source

// Len returns how many there are.
func (l Sources) Len() int { return len(l) }

// At returns one of them.
func (l Sources) At(i int) *Source { return l[i] }

// Readable counts those that are readable without a gap.
func (l Sources) Readable() (n int) {
	for _, s := range l {
		n += b2i(s.State() == stateReadable)
	}
	return n
}

// The states of a source that are no reason why it gave nothing.
const (
	stateReadable = "readable"
	statePartly   = "partly"
)

// State says in a word what came of it.
func (s *Source) State() string {
	switch {
	case s.Why == inspect.Present && s.Of > 0 && s.Gave < s.Of:
		return statePartly
	case s.Why == inspect.Present:
		return stateReadable
	}
	return s.Why.String()
}

// Gap tells whether it gave less than it might.
func (s *Source) Gap() bool { return s.State() != stateReadable && s.Why != inspect.Inapplicable }

// open says what it would take to read it; "" where nothing would help.
func (s *Source) open() string {
	why := s.Why
	if why == inspect.Present {
		why = s.Others
	}
	if s.who.root && why == inspect.Denied || !s.host.Live && why == inspect.Unsupported {
		return "" // most hints are to run as root; and a copy can't be built anew
	}
	if s.leftOut() {
		return "mount /proc without subset=pid"
	}
	d := doc{Source: s.Source}
	return d.Hint(why, s.host.Kernel)
}

// leftOut tells whether the mount of /proc leaves the file out.
func (s *Source) leftOut() bool {
	path := s.String()
	return s.who.pidOnly && s.Why == inspect.Unsupported && strings.HasPrefix(path, "/proc/") && !strings.HasPrefix(path, "/proc/<pid>")
}

// findings collects what became of each source.
type findings struct {
	host   *inspect.Host
	looked map[inspect.Source]inspect.Reason // of sources that are one file
	seen   map[inspect.Source][]inspect.Reason
	tally  map[inspect.Source]doctorfacts.Tally
	hidden bool
	count  int // processes
	who    who
}

func newFindings(h *inspect.Host, ps *procfacts.Processes, w who) *findings {
	f := &findings{
		host:   h,
		looked: map[inspect.Source]inspect.Reason{},
		seen:   map[inspect.Source][]inspect.Reason{},
		tally:  map[inspect.Source]doctorfacts.Tally{},
		hidden: ps.Host.Hidden,
		count:  ps.Len(),
		who:    w,
	}
	for _, s := range inspect.Every() {
		if why, file := doctorfacts.Probe(h, s); file {
			f.looked[s] = why
		}
	}
	for _, t := range doctorfacts.ProbeProcesses(h, ps) {
		f.tally[t.Source] = t
	}
	return f
}

// wants tells whether a group reads a source of which no snapshot has told yet.
func (f *findings) wants(g group) bool {
	for i := range g.entries {
		for _, s := range inspect.Every() {
			if _, process := f.tally[s]; !process && g.entries[i].Doc.Needs().Has(s) && len(f.seen[s]) == 0 && f.looked[s] != inspect.Denied {
				return true
			}
		}
	}
	return false
}

func (f *findings) note(list []lower.Seen) {
	for _, s := range list {
		if s.Why != inspect.Unread {
			f.seen[s.Source] = append(f.seen[s.Source], s.Why)
		}
	}
}

// bySeverity are the reasons by how much they say about a source, the most first.
func bySeverity() []inspect.Reason {
	return []inspect.Reason{
		inspect.Malformed,
		inspect.Failed,
		inspect.TimedOut,
		inspect.Denied,
		inspect.Disabled,
		inspect.Masked,
		inspect.Unsupported,
		inspect.Present,
		inspect.Inapplicable,
	}
}

// settle says what became of a source that is none of processes: of one file what
// reading it gave, unless who parsed it found more amiss.
func (f *findings) settle(s inspect.Source) inspect.Reason {
	why, file := f.looked[s]
	worst := inspect.Unread
	for _, r := range bySeverity() {
		if slices.Contains(f.seen[s], r) {
			worst = r
			break
		}
	}
	switch {
	case !f.host.Live && s.Asked():
		return inspect.Inapplicable
	case !file:
		return worst
	case why == inspect.Present && worst != inspect.Unread && worst != inspect.Inapplicable,
		why == inspect.Unsupported && worst == inspect.Inapplicable:
		return worst
	}
	return why
}

func (f *findings) row(s inspect.Source) *Source {
	r := &Source{Source: s, host: f.host, who: f.who}
	t, process := f.tally[s]
	switch {
	case s == inspect.PIDEntry && f.hidden:
		r.Why, r.Others, r.Of = inspect.Denied, inspect.Denied, 0
	case s == inspect.PIDEntry:
		r.Gave, r.Of = f.count, f.count
	case !process:
		r.Why = f.settle(s)
	default:
		r.Gave, r.Of = t.Gave(), t.Of
		r.Others, _ = t.Most()
		if r.Gave == 0 {
			r.Why = cmp.Or(r.Others, inspect.Inapplicable)
		}
	}
	return r
}

// rows returns every source, those that gave nothing or not all first.
func (f *findings) rows(entries []lower.Entry) (out Sources) {
	for _, s := range inspect.Every() {
		r := f.row(s)
		for i := range entries {
			if d := &entries[i].Doc; rests(d, s) && !slices.Contains(r.Keys, d.Key) {
				r.Keys = append(r.Keys, d.Key)
			}
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b *Source) int { return b2i(b.Gap()) - b2i(a.Gap()) })
	return out
}

// rests tells whether a value rests on a source, or leans on it.
func rests(d *doc, s inspect.Source) bool {
	for _, n := range append([]inspect.Source{d.Source}, d.Also...) {
		if n == s || slices.Contains(n.Either(), s) {
			return true
		}
	}
	return false
}

// states are the words for what came of a source.
func states() []explain.Word {
	word := func(name, gist string) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: "proc-permissions"}
	}
	of := func(r inspect.Reason, gist string) explain.Word { return word(r.String(), gist) }
	return []explain.Word{
		word(stateReadable, "It was read, and understood."),
		word(statePartly, "It could be read for some of the processes."),
		of(inspect.Denied, "This user may not read it."),
		of(inspect.Unsupported, "It is not there: the kernel, its version or how it was built."),
		of(inspect.Disabled, "The kernel has it, switched off."),
		of(inspect.Masked, "The kernel shows a placeholder instead."),
		of(inspect.Malformed, "It was read, and makes no sense."),
		of(inspect.Failed, "Reading it failed."),
		of(inspect.TimedOut, "It did not answer in time."),
		of(inspect.Vanished, "The process that had it ended."),
		of(inspect.Inapplicable, "There is nothing to be read here, and nothing missing."),
		of(inspect.Unread, "Nobody could try it."),
	}
}

// sentence says in words what came of it.
func (s *Source) sentence() string {
	switch s.State() {
	case stateReadable:
		if s.Of > 0 {
			return "readable for all " + units.Number(s.Of) + " processes that can have it."
		}
		return "read, and understood."
	case statePartly:
		if !s.host.Live && s.Others == inspect.Unsupported {
			return fmt.Sprintf("readable for %s of %s processes; of the others it was not saved.", units.Number(s.Gave), units.Number(s.Of))
		}
		text := fmt.Sprintf(
			"readable for %s of %s processes; for others %s",
			units.Number(s.Gave),
			units.Number(s.Of),
			strings.ReplaceAll(s.Others.String(), "_", " "),
		)
		if s.who.root && s.Others == inspect.Denied {
			text += ", even to root"
		}
		return text + "."
	}
	return s.reason()
}

func (s *Source) reason() string {
	switch s.Why {
	case inspect.Denied:
		switch {
		case s.who.inside:
			return "denied: root of a user namespace is a plain user of the host."
		case s.who.root:
			return "denied even to root: a capability is lacking, or lockdown or a security module is in the way."
		}
		return "this user may not read it."
	case inspect.Unsupported:
		if s.leftOut() {
			return "not there: this /proc has nothing but processes."
		}
		d := doc{Source: s.Source}
		if !s.host.Live {
			return "not in this copy: it was not saved, or that kernel did not have it."
		}
		if s.host.Kernel.Before(s.Since()) {
			return "this kernel, " + s.host.Kernel.String() + ", is too old for it."
		}
		if d.Requires() == "" {
			return "not there: this kernel does not have it."
		}
		return "not there."
	case inspect.Disabled:
		return "this kernel has it, switched off."
	case inspect.Masked:
		return "the kernel shows a placeholder instead."
	case inspect.Malformed:
		return "it was read, and makes no sense."
	case inspect.Failed:
		return "reading it failed."
	case inspect.TimedOut:
		return "it did not answer in time."
	case inspect.Vanished:
		return "what had it is gone."
	case inspect.Inapplicable:
		if !s.host.Live && s.Asked() {
			return "it is asked of a running kernel, which a copy is not."
		}
		return "there is nothing to be read here, and nothing missing."
	}
	return "nobody could try it."
}

// fewKeys is how many of the values that rest on a source text names.
const fewKeys = 3

// says is the sentence of a row in text: what came of it, what would open it, and what
// hangs on it.
func (s *Source) says() string {
	text := s.String() + ": " + s.sentence()
	if open := s.open(); open != "" && s.Gap() {
		text = strings.TrimSuffix(text, ".") + ": " + open + "."
	}
	if !s.Gap() {
		return text
	}
	text += " For " + strings.Join(s.Keys[:min(len(s.Keys), fewKeys)], ", ")
	if n := len(s.Keys) - fewKeys; n > 0 {
		text += " and " + units.Plural(n, "more value", "more values")
	}
	return text + "."
}

func sourceTable() *explain.Table[*Source] {
	type column = explain.Field[*Source]
	field := func(d doc, get func(*Source) value) column {
		d.Source, d.Concept = inspect.ProcAndSys, "proc-permissions"
		return column{Doc: d, Get: get}
	}
	text := func(d doc, get func(*Source) string) column {
		return field(d, func(s *Source) value { return orNone(get(s)) })
	}
	processes := func(key, gist string, get func(*Source) int) column {
		return field(doc{Key: key, Unit: explain.Count, Show: explain.Data, Gist: gist}, func(s *Source) value {
			if s.Of == 0 {
				return explain.None(inspect.Inapplicable)
			}
			return explain.I(get(s))
		})
	}
	return &explain.Table[*Source]{Name: "sources", Title: "What could be read", Fields: []column{
		text(
			doc{Key: "path", Show: explain.Data, Gist: "The file, or the family of files; or what is asked instead of one."},
			func(s *Source) string { return s.String() },
		),
		text(doc{Key: "state", Words: states(), Gist: "What came of reading it."}, (*Source).State),
		field(
			doc{Key: "values", Unit: explain.Count, Gist: "How many values rest on it, or lean on it."},
			func(s *Source) value { return explain.I(len(s.Keys)) },
		),
		field(
			doc{Key: "keys", Show: explain.Data, Gist: "The values that rest on it, or lean on it."},
			func(s *Source) value { return names(s.Keys) },
		),
		processes("gave", "For how many processes it gave something.", func(s *Source) int { return s.Gave }),
		processes("of", "Of how many processes that can have it.", func(s *Source) int { return s.Of }),
		text(
			doc{Key: "others", Show: explain.Data, Gist: "Why it gave nothing for the other processes, most of them."},
			func(s *Source) string { return s.Others.String() },
		),
		text(doc{Key: "opens", Show: explain.Data, Gist: "What it would take to read it, or to read all of it."}, func(s *Source) string {
			if !s.Gap() {
				return ""
			}
			return s.open()
		}),
		text(
			doc{Key: "option", Show: explain.Data, Gist: "What the kernel must be built or booted with to have it."},
			func(s *Source) string { return s.Option() },
		),
		text(doc{Key: "since", Show: explain.Data, Gist: "The first kernel that has it, where that is newer than 4.0."}, func(s *Source) string {
			if v := s.Since(); v != (inspect.Version{}) {
				return v.String()
			}
			return ""
		}),
		text(doc{Key: "why", Gist: "What came of it in words, what would open it, and what rests on it."}, (*Source).says),
	}}
}

func orNone(s string) value {
	if s == "" {
		return explain.None(inspect.Inapplicable)
	}
	return explain.S(s)
}

func names(list []string) value {
	out := make([]value, len(list))
	for i, s := range list {
		out[i] = explain.S(s)
	}
	return explain.L(out)
}
