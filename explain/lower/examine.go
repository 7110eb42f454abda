package lower

import (
	"slices"

	"kwhy/explain"
	"kwhy/inspect"
)

// Seen is what became of one source that was read for some values.
type Seen struct {
	Source inspect.Source
	Why    inspect.Reason // Present where it gave something
}

// Examination is what came of reading values: of each source that they need, and,
// of a card, the values themselves with what the kernel computes.
type Examination struct {
	Seen  []Seen
	Cells []Cell
}

// note adds what a snapshot says of sources, each with each reason once.
func (e *Examination) note(of inspect.Sources, missing func(inspect.Source) inspect.Reason) {
	for _, s := range inspect.Every() {
		if seen := (Seen{s, inspect.Present}); of.Has(s) {
			if seen.Why = missing(s); !slices.Contains(e.Seen, seen) {
				e.Seen = append(e.Seen, seen)
			}
		}
	}
}

// examineCard reads the values of the card that have one of the keys.
func examineCard[S explain.Snapshot[S]](
	c *explain.Card[S],
	h *inspect.Host,
	keys []string,
	take func(*inspect.Host, inspect.Sources) (S, error),
) (e Examination, err error) {
	one := Only(c, func(d *explain.Doc) bool { return slices.Contains(keys, d.Key) })
	want := one.Needs()
	s, err := take(h, want)
	if err != nil {
		return e, err
	}
	e.note(want, s.Missing)
	for i := range one.Sections {
		for j := range one.Sections[i].Fields {
			e.Cells = append(e.Cells, cellOf(&one.Sections[i].Fields[j], s))
		}
	}
	return e, nil
}

// examineTable reads columns of the table for its first rows.
func examineTable[S explain.Snapshot[S]](
	t *explain.Table[S],
	h *inspect.Host,
	keys []string,
	rows func(*inspect.Host, *View[S]) (explain.Rows[S], []int32, error),
) (e Examination, err error) {
	v, err := NewView(t, columnsOf(t, keys), nil, liveRows)
	if err != nil {
		return e, err
	}
	all, order, err := rows(h, v)
	if err != nil {
		return e, err
	}
	for _, i := range order {
		e.note(v.Needs(), all.At(int(i)).Missing)
	}
	if len(order) == 0 {
		e.note(v.Needs(), emptied(all))
	}
	return e, nil
}

// emptied says why there is no row: what the rows' own snapshot misses, if they know
// it, or nothing.
func emptied(rows any) func(inspect.Source) inspect.Reason {
	if known, ok := rows.(Misser); ok {
		return known.Missing
	}
	return func(inspect.Source) inspect.Reason { return inspect.Inapplicable }
}

// columnsOf are those that have one of the keys, behind the one that says which row it is.
func columnsOf[S explain.Snapshot[S]](t *explain.Table[S], keys []string) []string {
	out := []string{t.Fields[0].Key}
	for i := range t.Fields {
		if key := t.Fields[i].Key; key != out[0] && slices.Contains(keys, key) {
			out = append(out, key)
		}
	}
	return out
}
