package explain

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"kwhy/inspect"
)

// Table is a topic of which a host has many.
type Table[S Snapshot[S]] struct {
	Name  string   // as JSON has it
	Title string   // over it in text
	Sort  []string // default keys; numbers largest first, a leading - turns one round; none: as found
	// Identity is the columns that say which row it is; none: the first.
	Identity []string
	Fields   []Field[S]
	Rules    []Rule[S]
	// Heading makes each row a section of its own in text, with a line and a
	// reading for every value: for the few rows that have much to say.
	Heading func(S) string
}

// Rows is a scan: a length and an indexed view.
type Rows[S any] interface {
	Len() int
	At(int) S
}

// View is a table cut to the columns, order and length that were asked for.
type View[S Snapshot[S]] struct {
	table *Table[S]
	cols  []*Field[S]
	sort  []sortKey[S]
	limit int
	named bool

	where      func(S) bool
	whereNeeds inspect.Sources
	few        int
}

// Few bounds the findings of each rule: what it finds beyond them, the last of them
// counts.
func (v *View[S]) Few(most int) { v.few = most }

type sortKey[S Snapshot[S]] struct {
	field *Field[S]
	desc  bool
}

// View resolves columns and sort keys; none means the table's own. A limit of
// 0 is none. An unknown key is an error that lists what there is.
func (t *Table[S]) View(columns, sort []string, limit int) (*View[S], error) {
	v := &View[S]{table: t, limit: limit, named: len(columns) > 0}
	for i := range t.Fields {
		if f := &t.Fields[i]; len(columns) == 0 && f.Show != Asked {
			v.cols = append(v.cols, f)
		}
	}
	for _, key := range columns {
		f, err := t.field(key)
		if err != nil {
			return nil, err
		}
		v.cols = append(v.cols, f)
	}
	if len(sort) == 0 {
		sort = t.Sort
	}
	for _, key := range sort {
		f, err := t.field(strings.TrimPrefix(key, "-"))
		if err != nil {
			return nil, err
		}
		v.sort = append(v.sort, sortKey[S]{f, f.Unit.Number() != strings.HasPrefix(key, "-")})
	}
	return v, nil
}

func (t *Table[S]) field(key string) (*Field[S], error) {
	keys := make([]string, len(t.Fields))
	for i := range t.Fields {
		if keys[i] = t.Fields[i].Key; keys[i] == key {
			return &t.Fields[i], nil
		}
	}
	for i := range t.Fields {
		if f := &t.Fields[i]; f.Counter && key == f.Key+rateSuffix {
			return f.asRate(), nil
		}
	}
	return nil, fmt.Errorf("%s has no column %q: it has %s", t.Name, key, strings.Join(keys, ", "))
}

// rateSuffix makes the key of a counter that of its rate.
const rateSuffix = "_rate"

// asRate is how much a counter grew a second, as a column of its own.
func (f *Field[S]) asRate() *Field[S] {
	return &Field[S]{Doc: f.rateDoc(), Get: func(s S) Value { return f.rate(s, f.take(s, new([]byte))) }}
}

// ColumnHelp lists columns by key, each with its gist, and what has a rate.
func ColumnHelp[S Snapshot[S]](fields []Field[S]) string {
	var b strings.Builder
	var rates []string
	for i := range fields {
		fmt.Fprintf(&b, "%-28s %s\n", fields[i].Key, fields[i].Gist)
		if fields[i].Counter {
			rates = append(rates, fields[i].Key+rateSuffix)
		}
	}
	if rates != nil {
		fmt.Fprintf(&b, "\nWith --interval, a second: %s\n", strings.Join(rates, ", "))
	}
	return b.String()
}

// ColumnWords are the columns by key, each with its gist, and the rates of counters:
// what --columns and --sort take.
func ColumnWords[S Snapshot[S]](fields []Field[S]) (out []Word) {
	for i := range fields {
		out = append(out, Word{Name: fields[i].Key, Gist: fields[i].Gist})
	}
	for i := range fields {
		if fields[i].Counter {
			out = append(out, Word{Name: fields[i].Key + rateSuffix, Gist: "The same a second, with --interval: " + fields[i].Gist})
		}
	}
	return out
}

// WordsOf are the words that a column can have as its value.
func WordsOf[S Snapshot[S]](fields []Field[S], key string) []Word {
	for i := range fields {
		if fields[i].Key == key {
			return fields[i].Words
		}
	}
	return nil
}

// addsRate tells whether a column is followed by its rate: where there is one, and it
// was not asked for by name.
func (v *View[S]) addsRate(f *Field[S], watch bool) bool {
	return f.Counter && watch && !slices.ContainsFunc(v.cols, func(c *Field[S]) bool { return c.Key == f.Key+rateSuffix })
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
func (v *View[S]) Order(rows Rows[S]) []int32 {
	return v.cut(rows, v.kept(rows), len(v.sort))
}

// All returns the indices of the rows that the filters let through, as found.
func (v *View[S]) All(rows Rows[S]) []int32 { return v.kept(rows) }

// kept returns the indices of the rows that Where lets through.
func (v *View[S]) kept(rows Rows[S]) []int32 {
	out := make([]int32, 0, rows.Len())
	for i := range rows.Len() {
		if v.where == nil || v.where(rows.At(i)) {
			out = append(out, int32(i))
		}
	}
	return out
}

// Row is a lowered row. It is valid until the next one.
type Row struct {
	Values   []Value
	Level    Level
	Heading  string   // of a table whose rows are sections
	Readings []string // of its values
}

// Grid is a lowered table: plain data, and rows that may be walked more than once.
type Grid struct {
	Name  string
	Title string
	Docs  []Doc
	Rows  iter.Seq[Row]
	Part  func(from, to int) iter.Seq[Row] // some of them, for who walks several at once; nil where that can't be
	Skip  func(columns []bool)             // leaves out the values of columns that will not be shown; nil where that can't be
	Shown int
	Total int
	More  string // how to see the rows that are left out; "" where there is no way
	Named bool   // its columns were asked for by name: text shows them all

	Sections bool   // each row is a section of its own in text
	Empty    string // what text says where there is no row; "": nothing
}

// Explain lowers the rows in order, and judges them.
func (v *View[S]) Explain(rows Rows[S], order []int32, limits Limits) (Grid, []Finding) {
	g := Grid{Name: v.table.Name, Title: v.table.Title, Shown: len(order), Total: rows.Len(), Named: v.named, Sections: v.table.Heading != nil}
	watch := watched(rows)
	for _, f := range v.cols {
		d := f.Doc
		d.Source = origin(rows, d.Source)
		g.Docs = append(g.Docs, d)
		if v.addsRate(f, watch) {
			d = f.rateDoc()
			d.Source = origin(rows, d.Source)
			g.Docs = append(g.Docs, d)
		}
	}
	levels, found := v.judge(rows, order, limits)
	skip := make([]bool, len(g.Docs))
	g.Skip = func(columns []bool) { copy(skip, columns) }
	g.Part = func(from, to int) iter.Seq[Row] {
		return v.walk(rows, order[from:to], levels[from:to], skip, watch)
	}
	g.Rows = g.Part(0, len(order))
	return g, found
}

// walk lowers rows in order.
func (v *View[S]) walk(rows Rows[S], order []int32, levels []Level, skip []bool, watch bool) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		row := Row{Values: make([]Value, len(skip))}
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

func (v *View[S]) lower(s S, to []Value, skip []bool, scratch []byte, watch bool) []byte {
	j := 0
	for _, f := range v.cols {
		rate := watch && v.addsRate(f, watch)
		if !skip[j] || rate && !skip[j+1] {
			to[j] = f.take(s, &scratch)
		}
		if j++; rate {
			to[j] = f.rate(s, to[j-1])
			j++
		}
	}
	return scratch
}

// say adds what the text of a row that is a section has beside its values.
func (v *View[S]) say(s S, to *Row) {
	if v.table.Heading == nil {
		return
	}
	to.Heading = v.table.Heading(s)
	to.Readings = make([]string, len(to.Values))
	for i, f := range v.cols {
		if f.Reading != nil && to.Values[i].Has() {
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
			row := Row{Values: make([]Value, len(g.Docs)), Level: v.table.level(s, nil)}
			scratch = v.lower(s, row.Values, skip, scratch[:0], false)
			v.say(s, &row)
			g.Total++
			return yield(row)
		})
		g.Shown = g.Total
	}
}

func (f *Field[S]) rateDoc() Doc {
	d := f.Doc
	d.Key, d.Label, d.Kernel, d.Gist, d.Counter = d.Key+rateSuffix, d.Name()+"/s", "", "Per second: "+d.Gist, false
	if d.Watched {
		d.Show = Wide
	}
	return d
}

func watched[S Snapshot[S]](rows Rows[S]) bool {
	for i := range rows.Len() {
		if _, _, ok := rows.At(i).Before(); ok {
			return true
		}
	}
	return false
}

func (t *Table[S]) level(s S, limits Limits) (worst Level) {
	for i := range t.Rules {
		worst = max(worst, t.Rules[i].level(s, limits))
	}
	return worst
}

// manyRows is from how many rows on they are judged in two halves at once.
const manyRows = 4096

// judge returns the level of each row, and what the rules find.
func (v *View[S]) judge(rows Rows[S], order []int32, limits Limits) ([]Level, []Finding) {
	levels := make([]Level, len(order))
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
		told, last := 0, 0
		for i := range found {
			if found[i].ID == f.ID {
				told, last = told+1, i
			}
		}
		if told < v.few {
			found = append(found, f)
			continue
		}
		found[last].More += 1 + f.More
	}
	return found
}

func (v *View[S]) judgePart(rows Rows[S], order []int32, levels []Level, limits Limits) (out []Finding) {
	told, last := make([]int, len(v.table.Rules)), make([]int, len(v.table.Rules))
	for n, i := range order {
		s := rows.At(int(i))
		for j := range v.table.Rules {
			r := &v.table.Rules[j]
			l := r.level(s, limits)
			if l == OK {
				continue
			}
			levels[n] = max(levels[n], l)
			if told[j]++; v.few > 0 && told[j] > v.few {
				out[last[j]].More++
				continue
			}
			f := r.finding(s, l, limits)
			f.Table, last[j] = v.table.Name, len(out)
			out = append(out, f)
		}
	}
	return out
}

// Scan is rows that can be read little by little. Fill reads more of some rows,
// and returns those that are still there.
type Scan[S any] interface {
	Rows[S]
	Fill(rows []int32, want inspect.Sources) []int32
}

// Scan reads of all rows what filter and first sort key need, of those that are
// still in question what the next key needs, and so on; and the rest of those
// that are shown.
func (v *View[S]) Scan(take func(inspect.Sources) (Scan[S], error)) (Scan[S], []int32, error) {
	want := v.whereNeeds
	if len(v.sort) > 0 {
		want = want.Plus(v.sort[0].field.Needs())
	}
	rows, err := take(want)
	if err != nil {
		return nil, nil, err
	}
	order := v.Refine(rows)
	return rows, rows.Fill(order, v.Needs()), nil
}

// Refine orders the rows of a scan that was taken for another view, reading what
// is needed, as Scan does.
func (v *View[S]) Refine(rows Scan[S]) []int32 {
	order := v.kept(rows)
	for n := range v.sort {
		order = rows.Fill(order, v.sort[n].field.Needs())
		order = v.cut(rows, order, n+1)
	}
	return order
}

// Again orders rows that were chosen before, for they have been read anew.
func (v *View[S]) Again(rows Rows[S], order []int32) []int32 {
	return v.cut(rows, order, len(v.sort))
}

// Ranks tells whether the view has all rows in the order of that key, the
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
