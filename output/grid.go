package output

import (
	"bufio"
	"bytes"
	"iter"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
)

// table is a grid, or a part of one, on its way to text: each cell is rendered once. A
// grid may have tens of thousands of rows, so their texts lie in a few pieces of memory.
type table struct {
	docs   []explain.Doc
	cols   []int // which of the grid's columns are shown, without why
	why    int   // the column of sentences, or -1
	made   []int // the columns that are rendered
	place  []int // of a column among these
	texts  [][]byte
	starts []rowStart
	ends   []uint32 // where each cell's text ends, from the start of its row
	level  []explain.Level
	widths []int
	full   []int     // what the longest text of a column would take
	says   bool      // the column of sentences is shown
	edge   int       // how much further the last column's texts may go
	most   []float64 // the largest of a column that has a bar
	least  []float64
	raw    map[int][]float64 // of columns that have a bar
	has    []bool            // whether any row has a value in that column
	labels []bool            // whether any word of that column has another name in text
}

// rowStart is where the texts of a row begin: which piece, and where in it.
type rowStart struct{ piece, at uint32 }

const (
	pieceBytes = 64 << 10
	rowBytes   = 1 << 10 // what most rows take at most
)

// cell returns a text that was rendered.
func (tb *table) cell(row, col int) string {
	i := row*len(tb.made) + tb.place[col]
	from := uint32(0)
	if tb.place[col] > 0 {
		from = tb.ends[i-1]
	}
	start := tb.starts[row]
	text := tb.texts[start.piece][start.at+from : start.at+tb.ends[i]]
	return unsafe.String(unsafe.SliceData(text), len(text))
}

// begin makes room for a row.
func (tb *table) begin(l explain.Level) {
	if n := len(tb.texts); n == 0 || cap(tb.texts[n-1])-len(tb.texts[n-1]) < rowBytes {
		size := pieceBytes
		if n == 0 {
			size = 8 * rowBytes // most tables are small
		}
		tb.texts = append(tb.texts, make([]byte, 0, size))
	}
	last := len(tb.texts) - 1
	tb.starts = append(tb.starts, rowStart{uint32(last), uint32(len(tb.texts[last]))})
	tb.level = append(tb.level, l)
}

const (
	columnGap = 2
	meterSize = 10
	// maxText limits a column of text that others chose: one long name must not push
	// away the columns after it. The column gets more if there is room, and in the last
	// column each row takes what it needs.
	maxText = 28
	minWhy  = 36
	// minName is the least that such a column keeps if there is no room.
	minName = 12
)

// grid prints a table: the columns that fit, numbers to the right, and each row's
// sentence after it or, if there is no room, under it.
func (t *Text) grid(g *lower.Grid) {
	parts := t.render(g)
	tb := parts[0]
	if len(tb.level) == 0 {
		if words := noRow(g); words != "" {
			t.lines(pad(margin), margin, t.dimmed(wrap(Safe(words), t.width-margin)))
		}
		return
	}
	at := t.fit(tb, g.Named)
	t.line(t.style.Dim(t.head(tb, at)))
	for _, part := range parts {
		part.cols, part.widths, part.most, part.least, part.edge = tb.cols, tb.widths, tb.most, tb.least, tb.edge
	}
	t.rows(parts, at)
	if g.Shown < g.Total {
		left := units.Number(g.Shown) + " of " + units.Number(g.Total)
		if g.More != "" {
			left += "; " + g.More
		}
		t.line(pad(margin) + t.style.Dim(left))
	}
	if words := units.Among(g.Seen); words != "" {
		t.lines(pad(margin), margin, t.dimmed(wrap(words, t.width-margin)))
	}
}

// manyRows is from how many rows a grid is rendered in two halves at once.
const manyRows = 4096

// render makes the texts of a grid, for a large one in parts. The first part has what
// belongs to all of them.
func (t *Text) render(g *lower.Grid) []*table {
	if g.Part == nil || g.Shown < manyRows {
		only := t.newTable(g, g.Shown)
		only.skip(g)
		t.renderPart(only, g.Rows)
		only.measure()
		return []*table{only}
	}
	parts := []*table{t.newTable(g, g.Shown/2), t.newTable(g, g.Shown-g.Shown/2)}
	hidden := t.hidden(g)
	for _, part := range parts {
		part.leave(hidden)
	}
	parts[0].skip(g)
	var second sync.WaitGroup
	second.Go(func() { t.renderPart(parts[1], g.Part(g.Shown/2, g.Shown)) })
	t.renderPart(parts[0], g.Part(0, g.Shown/2))
	second.Wait()
	a, b := parts[0], parts[1]
	for i := range a.docs {
		a.full[i], a.most[i], a.has[i] = max(a.full[i], b.full[i]), max(a.most[i], b.most[i]), a.has[i] || b.has[i]
		if b.least[i] > 0 && (a.least[i] == 0 || b.least[i] < a.least[i]) {
			a.least[i] = b.least[i]
		}
	}
	a.measure()
	return parts
}

// hidden returns the columns of a large grid that will find no room, whatever its other
// rows have: more rows make columns wider, never narrower. A column that has no value in
// the first rows may still be shown.
func (t *Text) hidden(g *lower.Grid) map[int]bool {
	const some = 256
	out := map[int]bool{}
	if g.Named {
		return out
	}
	first := t.newTable(g, some)
	first.skip(g)
	t.renderPart(first, g.Part(0, some))
	first.measure()
	first.cols = slices.DeleteFunc(first.cols, func(i int) bool { return first.docs[i].Show == explain.Wide && !first.has[i] })
	all := slices.Clone(first.cols)
	first.drop(t.width - margin + columnGap)
	for _, i := range all {
		if !slices.Contains(first.cols, i) {
			out[i] = true
		}
	}
	return out
}

// measure finds how wide the columns would like to be.
func (tb *table) measure() {
	for i, w := range tb.full {
		if tb.docs[i].Unit == explain.Text {
			w = min(w, maxText)
		}
		tb.widths[i] = max(tb.widths[i], w)
	}
}

// newTable returns a table without rows; many is how many there will be, if that is known.
func (t *Text) newTable(g *lower.Grid, many int) *table {
	n := len(g.Docs)
	tb := &table{
		docs:   g.Docs,
		why:    -1,
		place:  make([]int, n),
		widths: make([]int, n),
		full:   make([]int, n),
		most:   make([]float64, n),
		least:  make([]float64, n),
		has:    make([]bool, n),
		labels: make([]bool, n),
		raw:    map[int][]float64{},
	}
	for i := range g.Docs {
		d := &g.Docs[i]
		if d.Key == "why" {
			tb.why = i
		} else if g.Named || d.Show != explain.Data {
			tb.cols = append(tb.cols, i)
		}
		tb.widths[i] = cells(heading(d))
		tb.labels[i] = slices.ContainsFunc(d.Words, func(w explain.Word) bool { return w.Label != "" })
	}
	// A column with a name of its own instead of "why" says more than a sentence about others.
	tb.says = tb.why >= 0 && (t.detail > DetailNone || g.Docs[tb.why].Label != "" && g.Docs[tb.why].Label != explain.Description)
	tb.leave(nil)
	tb.starts, tb.level, tb.ends = make([]rowStart, 0, many), make([]explain.Level, 0, many), make([]uint32, 0, many*len(tb.made))
	return tb
}

// leave removes columns.
func (tb *table) leave(hidden map[int]bool) {
	tb.cols = slices.DeleteFunc(tb.cols, func(i int) bool { return hidden[i] })
	tb.made = slices.Clone(tb.cols)
	if tb.says {
		tb.made = append(tb.made, tb.why)
	}
	for i, col := range tb.made {
		tb.place[col] = i
	}
}

// skip makes a grid leave out the values of all other columns.
func (tb *table) skip(g *lower.Grid) {
	if g.Skip == nil {
		return
	}
	other := make([]bool, len(tb.docs))
	for i := range other {
		other[i] = !slices.Contains(tb.made, i)
	}
	g.Skip(other)
}

// renderPart renders some rows.
func (t *Text) renderPart(tb *table, rows iter.Seq[lower.Row]) {
	for row := range rows {
		tb.begin(row.Level)
		for _, i := range tb.made {
			tb.add(i, row.Values[i], t.width)
		}
	}
}

// add renders a cell. A text that others chose is cut if no terminal would have room.
func (tb *table) add(i int, v explain.Value, most int) {
	d := &tb.docs[i]
	b := tb.texts[len(tb.texts)-1]
	from := len(b)
	name := ""
	if tb.labels[i] {
		name = d.Called(v)
	}
	if name != "" {
		b = append(b, name...)
	} else {
		b = appendHuman(b, v, d.Unit)
	}
	tb.has[i] = tb.has[i] || v.Has()
	if i != tb.why { // which is wrapped, whatever it takes
		made := b[from:]
		w := cells(unsafe.String(unsafe.SliceData(made), len(made)))
		if d.Unit == explain.Text && w > most {
			short := truncate(string(made), most)
			b = append(b[:from], short...)
			w = cells(short)
		}
		tb.full[i] = max(tb.full[i], w)
	}
	tb.texts[len(tb.texts)-1] = b
	tb.ends = append(tb.ends, uint32(len(b))-tb.starts[len(tb.starts)-1].at)
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

// width is how wide the shown columns are, without the sentences.
func (tb *table) width() (n int) {
	for _, i := range tb.cols {
		n += tb.widths[i] + columnGap
		if tb.docs[i].Bar {
			n += meterSize + 1
		}
	}
	return n
}

// fit drops columns that are not always shown until the rest have room, with a sentence
// if possible; then any columns. The room that is left goes to texts that would be cut.
// It returns where the sentences begin.
func (t *Text) fit(tb *table, named bool) (at int) {
	tb.cols = slices.DeleteFunc(tb.cols, func(i int) bool { return tb.docs[i].Show == explain.Wide && !tb.has[i] && !named })
	need := margin
	if tb.says {
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
	inLine := tb.says && t.width-at >= minWhy
	if inLine {
		tb.widen(tb.cols[:max(len(tb.cols)-1, 0)], room-roomy)
	} else { // sentences stand under their rows, if there are any
		tb.widen(tb.cols, room)
	}
	at = tb.width() + margin
	if inLine {
		tb.edge = t.width - at + columnGap // then the sentence begins in the next line
	}
	return at
}

// widen gives the free width to texts that are cut, the first column's first.
func (tb *table) widen(cols []int, width int) {
	for _, i := range cols {
		if more := min(tb.full[i]-tb.widths[i], width-tb.width()); more > 0 {
			tb.widths[i] += more
		}
	}
}

// drop removes columns that are not always shown, the last first, until the rest fit into
// width.
func (tb *table) drop(width int) {
	for i := len(tb.cols) - 1; i >= 0 && tb.width() > width; i-- {
		if tb.docs[tb.cols[i]].Show == explain.Wide {
			tb.cols = append(tb.cols[:i:i], tb.cols[i+1:]...)
		}
	}
}

// narrow makes columns of text narrower until all fit, the last first.
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
	if tb.says && t.width-at >= minWhy {
		b.WriteString(heading(&tb.docs[tb.why]))
	}
	return b.String()
}

// rows prints the rows of a grid, which has one part or two.
func (t *Text) rows(parts []*table, at int) {
	total := 0
	for _, part := range parts {
		total += len(part.level)
	}
	if total < manyRows {
		t.some(parts, 0, total, at)
		return
	}
	inPieces(total, func() func(from, to int) []byte {
		var b bytes.Buffer
		to := &Text{w: bufio.NewWriterSize(&b, 4<<10), width: t.width, detail: t.detail, style: t.style}
		return func(from, end int) []byte {
			b.Reset()
			to.some(parts, from, end, at)
			_ = to.w.Flush() // memory takes all
			return b.Bytes()
		}
	}, func(b []byte) { t.w.Write(b) })
	t.begun = true
}

// some prints rows of the parts of a grid.
func (t *Text) some(parts []*table, from, to, at int) {
	for _, part := range parts {
		n := len(part.level)
		for i := max(from, 0); i < min(to, n); i++ {
			t.row(part, i, at)
		}
		from, to = from-n, to-n
	}
}

func (t *Text) row(tb *table, n, at int) {
	b := append(t.scratch[:0], pad(margin)...)
	over := false // its last text is longer than the column
	for c, i := range tb.cols {
		d, s, width := &tb.docs[i], tb.cell(n, i), tb.widths[i]
		most := width
		if c == len(tb.cols)-1 {
			most += tb.edge
		}
		used := cells(s)
		if used > most {
			s = truncate(s, most)
			used = cells(s)
		}
		over = used > width
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
	lead := t.style.Level(tb.level[n], unsafe.String(unsafe.SliceData(b), len(b)))
	if !tb.says {
		t.line(lead)
		return
	}
	why := tb.cell(n, tb.why)
	if tb.level[n] > explain.OK {
		why = tb.level[n].String() + ": " + why
	}
	indent := at
	switch {
	case t.width-at < minWhy:
		t.line(lead)
		indent = 2 * margin
		lead = pad(indent)
	case over:
		t.line(lead)
		lead = pad(at)
	}
	t.wrapped = appendWrapped(t.wrapped[:0], why, t.width-indent)
	t.leveled(lead, indent, t.wrapped, tb.level[n])
}
