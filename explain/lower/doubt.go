package lower

import (
	"slices"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// Doubt is why what a source says is not the kernel's own.
type Doubt = inspect.Doubt

// doubtOf returns why what one of the sources says is not the kernel's own; none where all of
// it is. Over an interval what was counted since boot is not asked for.
func doubtOf[S explain.Snapshot[S]](s S, sources ...inspect.Source) inspect.Doubt {
	of, ok := any(s).(Doubter)
	if !ok {
		return inspect.Doubt{}
	}
	for _, src := range sources {
		if d := of.Doubt(src); d.Any() && (!d.Ever || !paired(s)) {
			return d
		}
	}
	return inspect.Doubt{}
}

// paired reports whether there is a sample an interval ago.
func paired[S explain.Snapshot[S]](s S) bool {
	_, _, ok := s.Before()
	return ok
}

// doubtIn does the same for a set of sources.
func doubtIn[S explain.Snapshot[S]](s S, set inspect.Sources) inspect.Doubt {
	return doubtOf(s, slices.Collect(set.Each())...)
}

// doubtOfDoc returns why what a value rests on is not the kernel's own.
func doubtOfDoc[S explain.Snapshot[S]](s S, d *explain.Doc) inspect.Doubt {
	if found := doubtOf(s, d.Source); found.Any() {
		return found
	}
	return doubtOf(s, d.Also...)
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

// trusted returns a table without the rules that rest on what is not the kernel's own.
func trusted[S explain.Snapshot[S]](t *explain.Table[S], rows explain.Rows[S]) *explain.Table[S] {
	if rows.Len() == 0 || !slices.ContainsFunc(t.Rules, func(r explain.Rule[S]) bool { return doubtOfRow(t, &r, rows).Any() }) {
		return t
	}
	cut := *t
	cut.Rules = slices.DeleteFunc(slices.Clone(t.Rules), func(r explain.Rule[S]) bool { return doubtOfRow(t, &r, rows).Any() })
	return &cut
}

// doubtOfRow returns why what a rule rests on in each row is not the kernel's own: what is in
// doubt is the whole host's.
func doubtOfRow[S explain.Snapshot[S]](t *explain.Table[S], r *explain.Rule[S], rows explain.Rows[S]) inspect.Doubt {
	if rows.Len() == 0 {
		return inspect.Doubt{}
	}
	s := rows.At(0)
	for _, key := range r.Evidence {
		if f, err := fieldOf(t, key); err == nil {
			if d := doubtOfDoc(s, &f.Doc); d.Any() {
				return d
			}
		}
	}
	return inspect.Doubt{}
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
