package output

import (
	"bufio"
	"cmp"
	"io"
	"strconv"

	"kwhy/explain/lower"
)

// JSON prints a report as one document of the contract, and rows as they come.
type JSON struct {
	w   *bufio.Writer
	enc *encoder
}

// NewJSON returns a printer of documents.
func NewJSON(w io.Writer) *JSON { return &JSON{w: bufio.NewWriterSize(w, 64<<10), enc: newEncoder()} }

// Print writes the document.
func (p *JSON) Print(h *Header, r *lower.Report) error {
	p.w.Write(p.enc.open(h))
	p.w.WriteString(`,"values":{`)
	first := true
	for i := range r.Parts {
		for j := range r.Parts[i].Cells {
			c := &r.Parts[i].Cells[j]
			p.between(&first, "\n")
			p.member(c.Doc.Key, valueOf(c, r.Parts[i].Title))
		}
	}
	p.w.WriteString("},\n\"tables\":{")
	first = true
	for i := range r.Grids {
		p.between(&first, "")
		p.grid(&r.Grids[i])
	}
	p.w.WriteString("},\n\"findings\":[")
	first = true
	for i := range r.Findings {
		p.between(&first, "")
		p.w.Write(p.enc.encode(findingOf(&r.Findings[i])))
	}
	p.w.WriteString("],\n\"gaps\":[")
	first = true
	for i := range r.Gaps {
		p.between(&first, "")
		p.w.Write(p.enc.encode(gapOf(&r.Gaps[i])))
	}
	p.w.WriteString("]}\n")
	return cmp.Or(p.enc.err, p.w.Flush())
}

// between begins a line for the next of several items; the first gets before instead.
func (p *JSON) between(first *bool, before string) {
	if !*first {
		before = ",\n"
	}
	*first = false
	p.w.WriteString(before)
}

func (p *JSON) member(key string, v any) {
	p.w.Write(appendKey(nil, key))
	p.w.Write(p.enc.encode(v))
}

func (p *JSON) grid(g *lower.Grid) {
	p.w.Write(append(appendKey(nil, g.Name), `{"fields":{`...))
	for i := range g.Docs {
		if i > 0 {
			p.w.WriteByte(',')
		}
		p.member(g.Docs[i].Key, columnOf(&g.Docs[i]))
	}
	p.w.WriteString(`},"rows":[`)
	row := newRowWriter(g)
	if g.Part != nil && g.Shown >= manyRows {
		inPieces(g.Shown, func() func(from, to int) []byte { return row.piece(g) }, func(b []byte) { p.w.Write(b) })
	} else {
		var b []byte
		first := true
		for r := range g.Rows {
			b = row.append(comma(b[:0], &first, "\n"), r)
			p.w.Write(b)
		}
	}
	p.w.WriteString(`],"total":`)
	p.w.WriteString(strconv.Itoa(g.Total))
	if of := seenOf(g.Seen); of != nil {
		p.w.WriteByte(',')
		p.member("of", of)
	}
	p.w.WriteByte('}')
}
