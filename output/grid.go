package output

import (
	"slices"
	"strings"

	"kwhy/explain"
)

// table is a grid on its way to text: each cell rendered once.
type table struct {
	docs   []explain.Doc
	cols   []int // which of the grid's columns are shown, why excepted
	why    int   // the column of sentences, or -1
	told   bool  // that column is shown
	rows   [][]string
	level  []explain.Level
	widths []int
	full   []int     // what the longest of a column of text would take
	most   []float64 // the largest of a column that has a bar
	least  []float64
	raw    [][]float64
	has    []bool // whether any row has a value in that column
}

const (
	columnGap = 2
	meterSize = 10
	// maxText bounds a column of text that others chose, so that one long name does
	// not push away what stands behind it: the column gets more where there is room,
	// and of the last one each row takes what it needs.
	maxText = 28
	minWhy  = 36
	// minName is what is left at least of such a column where there is no room.
	minName = 12
)

// grid prints a table: the columns that fit, numbers to the right, and the
// sentence of each row behind it or, where there is no room, under it.
func (t *Text) grid(g *explain.Grid) {
	tb := t.render(g)
	if len(tb.rows) == 0 {
		return
	}
	at := t.fit(tb, g.Named)
	t.line(t.style.Dim(t.head(tb, at)))
	for i := range tb.rows {
		t.row(tb, i, at)
	}
	if g.Shown < g.Total {
		left := explain.Number(g.Shown) + " of " + explain.Number(g.Total)
		if g.More != "" {
			left += "; " + g.More
		}
		t.line(pad(margin) + t.style.Dim(left))
	}
}

func (t *Text) render(g *explain.Grid) *table {
	n := len(g.Docs)
	tb := &table{docs: g.Docs, why: -1, widths: make([]int, n), full: make([]int, n), most: make([]float64, n), least: make([]float64, n), has: make([]bool, n)}
	for i := range g.Docs {
		d := &g.Docs[i]
		if d.Key == "why" {
			tb.why = i
		} else if g.Named || d.Show != explain.Data {
			tb.cols = append(tb.cols, i)
		}
		tb.widths[i] = cells(heading(d))
	}
	// What has a name of its own beside "why" says more than a sentence about others.
	tb.told = tb.why >= 0 && (t.detail > DetailNone || g.Docs[tb.why].Label != "")
	for row := range g.Rows {
		text, raw := make([]string, n), make([]float64, n)
		for i, v := range row.Values {
			if i != tb.why && !slices.Contains(tb.cols, i) {
				continue
			}
			if text[i] = g.Docs[i].Called(v); text[i] == "" {
				text[i] = human(v, g.Docs[i].Unit)
			}
			w := 0
			if i != tb.why { // which is wrapped, whatever it takes
				if g.Docs[i].Unit == explain.Text {
					text[i] = truncate(text[i], t.width)
				}
				w = cells(text[i])
			}
			tb.full[i] = max(tb.full[i], w)
			raw[i], tb.has[i] = v.Float(), tb.has[i] || v.Has()
			tb.most[i] = max(tb.most[i], raw[i])
			if raw[i] > 0 && (tb.least[i] == 0 || raw[i] < tb.least[i]) {
				tb.least[i] = raw[i]
			}
		}
		tb.rows, tb.raw, tb.level = append(tb.rows, text), append(tb.raw, raw), append(tb.level, row.Level)
	}
	for i, w := range tb.full {
		if g.Docs[i].Unit == explain.Text {
			w = min(w, maxText)
		}
		tb.widths[i] = max(tb.widths[i], w)
	}
	return tb
}

func heading(d *explain.Doc) string {
	if name := d.Name(); d.Label == "" && name != strings.ToLower(name) {
		return name // the kernel's own spelling: MemFree
	}
	return strings.ToUpper(strings.ReplaceAll(d.Name(), "_", " "))
}

// width is what the shown columns take, without the sentences.
func (tb *table) width() (n int) {
	for _, i := range tb.cols {
		n += tb.widths[i] + columnGap
		if tb.docs[i].Bar {
			n += meterSize + 1
		}
	}
	return n
}

// fit drops columns that are not always shown until the rest and a sentence have
// room; where that can't be, until the rest have; then any. What room is left goes to
// texts that would be cut. It returns where the sentences begin.
func (t *Text) fit(tb *table, named bool) (at int) {
	tb.cols = slices.DeleteFunc(tb.cols, func(i int) bool { return tb.docs[i].Show == explain.Wide && !tb.has[i] && !named })
	need := margin
	if tb.told {
		need += minWhy
	}
	all := tb.cols
	if !named {
		tb.drop(t.width - need)
	}
	if need > margin && tb.width()+need > t.width { // the sentences go below the rows, where they leave room
		if tb.cols = all; !named {
			tb.drop(t.width - margin + columnGap)
		}
	}
	room := t.width - margin + columnGap
	tb.narrow(room)
	for len(tb.cols) > 2 && !named && tb.width() > room { // narrower than 80
		tb.cols = tb.cols[:len(tb.cols)-1]
	}
	at = tb.width() + margin
	beside := tb.told && t.width-at >= minWhy
	if beside {
		tb.widen(tb.cols[:max(len(tb.cols)-1, 0)], room-roomy)
	} else { // sentences stand under their rows, if there are any
		tb.widen(tb.cols, room)
	}
	at = tb.width() + margin
	for n, i := range tb.cols {
		to := tb.widths[i]
		if n == len(tb.cols)-1 && beside {
			to += t.width - at + columnGap // to the edge: then the sentence begins in the next line
		}
		for _, row := range tb.rows {
			row[i] = truncate(row[i], to)
		}
	}
	return at
}

// widen gives texts that are cut what is free of width, the first column's first.
func (tb *table) widen(cols []int, width int) {
	for _, i := range cols {
		if more := min(tb.full[i]-tb.widths[i], width-tb.width()); more > 0 {
			tb.widths[i] += more
		}
	}
}

// drop leaves out columns that are not always shown, the last first, until the rest fit
// into width.
func (tb *table) drop(width int) {
	for i := len(tb.cols) - 1; i >= 0 && tb.width() > width; i-- {
		if tb.docs[tb.cols[i]].Show == explain.Wide {
			tb.cols = append(tb.cols[:i:i], tb.cols[i+1:]...)
		}
	}
}

// narrow takes from columns of text what the rest lack of width, from the last first.
func (tb *table) narrow(width int) {
	for n := len(tb.cols) - 1; n >= 0 && tb.width() > width; n-- {
		i := tb.cols[n]
		to := max(tb.widths[i]-(tb.width()-width), minName, cells(heading(&tb.docs[i])))
		if tb.docs[i].Unit == explain.Text && to < tb.widths[i] {
			tb.widths[i] = to
		}
	}
}

func (t *Text) head(tb *table, at int) string {
	var b strings.Builder
	b.WriteString(pad(margin))
	for _, i := range tb.cols {
		d, w := &tb.docs[i], tb.widths[i]
		if d.Unit.Number() {
			b.WriteString(right(heading(d), w))
		} else {
			b.WriteString(left(heading(d), w))
		}
		if d.Bar {
			b.WriteString(pad(meterSize + 1))
		}
		b.WriteString(pad(columnGap))
	}
	if tb.told && t.width-at >= minWhy {
		b.WriteString(heading(&tb.docs[tb.why]))
	}
	return b.String()
}

func (t *Text) row(tb *table, n, at int) {
	var b strings.Builder
	b.WriteString(pad(margin))
	for _, i := range tb.cols {
		d, s := &tb.docs[i], tb.rows[n][i]
		if d.Unit.Number() {
			s = right(s, tb.widths[i])
		} else {
			s = left(s, tb.widths[i])
		}
		b.WriteString(s)
		if d.Bar {
			b.WriteString(" " + meter(tb.raw[n][i], tb.most[i], tb.least[i]*1000 < tb.most[i], meterSize))
		}
		b.WriteString(pad(columnGap))
	}
	lead := t.style.Level(tb.level[n], b.String())
	if !tb.told {
		t.line(lead)
		return
	}
	why := tb.rows[n][tb.why]
	if tb.level[n] > explain.OK {
		why = tb.level[n].String() + ": " + why
	}
	if t.width-at < minWhy {
		t.line(lead)
		under := 2 * margin
		t.leveled(pad(under), under, wrap(why, t.width-under), tb.level[n])
		return
	}
	if cells(b.String()) > at { // its last text is longer than the column
		t.line(lead)
		lead = pad(at)
	}
	t.leveled(lead, at, wrap(why, t.width-at), tb.level[n])
}
