package explain

import (
	"slices"

	"kwhy/inspect"
)

// Section groups fields of a card, and says where a table belongs.
type Section[S Snapshot[S]] struct {
	Title  string
	Whole  string // the key of the value that the fields marked Part make up
	Fields []Field[S]
	Table  string // the name of the table that follows
}

// Card is a topic of which a host or a process has one.
type Card[S Snapshot[S]] struct {
	Name     string
	Sections []Section[S]
	Rules    []Rule[S]
}

// Cell is one value here and now: plain data.
type Cell struct {
	Doc        Doc
	Value      Value
	Rate       Value
	Grown      Value // by how much it grew over the interval, of a counter that text tells so
	Level      Level
	Reading    string
	Derivation *Derivation
	Hint       string // where it is absent: what it would take
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
	Limits   Limits // by which its levels were given
}

// Gap is something that could not be seen.
type Gap struct {
	Source string
	Reason inspect.Reason
	Count  int
	Of     int
	Hint   string
	Keys   []string // the values of a readable source that this kernel lacks
}

// Explain lowers the snapshot and judges it.
func (c *Card[S]) Explain(s S, limits Limits) Report {
	r := Report{Limits: limits}
	worst := map[string]Level{}
	for i := range c.Rules {
		if f, ok := c.Rules[i].judge(s, limits); ok {
			r.Findings = append(r.Findings, f)
			worst[f.Evidence[0]] = max(worst[f.Evidence[0]], f.Level)
		}
	}
	for i := range c.Sections {
		sec := &c.Sections[i]
		p := Part{Title: sec.Title, Whole: sec.Whole, Table: sec.Table, Cells: make([]Cell, 0, len(sec.Fields))}
		for j := range sec.Fields {
			cell := sec.Fields[j].cell(s)
			cell.Level = worst[cell.Doc.Key]
			p.Cells = append(p.Cells, cell)
		}
		r.Parts = append(r.Parts, p)
	}
	return r
}

func (f *Field[S]) cell(s S) Cell {
	v := f.take(s, new([]byte))
	c := Cell{Doc: f.Doc, Value: v, Rate: f.rate(s, v)}
	if _, over, ok := s.Before(); ok && f.Grown && c.Rate.Has() {
		c.Grown = F(c.Rate.Float() * over.Seconds())
	}
	if f.Reading != nil && (v.Has() || v.Reason() == inspect.Unlimited) {
		c.Reading = f.Reading(s)
	}
	if !v.Has() {
		c.Hint = f.Hint(v.Reason(), s.Kernel())
		return c
	}
	c.Doc.Source = origin(s, f.Source)
	if f.Derive != nil {
		d := f.Derive(s)
		if f.Kernel != "" {
			d.Reported = v
		}
		if d.Formula != "" { // without one there is nothing to compute here
			c.Derivation = &d
		}
	}
	return c
}

// origin is the source that was read, of one that names several: a snapshot that has
// such says which.
func origin(s any, declared inspect.Source) inspect.Source {
	if o, ok := s.(interface {
		Origin(inspect.Source) inspect.Source
	}); ok {
		return o.Origin(declared)
	}
	return declared
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
func (r *Report) Tell(gaps []inspect.Gap, on inspect.Version) {
	for _, g := range gaps {
		d := Doc{Source: g.Source}
		r.Gaps = append(r.Gaps, Gap{Source: g.Source.String(), Reason: g.Reason, Count: g.Count, Of: g.Of, Hint: d.Hint(g.Reason, on)})
	}
	told := map[string]bool{}
	for _, g := range r.Gaps {
		told[g.Source] = true
	}
	first := len(r.Gaps)
	gone := slices.ContainsFunc(gaps, func(g inspect.Gap) bool { return g.Source == inspect.PIDEntry && g.Reason == inspect.Vanished })
	for i := range r.Parts {
		for j := range r.Parts[i].Cells {
			c := &r.Parts[i].Cells[j]
			if gone && c.Value.Reason() == inspect.Vanished {
				continue // with the process, which is told
			}
			if c.Value.Reason().IsGap() && !c.Value.Has() && !told[c.Doc.Source.String()] && !toldAlso(told, &c.Doc) {
				r.lacks(first, c)
			}
		}
	}
}

// Withheld is the hint where something is denied to a kwhy that has every right that
// is asked for.
const Withheld = "kwhy has the rights for it: a security module, a sandbox or a namespace withholds it"

// Denies tells whether anything in it was denied to kwhy.
func (r *Report) Denies() (yes bool) {
	r.denied(func(*string) { yes = true })
	return yes
}

// Entitle puts Withheld in the place of advice that kwhy has followed already.
func (r *Report) Entitle() { r.denied(func(hint *string) { *hint = Withheld }) }

// denied gives the hint of each gap and value that was denied to do.
func (r *Report) denied(do func(hint *string)) {
	for i := range r.Gaps {
		if g := &r.Gaps[i]; g.Reason == inspect.Denied || g.Reason == inspect.Masked {
			do(&g.Hint)
		}
	}
	for i := range r.Parts {
		for j := range r.Parts[i].Cells {
			if c := &r.Parts[i].Cells[j]; c.Value.Reason() == inspect.Denied || c.Value.Reason() == inspect.Masked {
				do(&c.Hint)
			}
		}
	}
}

func toldAlso(told map[string]bool, d *Doc) bool {
	for _, s := range d.Also {
		if told[s.String()] {
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
	r.Gaps = append(r.Gaps, Gap{Source: c.Doc.Source.String(), Reason: c.Value.Reason(), Count: 1, Of: 1, Hint: c.Hint, Keys: []string{c.Doc.Key}})
}

// Needs is what the whole card reads.
func (c *Card[S]) Needs() (n inspect.Sources) {
	for i := range c.Sections {
		n = n.Plus(c.Sections[i].Needs())
	}
	return n
}

// Needs is what a section reads, its table apart.
func (s *Section[S]) Needs() (n inspect.Sources) {
	for i := range s.Fields {
		n = n.Plus(s.Fields[i].Needs())
	}
	return n
}

// Only returns the card cut to the fields that keep, and to the rules that
// rest on nothing else.
func (c *Card[S]) Only(keep func(*Doc) bool) Card[S] {
	out := Card[S]{Name: c.Name}
	kept := map[string]bool{}
	for _, sec := range c.Sections {
		cut := Section[S]{Title: sec.Title}
		for _, f := range sec.Fields {
			if keep(&f.Doc) {
				cut.Fields = append(cut.Fields, f)
				kept[f.Key] = true
			}
		}
		if len(cut.Fields) > 0 {
			out.Sections = append(out.Sections, cut)
		}
	}
	for _, r := range c.Rules {
		if kept[r.Evidence[0]] {
			out.Rules = append(out.Rules, r)
		}
	}
	return out
}

// needsOf is what the values of keys read.
func (c *Card[S]) needsOf(keys []string) (n inspect.Sources) {
	for i := range c.Sections {
		for j := range c.Sections[i].Fields {
			for _, k := range keys {
				if f := &c.Sections[i].Fields[j]; f.Key == k {
					n = n.Plus(f.Needs())
				}
			}
		}
	}
	return n
}
