package doctor

import (
	"fmt"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// Derivation is one of the kernel's computations, done again on this host.
type Derivation struct {
	inspect.Unpaired[*Derivation]

	explain.Derivation // of rows the one that is worst
	Key, Command       string
	Row, Kind          string // of several rows: which one this is, and what the rows are
	Rows, Exact        int    // how many rows were computed, and how many of them exactly
	Tries              int    // how often it was computed: again while it was off
	Moved              []string
	Why                inspect.Reason // nothing was computed
	Lacks              string         // which input was missing
	Hint               string

	concept explain.Concept
	on      inspect.Kernel
}

// Missing says that it was tried.
func (d *Derivation) Missing(inspect.Source) inspect.Reason { return inspect.Present }

// Kernel returns the kernel that was read.
func (d *Derivation) Kernel() inspect.Kernel { return d.on }

// Derivations are the rows of the table of derivations.
type Derivations []*Derivation

// Len returns how many there are.
func (l Derivations) Len() int { return len(l) }

// At returns one of them.
func (l Derivations) At(i int) *Derivation { return l[i] }

// Count returns how many have that verdict.
func (l Derivations) Count(verdict string) (n int) {
	for _, d := range l {
		n += b2i(d.Verdict() == verdict)
	}
	return n
}

// The verdicts.
const (
	VerdictOff        = "off"
	VerdictNear       = "tolerated"
	VerdictExact      = "exact"
	VerdictUncompared = "uncompared"
	VerdictUncomputed = "uncomputed"
)

// Verdict is the word for how the result compares.
func (d *Derivation) Verdict() string {
	if !d.Result.Has() {
		return VerdictUncomputed
	}
	switch d.Agrees() {
	case explain.Exact:
		return VerdictExact
	case explain.Near:
		return VerdictNear
	case explain.Off:
		return VerdictOff
	}
	return VerdictUncompared
}

func verdicts() []explain.Word {
	word := func(name, label, gist string) explain.Word {
		return explain.Word{Name: name, Label: label, Gist: gist, Concept: "kernel-arithmetic"}
	}
	return []explain.Word{
		word(VerdictOff, "", "The result is not the kernel's figure: a bug in kwhy, or a change in the kernel."),
		word(VerdictNear, "within tolerance", "They differ by no more than the kernel's counters may be off."),
		word(VerdictExact, "", "The result is exactly the kernel's figure."),
		word(VerdictUncomputed, "not computed", "An input could not be read, or does not exist here."),
		word(VerdictUncompared, "nothing to compare", "It was computed, but the kernel prints no figure of its own."),
	}
}

// sort orders by verdict, those that are off first, then as declared.
func (l Derivations) sort() {
	order := []string{VerdictOff, VerdictNear, VerdictExact, VerdictUncomputed, VerdictUncompared}
	slices.SortStableFunc(l, func(a, b *Derivation) int {
		return slices.Index(order, a.Verdict()) - slices.Index(order, b.Verdict())
	})
}

// maxTries is how often one that is off is computed: its inputs change while they are
// read one after the other.
const maxTries = 5

// tries is how often that is worth it on a host: a copy does not change.
func tries(h *inspect.Host) int {
	if h.Live {
		return maxTries
	}
	return 1
}

// tried returns the derivations of a card that was examined once. Each that is off is
// computed again.
func (g *group) tried(h *inspect.Host, x lower.Examination) (out Derivations) {
	for i := range g.entries {
		e := &g.entries[i]
		if !e.Derives {
			continue
		}
		d := derived(e, x, h.Kernel)
		first := d.Derivation
		for d.Tries < tries(h) && d.Verdict() == VerdictOff {
			x, err := e.Examine(h, e.Doc.Key)
			if err != nil {
				break
			}
			again := derived(e, x, h.Kernel)
			again.Tries, again.Moved = d.Tries+1, moved(&first, &again.Derivation, d.Moved)
			d = again
		}
		out = append(out, d)
	}
	return out
}

// failed returns the derivations of a card that could not be read at all.
func (g *group) failed(h *inspect.Host, err error) (out Derivations) {
	for i := range g.entries {
		if g.entries[i].Derives {
			d := derived(&g.entries[i], lower.Examination{}, h.Kernel)
			if d.Why = inspect.ReasonOf(err); g.entries[i].Scope == explain.OfProcess && !h.Live && h.Example() == 0 {
				d.Why = h.Lack() // there is no process
			}
			out = append(out, d)
		}
	}
	return out
}

// derived returns the derivation of an entry, found among the values that were read.
func derived(e *lower.Entry, x lower.Examination, on inspect.Kernel) *Derivation {
	d := &Derivation{Key: e.Doc.Key, Command: e.Command, Rows: 1, Tries: 1, concept: e.Doc.Concept, on: on, Why: inspect.Unread}
	i := slices.IndexFunc(x.Cells, func(c lower.Cell) bool { return c.Doc.Key == e.Doc.Key })
	if i < 0 {
		return d
	}
	c := &x.Cells[i]
	switch {
	case c.Doubt.Any():
		d.Why, d.Hint = inspect.Foreign, units.Doubt(c.Doubt)
	case !c.Value.Has():
		d.Why, d.Hint = c.Value.Reason(), c.Hint
	case c.Derivation == nil:
		d.Why = inspect.Inapplicable
	default:
		d.Derivation, d.Why = *c.Derivation, inspect.Present
		d.lack(x.Seen)
	}
	d.Exact = b2i(d.Verdict() == VerdictExact)
	return d
}

// lack notes which input was missing, and why, where there is no result.
func (d *Derivation) lack(seen []lower.Seen) {
	for i := range d.Terms {
		t := &d.Terms[i]
		if d.Result.Has() || t.Value.Has() {
			continue
		}
		d.Lacks, d.Why = t.Name+" of "+t.Source.String(), t.Value.Reason()
		for _, s := range seen {
			if s.Source == t.Source && d.Why == inspect.Present {
				d.Why = s.Why
			}
		}
		if d.Why == inspect.Present { // the file is there, but lacks it
			d.Why = inspect.Unsupported
		}
		return
	}
}

// moved adds the terms that changed since the first try.
func moved(first, now *explain.Derivation, known []string) []string {
	differs := func(name string, a, b value) {
		if a.Compare(b) != 0 && !slices.Contains(known, name) {
			known = append(known, name)
		}
	}
	for i := range first.Terms {
		if i < len(now.Terms) {
			differs(first.Terms[i].Name, first.Terms[i].Value, now.Terms[i].Value)
		}
	}
	differs("the kernel's figure", first.Reported, now.Reported)
	return known
}

// trial tries a computation that is done for many rows.
func trial(h *inspect.Host, t explain.Trial) *Derivation {
	var d *Derivation
	var first explain.Derivation
	for n := 1; n <= tries(h); n++ {
		again := tryOnce(h, t)
		if again.Tries = n; n == 1 {
			first = again.Derivation
		} else if again.Moved = d.Moved; again.Row == d.Row {
			again.Moved = moved(&first, &again.Derivation, d.Moved)
		}
		if d = again; d.Verdict() != VerdictOff {
			break
		}
	}
	return d
}

func tryOnce(h *inspect.Host, t explain.Trial) *Derivation {
	d := &Derivation{Key: t.Key, Command: t.Command, Kind: t.Rows, concept: t.Concept, on: h.Kernel, Why: inspect.Inapplicable}
	rows, err := t.Try(h)
	if err != nil {
		d.Why = inspect.ReasonOf(err)
	}
	rows = slices.DeleteFunc(rows, func(r explain.Tried) bool {
		faked := slices.ContainsFunc(r.Terms, func(t explain.Term) bool { return h.Doubt(t.Source).Any() })
		if faked {
			d.Why = inspect.Foreign // of figures that are not the kernel's it can't give the kernel's
		}
		return faked
	})
	worst := -1
	for i := range rows {
		r := &rows[i]
		d.Rows++
		d.Exact += b2i(r.Agrees() == explain.Exact)
		if worst < 0 || r.Agrees() > rows[worst].Agrees() ||
			r.Agrees() == rows[worst].Agrees() && distance(&r.Derivation) > distance(&rows[worst].Derivation) {
			worst = i
		}
	}
	if worst >= 0 {
		d.Derivation, d.Row, d.Why = rows[worst].Derivation, rows[worst].Row, inspect.Present
	}
	d.Formula, d.Unit = t.Formula, t.Unit
	return d
}

// distance is how far the result is from the kernel's figure.
func distance(d *explain.Derivation) int64 {
	n := d.Difference().Int()
	return max(n, -n)
}

// Worse keeps the worse of each two derivations of two exams, whatever their order.
func (l Derivations) Worse(was Derivations) Derivations {
	for i, d := range l {
		for _, w := range was {
			if w.Key == d.Key && w.Command == d.Command && w.Agrees() > d.Agrees() && d.Agrees() != explain.Unknown {
				l[i] = w
			}
		}
	}
	l.sort()
	return l
}

// line is its line in text.
func (d *Derivation) line() string { return d.Key + ": " + d.says() }

// says puts the verdict into words.
func (d *Derivation) says() string {
	amount := func(v value) string { return explain.Amount(v.Float(), d.Unit) }
	var s string
	switch d.Verdict() {
	case VerdictUncomputed:
		return d.uncomputed()
	case VerdictUncompared:
		return amount(d.Result) + "; the kernel prints no figure of its own"
	case VerdictExact:
		s = amount(d.Result)
		if d.Row != "" {
			if s = "for " + d.Row; d.Rows > 1 {
				s = fmt.Sprintf("for each of %s %s", units.Number(d.Rows), d.Kind)
			}
		}
	default:
		if d.Row != "" {
			s = fmt.Sprintf("exact for %s of %s %s; for %s ", units.Number(d.Exact), units.Number(d.Rows), d.Kind, d.Row)
		}
		s += fmt.Sprintf(
			"computed %s, the kernel says %s: they differ by %s",
			units.Number(d.Result.Int()),
			units.Number(d.Reported.Int()),
			units.Number(distance(&d.Derivation)),
		)
		if d.Slack > 0 {
			s += fmt.Sprintf(", where up to %s is normal", units.Number(d.Slack))
		}
		if d.Cause != "" {
			s += " (" + d.Cause + ")"
		}
	}
	if d.Tries > 1 {
		s += fmt.Sprintf("; computed %d times", d.Tries)
		if len(d.Moved) > 0 {
			s += " while " + strings.Join(d.Moved, ", ") + " changed"
		}
	}
	return s
}

func (d *Derivation) uncomputed() string {
	switch d.Why {
	case inspect.NoInterval, inspect.NoUpdate:
		return "it needs two samples: kwhy " + d.Command + " --interval 5s computes it"
	case inspect.Inapplicable, inspect.Present:
		return "there is nothing to compute here"
	}
	what := d.Lacks
	if what == "" {
		what = "its own value"
	}
	s := what + " is " + words(d.Why)
	if d.Hint != "" {
		s += "; " + d.Hint
	}
	return s
}
