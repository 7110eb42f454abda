package output

import (
	"bufio"
	"io"

	"kwhy/explain/lower"
)

// NDJSON prints a report as lines that each say what they are and whose: for
// log stores and column stores.
type NDJSON struct {
	w *bufio.Writer
}

// NewNDJSON returns a printer of lines.
func NewNDJSON(w io.Writer) *NDJSON { return &NDJSON{bufio.NewWriterSize(w, 64<<10)} }

// Print writes the lines: header, values, rows, findings, gaps.
func (p *NDJSON) Print(h *Header, r *lower.Report) error {
	b := append(appendHeader([]byte(`{"type":"header",`), h), "}\n"...)
	p.w.Write(b)
	for i := range r.Parts {
		for j := range r.Parts[i].Cells {
			c := &r.Parts[i].Cells[j]
			b = appendString(append(whose(b, "value", h), `,"key":`...), c.Doc.Key)
			b = appendCell(append(b, `,"value":`...), c, r.Parts[i].Title)
			p.end(b)
		}
	}
	for i := range r.Grids {
		p.rows(h, &r.Grids[i])
	}
	for i := range r.Findings {
		b = appendFinding(append(whose(b, "finding", h), `,"finding":`...), &r.Findings[i])
		p.end(b)
	}
	for i := range r.Gaps {
		b = appendGap(append(whose(b, "gap", h), `,"gap":`...), &r.Gaps[i])
		p.end(b)
	}
	return p.w.Flush()
}

func (p *NDJSON) rows(h *Header, g *lower.Grid) {
	row := newRowWriter(g)
	var b []byte
	for r := range g.Rows {
		b = appendString(append(whose(b, "row", h), `,"table":`...), g.Name)
		b = row.append(append(b, `,"row":`...), r)
		p.end(b)
	}
}

func (p *NDJSON) end(b []byte) { p.w.Write(append(b, "}\n"...)) }

// whose begins a line: its type, the host and the moment.
func whose(b []byte, kind string, h *Header) []byte {
	b = appendString(append(b[:0], `{"type":`...), kind)
	b = appendString(append(b, `,"command":`...), h.Command)
	b = appendString(append(b, `,"host":`...), h.Host.Hostname)
	return appendString(append(b, `,"collected_at":`...), stamp(h))
}
