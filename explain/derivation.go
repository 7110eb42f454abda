package explain

import "kwhy/inspect"

// Derivation is the kernel's arithmetic with this host's numbers.
type Derivation struct {
	Formula  string // the kernel's, in the Names of Terms
	Unit     Unit
	Terms    []Term
	Result   Value
	Reported Value  // what the kernel says; absent where it says nothing
	Slack    uint64 // how far they may differ while both are right
	Cause    string // why they differ, if they do
}

// Term is one input of a derivation.
type Term struct {
	Name   string
	Value  Value
	Unit   Unit
	Source inspect.Source
	Kernel string // how the kernel spells it, or what it is made of
}

// Difference is what the kernel reports more than was computed.
func (d *Derivation) Difference() Value {
	if !d.Result.Has() || !d.Reported.Has() {
		return Value{}
	}
	return I(d.Reported.Int() - d.Result.Int())
}

// Agreement is how a derivation compares with what the kernel reports.
type Agreement uint8

// The agreements.
const (
	Unknown Agreement = iota // one of the two is absent
	Exact
	Near // within the slack
	Off
)

// Agrees compares the result with what the kernel reports.
func (d *Derivation) Agrees() Agreement {
	diff := d.Difference()
	if !diff.Has() {
		return Unknown
	}
	n := diff.Int()
	switch {
	case n == 0:
		return Exact
	case uint64(max(n, -n)) <= d.Slack:
		return Near
	}
	return Off
}

// Working collects the terms of a derivation, and remembers whether one is
// missing: then there is no result, for nothing is computed with a made-up 0.
type Working struct {
	terms   []Term
	missing inspect.Reason
	lacks   bool
}

// Take notes a term and returns its number.
func (w *Working) Take(name string, v Value, u Unit, src inspect.Source, kernel string) int64 {
	w.terms = append(w.terms, Term{name, v, u, src, kernel})
	if !v.Has() {
		w.lacks, w.missing = true, v.Reason()
	}
	return v.Int()
}

// Done returns the derivation of a result that was computed from the terms.
func (w *Working) Done(formula string, u Unit, result Value) Derivation {
	if w.lacks {
		result = None(w.missing)
	}
	return Derivation{Formula: formula, Unit: u, Terms: w.terms, Result: result}
}
