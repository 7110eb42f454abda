package output

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"kwhy/explain"
)

// The types below encode what encoding/json would encode differently, or not at all.

// String is a text that a process, a file or a host may have chosen. JSON keeps its bytes,
// spelled so that different names stay different.
type String string

// MarshalJSON keeps bytes that are not UTF-8, which encoding/json replaces.
func (s String) MarshalJSON() ([]byte, error) {
	return appendString(make([]byte, 0, len(s)+2), string(s)), nil
}

// Number is a real number, written as in the rows of tables.
type Number float64

// MarshalJSON writes it.
func (n Number) MarshalJSON() ([]byte, error) { return appendFloat(nil, float64(n)), nil }

// Time is a moment, perhaps by a clock that is wrong.
type Time struct{ time.Time }

// MarshalJSON writes it to the microsecond, in UTC, and with any year: encoding/json
// refuses a year of five digits, and the whole document with it.
func (t Time) MarshalJSON() ([]byte, error) {
	return t.UTC().AppendFormat(nil, `"2006-01-02T15:04:05.999999Z07:00"`), nil
}

// datum is a value of package explain, of any kind.
type datum explain.Value

// MarshalJSON writes null for what is absent.
func (d datum) MarshalJSON() ([]byte, error) { return appendValue(nil, explain.Value(d)), nil }

// Readings are values by key, in the order in which a rule names its evidence.
type Readings []Reading

// Reading is one of them.
type Reading struct {
	Key   string
	Value Value
}

// MarshalJSON writes an object.
func (r Readings) MarshalJSON() ([]byte, error) {
	e, b := newEncoder(), []byte{'{'}
	for i := range r {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendKey(b, r[i].Key), e.encode(r[i].Value)...)
	}
	return append(b, '}'), e.err
}

// encoder encodes one value after the other, and keeps the first error.
type encoder struct {
	json *json.Encoder
	buf  bytes.Buffer
	err  error
}

func newEncoder() *encoder {
	e := new(encoder)
	e.json = json.NewEncoder(&e.buf)
	e.json.SetEscapeHTML(false)
	return e
}

// encode returns what v is in JSON, good until the next call.
func (e *encoder) encode(v any) []byte {
	e.buf.Reset()
	if err := e.json.Encode(v); err != nil && e.err == nil {
		e.err = err
	}
	return bytes.TrimSuffix(e.buf.Bytes(), []byte("\n"))
}

// open does the same with an object but leaves out the closing brace: more follows.
func (e *encoder) open(v any) []byte { return bytes.TrimSuffix(e.encode(v), []byte("}")) }

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

func comma(b []byte, first *bool, after string) []byte {
	if !*first {
		b = append(b, ',')
	}
	*first = false
	return append(b, after...)
}

func appendFloat(b []byte, f float64) []byte {
	f = rounded(f)
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-15 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, 64)
}

// rounded leaves of a real number what its sources had. The kernel counts nothing finer than
// nanoseconds, and most in hundredths of a second: what stands further behind the point is what
// binary arithmetic made of it (0.5899999999999179 of 12.35 − 11.76). What would lose too much by
// that, a small share or a threshold that anything reaches, keeps three digits, and large numbers, of
// which a float64 has fewer decimals, those that it has.
func rounded(f float64) float64 {
	scale := 1e9
	switch a := math.Abs(f); {
	case a == 0, a >= 9e9:
		return f
	case a < 1e-6:
		f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'g', 3, 64), 64) // it was written a moment ago
		return f
	case a >= 9e6:
		scale = 1e6
	}
	return math.Round(f*scale) / scale
}

func appendKey(b []byte, k string) []byte { return append(appendString(b, k), ':') }

// appendString copies plain ASCII; everything else takes the slow path.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return appendJSON(b, s)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
