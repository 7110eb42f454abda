package explain

import (
	"slices"

	"kwhy/inspect"
)

// Lift makes a field of T one of S, which holds a T: a value is declared in one
// topic, and stands in the cards of others.
func Lift[S Snapshot[S], T Snapshot[T]](f Field[T], of func(S) T) Field[S] {
	out := Field[S]{Doc: f.Doc, Lifted: true}
	if f.Get != nil {
		out.Get = func(s S) Value { return f.Get(of(s)) }
	}
	if f.Write != nil {
		out.Write = func(b []byte, s S) []byte { return f.Write(b, of(s)) }
	}
	if f.Reading != nil {
		out.Reading = func(s S) string { return f.Reading(of(s)) }
	}
	if f.Over != nil {
		out.Over = func(s S) inspect.Seen { return f.Over(of(s)) }
	}
	if f.Derive != nil {
		out.Derive = func(s S) Derivation { return f.Derive(of(s)) }
	}
	return out
}

// LiftRule makes a rule of T one of S.
func LiftRule[S Snapshot[S], T Snapshot[T]](r Rule[T], of func(S) T) Rule[S] {
	out := Rule[S]{
		ID:       r.ID,
		Evidence: r.Evidence,
		What:     r.What,
		Unit:     r.Unit,
		Basis:    r.Basis,
		Below:    r.Below,
		At:       r.At,
		Means:    r.Means,
		Next:     r.Next,
		Concept:  r.Concept,
		Unless:   r.Unless,
		Lifted:   true,
		Of:       func(s S) Value { return r.Of(of(s)) },
		Say:      func(s S) string { return r.Say(of(s)) },
	}
	if r.Most != nil {
		out.Most = func(s S) Level { return r.Most(of(s)) }
	}
	if r.BasisOf != nil {
		out.BasisOf = func(s S) Basis { return r.BasisOf(of(s)) }
	}
	if r.NextOf != nil {
		out.NextOf = func(s S) string { return r.NextOf(of(s)) }
	}
	return out
}

// Borrow lifts the fields of a card that have one of the keys, in the order of
// the keys, and the rules whose first evidence they are. A key that the card
// does not have is left out; a test compares.
func Borrow[S Snapshot[S], T Snapshot[T]](from Card[T], of func(S) T, keys ...string) (fields []Field[S], rules []Rule[S]) {
	for _, key := range keys {
		for _, sec := range from.Sections {
			for _, f := range sec.Fields {
				if f.Key == key {
					fields = append(fields, Lift(f, of))
				}
			}
		}
	}
	for _, r := range from.Rules {
		if slices.Contains(keys, r.Evidence[0]) {
			rules = append(rules, LiftRule(r, of))
		}
	}
	return fields, rules
}

// Own takes a lifted field for the card's own: it is listed as one of its values.
func Own[S Snapshot[S]](f Field[S]) Field[S] {
	f.Lifted = false
	return f
}
