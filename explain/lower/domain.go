package lower

import (
	"slices"

	"kwhy/explain"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

// Shared is what several domains look at: the processes of one scan, and what else one of
// them took for the others too.
type Shared struct {
	Host  *inspect.Host
	Procs *procfacts.Processes

	taken []any
}

// Share returns the T of domains that look at the same, such as one walk over all
// descriptors: the first that asks takes it.
func Share[T any](s *Shared, take func(*inspect.Host, *procfacts.Processes) T) T {
	for _, it := range s.taken {
		if it, ok := it.(T); ok {
			return it
		}
	}
	it := take(s.Host, s.Procs)
	s.taken = append(s.taken, it)
	return it
}

// Check is how kwhy check looks at the page of a topic: with every rule, and no more read
// than these rest on.
type Check[S explain.Snapshot[S]] struct {
	// Take reads what is wanted, which is what the rules of card and tables rest on, and what
	// Health shows besides.
	Take   func(sh *Shared, want inspect.Sources) (S, error)
	Scan   inspect.Sources // what it wants of each process of the shared scan
	Health func(S) Health
	Rests  inspect.Sources       // what Health rests on, of what may not be the kernel's own
	Gaps   func(S) []inspect.Gap // what could not be seen; nil: nothing that another domain has not
	Judged func(S, *Judgement)   // changes what came out
}

// Domain is a page as kwhy check holds it: with a snapshot, its type erased.
type Domain interface {
	// Scan is what it wants of each process, and Take takes the snapshot.
	Scan() inspect.Sources
	Take(*Shared) error
	// Since pairs it with that of an interval ago, and Alone parts the two.
	Since(was Domain)
	Alone()
	// Judge holds the rules against it.
	Judge(explain.Limits) Judgement
	// Blind is the judgement where there is no snapshot: every rule saw nothing.
	Blind(explain.Limits, inspect.Reason) Judgement
	// Health is how it stands, in a few words.
	Health() Health
	// Gaps are what could not be seen.
	Gaps() []inspect.Gap
	// Snapshot is what was taken, for those who know its type.
	Snapshot() any
}

// DomainOf returns how kwhy check looks at a topic; false for one that it does not look at.
func DomainOf(t *explain.Topic) (Domain, bool) {
	for _, p := range t.Pages() {
		if c, ok := p.(checked); ok {
			if d, ok := c.domain(); ok {
				return d, true
			}
		}
	}
	return nil, false
}

// domain is a page with a snapshot of it.
type domain[S explain.Snapshot[S]] struct {
	page   *Page[S]
	check  *Check[S]
	tables []Attached[S]   // whose rules are judged
	want   inspect.Sources // what these and the card's rules rest on
	s      S
}

func (p *Page[S]) domain() (Domain, bool) {
	if p.Check == nil {
		return nil, false
	}
	d := &domain[S]{page: p, check: p.Check(), want: JudgesCard(&p.Card)}
	for _, t := range p.Tables {
		if needs, any := t.Judges(); any {
			d.tables, d.want = append(d.tables, t), d.want.Plus(needs)
		}
	}
	return d, true
}

func (d *domain[S]) Scan() inspect.Sources { return d.check.Scan }

func (d *domain[S]) Take(sh *Shared) (err error) {
	d.s, err = d.check.Take(sh, d.want)
	return err
}

func (d *domain[S]) Since(was Domain) {
	if w, ok := was.(*domain[S]); ok {
		d.page.Since(d.s, w.s)
	}
}

func (d *domain[S]) Alone() {
	var none S
	d.page.Since(d.s, none)
}

func (d *domain[S]) Judge(limits explain.Limits) Judgement {
	j := JudgeCard(&d.page.Card, d.s, limits)
	for _, t := range d.tables {
		j = j.Plus(t.Judge(d.page.Command, d.s, limits))
	}
	if d.check.Judged != nil {
		d.check.Judged(d.s, &j)
	}
	return j
}

func (d *domain[S]) Blind(limits explain.Limits, why inspect.Reason) Judgement {
	j := blind(d.page.Card.Rules, d.page.Card.Name, limits, fromAll(why))
	for _, t := range d.tables {
		j = j.Plus(t.Blind(d.page.Command, limits, why))
	}
	return j
}

func (d *domain[S]) Snapshot() any { return d.s }

func (d *domain[S]) Health() Health {
	if found := doubtsOf(d.s).in(d.check.Rests); found.Any() {
		return Health{Utilisation: "not judged: " + found.Source.String() + " is not the kernel's"}
	}
	return d.check.Health(d.s)
}

func (d *domain[S]) Gaps() []inspect.Gap {
	if d.check.Gaps == nil {
		return nil
	}
	return slices.Clone(d.check.Gaps(d.s))
}
