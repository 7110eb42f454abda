package explain

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"kwhy/inspect"
)

// Table is a topic of which a host has many.
type Table[S Snapshot[S]] struct {
	Name   string   // as JSON has it
	Title  string   // over it in text
	Sort   []string // default keys; numbers largest first, a leading - turns one round; none: as found
	Fields []Field[S]
	Rules  []Rule[S]
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
}

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
	return nil, fmt.Errorf("%s has no column %q: it has %s", t.Name, key, strings.Join(keys, ", "))
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
	var scratch []byte
	n := len(v.sort)
	keys := make([]Value, 0, n*rows.Len())
	out := make([]int32, rows.Len())
	for i := range out {
		out[i] = int32(i)
		for _, k := range v.sort {
			keys = append(keys, k.field.take(rows.At(i), &scratch))
		}
	}
	slices.SortStableFunc(out, func(a, b int32) int {
		for j, k := range v.sort {
			x, y := keys[int(a)*n+j], keys[int(b)*n+j]
			if c := x.Compare(y); c != 0 {
				if k.desc && x.Has() && y.Has() {
					c = -c
				}
				return c
			}
		}
		return 0
	})
	if v.limit > 0 && v.limit < len(out) {
		out = out[:v.limit]
	}
	return out
}

// Row is a lowered row. It is valid until the next one.
type Row struct {
	Values []Value
	Level  Level
}

// Grid is a lowered table: plain data, and rows that may be walked more than once.
type Grid struct {
	Name  string
	Title string
	Docs  []Doc
	Rows  iter.Seq[Row]
	Shown int
	Total int
	More  string // how to see the rows that are left out; "" where there is no way
	Named bool   // its columns were asked for by name: text shows them all
}

// Explain lowers the rows in order, and judges them.
func (v *View[S]) Explain(rows Rows[S], order []int32, limits Limits) (Grid, []Finding) {
	g := Grid{Name: v.table.Name, Title: v.table.Title, Shown: len(order), Total: rows.Len(), Named: v.named}
	watch := watched(rows)
	for _, f := range v.cols {
		g.Docs = append(g.Docs, f.Doc)
		if f.Counter && watch {
			g.Docs = append(g.Docs, f.rateDoc())
		}
	}
	g.Rows = func(yield func(Row) bool) {
		row := Row{Values: make([]Value, len(g.Docs))}
		var scratch []byte // when it grows, earlier texts of the row keep the old one
		for _, i := range order {
			s := rows.At(int(i))
			scratch = v.lower(s, row.Values, scratch[:0], watch)
			row.Level = v.table.level(s, limits)
			if !yield(row) {
				return
			}
		}
	}
	return g, v.findings(rows, order, limits)
}

func (v *View[S]) lower(s S, to []Value, scratch []byte, watch bool) []byte {
	j := 0
	for _, f := range v.cols {
		to[j] = f.take(s, &scratch)
		if j++; f.Counter && watch {
			to[j] = f.rate(s, to[j-1])
			j++
		}
	}
	return scratch
}

func (f *Field[S]) rateDoc() Doc {
	d := f.Doc
	d.Key, d.Label, d.Kernel, d.Gist, d.Counter = d.Key+"_rate", d.Name()+"/s", "", "Per second: "+d.Gist, false
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

func (v *View[S]) findings(rows Rows[S], order []int32, limits Limits) (out []Finding) {
	for _, i := range order {
		for j := range v.table.Rules {
			if f, ok := v.table.Rules[j].judge(rows.At(int(i)), limits); ok {
				f.Table = v.table.Name
				out = append(out, f)
			}
		}
	}
	return out
}

// Scan is rows that can be read in two goes.
type Scan[S any] interface {
	Rows[S]
	Fill(rows []int32, want inspect.Sources)
}

// Scan reads what the order needs of all rows, and the rest for those that are
// shown.
func (v *View[S]) Scan(take func(inspect.Sources) (Scan[S], error)) (Scan[S], []int32, error) {
	rows, err := take(v.Rank())
	if err != nil {
		return nil, nil, err
	}
	order := v.Order(rows)
	rows.Fill(order, v.Needs())
	return rows, order, nil
}
