package output

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
)

// Detail is how much text says besides values.
type Detail uint8

// The details.
const (
	DetailNone Detail = iota // values alone
	DetailLine               // a sentence, a derivation as one line
	DetailFull               // gist, every term, source and concept
)

// Text prints for people.
type Text struct {
	w      *bufio.Writer
	width  int
	detail Detail
	style  *style
	begun  bool // a line was printed

	scratch []byte   // for the row that is being printed
	wrapped []string // for the lines after it
}

// NewText returns a printer for a terminal of width columns.
func NewText(w io.Writer, width int, detail Detail, color bool) *Text {
	return &Text{w: bufio.NewWriterSize(w, 64<<10), width: max(width, 40), detail: detail, style: newStyle(color)}
}

// Print prints a whole report.
func (t *Text) Print(h *Header, r *lower.Report) error {
	t.header(h)
	t.findings(r.Findings)
	g := t.measure(r.Parts)
	for i := range r.Parts {
		t.part(&r.Parts[i], r, g)
	}
	placed := map[string]bool{}
	for i := range r.Parts {
		placed[r.Parts[i].Table] = true
	}
	for i := range r.Grids {
		switch g := &r.Grids[i]; {
		case placed[g.Name]:
		case g.Sections:
			t.sections(g)
		default:
			t.title(g.Title)
			t.grid(g)
		}
	}
	t.gaps(r.Gaps)
	return t.w.Flush()
}

func (t *Text) line(s string) {
	t.w.WriteString(strings.TrimRight(s, " "))
	t.w.WriteByte('\n')
	t.begun = true
}

// lines prints wrapped text with an indent; the first line follows lead.
func (t *Text) lines(lead string, indent int, list []string) {
	for i, l := range list {
		if i > 0 {
			lead = pad(indent)
		}
		if l == "" {
			t.line(lead)
			continue
		}
		t.w.WriteString(lead)
		t.line(l)
	}
	if len(list) == 0 {
		t.line(lead)
	}
}

// dimmed dims lines, in place.
func (t *Text) dimmed(list []string) []string {
	for i := range list {
		list[i] = t.style.Dim(list[i])
	}
	return list
}

func (t *Text) header(h *Header) {
	words := []string{string(h.Host.Hostname), h.linux()}
	if h.Host.CPUs > 0 {
		words = append(words, units.Plural(h.Host.CPUs, "CPU", "CPUs"))
	}
	words = append(words, h.Summary...)
	words = append(words, h.when())
	if h.Interval != nil {
		words = append(words, "over "+time.Duration(float64(*h.Interval)*float64(time.Second)).Round(time.Millisecond).String())
	}
	var kept []string
	for _, w := range words {
		if w != "" {
			kept = append(kept, Safe(w))
		}
	}
	for _, l := range wrap(strings.Join(kept, " · "), t.width) {
		t.line(t.style.Title(l))
	}
	if h.Subject != nil {
		s := fmt.Sprintf("process %d", h.Subject.PID)
		if h.Subject.Comm != "" {
			s += " (" + Safe(string(h.Subject.Comm)) + ")"
		}
		if h.Subject.StartTime != nil {
			s += ", started " + h.Subject.StartTime.Format("2006-01-02 15:04:05 MST")
		}
		t.line(s)
	}
	switch h.View {
	case "container":
		t.note("this /proc shows the processes of a container: of the rest of the host nothing is said")
	case "elsewhere":
		t.note("this /proc shows the processes of another PID namespace than kwhy's")
	case "host":
		if h.OtherPIDs {
			t.note("this /proc shows the host's processes, by other numbers than kwhy's own PID namespace: " +
				"what is asked by number and not by a file is left out")
		}
	case "nothing":
		t.note("there is no /proc here: nothing is mounted where kwhy looks, and no copy was saved there")
	}
	if h.Copy != nil && h.Copy.LiveSys {
		t.note("the /sys beside this copy is this host's own: what comes from it is of this host and of now")
	}
	t.foreign(h.Foreign)
	if h.Incomplete {
		t.line("incomplete: some files did not answer in time")
	}
}

// foreign notes the files that are not the kernel's own, those of one kind on one line.
func (t *Text) foreign(list []Foreign) {
	for len(list) > 0 {
		what, n, of := string(list[0].Source), 1, "what is in it"
		if list[0].Ever {
			of = "what was counted since boot"
		}
		for ; n < len(list) && list[n].Detail == list[0].Detail; n++ {
			what += ", " + string(list[n].Source)
		}
		says := what + ": " + string(list[0].Detail) + "; nothing is said of " + of
		if in := list[0].Instead; in != "" {
			says += ". " + string(in)
		}
		t.note(says)
		list = list[n:]
	}
}

// note prints what bounds what can be believed.
func (t *Text) note(s string) { t.lines("", 0, wrap(Safe("note: "+s), t.width)) }

// linux says which kernel was read: of a copy that does not name it, what its files show.
func (h *Header) linux() string {
	release := string(h.Host.Kernel)
	if release == "" && h.Copy != nil {
		release = strings.TrimSuffix(string(h.Copy.KernelVersion)+", "+string(h.Host.Arch), ", ")
		return "Linux " + release
	}
	return "Linux " + strings.TrimSpace(release+" "+string(h.Host.Arch))
}

// when says when the values were read, or saved.
func (h *Header) when() string {
	at := h.CollectedAt.Format("2006-01-02 15:04:05 MST")
	switch {
	case h.Copy == nil:
		return at
	case h.Copy.SavedAt == nil:
		at = "a copy, of unknown time"
	default:
		at = "a copy of " + at
	}
	if h.Copy.Still {
		at += ", in which no time passes"
	}
	if !h.Copy.PageSizeKnown {
		at += ", pages taken to be of " + units.Size(h.Host.PageSize)
	}
	if !h.Copy.TicksKnown {
		at += ", clock ticks taken to be of 10 ms"
	}
	return at
}

func (t *Text) title(s string) {
	if s == "" {
		return
	}
	if t.begun {
		t.line("")
	}
	t.line(t.style.Title(s))
}

// geometry is where the columns of the cards are.
type geometry struct{ label, value, text int }

const (
	margin    = 2
	maxLabel  = 20
	maxValue  = 12
	minText   = 28
	gapBehind = 2
	mostLines = 12 // of a value: a command line may have a thousand
	cutLines  = 4  // what is printed of a value that has more
	roomy     = 60 // how wide the text's column must be to hold a derivation
)

// measure finds the widths that all parts share, so that values line up over the whole
// report.
func (t *Text) measure(parts []lower.Part) geometry {
	g := geometry{label: 8, value: 6}
	for i := range parts {
		for j := range parts[i].Cells {
			c := &parts[i].Cells[j]
			if !shown(c) {
				continue
			}
			if n := cells(c.Doc.Name()); n <= maxLabel {
				g.label = max(g.label, n)
			}
			if n := cells(display(c)); n <= maxValue {
				g.value = max(g.value, n)
			}
		}
	}
	g.text = margin + g.label + 1 + g.value + gapBehind
	return g
}

// shown reports whether text has a line for the value. What is absent is listed once,
// among the gaps.
func shown(c *lower.Cell) bool {
	switch c.Doc.Show {
	case explain.Data, explain.Asked:
		return false
	case explain.Rare:
		if !c.Value.Has() || c.Shown().Zero() {
			return false
		}
	}
	return c.Value.Has() || c.Value.Unlimited()
}

func (t *Text) part(p *lower.Part, r *lower.Report, g geometry) {
	var list []*lower.Cell
	for i := range p.Cells {
		if shown(&p.Cells[i]) {
			list = append(list, &p.Cells[i])
		}
	}
	grid := r.Grid(p.Table)
	if grid != nil && grid.Shown == 0 && grid.Seen.Whole() {
		grid = nil
	}
	if len(list) == 0 && grid == nil {
		return
	}
	t.title(Safe(p.Title))
	if p.Whole != "" {
		t.bar(p, r.Cell(p.Whole))
	}
	for _, c := range list {
		t.cell(c, g)
	}
	if grid != nil {
		t.grid(grid)
	}
}

// sections prints each row of a table as a section of its own.
func (t *Text) sections(g *lower.Grid) {
	for row := range g.Rows {
		p := lower.Part{Title: row.Heading, Cells: make([]lower.Cell, len(row.Values))}
		for i, v := range row.Values {
			p.Cells[i] = lower.Cell{Doc: g.Docs[i], Value: v, Reading: row.Readings[i]}
		}
		t.part(&p, &lower.Report{}, t.measure([]lower.Part{p}))
	}
	if g.Total == 0 && (g.Empty != "" || !g.Seen.Whole()) {
		t.line("")
		t.lines("", 0, wrap(Safe(cmp.Or(noRow(g), g.Empty)), t.width))
	}
}

// noRow says that a table has no row, of a set that was not seen whole; "" of others.
func noRow(g *lower.Grid) string {
	if g.Seen.Whole() {
		return ""
	}
	if g.Empty != "" {
		return units.Sentence(units.NoneOf(strings.TrimSuffix(g.Empty, "."), g.Seen))
	}
	words := units.NoneOf("none", g.Seen)
	if g.Title != "" {
		words = g.Title + ": " + words
	}
	return units.Sentence(words)
}

// display writes a value as text has it.
func display(c *lower.Cell) string {
	if s := c.Doc.Called(c.Value); s != "" {
		return s
	}
	text := human(c.Shown(), c.Doc.Unit)
	switch {
	case c.Seen.Whole() || !c.Doc.Unit.Number():
		return text
	case c.Value.Zero():
		return "none seen"
	}
	return text + " seen"
}

func (t *Text) cell(c *lower.Cell, g geometry) {
	mark := "  "
	if c.Doc.Part != 0 {
		mark = string(c.Doc.Part) + " "
	}
	name, value := c.Doc.Name(), display(c)
	text := wrap(Safe(t.sentence(c)), t.width-g.text)
	room := g.label + 1 + g.value // label and value share it: either may be long
	if c.Doc.Unit.Number() || !c.Value.Has() {
		value = right(value, min(g.value, room-cells(name)-1))
	}
	switch {
	case cells(name) <= g.label && cells(value) <= g.value:
		t.leveled(mark+left(name, g.label+1)+t.style.Level(c.Level, value)+pad(g.value-cells(value)+gapBehind), g.text, text, c.Level)
	case cells(name)+1+cells(value) <= room:
		t.leveled(mark+name+pad(room-cells(name)-cells(value))+t.style.Level(c.Level, value)+pad(gapBehind), g.text, text, c.Level)
	case c.Doc.Unit.Number() && cells(value) <= g.value:
		t.line(mark + name)
		t.leveled(pad(margin+g.label+1)+t.style.Level(c.Level, right(value, g.value))+pad(gapBehind), g.text, text, c.Level)
	default: // such as a path: it has the line to itself
		lines := wrap(value, t.width-margin-g.label-1)
		cut := len(lines) > mostLines
		if cut {
			lines = lines[:cutLines]
		}
		for i, l := range lines {
			if i > 0 {
				mark, name = "  ", ""
			}
			t.line(mark + left(name, g.label) + " " + t.style.Level(c.Level, l))
		}
		if cut {
			t.line(pad(margin+g.label+1) + t.style.Dim("… "+units.Number(size(c.Value))+" bytes in all; -o json has them"))
		}
		if len(text) > 0 {
			t.leveled(pad(g.text), g.text, text, c.Level)
		}
	}
	t.more(c, g)
}

// size is the length in bytes of a text, or of texts with blanks between them.
func size(v explain.Value) int {
	n := len(v.Text())
	for i, item := range v.List() {
		n += size(item) + min(i, 1)
	}
	return n
}

// leveled prints dimmed text whose first word is the level, if there is one.
func (t *Text) leveled(lead string, indent int, text []string, l explain.Level) {
	first := ""
	if l > explain.OK && len(text) > 0 {
		first = t.style.Level(l, l.String()) + t.style.Dim(strings.TrimPrefix(text[0], l.String()))
	}
	text = t.dimmed(text)
	if first != "" {
		text[0] = first
	}
	t.lines(lead, indent, text)
}

// sentence is what text says next to a value: its reading, or else its gist.
func (t *Text) sentence(c *lower.Cell) string {
	var words []string
	if c.Level > explain.OK {
		words = append(words, c.Level.String()+":")
	}
	if c.Rate.Has() && !c.Grown.Has() {
		words = append(words, perSecond(c.Rate, c.Doc.Unit)+".")
	}
	if !c.Value.Has() && c.Hint != "" {
		words = append(words, "("+c.Hint+")")
	}
	switch {
	case t.detail == DetailNone:
		words = append(words, ofPart(c))
	case t.detail == DetailFull && c.Reading != "":
		words = append(words, c.Doc.Gist, c.Reading)
	case c.Reading != "":
		words = append(words, c.Reading)
	default:
		words = append(words, c.Doc.Gist)
	}
	return strings.TrimSuffix(strings.TrimSpace(strings.Join(words, " ")), ":") // a level alone
}

// ofPart says of which part of a set a value is; "" where all of it was seen, or where there is no value.
// It stands beside the value whatever explanations are shown.
func ofPart(c *lower.Cell) string {
	switch {
	case c.Seen.Whole() || !c.Value.Has():
		return ""
	case c.Value.Zero():
		return units.Sentence(units.NoneOf("none", c.Seen))
	}
	return units.Sentence(units.Among(c.Seen))
}

// more prints the derivation and, at full detail, where the value comes from.
func (t *Text) more(c *lower.Cell, g geometry) {
	indent := g.text
	if t.width-indent < minText {
		indent = margin + 2
	}
	if c.Derivation != nil && t.width-indent < roomy {
		indent = 3 * margin
	}
	if c.Derivation != nil && t.detail == DetailLine && c.Derivation.Result.Has() {
		text := wrap("= "+numeric(c.Derivation), t.width-indent-2)
		for i, l := range text {
			if i > 0 {
				l = "  " + l
			}
			t.line(pad(indent) + t.style.Dim(l))
		}
	}
	if t.detail != DetailFull {
		return
	}
	if c.Derivation != nil {
		t.derivation(c.Derivation, indent)
	}
	source := "from " + c.Doc.Source.String()
	if c.Doc.Kernel != "" && c.Doc.Kernel != c.Doc.Name() {
		source += " (" + c.Doc.Kernel + ")"
	}
	source += ", key " + c.Doc.Key + " · kwhy explain " + string(c.Doc.Concept)
	t.lines(pad(indent), indent, t.dimmed(wrap(source, t.width-indent)))
}

func (t *Text) gaps(list []lower.Gap) {
	if len(list) == 0 {
		return
	}
	t.title("Not seen")
	for _, g := range together(list) {
		s := g.Source
		if len(g.Keys) > 0 {
			s += " (" + strings.Join(g.Keys, ", ") + ")"
		}
		s += ": " + units.AbsentWord(g.Reason)
		if g.Of > 1 && len(g.Keys) == 0 {
			s += fmt.Sprintf(" for %d of %d", g.Count, g.Of)
			if g.Some {
				s += " looked at"
			}
		}
		if g.Hint != "" {
			s += "; " + g.Hint
		}
		t.lines(pad(margin), margin+2, wrap(Safe(s), t.width-margin-2))
	}
}

// together joins sources with the same reason, so that the hint on how to see them is
// printed once.
func together(list []lower.Gap) (out []lower.Gap) {
	first := map[[2]string]int{}
	for _, g := range list {
		w := [2]string{g.Reason.String(), g.Hint}
		at, known := first[w]
		switch alone := g.Joins(); {
		case alone && known:
			out[at].Source += ", " + g.Source
			continue
		case alone:
			first[w] = len(out)
		}
		out = append(out, g)
	}
	return out
}
