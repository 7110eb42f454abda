package lower

import (
	"slices"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// Doubt is why what a source says is not the kernel's own.
type Doubt = inspect.Doubt

// doubts asks a snapshot, or any row of it, for what is not the kernel's own: of no type of
// snapshot, so that there is one of it for all. The zero value has no doubt.
type doubts struct {
	says   Doubter
	paired func() bool // there is a sample an interval ago: what was counted since boot is not asked for
}

// doubtsOf returns those of a snapshot.
func doubtsOf[S explain.Snapshot[S]](s S) doubts {
	says, _ := any(s).(Doubter)
	return doubts{says, func() bool { _, _, ok := s.Before(); return ok }}
}

// doubtsOfRows returns those of a table: what is in doubt is the whole host's.
func doubtsOfRows[S explain.Snapshot[S]](rows explain.Rows[S]) doubts {
	if rows.Len() == 0 {
		return doubts{}
	}
	return doubtsOf(rows.At(0))
}

// of returns why what one of the sources says is not the kernel's own; none where all of it is.
func (d doubts) of(sources ...inspect.Source) inspect.Doubt {
	if d.says == nil {
		return inspect.Doubt{}
	}
	for _, src := range sources {
		if found := d.says.Doubt(src); found.Any() && (!found.Ever || !d.paired()) {
			return found
		}
	}
	return inspect.Doubt{}
}

// in does the same for a set of sources.
func (d doubts) in(set inspect.Sources) inspect.Doubt { return d.of(slices.Collect(set.Each())...) }

// doc returns why what a value rests on is not the kernel's own: first of all its own source.
func (d doubts) doc(of *explain.Doc) inspect.Doubt {
	if found := d.of(of.Source); found.Any() {
		return found
	}
	return d.of(of.Also...)
}

// withholds reports whether a value is not shown for a doubt. What a file itself says is
// shown, as what it says; what kwhy makes of it is not, nor counters that nobody keeps. A name
// or a size that is of another file is shown too: the one in doubt is for what is said of it.
// Of an emulator's processes who they are is shown, but nothing that was counted or computed.
func withholds(d *explain.Doc, v explain.Value, doubt inspect.Doubt) bool {
	named := d.Unit == explain.Text || d.Unit == explain.Plain || d.Unit == explain.ID
	switch {
	case !doubt.Any():
		return false
	case doubt.Void() && doubt.Source == d.Source:
		return true
	case d.Kernel != "":
		return false
	case d.Key == why:
		return true
	case doubt.Source != d.Source:
		return !named && d.Unit != explain.Bytes
	case doubt.Kind == inspect.Emulated && d.Source.Scope() == inspect.OfProcess:
		return !named || v.Zero()
	}
	return true
}

// why is the key of the column that says what stands in the row.
const why = "why"

// doubt withholds what a value says where it rests on what is not the kernel's own: its
// reading and the kernel's arithmetic, and the value itself where that is kwhy's.
func (c *Cell) doubt(found inspect.Doubt) {
	c.Doubt = found
	if none := explain.None(inspect.Foreign); found.Any() && c.Rate.Has() { // two samples of it tell nothing of what was counted
		c.Rate, c.Grown = none, none
	}
	if withholds(&c.Doc, c.Value, found) {
		none := explain.None(inspect.Foreign)
		c.Value, c.Rate, c.Grown = none, none, explain.Value{}
		c.Hint = units.Doubt(found)
	}
}

// undraw takes the bar from a section with a part that is not the kernel's own: figures of
// several hands make up no whole.
func (p *Part) undraw() {
	if p.Whole == "" || !slices.ContainsFunc(p.Cells, func(c Cell) bool { return c.Doubt.Any() }) {
		return
	}
	p.Whole = ""
	for i := range p.Cells {
		p.Cells[i].Doc.Part = 0
	}
}

// noteDoubt notes of a rule that what it rests on is not the kernel's own; false where it is.
func (d *Ruled) noteDoubt(found inspect.Doubt) bool {
	if !found.Any() {
		return false
	}
	d.Outcome, d.Unseen, d.Source, d.Reason = Blind, 1, found.Source, inspect.Foreign
	return true
}

// Doubt adds what is not the kernel's own of what was read.
func (r *Report) Doubt(list []inspect.Doubt) {
	for _, d := range list {
		r.Gaps = append(r.Gaps, Gap{Source: d.Source.String(), Reason: inspect.Foreign, Count: 1, Of: 1, Hint: units.Doubt(d)})
	}
}
