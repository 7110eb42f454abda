package lower

import (
	"iter"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
)

// Cell is one value here and now: plain data.
type Cell struct {
	Doc        explain.Doc
	Value      explain.Value
	Rate       explain.Value
	Grown      explain.Value // by how much it grew over the interval, for a counter that text shows that way
	Level      explain.Level
	Reading    string
	Derivation *explain.Derivation
	Hint       string       // where it is absent: what it would take
	Seen       inspect.Seen // of a value about a set: how much of it was seen
	Around     inspect.Seen // the same of a set that its reading is about
	// Doubt is why what it rests on is not the kernel's own: then nothing is said of it.
	Doubt inspect.Doubt
}

// Part is a lowered section.
type Part struct {
	Title string
	Whole string
	Cells []Cell
	Table string
}

// Report is what a command found out: plain data, ready to print.
type Report struct {
	Parts    []Part
	Grids    []Grid
	Findings []Finding
	Gaps     []Gap
	Limits   explain.Limits // by which its levels were given
}

// Blank reports whether nothing at all was seen of what the report is about: it has no value and no row,
// and the sets that it asks of were not seen.
func (r *Report) Blank() bool {
	for i := range r.Parts {
		if slices.ContainsFunc(r.Parts[i].Cells, func(c Cell) bool { return c.Value.Has() }) {
			return false
		}
	}
	unseen := false
	for i := range r.Grids {
		g := &r.Grids[i]
		if g.Total > 0 || g.Seen.Seen > 0 {
			return false
		}
		unseen = unseen || g.Seen.Nothing()
	}
	return unseen && len(r.Gaps) > 0
}

// Direct makes commands that are suggested read what this report was read of: where is the options
// that say so.
func (r *Report) Direct(where string) {
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Where = where; f.Next != "" && !strings.HasPrefix(f.Next, "kwhy explain") {
			f.Next += where
		}
	}
}

// Gap is something that could not be seen.
type Gap struct {
	Source string
	Reason inspect.Reason
	Count  int
	Of     int
	Some   bool // only some processes were asked, those that are shown: Of is how many
	Hint   string
	Keys   []string // the values of a readable source that this kernel lacks
}

// Shown is what text has of the value: for some counters by how much they grew over the
// interval, which the total since boot never stands for.
func (c *Cell) Shown() explain.Value {
	if c.Grown.Has() || c.Grown.Reason() != inspect.Present {
		return c.Grown
	}
	return c.Value
}

// Coverage is how much of a set was seen.
type Coverage = inspect.Seen

// Joins reports whether the gap can share a line with others of the same reason and hint.
func (g *Gap) Joins() bool {
	return (g.Hint != "" || g.Reason == inspect.NotSaved) && len(g.Keys) == 0 && g.Of <= 1
}

// Cell returns the lowered value of that key.
func (r *Report) Cell(key string) *Cell {
	for i := range r.Parts {
		for j := range r.Parts[i].Cells {
			if c := &r.Parts[i].Cells[j]; c.Doc.Key == key {
				return c
			}
		}
	}
	return nil
}

// Grid returns the lowered table of that name.
func (r *Report) Grid(name string) *Grid {
	for i := range r.Grids {
		if r.Grids[i].Name == name {
			return &r.Grids[i]
		}
	}
	return nil
}

// Tell adds gaps: those of sources, and those of values that the kernel which
// was read does not have in a file that it does have, joined by what it would
// take to see them.
func (r *Report) Tell(gaps []inspect.Gap, on inspect.Kernel) {
	for _, g := range gaps {
		d := explain.Doc{Source: g.Source}
		why := d.Why(g.Reason, on)
		r.Gaps = append(r.Gaps, Gap{Source: g.Source.String(), Reason: why, Count: g.Count, Of: g.Of, Some: g.Some, Hint: d.Hint(why, on)})
	}
	listed := map[string]bool{}
	for _, g := range r.Gaps {
		listed[g.Source] = true
	}
	first := len(r.Gaps)
	gone := slices.ContainsFunc(gaps, func(g inspect.Gap) bool { return g.Source == inspect.PIDEntry && g.Reason == inspect.Vanished })
	for i := range r.Parts {
		for j := range r.Parts[i].Cells {
			c := &r.Parts[i].Cells[j]
			if gone && c.Value.Reason() == inspect.Vanished || c.Doubt.Any() {
				continue // with the process or the file, which has a gap of its own
			}
			if c.Value.Reason().IsGap() && !c.Value.Has() && !listed[c.Doc.Source.String()] && !alsoListed(listed, &c.Doc) {
				r.lacks(first, c)
			}
		}
	}
}

// Withheld is the hint where something is denied to a kwhy that has every right that
// is asked for.
const Withheld = "kwhy has the rights for it: a security module, a sandbox or a namespace withholds it"

// Denies reports whether anything in it was denied to kwhy.
func (r *Report) Denies() (yes bool) {
	r.hinted(denied, func(inspect.Source, *string) { yes = true })
	return yes
}

// Advise puts what would help kwhy itself in the place of what helps others: Withheld, where
// it has the rights that are asked for.
func (r *Report) Advise(rights inspect.Rights) {
	r.hinted(denied, func(s inspect.Source, hint *string) {
		if *hint = rights.Advice(s); rights.Open(s) {
			*hint = Withheld
		}
	})
}

// Built says of what is not there that the kernel was built with what it takes, where its own
// configuration says so: then something else is missing. built answers that for an option.
func (r *Report) Built(built func(option string) inspect.Answer) {
	missing := func(why inspect.Reason) bool { return why == inspect.Unsupported }
	r.hinted(missing, func(s inspect.Source, hint *string) {
		options := configOptions(*hint)
		lacks := func(option string) bool { return inspect.Choose(built(option), false, true, true) }
		if len(options) > 0 && !slices.ContainsFunc(options, lacks) {
			*hint = "the kernel is built with " + strings.Join(options, " and ") + ": it is switched off, not loaded, or not given to kwhy here"
		}
	})
}

// configOptions are the options of the kernel's configuration that a hint names.
func configOptions(hint string) (out []string) {
	for _, word := range strings.FieldsFunc(hint, func(c rune) bool { return c == ' ' || c == ',' || c == '(' || c == ')' }) {
		if strings.HasPrefix(word, "CONFIG_") {
			out = append(out, word)
		}
	}
	return out
}

// denied reports whether a reason is that kwhy may not see something.
func denied(why inspect.Reason) bool {
	return why == inspect.Denied || why == inspect.Masked || why == inspect.Hidden
}

// hinted gives the hint of each gap and value that is absent for such a reason to do.
func (r *Report) hinted(such func(inspect.Reason) bool, do func(s inspect.Source, hint *string)) {
	named := map[string]inspect.Source{}
	for i := range r.Gaps {
		g := &r.Gaps[i]
		if !such(g.Reason) {
			continue
		}
		if len(named) == 0 {
			for _, s := range inspect.Every() {
				named[s.String()] = s
			}
		}
		do(named[g.Source], &g.Hint)
	}
	for i := range r.Parts {
		for j := range r.Parts[i].Cells {
			if c := &r.Parts[i].Cells[j]; such(c.Value.Reason()) && c.Hint != "" {
				do(c.Doc.Source, &c.Hint)
			}
		}
	}
}

func alsoListed(listed map[string]bool, d *explain.Doc) bool {
	for _, s := range d.Also {
		if listed[s.String()] {
			return true
		}
	}
	return false
}

func (r *Report) lacks(first int, c *Cell) {
	for i := first; i < len(r.Gaps); i++ {
		g := &r.Gaps[i]
		if g.Source == c.Doc.Source.String() && g.Reason == c.Value.Reason() && g.Hint == c.Hint {
			g.Count, g.Of, g.Keys = g.Count+1, g.Of+1, append(g.Keys, c.Doc.Key)
			return
		}
	}
	r.Gaps = append(
		r.Gaps,
		Gap{Source: c.Doc.Source.String(), Reason: c.Value.Reason(), Count: 1, Of: 1, Hint: c.Hint, Keys: []string{c.Doc.Key}},
	)
}

// Health is how a domain stands, in a few words each: how much of it is in use, who
// has to wait for it, and what went wrong.
type Health struct{ Utilisation, Saturation, Errors string }

// Finding is a rule that found something.
type Finding struct {
	ID       string
	Level    explain.Level
	Message  string
	Evidence []string
	Table    string // the table that the row is in; "" for a value of a card
	More     int    // further rows in which it found the same, where only a few are reported
	Concept  explain.Concept
	Next     string
	Where    string // the options that make a command read what this report was read of; "": none

	Measure explain.Value // what was judged
	What    string
	Unit    explain.Unit
	Basis   explain.Basis
	Below   bool
	At      explain.At // the thresholds that it was held against
	Means   string
	Unless  string // the rule that says the same better, where it finds something
	Cells   []Cell // the evidence with its values, where the report is about findings
}

// Row is a lowered row. It is valid until the next one.
type Row struct {
	Values   []explain.Value
	Level    explain.Level
	Heading  string   // of a table whose rows are sections
	Readings []string // of its values
}

// Grid is a lowered table: plain data, and rows that may be walked more than once.
type Grid struct {
	Name  string
	Title string
	Docs  []explain.Doc
	Rows  iter.Seq[Row]
	Part  func(from, to int) iter.Seq[Row] // some of them, for who walks several at once; nil where that can't be
	Skip  func(columns []bool)             // leaves out the values of columns that will not be shown; nil where that can't be
	Shown int
	Total int
	Seen  inspect.Seen // how much was seen of what its rows are found among
	More  string       // how to see the rows that are left out; "" where there is no way
	Named bool         // its columns were asked for by name: text shows them all

	Sections bool   // each row is a section of its own in text
	Empty    string // what text says where there is no row; "": nothing
}
