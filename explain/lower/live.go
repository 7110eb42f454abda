package lower

import (
	"slices"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// liveRows is how many rows `kwhy explain` shows of a table.
const liveRows = 5

// expensive are sources that are not read of every process of a host only to sort by
// what they say.
func expensive() inspect.Sources {
	return inspect.Of(inspect.PIDSmapsRollup, inspect.PIDMaps, inspect.PIDFdinfo, inspect.PIDNs)
}

// liveTable reads the first rows of a table, with the columns that are asked for and
// those that say which row it is. Where no row has anything to show the report has
// a gap in place of rows.
func liveTable[S explain.Snapshot[S]](
	t *explain.Table[S],
	h *inspect.Host,
	ask Ask,
	rows func(*inspect.Host, *View[S]) (explain.Rows[S], []int32, error),
) (Report, error) {
	columns := identityOf(t)
	own := len(columns)
	for i := range t.Fields {
		if key := t.Fields[i].Key; slices.Contains(ask.Keys, key) && !slices.Contains(columns, key) {
			columns = append(columns, key)
		}
	}
	v, err := NewView(t, columns, rankBy(t, ask.Sort), liveRows)
	if err != nil {
		return Report{}, err
	}
	v.named = !ask.Room
	all, order, err := rows(h, v)
	if err != nil {
		return Report{}, err
	}
	g, _ := v.Explain(all, order, ask.Limits)
	if gap, none := nothing(&g, own, h.Kernel); none {
		return Report{Gaps: []Gap{gap}}, nil
	}
	if ask.Sort != "" {
		seen := seenIn(t, all, ask.Sort)
		if g.Seen.Whole() { // or it says already of how much it is
			g.Seen = seen
		}
		if zero(&g, ask.Sort) {
			g.Shown, g.Empty = 0, zeroIn(ask.Sort, g.Total, seen)
		}
	}
	rep := Report{Grids: []Grid{g}}
	rep.unseen(all, v.Needs(), h.Kernel)
	return rep, nil
}

// unseen adds the gaps that a snapshot has in the wanted sources. Of a file that another one is
// mounted over, which is said, it is no news that it is not as the kernel writes it.
func (r *Report) unseen(snapshot any, want inspect.Sources, on inspect.Kernel) {
	s, ok := snapshot.(Gapped)
	if !ok {
		return
	}
	says, _ := snapshot.(Doubter)
	r.Tell(slices.DeleteFunc(s.Gaps(), func(g inspect.Gap) bool {
		over := g.Reason == inspect.Malformed && says != nil && says.Doubt(g.Source).Kind == inspect.MountedOver
		return !want.Has(g.Source) || over
	}), on)
}

// identityOf is the columns that say which row it is.
func identityOf[S explain.Snapshot[S]](t *explain.Table[S]) (out []string) {
	for _, key := range t.Identity {
		if _, err := fieldOf(t, key); err == nil {
			out = append(out, key)
		}
	}
	if len(out) == 0 {
		out = append(out, t.Fields[0].Key)
	}
	return out
}

// rankBy is the order of rows with the largest of one column first; none, the
// table's own, where there is no such column or to read it would be expensive.
func rankBy[S explain.Snapshot[S]](t *explain.Table[S], key string) []string {
	f, err := fieldOf(t, key)
	if err != nil || !f.Unit.Number() || f.Needs().Meets(expensive()) {
		return nil
	}
	return append([]string{key}, t.Sort...)
}

// nothing reports whether no row has a value in any of the columns behind the first.
func nothing(g *Grid, first int, on inspect.Kernel) (Gap, bool) {
	if g.Shown == 0 || first >= len(g.Docs) {
		return Gap{}, false
	}
	d, why := &g.Docs[first], inspect.Present
	for r := range g.Rows {
		for i := first; i < len(r.Values); i++ {
			if v := r.Values[i]; v.Has() || !v.Reason().IsGap() {
				return Gap{}, false
			} else if why == inspect.Present {
				d, why = &g.Docs[i], v.Reason()
			}
		}
	}
	return Gap{Source: d.Source.String(), Reason: why, Count: g.Shown, Of: g.Total, Hint: d.Hint(why, on)}, true
}

// seenIn returns in how many rows a number was seen, of those that have one: what is said of the
// largest holds for these.
func seenIn[S explain.Snapshot[S]](t *explain.Table[S], rows explain.Rows[S], key string) inspect.Seen {
	f, err := fieldOf(t, key)
	if err != nil || !f.Unit.Number() || f.Needs().Meets(expensive()) {
		return inspect.Seen{}
	}
	if v, ok := rows.(Surveyor); ok {
		if seen := v.SeenOf(f.Source); !seen.Whole() {
			return seen
		}
	}
	var scratch []byte
	return inspect.SeenBy("row", f.Source, rows.Len(), func(i int) inspect.Reason {
		v := Take(f, rows.At(i), &scratch)
		if scratch = scratch[:0]; v.Has() {
			return inspect.Present
		}
		return v.Reason()
	}).Within(seenOf(rows))
}

// zeroIn says that a number is 0 in all rows of a table, or in those in which it was seen.
func zeroIn(key string, rows int, seen inspect.Seen) string {
	switch {
	case !seen.Whole():
		return units.NoneOf(key+" is 0", seen)
	case rows == 1:
		return key + " is 0 in the one row"
	}
	return key + " is 0 in all " + units.Plural(rows, "row", "rows")
}

// zero reports whether the first row, which has the largest, has none of it.
func zero(g *Grid, key string) bool {
	at := slices.IndexFunc(g.Docs, func(d explain.Doc) bool { return d.Key == key })
	if at < 0 {
		return false
	}
	for r := range g.Rows {
		return r.Values[at].Zero()
	}
	return false
}
