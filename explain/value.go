package explain

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"strings"

	"kwhy/explain/units"
	"kwhy/inspect"
)

// Amount writes a number in its unit: "15 %", "1.0 GiB", "1d0h", "1,000".
func Amount(f float64, u Unit) string {
	switch {
	case u == Ratio && f != 0 && f < 0.0005:
		return string(units.AppendDecimal(nil, f*100)) + " %"
	case u == Ratio:
		return string(units.AppendPercent(nil, f))
	case u == Bytes:
		return units.Size(uint64(f))
	case u == Seconds:
		return units.Span(f)
	case (f == math.Trunc(f) || math.Abs(f) >= 999.5) && math.Abs(f) < 1<<53: // with three digits 1,234.5 would be 1.23e+03
		return units.Number(int64(math.Round(f)))
	}
	return string(units.AppendDecimal(nil, f))
}

// Often says how often something happens: "once a second", "1,526 times a second".
func Often(perSecond float64) string {
	if perSecond == 1 {
		return "once a second"
	}
	return Amount(perSecond, Decimal) + " times a second"
}

// Threshold writes a rule's threshold: one so small that anything reaches it is "any".
func Threshold(f float64, u Unit) string {
	if f > 0 && f < 1e-6 {
		return "any"
	}
	return Amount(f, u)
}

// Unit is what a number counts. A field has one, known before anything is read.
type Unit string

// The units. Sizes of memory are bytes, whatever the kernel counts them in;
// Pages counts events that happen to pages.
const (
	Text    Unit = ""
	Bytes   Unit = "bytes"
	Pages   Unit = "pages"
	Seconds Unit = "seconds"
	Ratio   Unit = "ratio"   // 0..1, shown to people in percent
	Decimal Unit = "decimal" // a real number: CPUs' worth of time, a load average
	Count   Unit = "count"
	Plain   Unit = "number"  // a number that is not counted: a PID, a node, a mode
	ID      Unit = "id"      // a number that names something: JSON adds <key>_str
	Address Unit = "address" // hexadecimal for people: JSON adds <key>_str
	Bool    Unit = "bool"
)

// Number reports whether values of u are numbers.
func (u Unit) Number() bool { return u != Text && u != Bool }

// Kind is what a Value holds.
type Kind uint8

// The kinds of values.
const (
	Absent Kind = iota
	Int
	Uint
	Float
	Str
	Flag
	List
	Record
)

// Value is one value here and now. Small, comparable only by Compare, and not
// an interface: tables hold many.
type Value struct {
	num  uint64
	text string
	list *[]Value // of a list or record: few values are one
	kind Kind
	why  inspect.Reason // of an absent value; Present: ask the field's sources
}

// I returns a signed integer.
func I[N units.Signed](n N) Value { return Value{kind: Int, num: uint64(int64(n))} }

// N returns an unsigned integer.
func N[U units.Unsigned](n U) Value { return Value{kind: Uint, num: uint64(n)} }

// F returns a real number; absent where f is none.
func F(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}
	}
	return Value{kind: Float, num: math.Float64bits(f)}
}

// S returns a text.
func S(s string) Value { return Value{kind: Str, text: s} }

// B returns a yes or no.
func B(b bool) Value {
	if b {
		return Value{kind: Flag, num: 1}
	}
	return Value{kind: Flag}
}

// L returns a list.
func L(list []Value) Value { return Value{kind: List, list: &list} }

// R returns a record, an item of a list that has parts with names of their own:
// names are separated by blanks, and one for each part.
func R(names string, parts ...Value) Value { return Value{kind: Record, text: names, list: &parts} }

// Parts walks a record by name.
func (v Value) Parts() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		rest := v.text
		for _, part := range v.List() {
			var name string
			if name, rest, _ = strings.Cut(rest, " "); !yield(name, part) {
				return
			}
		}
	}
}

// None returns an absent value.
func None(why inspect.Reason) Value { return Value{why: why} }

// Opt returns a number that may be unset.
func Opt(n inspect.Num) Value {
	if n < 0 {
		return Value{}
	}
	return N(uint64(n))
}

// Look returns a counter; absent if the kernel does not have it.
func Look(c inspect.Counters, name string) Value {
	if n, ok := c[name]; ok {
		return N(n)
	}
	return Value{}
}

// If returns n where why is Present, and otherwise an absent value.
func If(n uint64, why inspect.Reason) Value {
	if why != inspect.Present {
		return None(why)
	}
	return N(n)
}

// Kind says what v holds.
func (v Value) Kind() Kind { return v.kind }

// Has reports whether there is a value.
func (v Value) Has() bool { return v.kind != Absent }

// Unlimited reports whether there is none because no bound is set.
func (v Value) Unlimited() bool { return !v.Has() && v.why == inspect.Unlimited }

// Reason says why there is none.
func (v Value) Reason() inspect.Reason { return v.why }

// Int returns a number as a signed integer: of one that none can hold, the largest.
func (v Value) Int() int64 {
	switch v.kind {
	case Float:
		return int64(math.Float64frombits(v.num))
	case Uint:
		return int64(min(v.num, math.MaxInt64))
	}
	return int64(v.num)
}

// Uint returns an unsigned integer.
func (v Value) Uint() uint64 { return v.num }

// Share returns part / whole; absent where one of them is, or the whole is nothing.
func Share(part, whole Value) Value {
	if !part.Has() || !whole.Has() || whole.Float() <= 0 {
		return Value{}
	}
	return F(part.Float() / whole.Float())
}

// Sum returns the sum of whole numbers; absent, and why, where one of them is.
func Sum(list ...Value) Value {
	var sum int64
	for _, v := range list {
		if !v.Has() {
			return v
		}
		sum += v.Int()
	}
	return I(sum)
}

// Float returns any number.
func (v Value) Float() float64 {
	switch v.kind {
	case Int:
		return float64(int64(v.num))
	case Uint, Flag:
		return float64(v.num)
	case Float:
		return math.Float64frombits(v.num)
	}
	return 0
}

// Text returns a text.
func (v Value) Text() string { return v.text }

// List returns a list's items.
func (v Value) List() []Value {
	if v.list == nil {
		return nil
	}
	return *v.list
}

// AppendSize appends a number of bytes in IEC units.
func (v Value) AppendSize(b []byte) []byte {
	if v.kind == Uint {
		return units.AppendBytes(b, v.Uint())
	}
	return units.AppendSize(b, v.Int())
}

// Zero reports whether v is zero, or a list of nothing.
func (v Value) Zero() bool {
	if v.kind == List {
		return len(v.List()) == 0
	}
	return v.kind != Absent && v.kind != Str && v.kind != Record && v.Float() == 0
}

// Compare orders by type-true value, absent last.
func (v Value) Compare(w Value) int {
	switch {
	case !v.Has() || !w.Has():
		return cmp.Compare(b2i(!v.Has()), b2i(!w.Has()))
	case v.kind == Str && w.kind == Str:
		return strings.Compare(v.text, w.text)
	case v.kind == List && w.kind == List, v.kind == Record && w.kind == Record:
		return slices.CompareFunc(v.List(), w.List(), Value.Compare)
	case v.kind != w.kind || v.kind == Float:
		return cmp.Compare(v.Float(), w.Float())
	case v.kind == Int:
		return cmp.Compare(v.Int(), w.Int())
	}
	return cmp.Compare(v.num, w.num)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
