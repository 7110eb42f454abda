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

// Source is a source and whether it could be read.
type Source struct {
	inspect.Unpaired[*Source]

	inspect.Source
	Why    inspect.Reason // Present: readable, and for a source of processes, for Gave of Of of them
	Gave   int
	Of     int
	Others inspect.Reason // why not for the other processes
	Keys   []string       // of the values that come from it

	host  *inspect.Host
	who   who
	doubt inspect.Doubt
}

// who is what decides how a denial is explained.
type who struct {
	rights  inspect.Rights
	root    bool // user 0 of the host
	inside  bool // user 0 of a user namespace of its own
	pidOnly bool // /proc is mounted with subset=pid
}

func whoIs(s *doctorfacts.Environment) (w who) {
	user := s.Space("user")
	own := user != nil && user.Known && !user.First
	w.rights = s.Host.Rights()
	w.root, w.inside = s.Host.AsRoot() && !own, s.Host.AsRoot() && own
	w.pidOnly = s.Proc != nil && s.Proc.Option("subset") == "pid"
	return w
}

// Missing says that its state is known.
func (s *Source) Missing(inspect.Source) inspect.Reason { return inspect.Present }

// Kernel returns the kernel that was read.
func (s *Source) Kernel() inspect.Kernel { return s.host.Kernel }

// Sources are the rows of the table of sources.
type Sources []*Source

// Len returns how many there are.
func (l Sources) Len() int { return len(l) }

// At returns one of them.
func (l Sources) At(i int) *Source { return l[i] }

// Readable counts the sources that are fully readable.
func (l Sources) Readable() (n int) {
	for _, s := range l {
		n += b2i(s.State() == stateReadable)
	}
	return n
}

// The states of a source that are not reasons for a gap.
const (
	stateReadable = "readable"
	statePartly   = "partly"
)

// State is the word for whether it could be read.
func (s *Source) State() string {
	switch {
	case s.Why == inspect.Present && s.Of > 0 && s.Gave < s.Of:
		return statePartly
	case s.Why == inspect.Present:
		return stateReadable
	}
	return s.Why.String()
}

// Gap reports whether it gave less than it might.
func (s *Source) Gap() bool { return s.State() != stateReadable && s.Why != inspect.Inapplicable }

// open says what it would take to read it, "" if nothing would help.
func (s *Source) open() string {
	why := s.Why
	if why == inspect.Present {
		why = s.Others
	}
	switch why {
	case inspect.Denied, inspect.Masked, inspect.Hidden:
		return s.who.rights.Advice(s.Source)
	}
	if s.host.Copy() && why.IsMissing() {
		return "" // a copy can't be rebuilt
	}
	if s.leftOut() {
		return "mount /proc without subset=pid"
	}
	d := doc{Source: s.Source}
	return d.Hint(why, s.host.Kernel)
}

// leftOut reports whether the mount of /proc leaves the file out.
func (s *Source) leftOut() bool {
	path := s.String()
	return s.who.pidOnly && s.Why.IsMissing() && strings.HasPrefix(path, "/proc/") && !strings.HasPrefix(path, "/proc/<pid>")
}

// findings collects the state of each source.
type findings struct {
	host   *inspect.Host
	looked map[inspect.Source]inspect.Reason // what reading the file gave, for sources that are one
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

// wants reports whether a group reads a source that no snapshot has said anything about yet.
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

// bySeverity lists the reasons by how much they say about a source, the most first.
func bySeverity() []inspect.Reason {
	return []inspect.Reason{
		inspect.Malformed,
		inspect.Failed,
		inspect.TimedOut,
		inspect.Denied,
		inspect.Disabled,
		inspect.Masked,
		inspect.NotMounted,
		inspect.NotSaved,
		inspect.OtherNamespace,
		inspect.Unsupported,
		inspect.Present,
		inspect.Inapplicable,
	}
}

// settle returns the state of a source that does not belong to processes. For one file it
// is what reading gave, unless the parser found something worse.
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
		(why == inspect.Unsupported || why == inspect.NotSaved) && worst == inspect.Inapplicable:
		return worst
	}
	return why
}

func (f *findings) row(s inspect.Source) *Source {
	r := &Source{Source: s, host: f.host, who: f.who}
	t, process := f.tally[s]
	if r.doubt = f.host.Doubt(s); r.doubt.Any() && !process {
		r.Why = inspect.Foreign
		return r
	}
	switch {
	case s == inspect.PIDEntry && f.hidden:
		r.Why, r.Others, r.Of = inspect.Hidden, inspect.Hidden, 0
	case s == inspect.PIDEntry && f.count == 0:
		r.Why = f.host.Lack()
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

// rows returns every source, those with a gap first.
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

// rests reports whether a value comes from a source, or also uses it.
func rests(d *doc, s inspect.Source) bool {
	for _, n := range append([]inspect.Source{d.Source}, d.Also...) {
		if n == s || slices.Contains(n.Either(), s) {
			return true
		}
	}
	return false
}

// states are the words for whether a source could be read.
func states() []explain.Word {
	word := func(name, gist string) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: "proc-permissions"}
	}
	of := func(r inspect.Reason, gist string) explain.Word { return word(r.String(), gist) }
	return []explain.Word{
		word(stateReadable, "It was read and understood."),
		word(statePartly, "It could be read for some of the processes."),
		of(inspect.Denied, "The kernel does not let kwhy read it, as it runs now."),
		of(inspect.Unsupported, "It does not exist: this kernel's version or build lacks it."),
		of(inspect.Hidden, "This /proc does not show it to this user: hidepid."),
		of(inspect.NotSaved, "It is not in this copy: it was not saved, or that kernel did not have it."),
		of(inspect.Foreign, "It is not the kernel's own: another file is mounted over it, or it can't be true."),
		of(inspect.NotMounted, "What holds it is not mounted where kwhy looks."),
		of(inspect.OtherNamespace, "It is of another namespace than kwhy's."),
		of(inspect.Disabled, "The kernel has it, switched off."),
		of(inspect.Masked, "The kernel shows a placeholder instead."),
		of(inspect.Malformed, "It was read but makes no sense."),
		of(inspect.Failed, "Reading it failed."),
		of(inspect.TimedOut, "It did not answer in time."),
		of(inspect.Vanished, "The process that had it ended."),
		of(inspect.Inapplicable, "There is nothing to read here, and nothing is missing."),
		of(inspect.Unread, "It could not be tried."),
	}
}

// sentence puts the state into words.
func (s *Source) sentence() string {
	switch s.State() {
	case stateReadable:
		if s.Of == 1 {
			return "readable for the one process that has it."
		}
		if s.Of > 0 {
			return "readable for all " + units.Number(s.Of) + " processes that have it."
		}
		return "read and understood."
	case statePartly:
		if s.host.Copy() && s.Others.IsMissing() {
			return fmt.Sprintf("readable for %s of %s processes; for the others it was not saved.", units.Number(s.Gave), units.Number(s.Of))
		}
		text := fmt.Sprintf(
			"readable for %s of %s processes; for others %s",
			units.Number(s.Gave),
			units.Number(s.Of),
			words(s.Others),
		)
		if s.who.root && s.Others == inspect.Denied {
			text += ", even to root"
		}
		return text + "."
	}
	return s.reason()
}

// missing says why it is not there.
func (s *Source) missing() string {
	d, since := doc{Source: s.Source}, s.Since()
	tooOld := inspect.Choose(s.host.Kernel.Since(since.Major, since.Minor), false, true, false)
	switch {
	case s.Why == inspect.OtherNamespace:
		return "not there: it is of another namespace than kwhy's."
	case s.leftOut():
		return "not there: this /proc has only processes."
	case s.Why == inspect.NotMounted && (s.Source == inspect.KernelLog || s.Source == inspect.Passwd):
		return "not there: kwhy was not given it."
	case s.Why == inspect.NotMounted:
		return "not there: what holds it is not mounted where kwhy looks."
	case s.host.Copy():
		return "not in this copy: it was not saved, or that kernel did not have it."
	case tooOld:
		return "this kernel, " + s.host.Kernel.String() + ", is too old for it."
	case d.Requires() == "":
		return "not there: this kernel does not have it."
	}
	return "not there."
}

func (s *Source) reason() string {
	switch s.Why {
	case inspect.Denied:
		switch {
		case s.who.inside:
			return "denied: root of a user namespace is an ordinary user of the host."
		case s.who.rights.Open(s.Source):
			return "denied even to root: lockdown, a sandbox or a security module prevents it."
		case s.who.root:
			return "denied."
		}
		return "this user is not allowed to read it."
	case inspect.Unsupported, inspect.NotMounted, inspect.NotSaved, inspect.OtherNamespace:
		return s.missing()
	case inspect.Foreign:
		return "not the kernel's own: " + units.Doubt(s.doubt) + "."
	case inspect.Hidden:
		return "this /proc is mounted with hidepid: other users' processes are not shown."
	case inspect.Disabled:
		return "this kernel has it, switched off."
	case inspect.Masked:
		return "the kernel shows a placeholder instead."
	case inspect.Malformed:
		return "it was read but makes no sense."
	case inspect.Failed:
		return "reading it failed."
	case inspect.TimedOut:
		return "it did not answer in time."
	case inspect.Vanished:
		return "what it belonged to is gone."
	case inspect.Inapplicable:
		if s.host.NoProc && s.Asked() {
			return "only a running kernel answers it, and there is no /proc to say which."
		}
		if !s.host.Live && s.Asked() {
			return "only a running kernel answers it, and this is a copy."
		}
		return "there is nothing to read here, and nothing is missing."
	}
	return "it could not be tried."
}

// fewKeys is how many of the values that come from a source are named in text.
const fewKeys = 3

// says is the sentence of a row in text: the state, what it would take to read it, and
// which values come from it.
func (s *Source) says() string {
	text := s.String() + ": " + s.sentence()
	if open := s.open(); open != "" && s.Gap() {
		text = strings.TrimSuffix(text, ".") + ": " + open + "."
	}
	if !s.Gap() {
		return text
	}
	text += " Needed for " + strings.Join(s.Keys[:min(len(s.Keys), fewKeys)], ", ")
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
	return &explain.Table[*Source]{Name: "sources", Title: "Sources", Fields: []column{
		text(
			doc{Key: "path", Show: explain.Data, Gist: "The file or family of files, or the system call or netlink request."},
			func(s *Source) string { return s.String() },
		),
		text(doc{Key: "state", Words: states(), Gist: "Whether it could be read."}, (*Source).State),
		field(
			doc{Key: "values", Unit: explain.Count, Gist: "How many values come from it or also use it."},
			func(s *Source) value { return explain.I(len(s.Keys)) },
		),
		field(
			doc{Key: "keys", Show: explain.Data, Gist: "The values that come from it or also use it."},
			func(s *Source) value { return names(s.Keys) },
		),
		processes("gave", "For how many processes it could be read.", func(s *Source) int { return s.Gave }),
		processes("of", "How many processes have it.", func(s *Source) int { return s.Of }),
		text(
			doc{Key: "others", Show: explain.Data, Gist: "Why it could not be read for most of the other processes."},
			func(s *Source) string { return s.Others.String() },
		),
		text(doc{Key: "opens", Show: explain.Data, Gist: "What it would take to read it, or all of it."}, func(s *Source) string {
			if !s.Gap() {
				return ""
			}
			return s.open()
		}),
		text(
			doc{Key: "option", Show: explain.Data, Gist: "What the kernel must be built or booted with to have it."},
			func(s *Source) string { return s.Option() },
		),
		text(doc{Key: "since", Show: explain.Data, Gist: "The first kernel that has it, if newer than 4.0."}, func(s *Source) string {
			if v := s.Since(); v != (inspect.Version{}) {
				return v.String()
			}
			return ""
		}),
		text(doc{Key: "why", Gist: "The state in words, what it would take to read it, and which values need it."}, (*Source).says),
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

// words are a reason as text has it.
func words(r inspect.Reason) string {
	if r.IsGap() {
		return units.AbsentWord(r)
	}
	return strings.ReplaceAll(r.String(), "_", " ")
}
