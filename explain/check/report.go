package check

import (
	"cmp"
	"slices"

	"kwhy/explain"
	"kwhy/explain/fd"
	"kwhy/explain/lower"
	"kwhy/explain/mem"
	"kwhy/explain/net"
	"kwhy/explain/oom"
	"kwhy/explain/proc"
	"kwhy/explain/sched"
	"kwhy/inspect"
)

// Judge tests the rules of the domains that are wanted on the facts. The report has the
// findings with their evidence, worst first, the state of each domain, and the outcome
// of each rule.
func Judge(f *Facts, limits explain.Limits) (lower.Report, Coverage) {
	verdicts, rules, found := judge(f, limits)
	rep := lower.Report{Findings: sorted(lower.Once(lower.Better(found)))}
	for _, v := range verdicts {
		v.show(rep.Findings)
	}
	addTables(&rep, verdicts, rules)
	rep.Tell(f.gaps(), f.Host.Kernel)
	return rep, coverageOf(verdicts)
}

// judge returns the state of each domain, the outcome of each rule, and the findings.
func judge(f *Facts, limits explain.Limits) (verdicts Verdicts, rules Rules, found []lower.Finding) {
	for _, d := range f.domains {
		v := &Verdict{Domain: *d, Err: d.failed, on: f.Host.Kernel}
		verdicts = append(verdicts, v)
		var j lower.Judgement
		if v.Err != nil {
			j = d.facts.Blind(limits, inspect.ReasonOf(v.Err))
		} else {
			j, v.Health = d.facts.Judge(limits), d.facts.Health()
		}
		v.Rules = j.Rules
		for i := range j.Rules {
			rules = append(rules, &Rule{Ruled: j.Rules[i], Domain: d.Name, on: f.Host.Kernel})
		}
		found = append(found, j.Findings...)
	}
	return verdicts, rules, found
}

func addTables(rep *lower.Report, verdicts Verdicts, rules Rules) {
	domains, checks := lower.Own(domainTable(), nil, nil, 0), lower.Own(ruleTable(), nil, nil, 0)
	g, _ := domains.Explain(verdicts, domains.All(verdicts), nil)
	c, _ := checks.Explain(rules, checks.All(rules), nil)
	rep.Grids = append(rep.Grids, g, c)
}

// sorted puts the worst first; among equals, what happens now before what was counted
// since boot; then as declared.
func sorted(list []lower.Finding) []lower.Finding {
	slices.SortStableFunc(list, func(a, b lower.Finding) int {
		return cmp.Or(cmp.Compare(b.Level, a.Level), cmp.Compare(ever(&a), ever(&b)))
	})
	return list
}

func ever(f *lower.Finding) int {
	if f.Basis == explain.Ever {
		return 1
	}
	return 0
}

// Runs returns the rules that kwhy check runs, by their names.
func Runs() map[string]bool {
	out := map[string]bool{}
	for _, d := range wanted(Topics(), nil) {
		for _, r := range d.facts.Blind(nil, inspect.Unread).Rules {
			out[r.ID] = true
		}
	}
	return out
}

// List returns every rule with its thresholds, as `kwhy check --list` shows them, and of those that
// kwhy check does not run which command does.
func List(rules []lower.RuleDoc, limits explain.Limits) (lower.Grid, error) {
	v := lower.Own(ruleTable(), []string{"id", "thresholds", "why"}, nil, 0)
	var rows Rules
	runs := Runs()
	for _, d := range rules {
		if !runs[d.ID] {
			d.What += "; not run by check, but by kwhy " + d.Command
		}
		r := &Rule{Ruled: lower.Ruled{RuleDoc: d}}
		if at, set := limits[d.ID]; set {
			r.At = at
		}
		rows = append(rows, r)
	}
	g, _ := v.Explain(rows, v.All(rows), nil)
	g.Title = ""
	return g, nil
}

// Topic is check itself: the state of each domain and the outcome of each rule.
func Topic() explain.Topic {
	return explain.Topic{Name: "check", Pages: func() []explain.Page { return []explain.Page{page()} }}
}

func page() *lower.Page[*judged] {
	return &lower.Page[*judged]{Command: "check", Take: now, Tables: []lower.Attached[*judged]{
		lower.Table(domainTable(), 0, func(j *judged) explain.Rows[*Verdict] { return j.verdicts }),
		lower.Table(ruleTable(), 0, func(j *judged) explain.Rows[*Rule] { return j.rules }),
	}}
}

// judged is the judgement of one sample.
type judged struct {
	inspect.Unpaired[*judged]

	verdicts Verdicts
	rules    Rules
	on       inspect.Kernel
}

// Missing says that there is a judgement.
func (j *judged) Missing(inspect.Source) inspect.Reason { return inspect.Present }

// Kernel returns the kernel that was read.
func (j *judged) Kernel() inspect.Kernel { return j.on }

// now judges one sample.
func now(h *inspect.Host, _ inspect.Sources) (*judged, error) {
	f, err := Take(h, nil, nil)
	if err != nil {
		return nil, err
	}
	verdicts, rules, _ := judge(f, nil)
	return &judged{verdicts: verdicts, rules: rules, on: h.Kernel}, nil
}

// Topics returns the topics that check looks at, in the order in which it prints them.
func Topics() []explain.Topic {
	return []explain.Topic{mem.Topic(), oom.Topic(), proc.Topic(), sched.Topic(), fd.Topic(), net.Topic()}
}
