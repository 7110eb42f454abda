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

// Facts are what the rules are held against: a snapshot of each domain that is
// wanted, all of one moment and of the same processes.
type Facts struct {
	Host *inspect.Host
	At   time.Time
	Over time.Duration // the interval; 0 without one

	shared  lower.Shared
	domains []*Domain
}

// Domain is a topic as check looks at it.
type Domain struct {
	Name, Title string // the subcommand that tells more of it, and what it is about

	facts  lower.Domain
	failed error // nothing of it could be read
}

// Take collects the facts of the topics that are wanted, none meaning all; was are those
// of an interval ago, nil without one. It fails only where no process can be listed; a
// domain of which nothing can be read is told as such.
func Take(h *inspect.Host, only []string, was *Facts) (*Facts, error) {
	f := &Facts{Host: h, domains: wanted(Topics(), only)}
	before := lower.Shared{}
	if was != nil {
		before = was.shared
	}
	// status says whose a process is, and how often it gave up its CPU
	ps, err := proc.Scan(h, inspect.Of(inspect.PIDStatus), before.Procs)
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

// wanted are the domains of those names, in the order of the topics; none means all.
func wanted(all []explain.Topic, only []string) (out []*Domain) {
	for i := range all {
		facts, looked := lower.DomainOf(&all[i])
		if looked && (len(only) == 0 || slices.Contains(only, all[i].Name)) {
			out = append(out, &Domain{Name: all[i].Name, Title: all[i].Title, facts: facts})
		}
	}
	return out
}

// Names returns the names of the domains.
func Names() (out []string) {
	for _, t := range Topics() {
		out = append(out, t.Name)
	}
	return out
}

// Alone takes from the facts those that they were paired with, and returns them: who
// compares the next with them, and so on, does not keep all that ever were.
func (f *Facts) Alone() *Facts {
	f.shared.Procs.Alone()
	for _, d := range f.domains {
		if d.failed == nil {
			d.facts.Alone()
		}
	}
	return f
}

// Snapshots are what was taken of each domain, in their order; nil of one of which nothing
// could be read.
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

// Processes are those of the scan that the domains share.
func (f *Facts) Processes() *procfacts.Processes { return f.shared.Procs }

// gaps are what could not be seen of all that was looked at, each source once.
func (f *Facts) gaps() (out []inspect.Gap) {
	seen := map[inspect.Gap]bool{}
	for _, d := range f.domains {
		if d.failed != nil {
			continue
		}
		for _, g := range d.facts.Gaps() {
			if !seen[g] {
				seen[g] = true
				out = append(out, g)
			}
		}
	}
	return out
}
