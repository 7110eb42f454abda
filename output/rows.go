package output

import (
	"strconv"

	"kwhy/explain"
	"kwhy/explain/lower"
)

// Only rows are encoded by hand: there may be a hundred thousand of them, each with some
// dozen columns.

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

// piece returns a function that encodes some rows of a large table.
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

// asText reports whether values of u are there as text too.
func asText(u explain.Unit) bool { return u == explain.ID || u == explain.Address }

// appendAsText writes an identifier as people do: numbers beyond 2^53 lose digits in many
// readers of JSON.
func appendAsText(b []byte, v explain.Value, u explain.Unit) []byte {
	if !v.Has() {
		return append(b, "null"...)
	}
	if u == explain.Address {
		return append(strconv.AppendUint(append(b, `"0x`...), v.Uint(), 16), '"')
	}
	return append(strconv.AppendUint(append(b, '"'), v.Uint(), 10), '"')
}
