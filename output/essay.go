package output

import (
	"slices"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/lower"
)

// Essay is a concept's text on its way to a terminal.
type Essay struct {
	Title, Gist, Body string // Body: headings, paragraphs, lists, fenced blocks
	Source, Man, See  []string
}

// Chapter is a list of concepts, each with its gist.
type Chapter struct {
	Title string
	Lines [][2]string
}

// maxProse is the widest that prose is easy to read.
const maxProse = 88

// Concepts prints the list of essays.
func (t *Text) Concepts(list []Chapter) error {
	for i, c := range list {
		if i > 0 {
			t.line("")
		}
		t.line(t.style.Title(c.Title))
		name := 0
		for _, l := range c.Lines {
			name = max(name, cells(l[0]))
		}
		for _, l := range c.Lines {
			at := margin + name + gapBehind
			t.lines(pad(margin)+left(l[0], name)+pad(gapBehind), at, t.dimmed(wrap(l[1], t.width-at)))
		}
	}
	return t.w.Flush()
}

// Essay prints a concept.
func (t *Text) Essay(e Essay) {
	width := min(t.width, maxProse)
	t.title(e.Title)
	t.lines("", 0, wrap(e.Gist, width))
	t.body(e.Body, width)
	t.references("Kernel", e.Source, width)
	t.references("Manual", e.Man, width)
	t.references("See also, with kwhy explain", e.See, width)
}

// Page prints a concept and a line after it.
func (t *Text) Page(e Essay) {
	t.Essay(e)
	t.line("")
	t.line(strings.Repeat("─", min(t.width, maxProse)))
}

// Word prints what a word means as a value.
func (t *Text) Word(w explain.Word, of []lower.Entry) {
	t.title(Safe(w.Name))
	t.lines(pad(margin), margin, wrap(w.Gist, min(t.width, maxProse)-margin))
	var where []string
	for i := range of {
		where = append(where, key(&of[i])+" of kwhy "+of[i].Command)
	}
	for _, f := range [][2]string{{"value of", strings.Join(where, ", ")}, {"concept", "kwhy explain " + string(w.Concept)}} {
		t.lines(pad(margin)+left(f[0], 9), margin+9, wrap(f[1], t.width-margin-9))
	}
}

func (t *Text) references(title string, list []string, width int) {
	if len(list) == 0 {
		return
	}
	t.title(title)
	t.lines(pad(margin), margin, wrap(strings.Join(list, ", "), width-margin))
}

// body prints the essays' Markdown: paragraphs and items are wrapped again, a fenced block
// stays as it is.
func (t *Text) body(md string, width int) {
	var open []string
	indent, lead := 0, ""
	gap := false // a blank line is due before what comes next
	flush := func() {
		if len(open) > 0 {
			if gap {
				t.line("")
			}
			gap = false
			t.lines(lead, indent, wrap(strings.Join(open, " "), width-indent))
		}
		open, indent, lead = nil, 0, ""
	}
	fenced := false
	for line := range strings.Lines(md) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			flush()
			if gap && !fenced {
				t.line("")
			}
			fenced, gap = !fenced, false
		case fenced:
			t.line(pad(2*margin) + Safe(line))
		case strings.HasPrefix(line, "## "):
			flush()
			gap = false
			t.title(strings.TrimPrefix(line, "## "))
		case begins(line, lead, len(open) > 0):
			flush()
			mark := strings.IndexByte(line, ' ') + 1
			lead, indent = line[:mark], mark
			open = append(open, plain(line[mark:]))
		case strings.TrimSpace(line) == "":
			flush()
			gap = true
		default:
			open = append(open, plain(strings.TrimSpace(line)))
		}
	}
	flush()
}

// begins reports whether an item of a list begins with the line, "- " or "1. ". Below a line of
// the same paragraph a number begins one only if it counts on from the item of that paragraph:
// sentences end in numbers too.
func begins(line, lead string, below bool) bool {
	mark, _, _ := strings.Cut(line, " ")
	n, err := strconv.Atoi(strings.TrimSuffix(mark, "."))
	if err != nil || !strings.HasSuffix(mark, ".") || n <= 0 {
		return mark == "-"
	}
	return !below || lead == strconv.Itoa(n-1)+". "
}

// plain drops the marks of code spans: a terminal has one font.
func plain(s string) string { return strings.ReplaceAll(s, "`", "") }

// Definition prints what is true of a value on every host. list is the same value in each
// command that prints it.
func (t *Text) Definition(list []lower.Entry) {
	d := &list[0].Doc
	var keys, commands []string
	for i := range list {
		keys, commands = append(keys, key(&list[i])), append(commands, "kwhy "+list[i].Command)
	}
	name := d.Name()
	if d.Kernel != "" && d.Kernel != name {
		name += " (" + d.Kernel + ")"
	}
	t.title(name)
	t.lines(pad(margin), margin, wrap(d.Gist, min(t.width, maxProse)-margin))
	facts := [][2]string{
		{"source", d.Source.String()},
		{"unit", unitName(d.Unit)},
		{"key", strings.Join(slices.Compact(keys), ", ")},
		{"command", strings.Join(slices.Compact(commands), ", ")},
		{"since", d.Lifetime()},
		{"needs", d.Requires()},
		{"concept", "kwhy explain " + string(d.Concept)},
	}
	for _, f := range facts {
		if f[1] != "" {
			t.lines(pad(margin)+left(f[0], 9), margin+9, wrap(f[1], t.width-margin-9))
		}
	}
	word := 14
	for _, w := range d.Words {
		word = max(word, cells(w.Name))
	}
	at := 2*margin + word + gapBehind
	for _, w := range d.Words {
		t.lines(pad(2*margin)+left(w.Name, word)+pad(gapBehind), at, wrap(w.Gist, t.width-at))
	}
}

func key(e *lower.Entry) string {
	if e.Table != "" {
		return ".tables." + e.Table + ".rows[]." + e.Doc.Key
	}
	return ".values." + e.Doc.Key
}

// Live prints readings of this host under a title. It leaves out nothing that was asked
// for by name.
func (t *Text) Live(title string, r *lower.Report, byName bool) error {
	for i := range r.Parts {
		r.Parts[i].Whole = ""
		for j := range r.Parts[i].Cells {
			if c := &r.Parts[i].Cells[j].Doc; byName && (c.Show == explain.Data || c.Show == explain.Rare) {
				c.Show = explain.Always
			}
		}
	}
	if len(r.Parts)+len(r.Grids)+len(r.Gaps) > 0 {
		t.title(title)
	}
	g := t.measure(r.Parts)
	for i := range r.Parts {
		t.part(&r.Parts[i], r, g)
	}
	for i := range r.Grids {
		grid := &r.Grids[i]
		switch {
		case grid.Shown > 0:
			t.line("")
			t.line(t.style.Dim(grid.Title))
			t.grid(grid)
		case grid.Empty != "":
			t.line("")
			said := wrap(Safe(grid.Title+": "+grid.Empty), t.width)
			if rest, ok := strings.CutPrefix(said[0], grid.Title+": "); ok {
				said[0] = t.style.Dim(grid.Title+": ") + rest
			}
			t.lines("", 0, said)
		}
	}
	t.gaps(r.Gaps)
	return t.w.Flush()
}
