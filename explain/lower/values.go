package lower

import (
	"unsafe"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

func cellOf[S explain.Snapshot[S]](f *explain.Field[S], s S) Cell {
	v := Take(f, s, new([]byte))
	c := Cell{Doc: f.Doc, Value: v, Rate: Rate(f, s, v), Seen: surveyOf(s, f.Source), Around: surveyOf(s, f.Also...)}
	if f.Over != nil {
		c.Seen, c.Around = f.Over(s), inspect.Seen{}
	}
	if c.Seen.Nothing() && v.Has() {
		v = explain.None(c.Seen.Reason)
		c.Value, c.Rate = v, v
	}
	if _, over, ok := s.Before(); ok && f.Grown {
		if c.Grown = explain.None(c.Rate.Reason()); c.Rate.Has() {
			c.Grown = explain.F(c.Rate.Float() * over.Seconds())
		}
	}
	if found := doubtsOf(s).doc(&f.Doc); found.Any() {
		c.doubt(found)
		return c
	}
	if f.Reading != nil && (v.Has() || v.Reason() == inspect.Unlimited) {
		c.Reading = reading(f, s, &c)
	}
	if !v.Has() {
		c.Hint = f.Hint(v.Reason(), s.Kernel())
		return c
	}
	c.Doc.Source = from(s, &f.Doc)
	if f.Derive != nil {
		d := f.Derive(s)
		if f.Kernel != "" {
			d.Reported = v
		}
		if d.Formula != "" { // without one there is nothing to compute here
			c.Derivation = &d
		}
	}
	return c
}

// surveyOf returns how much a snapshot saw of the sets that sources are read of: a value of a
// host that is read from files of processes is about all of them.
func surveyOf(s any, sources ...inspect.Source) (seen inspect.Seen) {
	v, ok := s.(Surveyor)
	if !ok {
		return seen
	}
	for _, src := range sources {
		if part := v.SeenOf(src); !part.Whole() && (seen.Whole() || part.Seen < seen.Seen) {
			seen = part
		}
	}
	return seen
}

// reading is what a value says here and now: of a set that was seen in part, of which part.
func reading[S explain.Snapshot[S]](f *explain.Field[S], s S, c *Cell) string {
	seen := c.Seen
	if seen.Whole() {
		seen = c.Around
	}
	switch {
	case seen.Whole():
		return f.Reading(s)
	case !c.Seen.Whole() && c.Value.Zero():
		return units.Sentence(units.NoneOf("none", seen))
	}
	return units.Sentence(units.Among(seen)) + " " + f.Reading(s)
}

// origin is the source that was read, of one that names several: a snapshot that has
// such says which.
func origin(s any, declared inspect.Source) inspect.Source {
	if o, ok := s.(Originer); ok {
		return o.Origin(declared)
	}
	return declared
}

// from is the source that a value is of: its own, or the one that stood in for that.
func from(s any, d *explain.Doc) inspect.Source {
	if instead, ok := stood(s, d); ok {
		return instead
	}
	return origin(s, d.Source)
}

// Take reads the field from s. A text of Write lives in scratch.
func Take[S explain.Snapshot[S]](f *explain.Field[S], s S, scratch *[]byte) explain.Value {
	if why := s.Missing(f.Source); why != inspect.Present {
		if _, ok := stood(s, &f.Doc); !ok {
			return explain.None(f.Why(why, s.Kernel()))
		}
	}
	if f.Write != nil {
		start := len(*scratch)
		*scratch = f.Write(*scratch, s)
		made := (*scratch)[start:]
		if len(made) == 0 {
			return explain.None(inspect.Inapplicable)
		}
		return view(made)
	}
	v := f.Get(s)
	if v.Has() || v.Reason() != inspect.Present {
		return v
	}
	if gone := s.Kernel().Since(f.Until.Major, f.Until.Minor); f.Until != (inspect.Version{}) && inspect.Choose(gone, true, false, false) {
		return explain.None(inspect.Inapplicable) // it went, and what took its place has a literal of its own
	}
	for _, src := range f.Also {
		if why := s.Missing(src); why != inspect.Present {
			return explain.None(why)
		}
	}
	if p, ok := any(s).(Partial); ok && p.Partial(f.Source) {
		return explain.None(inspect.Malformed) // what would have it did not come whole
	}
	return explain.None(inspect.Unsupported)
}

// stood returns which source gave a value in place of its own; ok is false where none did.
func stood(s any, d *explain.Doc) (instead inspect.Source, ok bool) {
	if o, can := s.(Standing); can {
		return o.Stood(d.Source, d.Key)
	}
	return d.Source, false
}

// view takes bytes for a text without copying them: the row's scratch only grows
// while the row lives.
func view(b []byte) explain.Value { return explain.S(unsafe.String(unsafe.SliceData(b), len(b))) }

// Rate is how much a counter grew a second.
func Rate[S explain.Snapshot[S]](f *explain.Field[S], s S, v explain.Value) explain.Value {
	if !f.Counter {
		return explain.None(inspect.Inapplicable)
	}
	was, over, ok := s.Before()
	if !ok || over <= 0 {
		return explain.None(inspect.NoInterval)
	}
	w := Take(f, was, new([]byte))
	switch {
	case !v.Has():
		return v
	case !w.Has() && w.Reason() == inspect.Unread:
		return explain.None(inspect.NoInterval) // it was not of those that were looked at then
	case !w.Has():
		return w
	}
	if g, ok := any(s).(Grower); ok {
		if n, ok := g.Grew(f.Key); ok {
			return explain.F(n / over.Seconds())
		}
	}
	if w.Float() > v.Float() && !f.Gauge {
		return explain.None(inspect.Reset)
	}
	return explain.F((v.Float() - w.Float()) / over.Seconds())
}

// rateSuffix makes the key of a counter that of its rate.
const rateSuffix = "_rate"

// asRate is how much a counter grew a second, as a column of its own.
func asRate[S explain.Snapshot[S]](f *explain.Field[S]) *explain.Field[S] {
	return &explain.Field[S]{Doc: rateDoc(f), Get: func(s S) explain.Value { return Rate(f, s, Take(f, s, new([]byte))) }}
}

func rateDoc[S explain.Snapshot[S]](f *explain.Field[S]) explain.Doc {
	d := f.Doc
	d.Key, d.Label, d.Kernel, d.Gist, d.Counter = d.Key+rateSuffix, d.Name()+"/s", "", "Per second: "+d.Gist, false
	if d.Watched {
		d.Show = explain.Wide
	}
	return d
}
