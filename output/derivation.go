package output

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
)

// numeric writes a derivation in one line: the formula with this host's
// numbers in the unit of the result, and how the kernel's own figure compares.
func numeric(d *explain.Derivation) string {
	scale := scaleOf(d)
	return scale.plug(d.Formula, d.Terms) + " = " + human(d.Result, d.Unit) + verdict(d)
}

// verdict says how the result compares with what the kernel reports.
func verdict(d *explain.Derivation) string {
	switch d.Agrees() {
	case explain.Exact:
		return ", exactly the kernel's figure"
	case explain.Near:
		return ", the kernel's figure within its tolerance"
	case explain.Off:
		diff := d.Difference()
		more := "more"
		if diff.Int() < 0 {
			diff, more = explain.I(-diff.Int()), "less"
		}
		s := fmt.Sprintf(", the kernel says %s %s", human(diff, d.Unit), more)
		if d.Cause != "" {
			s += ": " + d.Cause
		}
		return s
	}
	return ""
}

// scale is a common unit for the terms of one line.
type scale struct{ unit, decimals int }

// scaleOf takes the unit that the result is written in, and enough decimals that no
// term looks like zero.
func scaleOf(d *explain.Derivation) scale {
	unit, _ := units.SizeUnit(d.Result.Float())
	s := scale{unit, 1}
	for _, t := range d.Terms {
		if t.Unit != explain.Bytes || t.Value.Zero() {
			continue
		}
		for s.decimals < 3 && math.Abs(t.Value.Float()) < 0.5*math.Pow(1024, float64(unit))/math.Pow10(s.decimals) {
			s.decimals++
		}
	}
	return s
}

func (s scale) number(t *explain.Term) string {
	switch t.Unit {
	case explain.Bytes:
		if s.unit == 0 {
			return strconv.FormatInt(t.Value.Int(), 10)
		}
		return strconv.FormatFloat(t.Value.Float()/math.Pow(1024, float64(s.unit)), 'f', s.decimals, 64)
	case explain.Ratio:
		return human(t.Value, t.Unit)
	}
	return human(t.Value, t.Unit)
}

// plug puts each term's number after its name, and in place of the name if that comes
// again.
func (s scale) plug(formula string, terms []explain.Term) string {
	order := slices.Clone(terms)
	slices.SortStableFunc(order, func(a, b explain.Term) int { return len(b.Name) - len(a.Name) })
	seen := map[string]bool{}
	var b strings.Builder
	for len(formula) > 0 {
		t := termAt(formula, order)
		if t == nil {
			n := wordEnd(formula)
			b.WriteString(formula[:n])
			formula = formula[n:]
			continue
		}
		if !seen[t.Name] {
			b.WriteString(t.Name + " ")
		}
		seen[t.Name] = true
		b.WriteString(s.number(t))
		formula = formula[len(t.Name):]
	}
	return b.String()
}

// termAt returns the term whose name formula begins with, as a whole word.
func termAt(formula string, terms []explain.Term) *explain.Term {
	for i := range terms {
		if rest, ok := strings.CutPrefix(formula, terms[i].Name); ok && (rest == "" || !wordByte(rest[0])) {
			return &terms[i]
		}
	}
	return nil
}

// wordEnd is where something that is not a term ends: a word, or one other character.
func wordEnd(s string) int {
	n := 0
	for n < len(s) && wordByte(s[n]) {
		n++
	}
	if n > 0 {
		return n
	}
	for i := range s {
		if i > 0 {
			return i
		}
	}
	return len(s)
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// derivation prints the formula in symbols, each term, and the comparison.
func (t *Text) derivation(d *explain.Derivation, indent int) {
	lead := pad(indent)
	t.lines(lead, indent+2, t.dimmed(wrap("= "+d.Formula, t.width-indent-2)))
	name, amount := 0, 0
	for _, term := range d.Terms {
		name, amount = max(name, cells(term.Name)), max(amount, cells(exactly(term.Value, term.Unit)))
	}
	for _, term := range d.Terms {
		s := left(term.Name, name) + right(exactly(term.Value, term.Unit), amount+2)
		origin := term.Source.String()
		if term.Kernel != "" {
			origin = term.Kernel + ", " + origin
		}
		at := indent + 2 + cells(s) + 2
		if t.width-at < 16 {
			t.line(pad(indent+2) + t.style.Dim(s))
			at = indent + 4
			t.lines(pad(at), at, t.dimmed(wrap(origin, t.width-at)))
			continue
		}
		t.lines(pad(indent+2)+t.style.Dim(s)+"  ", at, t.dimmed(wrap(origin, t.width-at)))
	}
	s := "= " + exactly(d.Result, d.Unit)
	if d.Unit == explain.Bytes && d.Result.Has() {
		s += fmt.Sprintf(" (%s bytes)", units.Number(d.Result.Int()))
	}
	t.lines(lead, indent+2, t.dimmed(wrap(s+verdict(d), t.width-indent-2)))
}

// exactly writes a term with all that its file had: in KiB if the kernel counts in kB.
func exactly(v explain.Value, u explain.Unit) string {
	if u == explain.Bytes && v.Has() && v.Int()%1024 == 0 && v.Int() != 0 {
		return units.Number(v.Int()/1024) + " KiB"
	}
	return human(v, u)
}
