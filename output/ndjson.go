package output

import (
	"bufio"
	"cmp"
	"io"
	"slices"

	"kwhy/explain/lower"
)

// NDJSON prints a report as lines that each say what they are and which host they are
// from, for log stores and column stores.
type NDJSON struct {
	w   *bufio.Writer
	enc *encoder
}

// NewNDJSON returns a printer of lines.
func NewNDJSON(w io.Writer) *NDJSON { return &NDJSON{bufio.NewWriterSize(w, 64<<10), newEncoder()} }

// The lines by their type. Only headerLine has more than the host's name. rowLine is only
// the beginning of a row's line.
type (
	headerLine struct {
		Type String `json:"type"`
		*Header
	}
	valueLine struct {
		lineHead
		Key   String `json:"key"`
		Value Value  `json:"value"`
	}
	rowLine struct {
		lineHead
		Table String `json:"table"`
	}
	findingLine struct {
		lineHead
		Finding Finding `json:"finding"`
	}
	seenLine struct {
		lineHead
		Table String `json:"table"`
		Of    *Seen  `json:"of"`
	}
	gapLine struct {
		lineHead
		Gap Gap `json:"gap"`
	}
)

// lineHead begins a line: its type, the host and the moment.
type lineHead struct {
	Type        String `json:"type"`
	Command     String `json:"command"`
	Host        String `json:"host"`
	CollectedAt Time   `json:"collected_at"`
}

// Print writes the lines: header, values, rows, findings, gaps.
func (p *NDJSON) Print(h *Header, r *lower.Report) error {
	of := func(kind String) lineHead { return lineHead{kind, h.Command, h.Host.Hostname, h.CollectedAt} }
	p.line(headerLine{"header", h})
	for i := range r.Parts {
		for j := range r.Parts[i].Cells {
			c := &r.Parts[i].Cells[j]
			p.line(valueLine{of("value"), String(c.Doc.Key), valueOf(c, r.Parts[i].Title)})
		}
	}
	for i := range r.Grids {
		p.rows(rowLine{of("row"), String(r.Grids[i].Name)}, &r.Grids[i])
		if seen := seenOf(r.Grids[i].Seen); seen != nil {
			p.line(seenLine{of("table"), String(r.Grids[i].Name), seen})
		}
	}
	for i := range r.Findings {
		p.line(findingLine{of("finding"), findingOf(&r.Findings[i])})
	}
	for i := range r.Gaps {
		p.line(gapLine{of("gap"), gapOf(&r.Gaps[i])})
	}
	return cmp.Or(p.enc.err, p.w.Flush())
}

func (p *NDJSON) line(v any) {
	p.w.Write(p.enc.encode(v))
	p.w.WriteByte('\n')
}

func (p *NDJSON) rows(line rowLine, g *lower.Grid) {
	b := slices.Concat(p.enc.open(line), []byte(`,"row":`))
	row, begins := newRowWriter(g), len(b)
	for r := range g.Rows {
		b = append(row.append(b[:begins], r), "}\n"...)
		p.w.Write(b)
	}
}
