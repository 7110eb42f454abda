package output

import (
	"slices"
	"strings"
	"unsafe"

	"kwhy/explain"
)

// table is a grid on its way to text: each cell rendered once. A grid may have
// tens of thousands of rows, so that all texts lie in one piece of memory.
type table struct {
	docs   []explain.Doc
	cols   []int // which of the grid's columns are shown, why excepted
	why    int   // the column of sentences, or -1
	text   []byte
	ends   []uint32 // where each cell's text ends, row by row
	made   []int    // the columns whose texts were made, in that order
	place  []int    // of a column in made
	level  []explain.Level
	widths []int
	most   []float64 // the largest of a column that has a bar
	least  []float64
	raw    map[int][]float64 // of columns that have a bar
	has    []bool            // whether any row has a value in that column
}

// cell is a text that was made.
func (tb *table) cell(row, col int) string {
	i := row*len(tb.made) + tb.place[col]
	from := uint32(0)
	if i > 0 {
		from = tb.ends[i-1]
	}
	text := tb.text[from:tb.ends[i]]
	return unsafe.String(unsafe.SliceData(text), len(text))
}

const (
	columnGap = 2
	meterSize = 10
	// maxText bounds a column of text that others chose: a name in the way of
	// the sentence behind it is cut.
	maxText = 28
	minWhy  = 36
	// minName is what is left at least of such a column where there is no room.
	minName = 12
)

// grid prints a table: the columns that fit, numbers to the right, and the
// sentence of each row behind it or, where there is no room, under it.
func (t *Text) grid(g *explain.Grid) {
	tb := t.render(g)
	if len(tb.level) == 0 {
		return
	}
	t.fit(tb, g.Named)
	at := tb.width() + margin
	t.line(t.style.Dim(t.head(tb, at)))
	for i := range tb.level {
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
	tb := &table{docs: g.Docs, why: -1, place: make([]int, n), widths: make([]int, n), most: make([]float64, n), least: make([]float64, n), has: make([]bool, n), raw: map[int][]float64{}}
	for i := range g.Docs {
		d := &g.Docs[i]
		if d.Key == "why" {
			tb.why = i
		} else if g.Named || d.Show != explain.Data {
			tb.cols = append(tb.cols, i)
		}
		tb.widths[i] = cells(heading(d))
	}
	last := -1 // a column of text that nothing follows may be as long as it is
	if n := len(tb.cols); n > 0 && tb.why < 0 && g.Named && tb.docs[tb.cols[n-1]].Unit == explain.Text {
		last = tb.cols[n-1]
	}
	tb.made = tb.cols[:len(tb.cols):len(tb.cols)]
	if tb.why >= 0 && t.detail > DetailNone {
		tb.made = append(tb.made, tb.why)
	}
	for i, col := range tb.made {
		tb.place[col] = i
	}
	for row := range g.Rows {
		for _, i := range tb.made {
			tb.add(i, row.Values[i], i == last)
		}
		tb.level = append(tb.level, row.Level)
	}
	return tb
}

// add makes the text of a cell. That of one that others chose is cut, unless
// nothing follows it.
func (tb *table) add(i int, v explain.Value, last bool) {
	d := &tb.docs[i]
	from := len(tb.text)
	tb.text = appendHuman(tb.text, v, d.Unit)
	tb.has[i] = tb.has[i] || v.Has()
	if i != tb.why {
		made := tb.text[from:]
		w := cells(unsafe.String(unsafe.SliceData(made), len(made)))
		if d.Unit == explain.Text && !last && w > maxText {
			short := truncate(string(made), maxText)
			tb.text = append(tb.text[:from], short...)
			w = cells(short)
		}
		tb.widths[i] = max(tb.widths[i], w)
	}
	tb.ends = append(tb.ends, uint32(len(tb.text)))
	if !d.Bar {
		return
	}
	raw := v.Float()
	tb.raw[i] = append(tb.raw[i], raw)
	tb.most[i] = max(tb.most[i], raw)
	if raw > 0 && (tb.least[i] == 0 || raw < tb.least[i]) {
		tb.least[i] = raw
	}
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

// fit drops columns that are not always shown, the last first, until the rest
// and a sentence have room; then any, until the rest have.
func (t *Text) fit(tb *table, named bool) {
	tb.cols = slices.DeleteFunc(tb.cols, func(i int) bool { return tb.docs[i].Show == explain.Wide && !tb.has[i] && !named })
	need := margin
	if tb.why >= 0 && t.detail > DetailNone {
		need += minWhy
	}
	for i := len(tb.cols) - 1; i >= 0 && !named && tb.width()+need > t.width; i-- {
		if tb.docs[tb.cols[i]].Show == explain.Wide {
			tb.cols = append(tb.cols[:i:i], tb.cols[i+1:]...)
		}
	}
	tb.narrow(t.width - margin + columnGap)
	for len(tb.cols) > 2 && !named && tb.width()+margin-columnGap > t.width { // narrower than 80
		tb.cols = tb.cols[:len(tb.cols)-1]
	}
}

// narrow cuts texts where the columns don't fit into width, the last column's first.
func (tb *table) narrow(width int) {
	for n := len(tb.cols) - 1; n >= 0 && tb.width() > width; n-- {
		i := tb.cols[n]
		to := max(tb.widths[i]-(tb.width()-width), minName, cells(heading(&tb.docs[i])))
		if tb.docs[i].Unit != explain.Text || to >= tb.widths[i] {
			continue
		}
		tb.widths[i] = to // and its texts are cut to that
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
	if tb.why >= 0 && t.detail > DetailNone && t.width-at >= minWhy {
		b.WriteString(heading(&tb.docs[tb.why]))
	}
	return b.String()
}

func (t *Text) row(tb *table, n, at int) {
	b := append(t.scratch[:0], pad(margin)...)
	for _, i := range tb.cols {
		d, s, width := &tb.docs[i], tb.cell(n, i), tb.widths[i]
		used := cells(s)
		if used > width {
			s = truncate(s, width)
			used = cells(s)
		}
		if d.Unit.Number() {
			b = append(append(b, pad(width-used)...), s...)
		} else {
			b = append(append(b, s...), pad(width-used)...)
		}
		if d.Bar {
			b = append(append(b, ' '), meter(tb.raw[i][n], tb.most[i], tb.least[i]*1000 < tb.most[i], meterSize)...)
		}
		b = append(b, pad(columnGap)...)
	}
	t.scratch = b
	if tb.why < 0 || t.detail == DetailNone {
		t.line(t.style.Level(tb.level[n], unsafe.String(unsafe.SliceData(b), len(b))))
		return
	}
	lead := t.style.Level(tb.level[n], unsafe.String(unsafe.SliceData(b), len(b)))
	why := tb.cell(n, tb.why)
	if tb.level[n] > explain.OK {
		why = tb.level[n].String() + ": " + why
	}
	indent := at
	if t.width-at < minWhy {
		t.line(lead)
		indent = 2 * margin
		lead = pad(indent)
	}
	t.wrapped = appendWrapped(t.wrapped[:0], why, t.width-indent)
	t.leveled(lead, indent, t.wrapped, tb.level[n])
}
