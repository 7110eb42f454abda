package doctor

import (
	"cmp"

	"kwhy/explain"
	"kwhy/inspect"
)

// Topic lists every value and rule of this package for those who walk the catalogue;
// others are all topics beside it, which it looks at.
func Topic(others explain.Topic) explain.Topic {
	card := Card()
	t := card.Topic("doctor", sight)
	t = t.Plus(sourceTable().Topic("doctor", func(h *inspect.Host, v *explain.View[*Source]) (explain.Rows[*Source], []int32, error) {
		e, err := Take(h, others)
		if err != nil {
			return nil, nil, err
		}
		return e.Sources, v.Order(e.Sources), nil
	}))
	return t.Plus(derivationTable().Topic("doctor", func(h *inspect.Host, v *explain.View[*Derivation]) (explain.Rows[*Derivation], []int32, error) {
		e, err := Take(h, others)
		if err != nil {
			return nil, nil, err
		}
		return e.Derivations, v.Order(e.Derivations), nil
	}))
}

// Options say what of an exam is shown.
type Options struct {
	All    bool // what is well too
	Limits explain.Limits
}

// Explain lowers what was found out.
func (e *Exam) Explain(o Options) (explain.Report, error) {
	card := Card()
	rep := card.Explain(e.Sight, o.Limits)
	rep.Tell(nil, e.Sight.Kernel())
	sources, err := sourceTable().View(nil, nil, 0)
	if err != nil {
		return rep, err
	}
	derivations, err := derivationTable().View(nil, nil, 0)
	if err != nil {
		return rep, err
	}
	if !o.All {
		sources.Where(inspect.Sources{}, (*Source).Gap)
		derivations.Where(inspect.Sources{}, func(d *Derivation) bool { return d.Verdict() != VerdictUncompared && d.Why != inspect.Inapplicable })
	}
	g, _ := sources.Explain(e.Sources, sources.All(e.Sources), o.Limits)
	g.More = "the others are readable, or have nothing to be read; --all shows them"
	k, found := derivations.Explain(e.Derivations, derivations.All(e.Derivations), o.Limits)
	k.More = "with the others the kernel prints no figure of its own, or there is nothing to compute; --all shows them"
	rep.Grids, rep.Findings = append(rep.Grids, g, k), append(rep.Findings, found...)
	return rep, nil
}

// Summary counts what was found out.
func (e *Exam) Summary() []string {
	n := e.Sources.Readable()
	out := []string{cmp.Or(map[string]string{viewHost: "the host", viewContainer: "a container's part of the host", viewBetween: "the host, from a place set apart", viewCopy: "a copy"}[View(e.Sight)], "a host"),
		explain.Number(n) + " of " + explain.Plural(len(e.Sources), "source", "sources") + " readable"}
	d := explain.Number(e.Derivations.Count(VerdictExact)) + " derivations exact"
	if n := e.Derivations.Count(VerdictNear); n > 0 {
		d += ", " + explain.Number(n) + " within tolerance"
	}
	return append(out, d+", "+explain.Number(e.Derivations.Count(VerdictOff))+" off")
}
