package output_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"testing"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/output"
)

// large is a grid of n rows whose parts can be walked at once: a number that grows, a
// text that is longest in the last rows, and columns that find room or not.
func large(n int) (g lower.Grid, skipped *[]bool) {
	skipped = new([]bool)
	g = lower.Grid{Name: "t", Shown: n, Total: n, Docs: []explain.Doc{
		{Key: "number", Unit: explain.Count}, {Key: "text"}, {Key: "late", Unit: explain.Count, Show: explain.Wide},
		{
			Key:   "wide_one",
			Label: strings.Repeat("W", 50),
			Show:  explain.Wide,
		}, {Key: "wide_two", Label: strings.Repeat("V", 50), Show: explain.Wide}, {Key: "why"},
	}}
	g.Part = func(from, to int) iter.Seq[lower.Row] {
		return func(yield func(lower.Row) bool) {
			for i := from; i < to; i++ {
				late := explain.None(0)
				if i > n/2 {
					late = explain.N(uint(i))
				}
				row := lower.Row{
					Values: []explain.Value{
						explain.N(uint(i)),
						explain.S(strings.Repeat("x", 1+10*i/n)),
						late,
						explain.S("w"),
						explain.S("v"),
						explain.S(fmt.Sprintf("says %d", i)),
					},
				}
				if i%7 == 0 {
					row.Level = explain.Warning
				}
				if !yield(row) {
					return
				}
			}
		}
	}
	g.Rows = g.Part(0, n)
	g.Skip = func(columns []bool) { *skipped = append([]bool(nil), columns...) }
	return g, skipped
}

// A grid that is large enough to be made in pieces prints as it does at once.
func TestPiecesAsOne(t *testing.T) {
	for _, n := range []int{1, 4095, 4096, 4097, 5000, 12345} {
		for _, width := range []int{60, 80, 120, 200} {
			text := func(g lower.Grid) string {
				var b bytes.Buffer
				if err := output.NewText(&b, width, output.DetailLine, true).Print(&output.Header{},
					&lower.Report{Grids: []lower.Grid{g}}); err != nil {
					t.Fatal(err)
				}
				return b.String()
			}
			g, skipped := large(n)
			pieces := text(g)
			if n >= 4096 && width == 80 && !(*skipped)[4] {
				t.Errorf("a column that finds no room is made: %v", *skipped)
			}
			g.Part, g.Skip = nil, nil
			if whole := text(g); whole != pieces {
				t.Errorf("%d rows at %d columns: %d bytes in pieces, %d at once", n, width, len(pieces), len(whole))
			}
		}
		g, _ := large(n)
		var b bytes.Buffer
		if err := output.NewJSON(&b).Print(&output.Header{}, &lower.Report{Grids: []lower.Grid{g}}); err != nil {
			t.Fatal(err)
		}
		var d struct {
			Tables map[string]struct{ Rows []struct{ Number int } }
		}
		if err := json.Unmarshal(b.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		for i, r := range d.Tables["t"].Rows {
			if r.Number != i {
				t.Fatalf("row %d of %d is %d", i, n, r.Number)
			}
		}
		if len(d.Tables["t"].Rows) != n {
			t.Errorf("%d rows of %d", len(d.Tables["t"].Rows), n)
		}
	}
}
