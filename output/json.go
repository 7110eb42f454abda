package output

import (
	"bufio"
	"io"
	"math"
	"strconv"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
)

// JSON prints a report as one document of the contract, rows as they come.
type JSON struct {
	w   *bufio.Writer
	buf []byte
}

// NewJSON returns a printer of documents.
func NewJSON(w io.Writer) *JSON { return &JSON{w: bufio.NewWriterSize(w, 64<<10)} }

// flushAt is how much is gathered before it is written.
const flushAt = 32 << 10

// Print writes the document.
func (p *JSON) Print(h *Header, r *lower.Report) error {
	b := append(p.buf[:0], '{')
	b = appendHeader(b, h)
	b = append(b, `,"values":{`...)
	first := true
	for i := range r.Parts {
		for j := range r.Parts[i].Cells {
			b = comma(b, &first, "\n")
			c := &r.Parts[i].Cells[j]
			b = appendCell(appendKey(b, c.Doc.Key), c, r.Parts[i].Title)
			b = p.spill(b)
		}
	}
	b = append(b, "},\n\"tables\":{"...)
	for i := range r.Grids {
		if i > 0 {
			b = append(b, ",\n"...)
		}
		b = p.grid(b, &r.Grids[i])
	}
	b = append(b, "},\n\"findings\":["...)
	for i := range r.Findings {
		if i > 0 {
			b = append(b, ",\n"...)
		}
		b = appendFinding(b, &r.Findings[i])
	}
	b = append(b, "],\n\"gaps\":["...)
	for i := range r.Gaps {
		if i > 0 {
			b = append(b, ",\n"...)
		}
		b = appendGap(b, &r.Gaps[i])
	}
	p.w.Write(append(b, "]}\n"...))
	p.buf = b[:0]
	return p.w.Flush()
}

func (p *JSON) spill(b []byte) []byte {
	if len(b) < flushAt {
		return b
	}
	p.w.Write(b)
	return b[:0]
}

func comma(b []byte, first *bool, after string) []byte {
	if !*first {
		b = append(b, ',')
	}
	*first = false
	return append(b, after...)
}

func (p *JSON) grid(b []byte, g *lower.Grid) []byte {
	b = append(appendKey(b, g.Name), `{"fields":{`...)
	row := newRowWriter(g)
	for i := range g.Docs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendColumn(append(b, row.keys[i]...), &g.Docs[i])
	}
	b = append(b, `},"rows":[`...)
	if g.Part != nil && g.Shown >= manyRows {
		p.w.Write(b)
		inPieces(g.Shown, func() func(from, to int) []byte { return row.piece(g) }, func(b []byte) { p.w.Write(b) })
		b = b[:0]
	} else {
		first := true
		for r := range g.Rows {
			b = comma(b, &first, "\n")
			b = p.spill(row.append(b, r))
		}
	}
	b = append(b, `],"total":`...)
	return append(strconv.AppendInt(b, int64(g.Total), 10), '}')
}

// rowWriter writes rows of one table; its keys are escaped once.
type rowWriter struct {
	g    *lower.Grid
	keys []string
	strs []string // <key>_str, where the unit has one
}

func newRowWriter(g *lower.Grid) *rowWriter {
	w := &rowWriter{g: g, keys: make([]string, len(g.Docs)), strs: make([]string, len(g.Docs))}
	for i := range g.Docs {
		w.keys[i] = string(appendKey(nil, g.Docs[i].Key))
		if asText(g.Docs[i].Unit) {
			w.strs[i] = string(appendKey(nil, g.Docs[i].Key+"_str"))
		}
	}
	return w
}

// piece returns what makes some rows of a large table at a time.
func (w *rowWriter) piece(g *lower.Grid) func(from, to int) []byte {
	var b []byte
	return func(from, to int) []byte {
		b = b[:0]
		first := from == 0
		for r := range g.Part(from, to) {
			b = w.append(comma(b, &first, "\n"), r)
		}
		return b
	}
}

func (w *rowWriter) append(b []byte, r lower.Row) []byte {
	b = append(b, '{')
	missing := false
	for i, v := range r.Values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(append(b, w.keys[i]...), v)
		if w.strs[i] != "" {
			b = append(append(b, ','), w.strs[i]...)
			b = appendAsText(b, v, w.g.Docs[i].Unit)
		}
		missing = missing || !v.Has()
	}
	b = appendString(append(b, `,"level":`...), r.Level.String())
	if missing {
		b = w.absent(b, r)
	}
	return append(b, '}')
}

func (w *rowWriter) absent(b []byte, r lower.Row) []byte {
	b = append(b, `,"absent":{`...)
	first := true
	for i, v := range r.Values {
		if !v.Has() {
			b = comma(b, &first, "")
			b = appendString(append(b, w.keys[i]...), v.Reason().String())
		}
	}
	return append(b, '}')
}

// asText tells whether values of u stand there as text too.
func asText(u explain.Unit) bool { return u == explain.ID || u == explain.Address }

// appendAsText gives an identifier as people write it: numbers beyond 2^53
// lose digits in many readers of JSON.
func appendAsText(b []byte, v explain.Value, u explain.Unit) []byte {
	if !v.Has() {
		return append(b, "null"...)
	}
	if u == explain.Address {
		return append(strconv.AppendUint(append(b, `"0x`...), v.Uint(), 16), '"')
	}
	return append(strconv.AppendUint(append(b, '"'), v.Uint(), 10), '"')
}

func appendHeader(b []byte, h *Header) []byte {
	b = appendString(append(b, `"schema":`...), h.Schema)
	b = appendString(append(b, `,"kwhy":`...), h.Kwhy)
	b = appendString(append(b, `,"command":`...), h.Command)
	b = appendString(append(b, `,"collected_at":`...), stamp(h))
	b = append(b, `,"interval":`...)
	if h.Interval != nil {
		b = appendFloat(b, *h.Interval)
	} else {
		b = append(b, "null"...)
	}
	b = strconv.AppendBool(append(b, `,"incomplete":`...), h.Incomplete)
	b = appendString(append(b, `,"host":{"hostname":`...), h.Host.Hostname)
	b = appendString(append(b, `,"kernel":`...), h.Host.Kernel)
	b = appendString(append(b, `,"arch":`...), h.Host.Arch)
	b = appendString(append(b, `,"boot_id":`...), h.Host.BootID)
	b = strconv.AppendInt(append(b, `,"cpus":`...), int64(h.Host.CPUs), 10)
	b = strconv.AppendUint(append(b, `,"page_size":`...), h.Host.PageSize, 10)
	b = append(b, `},"subject":`...)
	if s := h.Subject; s != nil {
		b = strconv.AppendInt(append(b, `{"pid":`...), int64(s.PID), 10)
		b = appendString(append(b, `,"comm":`...), s.Comm)
		b = append(b, `,"start_time":`...)
		if s.StartTime != nil {
			b = appendString(b, s.StartTime.UTC().Format(timeFormat))
		} else {
			b = append(b, "null"...)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

const timeFormat = "2006-01-02T15:04:05.999999Z07:00"

func stamp(h *Header) string { return h.CollectedAt.UTC().Format(timeFormat) }

func appendCell(b []byte, c *lower.Cell, section string) []byte {
	b = appendValue(append(b, `{"value":`...), c.Value)
	b = appendString(append(b, `,"unit":`...), string(c.Doc.Unit))
	b = appendString(append(b, `,"kernel":`...), c.Doc.Kernel)
	b = appendString(append(b, `,"source":`...), c.Doc.Source.String())
	b = appendString(append(b, `,"section":`...), section)
	b = appendString(append(b, `,"gist":`...), c.Doc.Gist)
	b = appendString(append(b, `,"concept":`...), string(c.Doc.Concept))
	if !c.Value.Has() {
		b = append(b, `,"absent":`...)
		return append(appendAbsence(b, c), '}')
	}
	b = appendString(append(b, `,"level":`...), c.Level.String())
	if c.Reading != "" {
		b = appendString(append(b, `,"reading":`...), c.Reading)
	}
	if c.Rate.Has() {
		b = appendValue(append(b, `,"rate":`...), c.Rate)
	}
	if c.Derivation != nil {
		b = appendDerivation(append(b, `,"derivation":`...), c.Derivation)
	}
	return append(b, '}')
}

func appendAbsence(b []byte, c *lower.Cell) []byte {
	b = appendString(append(b, `{"reason":`...), c.Value.Reason().String())
	b = append(b, `,"detail":`...)
	b = appendString(b, units.AbsentWord(c.Value.Reason()))
	b = append(b, `,"hint":`...)
	return append(appendOptional(b, c.Hint), '}')
}

func appendOptional(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendString(b, s)
}

func appendDerivation(b []byte, d *explain.Derivation) []byte {
	b = appendString(append(b, `{"formula":`...), d.Formula)
	b = append(b, `,"terms":[`...)
	for i := range d.Terms {
		t := &d.Terms[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"name":`...), t.Name)
		b = appendValue(append(b, `,"value":`...), t.Value)
		b = appendString(append(b, `,"unit":`...), string(t.Unit))
		b = appendString(append(b, `,"source":`...), t.Source.String())
		b = append(appendString(append(b, `,"kernel":`...), t.Kernel), '}')
	}
	b = appendValue(append(b, `],"result":`...), d.Result)
	b = appendValue(append(b, `,"reported":`...), d.Reported)
	b = appendValue(append(b, `,"difference":`...), d.Difference())
	b = strconv.AppendUint(append(b, `,"tolerance":`...), d.Slack, 10)
	b = append(b, `,"exact":`...)
	if a := d.Agrees(); a == explain.Unknown {
		b = append(b, "null"...)
	} else {
		b = strconv.AppendBool(b, a == explain.Exact)
	}
	if a := d.Agrees(); a == explain.Off && d.Cause != "" {
		b = appendString(append(b, `,"cause":`...), d.Cause)
	}
	return append(b, '}')
}

func appendColumn(b []byte, d *explain.Doc) []byte {
	b = appendString(append(b, `{"unit":`...), unitName(d.Unit))
	b = appendString(append(b, `,"gist":`...), d.Gist)
	b = appendString(append(b, `,"concept":`...), string(d.Concept))
	b = appendString(append(b, `,"kernel":`...), d.Kernel)
	return append(appendString(append(b, `,"source":`...), d.Source.String()), '}')
}

// unitName is how JSON calls a unit.
func unitName(u explain.Unit) string {
	if u == explain.Text {
		return "text"
	}
	return string(u)
}

func appendFinding(b []byte, f *lower.Finding) []byte {
	b = appendString(append(b, `{"id":`...), f.ID)
	b = appendString(append(b, `,"level":`...), f.Level.String())
	b = appendString(append(b, `,"message":`...), f.Message)
	b = append(b, `,"evidence":`...)
	b = appendStrings(b, f.Evidence)
	if f.Table != "" {
		b = appendString(append(b, `,"table":`...), f.Table)
	}
	b = appendString(append(b, `,"concept":`...), string(f.Concept))
	b = appendString(append(b, `,"next":`...), f.Next)
	b = appendString(append(b, `,"means":`...), f.Means)
	b = appendString(append(b, `,"basis":`...), f.Basis.String())
	b = appendMeasure(append(b, `,"measure":`...), f)
	if len(f.Cells) > 0 {
		b = append(b, `,"readings":{`...)
		for i := range f.Cells {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendCell(appendKey(b, f.Cells[i].Doc.Key), &f.Cells[i], "")
		}
		b = append(b, '}')
	}
	if f.More > 0 {
		b = strconv.AppendInt(append(b, `,"more":`...), int64(f.More), 10)
	}
	return append(b, '}')
}

func appendMeasure(b []byte, f *lower.Finding) []byte {
	b = appendString(append(b, `{"what":`...), f.What)
	b = appendValue(append(b, `,"value":`...), f.Measure)
	b = appendString(append(b, `,"unit":`...), string(f.Unit))
	b = strconv.AppendBool(append(b, `,"below":`...), f.Below)
	for i, n := range [...]float64{f.At.Notice, f.At.Warning, f.At.Critical} {
		b = append(append(append(b, ",\""...), explain.Levels()[i+1]...), "\":"...)
		if n == 0 {
			b = append(b, "null"...)
			continue
		}
		b = appendFloat(b, n)
	}
	return append(b, '}')
}

func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

func appendGap(b []byte, g *lower.Gap) []byte {
	b = appendString(append(b, `{"source":`...), g.Source)
	b = appendString(append(b, `,"reason":`...), g.Reason.String())
	b = strconv.AppendInt(append(b, `,"count":`...), int64(g.Count), 10)
	b = appendOptional(append(b, `,"hint":`...), g.Hint)
	if len(g.Keys) > 0 {
		b = appendStrings(append(b, `,"keys":`...), g.Keys)
	}
	return append(b, '}')
}

func appendValue(b []byte, v explain.Value) []byte {
	switch v.Kind() {
	case explain.Absent:
		return append(b, "null"...)
	case explain.Str:
		return appendString(b, v.Text())
	case explain.Flag:
		return strconv.AppendBool(b, !v.Zero())
	case explain.Int:
		return strconv.AppendInt(b, v.Int(), 10)
	case explain.Uint:
		return strconv.AppendUint(b, v.Uint(), 10)
	case explain.List:
		b = append(b, '[')
		for i, item := range v.List() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, item)
		}
		return append(b, ']')
	case explain.Record:
		b = append(b, '{')
		first := true
		for name, part := range v.Parts() {
			b = appendValue(appendKey(comma(b, &first, ""), name), part)
		}
		return append(b, '}')
	}
	return appendFloat(b, v.Float())
}

func appendFloat(b []byte, f float64) []byte {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, 64)
}

func appendKey(b []byte, k string) []byte { return append(appendString(b, k), ':') }

// appendString copies plain ASCII; the rest goes the long way.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return appendJSON(b, s)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
