package doctor

import (
	"slices"

	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/inspect"
	doctorfacts "kwhy/inspect/doctor"
)

// Exam is the result of reading and computing everything.
type Exam struct {
	Environment *doctorfacts.Environment
	Sources     Sources
	Derivations Derivations

	saved, live bool
}

// Take reads and computes everything that the topics declare, and what this package adds.
func Take(h *inspect.Host, topics lower.Catalogue) (*Exam, error) {
	ps, err := proc.Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	e := &Exam{Environment: doctorfacts.TakeEnvironment(h, ps)}
	card := Card()
	own := lower.CardTopic(&card, "doctor", environment)
	topics = lower.Catalogue{Entries: slices.Concat(own.Entries, topics.Entries), Trials: topics.Trials}
	found := newFindings(h, ps, whoIs(e.Environment))
	for _, g := range groups(topics.Entries) {
		if !g.derives() && !found.wants(g) {
			continue
		}
		x, err := g.first.Examine(h, g.keys...)
		if found.note(x.Seen); err != nil { // then its sources stay what reading the files gave
			e.Derivations = append(e.Derivations, g.failed(h, err)...)
			continue
		}
		e.Derivations = append(e.Derivations, g.tried(h, x)...)
	}
	for _, t := range topics.Trials {
		e.Derivations = append(e.Derivations, trial(h, t))
	}
	e.Derivations.sort()
	e.Sources = found.rows(topics.Entries)
	e.saved, e.live = h.Copy(), h.Live
	return e, nil
}

// environment finds out what kwhy can see here, for a value that is read alone.
func environment(h *inspect.Host, _ inspect.Sources) (*doctorfacts.Environment, error) {
	ps, err := proc.Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return nil, err
	}
	return doctorfacts.TakeEnvironment(h, ps), nil
}

// group is the values of one card, or the columns of one table.
type group struct {
	first   lower.Entry
	entries []lower.Entry
	keys    []string
}

// groups puts entries together that are read together. Cards come before tables: their
// snapshots say more about what they read.
func groups(entries []lower.Entry) (out []group) {
	for _, e := range entries {
		i := slices.IndexFunc(out, func(g group) bool { return g.first.Command == e.Command && g.first.Table == e.Table })
		if i < 0 {
			i = len(out)
			out = append(out, group{first: e})
		}
		out[i].entries, out[i].keys = append(out[i].entries, e), append(out[i].keys, e.Doc.Key)
	}
	slices.SortStableFunc(out, func(a, b group) int { return b2i(a.first.Table != "") - b2i(b.first.Table != "") })
	return out
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (g *group) derives() bool {
	return slices.ContainsFunc(g.entries, func(e lower.Entry) bool { return e.Derives })
}
