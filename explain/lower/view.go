package lower

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"kwhy/explain"
	"kwhy/inspect"
)

// View is a table cut to the columns, order and length that were asked for.
type View[S explain.Snapshot[S]] struct {
	table *explain.Table[S]
	cols  []*explain.Field[S]
	sort  []sortKey[S]
	limit int
	named bool

	where      func(S) bool
	whereNeeds inspect.Sources
	few        int
	lacks      []string                   // names that the code gave and that are no columns
	doubts     doubts                     // of its rows
	doubted    map[*explain.Field[S]]bool // of rows with a source in doubt: which columns are withheld
}

// Few bounds the findings of each rule: what it finds beyond them, the last of them
// counts.
func (v *View[S]) Few(most int) { v.few = most }

type sortKey[S explain.Snapshot[S]] struct {
	field *explain.Field[S]
	desc  bool
}

// NewView resolves columns and sort keys that a user gave; none means the table's own.
// A limit of 0 is none. An unknown key is an error that lists what there is.
func NewView[S explain.Snapshot[S]](t *explain.Table[S], columns, sort []string, limit int) (*View[S], error) {
	for _, key := range columns {
		if _, err := fieldOf(t, key); err != nil {
			return nil, err
		}
	}
	for _, key := range sort {
		if _, err := fieldOf(t, strings.TrimPrefix(key, "-")); err != nil {
			return nil, err
		}
	}
	return Own(t, columns, sort, limit), nil
}

// Own resolves columns and sort keys that the code gives. What is not among the columns
// is left out, so that a column can be taken away in one place; Lacks names it, which a
// test holds to be nothing.
func Own[S explain.Snapshot[S]](t *explain.Table[S], columns, sort []string, limit int) *View[S] {
	v := &View[S]{table: t, limit: limit, named: len(columns) > 0}
	for i := range t.Fields {
		if f := &t.Fields[i]; len(columns) == 0 && f.Show != explain.Asked {
			v.cols = append(v.cols, f)
		}
	}
	for _, key := range columns {
		f, err := fieldOf(t, key)
		if err != nil {
			v.lacks = append(v.lacks, key)
			continue
		}
		v.cols = append(v.cols, f)
	}
	if len(sort) == 0 {
		sort = t.Sort
	}
	for _, key := range sort {
		name := strings.TrimPrefix(key, "-")
		f, err := fieldOf(t, name)
		if err != nil {
			v.lacks = append(v.lacks, name)
			continue
		}
		v.sort = append(v.sort, sortKey[S]{f, f.Unit.Number() != strings.HasPrefix(key, "-")})
	}
	return v
}

// Cut is the same view with another limit; 0 is none.
func (v *View[S]) Cut(limit int) *View[S] {
	out := *v
	out.limit = limit
	return &out
}

// Table is the table that is viewed, without the columns that were taken away.
func (v *View[S]) Table() *explain.Table[S] { return v.table }

// Drop leaves out a column, wherever the view has it.
func (v *View[S]) Drop(key string) {
	is := func(f *explain.Field[S]) bool { return f.Key == key || f.Key == key+rateSuffix }
	v.cols = slices.DeleteFunc(v.cols, is)
	v.sort = slices.DeleteFunc(v.sort, func(k sortKey[S]) bool { return is(k.field) })
	t := *v.table
	t.Fields = slices.DeleteFunc(slices.Clone(t.Fields), func(f explain.Field[S]) bool { return f.Key == key })
	v.table = &t
}

func fieldOf[S explain.Snapshot[S]](t *explain.Table[S], key string) (*explain.Field[S], error) {
	keys := make([]string, len(t.Fields))
	for i := range t.Fields {
		if keys[i] = t.Fields[i].Key; keys[i] == key {
			return &t.Fields[i], nil
		}
	}
	for i := range t.Fields {
		if f := &t.Fields[i]; f.Counter && key == f.Key+rateSuffix {
			return asRate(f), nil
		}
	}
	return nil, fmt.Errorf("%s has no column %q: it has %s", t.Name, key, strings.Join(keys, ", "))
}

// addsRate reports whether a column is followed by its rate: where there is one, and it
// was not asked for by name.
func (v *View[S]) addsRate(f *explain.Field[S], watch bool) bool {
	return f.Counter && watch && !slices.ContainsFunc(v.cols, func(c *explain.Field[S]) bool { return c.Key == f.Key+rateSuffix })
}

// Rank is what all rows need to be ordered.
func (v *View[S]) Rank() (n inspect.Sources) {
	for _, k := range v.sort {
		n = n.Plus(k.field.Needs())
	}
	return n
}

// Needs is what the rows that are shown need.
func (v *View[S]) Needs() (n inspect.Sources) {
	for _, f := range v.cols {
		n = n.Plus(f.Needs())
	}
	return n
}

// Order returns the indices of the rows to show, in order.
func (v *View[S]) Order(rows explain.Rows[S]) []int32 {
	return v.cut(rows, v.kept(rows), len(v.sort))
}

// All returns the indices of the rows that the filters let through, as found.
func (v *View[S]) All(rows explain.Rows[S]) []int32 { return v.kept(rows) }

// kept returns the indices of the rows that Where lets through.
func (v *View[S]) kept(rows explain.Rows[S]) []int32 {
	out := make([]int32, 0, rows.Len())
	for i := range rows.Len() {
		if v.where == nil || v.where(rows.At(i)) {
			out = append(out, int32(i))
		}
	}
	return out
}

// Explain lowers the rows in order, and judges them.
func (v *View[S]) Explain(rows explain.Rows[S], order []int32, limits explain.Limits) (Grid, []Finding) {
	g := Grid{Name: v.table.Name, Title: v.table.Title, Shown: len(order), Total: rows.Len(), Named: v.named, Sections: v.table.Heading != nil}
	g.Seen = v.ranked(rows, seenOf(rows), len(order))
	watch := watched(rows)
	for _, f := range v.cols {
		d := f.Doc
		d.Source = origin(rows, d.Source)
		g.Docs = append(g.Docs, d)
		if v.addsRate(f, watch) {
			d = rateDoc(f)
			d.Source = origin(rows, d.Source)
			g.Docs = append(g.Docs, d)
		}
	}
	v = v.trusting(rows)
	levels, found := v.judgeRows(rows, order, limits)
	skip := make([]bool, len(g.Docs))
	g.Skip = func(columns []bool) { copy(skip, columns) }
	g.Part = func(from, to int) iter.Seq[Row] {
		return v.walk(rows, order[from:to], levels[from:to], skip, watch)
	}
	g.Rows = g.Part(0, len(order))
	return g, found
}

// ranked returns of how many of the rows what they are ordered by was seen, where not all are shown: the others may
// belong among the first.
func (v *View[S]) ranked(rows explain.Rows[S], all inspect.Seen, shown int) inspect.Seen {
	if len(v.sort) == 0 || shown == rows.Len() || all.Missed() > 0 {
		return all
	}
	src := v.sort[0].field.Source
	by := inspect.SeenBy(cmp.Or(all.Each, "row"), src, rows.Len(), func(i int) inspect.Reason { return rows.At(i).Missing(src) }).Within(all)
	if by.Missed() > 0 {
		return by
	}
	return all
}

// trusting returns the view without the rules, and with the columns marked, that rest on what
// is not the kernel's own.
func (v *View[S]) trusting(rows explain.Rows[S]) *View[S] {
	d := doubtsOfRows(rows)
	if !d.in(v.Needs().Plus(JudgesTable(v.table))).Any() {
		return v
	}
	out, t := *v, *v.table
	t.Rules = slices.DeleteFunc(slices.Clone(t.Rules), func(r explain.Rule[S]) bool { return d.in(ruleNeeds(&t, &r)).Any() })
	out.table, out.doubts, out.doubted = &t, d, map[*explain.Field[S]]bool{}
	for _, f := range v.cols {
		out.doubted[f] = withholds(&f.Doc, explain.Value{}, d.doc(&f.Doc))
	}
	return &out
}

// walk lowers rows in order.
func (v *View[S]) walk(rows explain.Rows[S], order []int32, levels []explain.Level, skip []bool, watch bool) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		row := Row{Values: make([]explain.Value, len(skip))}
		var scratch []byte // when it grows, earlier texts of the row keep the old one
		for n, i := range order {
			s := rows.At(int(i))
			scratch = v.lower(s, row.Values, skip, scratch[:0], watch)
			row.Level = levels[n]
			v.say(s, &row)
			if !yield(row) {
				return
			}
		}
	}
}

func (v *View[S]) lower(s S, to []explain.Value, skip []bool, scratch []byte, watch bool) []byte {
	j := 0
	for _, f := range v.cols {
		rate := watch && v.addsRate(f, watch)
		if !skip[j] || rate && !skip[j+1] {
			to[j] = Take(f, s, &scratch)
			if v.doubted[f] {
				to[j] = explain.None(inspect.Foreign)
			}
		}
		if j++; rate {
			to[j] = Rate(f, s, to[j-1])
			j++
		}
	}
	return scratch
}

// say adds the heading and the readings of a row that is a section.
func (v *View[S]) say(s S, to *Row) {
	if v.table.Heading == nil {
		return
	}
	to.Heading = v.table.Heading(s)
	to.Readings = make([]string, len(to.Values))
	for i, f := range v.cols {
		if f.Reading != nil && to.Values[i].Has() && (v.doubted == nil || !v.doubts.doc(&f.Doc).Any()) {
			to.Readings[i] = f.Reading(s)
		}
	}
}

// Stream lowers rows as they come, for a table whose end is not known before it
// is reached: walk hands on each, and the grid knows their number when it is done.
func (v *View[S]) Stream(g *Grid, walk func(yield func(S) bool)) {
	*g = Grid{Name: v.table.Name, Title: v.table.Title, Sections: v.table.Heading != nil, Named: v.named}
	for _, f := range v.cols {
		g.Docs = append(g.Docs, f.Doc)
	}
	skip := make([]bool, len(g.Docs))
	g.Rows = func(yield func(Row) bool) {
		g.Total = 0
		var scratch []byte
		walk(func(s S) bool {
			row := Row{Values: make([]explain.Value, len(g.Docs)), Level: levelOfRow(v.table, s, nil)}
			scratch = v.lower(s, row.Values, skip, scratch[:0], false)
			v.say(s, &row)
			g.Total++
			return yield(row)
		})
		g.Shown = g.Total
	}
}

func watched[S explain.Snapshot[S]](rows explain.Rows[S]) bool {
	for i := range rows.Len() {
		if _, _, ok := rows.At(i).Before(); ok {
			return true
		}
	}
	return false
}

func levelOfRow[S explain.Snapshot[S]](t *explain.Table[S], s S, limits explain.Limits) (worst explain.Level) {
	for i := range t.Rules {
		worst = max(worst, judge(&t.Rules[i], s, limits).level)
	}
	return worst
}

// manyRows is from how many rows on they are judged in two halves at once.
const manyRows = 4096

// judgeRows returns the level of each row, and what the rules find.
func (v *View[S]) judgeRows(rows explain.Rows[S], order []int32, limits explain.Limits) ([]explain.Level, []Finding) {
	levels := make([]explain.Level, len(order))
	if len(order) < manyRows {
		return levels, v.judgePart(rows, order, levels, limits)
	}
	half := len(order) / 2
	var found, more []Finding
	var second sync.WaitGroup
	second.Go(func() { more = v.judgePart(rows, order[half:], levels[half:], limits) })
	found = v.judgePart(rows, order[:half], levels[:half], limits)
	second.Wait()
	return levels, v.join(found, more)
}

// join appends findings of later rows.
func (v *View[S]) join(found, more []Finding) []Finding {
	if v.few == 0 {
		return append(found, more...)
	}
	for _, f := range more {
		reported, last := 0, 0
		for i := range found {
			if found[i].ID == f.ID {
				reported, last = reported+1, i
			}
		}
		if reported < v.few {
			found = append(found, f)
			continue
		}
		found[last].More += 1 + f.More
	}
	return found
}

func (v *View[S]) judgePart(rows explain.Rows[S], order []int32, levels []explain.Level, limits explain.Limits) (out []Finding) {
	reported, last := make([]int, len(v.table.Rules)), make([]int, len(v.table.Rules))
	for n, i := range order {
		s := rows.At(int(i))
		for j := range v.table.Rules {
			r := &v.table.Rules[j]
			found := judge(r, s, limits)
			if found.level == explain.OK {
				continue
			}
			levels[n] = max(levels[n], found.level)
			if reported[j]++; v.few > 0 && reported[j] > v.few {
				out[last[j]].More++
				continue
			}
			f := findingOf(r, s, found, limits)
			f.Table, last[j] = v.table.Name, len(out)
			out = append(out, f)
		}
	}
	return out
}

// Scan reads of all rows what filter and first sort key need, of those that are
// still in question what the next key needs, and so on; and the rest of those
// that are shown.
func (v *View[S]) Scan(take func(inspect.Sources) (explain.Scan[S], error)) (explain.Scan[S], []int32, error) {
	rows, err := take(v.first())
	if err != nil {
		return nil, nil, err
	}
	order := v.Refine(rows)
	return rows, rows.Fill(order, v.Needs()), nil
}

// first is what is read of all rows: what filter and first sort key need.
func (v *View[S]) first() inspect.Sources {
	if len(v.sort) == 0 {
		return v.whereNeeds
	}
	return v.whereNeeds.Plus(v.sort[0].field.Needs())
}

// Refine orders the rows of a scan that was taken for another view, reading what
// is needed, as Scan does.
func (v *View[S]) Refine(rows explain.Scan[S]) []int32 {
	order := v.kept(rows)
	for n := range v.sort {
		order = rows.Fill(order, v.sort[n].field.Needs())
		order = v.cut(rows, order, n+1)
	}
	return order
}

// Again orders rows that were chosen before, for they have been read anew.
func (v *View[S]) Again(rows explain.Rows[S], order []int32) []int32 {
	return v.cut(rows, order, len(v.sort))
}

// Ranks reports whether the view has all rows in the order of that key, the
// largest first.
func (v *View[S]) Ranks(key string) bool {
	return v.where == nil && len(v.sort) > 0 && v.sort[0].desc && v.sort[0].field.Key == key
}

// Where keeps the rows that a filter lets through, which needs some sources of
// each row. Further filters keep what all let through.
func (v *View[S]) Where(needs inspect.Sources, keep func(S) bool) {
	v.whereNeeds = v.whereNeeds.Plus(needs)
	if was := v.where; was != nil {
		v.where = func(s S) bool { return was(s) && keep(s) }
		return
	}
	v.where = keep
}
