package check

import (
	"slices"
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

// Facts are what the rules measure: a snapshot of each domain that is wanted, all of
// one moment and of the same processes.
type Facts struct {
	Host *inspect.Host
	At   time.Time
	Over time.Duration // the interval; 0 without one

	shared  lower.Shared
	domains []*Domain
}

// Domain is a topic as check sees it.
type Domain struct {
	Name, Title string // the subcommand that says more about it, and what it is about

	facts  lower.Domain
	failed error // why nothing of it could be read
}

// Take collects the facts of the topics that are wanted, none meaning all. was are the
// facts of an interval ago, nil without one. It fails only if no process can be listed;
// if nothing of a domain can be read, the domain itself says so.
func Take(h *inspect.Host, only []string, was *Facts) (*Facts, error) {
	f := &Facts{Host: h, domains: wanted(Topics(), only)}
	before := lower.Shared{}
	if was != nil {
		before = was.shared
	}
	var want inspect.Sources
	for _, d := range f.domains {
		want = want.Plus(d.facts.Scan())
	}
	ps, err := proc.Scan(h, want, before.Procs)
	if err != nil {
		return nil, err
	}
	f.shared = lower.Shared{Host: h, Procs: ps}
	if f.At = ps.Host.At; was != nil {
		f.Over = f.At.Sub(was.At)
	}
	for i, d := range f.domains {
		d.failed = d.facts.Take(&f.shared)
		if d.failed == nil && was != nil && was.domains[i].failed == nil {
			d.facts.Since(was.domains[i].facts)
		}
	}
	return f, nil
}

// wanted returns the domains with those names, in the order of the topics; none means all.
func wanted(all []explain.Topic, only []string) (out []*Domain) {
	for i := range all {
		if all[i].Title == "" || len(only) > 0 && !slices.Contains(only, all[i].Name) {
			continue
		}
		if facts, looked := lower.DomainOf(&all[i]); looked {
			out = append(out, &Domain{Name: all[i].Name, Title: all[i].Title, facts: facts})
		}
	}
	return out
}

// Names returns the names of the domains. It makes no pages: every command asks for them,
// for the help of its flags.
func Names() (out []string) {
	for _, t := range Topics() {
		if t.Title != "" {
			out = append(out, t.Name)
		}
	}
	return out
}

// Alone drops the earlier facts that these were paired with, and returns these: a chain
// of comparisons then does not keep every sample in memory.
func (f *Facts) Alone() *Facts {
	f.shared.Procs.Alone()
	for _, d := range f.domains {
		if d.failed == nil {
			d.facts.Alone()
		}
	}
	return f
}

// Snapshots returns the snapshot of each domain, in their order, nil if nothing of a
// domain could be read.
func (f *Facts) Snapshots() (out []any) {
	for _, d := range f.domains {
		if d.failed != nil {
			out = append(out, nil)
			continue
		}
		out = append(out, d.facts.Snapshot())
	}
	return out
}

// Processes returns the processes of the scan that the domains share.
func (f *Facts) Processes() *procfacts.Processes { return f.shared.Procs }

// gaps returns what could not be seen in all domains, each source once for each reason: of two domains that
// looked at the same, as the one has it that looked at more.
func (f *Facts) gaps() (out []inspect.Gap) {
	type key struct {
		source inspect.Source
		reason inspect.Reason
	}
	at := map[key]int{}
	for _, d := range f.domains {
		if d.failed != nil {
			continue
		}
		for _, g := range d.facts.Gaps() {
			k := key{g.Source, g.Reason}
			i, known := at[k]
			switch {
			case !known:
				at[k] = len(out)
				out = append(out, g)
			case g.Of > out[i].Of:
				out[i] = g
			}
		}
	}
	return out
}
