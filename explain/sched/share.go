package sched

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
	schedfacts "kwhy/inspect/sched"
)

// mine is the task among those that want a CPU; it is always there.
func mine(t one) schedfacts.Rival {
	for _, r := range t.Rivals {
		if r.P.PID == t.Row.P.PID {
			return r
		}
	}
	return schedfacts.Rival{P: t.Row.P}
}

// level is one step of sharing: between which entities, and this task's part of the weight.
type level struct {
	name       string
	mine, all  int64
	contenders int
	unknown    inspect.Reason // why the weight of one of them is not known; Present where all are
}

// groupWeight is a group's weight among its siblings, before it is spread over
// CPUs; 0 if unknown.
func groupWeight(g schedfacts.ShareGroup) int64 {
	switch {
	case g.Idle:
		return kernel.IdleWeight
	case g.Auto:
		w, _ := kernel.NiceWeight(int(g.Nice))
		return w
	case g.Weight > 0:
		return kernel.SharesOfWeight(g.Weight)
	}
	return g.Shares
}

// levels works out who competes with a task on its CPU, step by step: groups at the
// outermost, at last the tasks of its own.
func levels(t one) []level {
	me := mine(t)
	if _, fair := weightOf(me.P); !fair {
		return nil
	}
	var out []level
	for depth := 0; depth <= len(me.Groups); depth++ {
		out = append(out, compete(t, me, depth))
	}
	return out
}

// compete weighs what is at one depth of a task's groups.
func compete(t one, me schedfacts.Rival, depth int) level {
	type weights struct {
		here, everywhere, own int64
		unseen                inspect.Reason
	}
	entities := map[string]*weights{}
	var order []string
	for _, r := range t.Rivals {
		w, fair := weightOf(r.P)
		if !fair || !under(r.Groups, me.Groups[:depth]) {
			continue
		}
		name, own, unseen := strconv.Itoa(int(r.P.PID)), w, inspect.Present
		if len(r.Groups) > depth {
			g := r.Groups[depth]
			name, own, unseen = g.Name, groupWeight(g), g.Unseen
		}
		if entities[name] == nil {
			entities[name] = &weights{own: own, unseen: unseen}
			order = append(order, name)
		}
		entities[name].everywhere += w
		if r.P.CPU == me.P.CPU {
			entities[name].here += w
		}
	}
	mineName := strconv.Itoa(int(me.P.PID))
	if depth < len(me.Groups) {
		mineName = me.Groups[depth].Name
	}
	out := level{name: mineName}
	for _, name := range order {
		e := entities[name]
		if e.here == 0 {
			continue
		}
		if e.own == 0 {
			out.unknown = cmp.Or(e.unseen, inspect.Unsupported)
		}
		w := kernel.GroupWeight(e.own, e.here, e.everywhere)
		out.all += w
		out.contenders++
		if name == mineName {
			out.mine = w
		}
	}
	return out
}

// under says whether a task is in a group and all those around it.
func under(groups, within []schedfacts.ShareGroup) bool {
	if len(groups) < len(within) {
		return false
	}
	for i := range within {
		if groups[i].Name != within[i].Name {
			return false
		}
	}
	return true
}

func cpuShare(t one) value {
	if s := t.Row.P.State; s == 'Z' || s == 'X' { // of a main thread that has ended too: it wants none any more
		return explain.None(inspect.Inapplicable)
	}
	on := procfacts.StatFields(19, 39, 41) // its weight, and the CPU that it shares
	if t.Row.P.Spoilt(on) || slices.ContainsFunc(t.Rivals, func(r schedfacts.Rival) bool { return r.P.Spoilt(on) }) {
		return explain.None(inspect.Malformed)
	}
	steps := levels(t)
	if steps == nil {
		return explain.None(inspect.Inapplicable)
	}
	f := 1.0
	for _, s := range steps {
		if s.unknown != inspect.Present {
			return explain.None(s.unknown)
		}
		if s.all <= 0 {
			return value{}
		}
		f *= float64(s.mine) / float64(s.all)
	}
	return explain.F(f)
}

// contenders is of how many processes all threads were seen, of which any may want a CPU: where
// that is not all, a share is the most that it can be.
func contenders(t one) inspect.Seen { return overThreads(t.Sched) }

func readShare(t one) string {
	p := t.Row.P
	steps := levels(t)
	others := 0
	for _, s := range steps {
		others += s.contenders - 1
	}
	where := fmt.Sprintf("on CPU %d, where it last ran", p.CPU)
	verb := "It gets"
	if p.State != 'R' {
		verb = "If it woke there now it would get"
	}
	other := "no other fair task is ready there at this moment"
	if !contenders(t).Whole() {
		verb += " at most"
		other = "no other fair task that could be seen is ready there"
	}
	quota := ""
	if t.Bounded && t.Bound.CPUs < cpuShare(t).Float() {
		quota = " Its cgroup's quota limits it before that: see below."
	}
	if others <= 0 {
		return verb + " all of the time " + where + ": " + other + "." + quota
	}
	var who []string
	for i, s := range steps {
		if s.contenders < 2 {
			continue
		}
		what := "tasks and groups in its group"
		if i < len(steps)-1 {
			what = "groups and tasks besides " + s.name
		}
		who = append(who, fmt.Sprintf("%d of %d against %s", s.mine, s.all,
			units.Plural(s.contenders-1, "other of the "+what, "others of the "+what)))
	}
	return verb + " this " + where + ", as long as the same tasks want it and no real-time task does: weight " +
		strings.Join(who, "; within that ") + "." + quota
}

func deriveShare(t one) explain.Derivation {
	steps := levels(t)
	if steps == nil {
		return explain.Derivation{}
	}
	var w explain.Working
	var formula []string
	for i, s := range steps {
		suffix := ""
		if i < len(steps)-1 {
			suffix = "_" + strconv.Itoa(i+1)
		}
		w.Take("weight"+suffix, explain.I(s.mine), explain.Count, inspect.PIDStat, "of "+s.name)
		w.Take("all"+suffix, explain.I(s.all), explain.Count, inspect.PIDStat, "of all that compete with it there")
		formula = append(formula, "weight"+suffix+" / all"+suffix)
	}
	return w.Done(strings.Join(formula, " × "), explain.Ratio, cpuShare(t))
}
