package doctor

import (
	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
	"kwhy/inspect"
	doctorfacts "kwhy/inspect/doctor"
)

// Topic is what kwhy can see here. others are the values and rules of all other topics,
// which it tries.
func Topic(others lower.Catalogue) explain.Topic {
	exam := func(h *inspect.Host) (*Exam, error) { return Take(h, others) }
	return explain.Topic{Name: "doctor", Pages: func() []explain.Page {
		return []explain.Page{&lower.Page[*doctorfacts.Environment]{
			Command: "doctor", Card: Card(), Take: environment,
			Tables: []lower.Attached[*doctorfacts.Environment]{
				examined(sourceTable(), exam, func(e *Exam) explain.Rows[*Source] { return e.Sources }),
				examined(derivationTable(), exam, func(e *Exam) explain.Rows[*Derivation] { return e.Derivations }),
			},
		}}
	}}
}

// examined attaches a table of an exam. The exam is done for that table alone.
func examined[T explain.Snapshot[T]](
	t *explain.Table[T],
	exam func(*inspect.Host) (*Exam, error),
	of func(*Exam) explain.Rows[T],
) lower.Attached[*doctorfacts.Environment] {
	r := lower.Table(t, 0, func(*doctorfacts.Environment) explain.Rows[T] { return nil })
	r.Scan = func(h *inspect.Host, v *lower.View[T]) (explain.Rows[T], []int32, error) {
		e, err := exam(h)
		if err != nil {
			return nil, nil, err
		}
		rows := of(e)
		return rows, v.Order(rows), nil
	}
	return r
}

// Options say what of an exam is shown.
type Options struct {
	All    bool // what is well too
	Gaps   bool // what could not be read also as gaps, besides the table that says more
	Terse  bool // names and verdicts without a sentence
	Limits explain.Limits
}

// Explain makes the report of an exam.
func (e *Exam) Explain(o Options) (lower.Report, error) {
	card := Card()
	rep := lower.Explain(&card, e.Environment, o.Limits)
	if o.Gaps {
		rep.Tell(e.gaps(), e.Environment.Kernel())
	}
	sources, derivations := lower.Own(sourceTable(), nil, nil, 0), lower.Own(derivationTable(), nil, nil, 0)
	if o.Terse { // the sentences say whose they are; without them columns must
		sources = lower.Own(sourceTable(), []string{"path", "state", "values"}, nil, 0)
		derivations = lower.Own(derivationTable(), []string{"name", "command", "verdict"}, nil, 0)
	}
	if !o.All {
		sources.Where(inspect.Sources{}, func(s *Source) bool { return s.Gap() && (e.live || !s.Why.IsMissing()) })
		derivations.Where(inspect.Sources{}, func(d *Derivation) bool {
			return d.Verdict() != VerdictUncompared && d.Why != inspect.Inapplicable && (e.live || !d.Why.IsMissing())
		})
	}
	g, _ := sources.Explain(e.Sources, sources.All(e.Sources), o.Limits)
	switch g.More = "--all shows what is readable"; {
	case e.saved:
		g.More += ", and what is not in this copy"
	case !e.live:
		g.More += ", and what is not mounted"
	}
	k, found := derivations.Explain(e.Derivations, derivations.All(e.Derivations), o.Limits)
	k.More = "--all shows those without a figure to compare with"
	rep.Parts = append(rep.Parts, lower.Part{Title: g.Title, Table: g.Name}, lower.Part{Title: k.Title, Table: k.Name})
	rep.Grids, rep.Findings = append(rep.Grids, g, k), append(rep.Findings, found...)
	return rep, nil
}

// gaps are the sources that could not be read, or not for all processes.
func (e *Exam) gaps() (out []inspect.Gap) {
	for _, s := range e.Sources {
		switch {
		case s.State() == statePartly:
			out = append(out, inspect.Gap{Source: s.Source, Reason: s.Others, Count: s.Of - s.Gave, Of: s.Of})
		case s.Gap():
			out = append(out, inspect.Gap{Source: s.Source, Reason: s.Why, Count: 1, Of: 1})
		}
	}
	return out
}

// view is what kwhy sees of the host, in a few words; "" for a copy, which the header says.
func (e *Exam) view() string {
	switch View(e.Environment) {
	case viewHost:
		return "the host"
	case viewContainer:
		return "a container's part of the host"
	case viewBetween:
		return "the host, partly isolated from it"
	case viewCopy:
		return ""
	case viewNothing:
		return "no /proc"
	}
	return "a host"
}

// Summary counts what the exam found.
func (e *Exam) Summary() []string {
	n := e.Sources.Readable()
	out := []string{
		e.view(),
		units.Number(n) + " of " + units.Plural(len(e.Sources), "source", "sources") + " readable",
	}
	d := units.Plural(e.Derivations.Count(VerdictExact), "derivation", "derivations") + " exact"
	if n := e.Derivations.Count(VerdictNear); n > 0 {
		d += ", " + units.Number(n) + " within tolerance"
	}
	return append(out, d+", "+units.Number(e.Derivations.Count(VerdictOff))+" off")
}
