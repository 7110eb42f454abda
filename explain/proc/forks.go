package proc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

// forker is a process that starts others, as far as its own files and theirs show that.
type forker struct {
	p     *procfacts.Process
	spent float64 // CPU time, in seconds, of children that it waited for meanwhile
	born  int     // children of its own that are new, and live
}

// forkers finds them over an interval. The time of a child is added to its parent when that has waited for
// it, with what the child had from its own children (kernel/exit.c, wait_task_zombie). Threads leave
// nothing there, nor do children of one that ignores SIGCHLD.
func forkers(l list) (out []forker) {
	was, _, ok := l.Before()
	if !ok || was.Procs == nil {
		return nil
	}
	of, at := map[int32]int{}, map[int32]int{}
	fields := procfacts.StatFields(4, 16, 17, 22)
	for i := range l.Procs.Rows {
		p := &l.Procs.Rows[i]
		if p.Why(inspect.PIDStat) != inspect.Present || p.Spoilt(fields) || p.TGID != 0 && p.TGID != p.PID {
			continue
		}
		q := before(was, p)
		switch {
		case q == nil && !p.Kthread():
			of[p.PPID]++
		case q != nil && q.Why(inspect.PIDStat) == inspect.Present && !q.Spoilt(fields):
			if grown := p.CUTime + p.CSTime - q.CUTime - q.CSTime; grown > 0 {
				at[p.PID] = len(out)
				out = append(out, forker{p: p, spent: l.Settings.Host.Seconds(uint64(grown))})
			}
		}
	}
	for pid, n := range of {
		if i, ok := at[pid]; ok {
			out[i].born = n
		} else if row, ok := l.Procs.Row(pid); ok {
			out = append(out, forker{p: &l.Procs.Rows[row], born: n})
		}
	}
	slices.SortFunc(out, func(a, b forker) int {
		return cmp.Or(cmp.Compare(b.spent, a.spent), cmp.Compare(b.born, a.born), cmp.Compare(a.p.PID, b.p.PID))
	})
	return out
}

// before is the same process in an earlier scan; nil where it is new.
func before(was list, p *procfacts.Process) *procfacts.Process {
	i, ok := was.Procs.Row(p.PID)
	if !ok {
		return nil
	}
	q := &was.Procs.Rows[i]
	if q.Why(inspect.PIDStat) == inspect.Present && q.Start != p.Start {
		return nil
	}
	return q
}

// Forkers says who starts others, as far as that shows; "" without an interval.
func Forkers(l list) string {
	seen := l.SeenOf(inspect.PIDStat)
	if _, _, ok := l.Before(); !ok || seen.Nothing() {
		return ""
	}
	var words []string
	for _, f := range forkers(l) {
		var has []string
		if f.spent > 0 {
			has = append(has, "waited for children that used "+units.Span(f.spent)+" of CPU time before they ended")
		}
		if f.born > 0 {
			has = append(has, "has "+units.Plural(f.born, "new child that lives", "new children that live"))
		}
		if words = append(words, fmt.Sprintf("%s (%d) %s", f.p.Comm, f.p.PID, strings.Join(has, " and "))); len(words) == 3 {
			break
		}
	}
	says := strings.Join(words, ", ")
	if says == "" {
		says = "no parent shows whose they were: threads, and children that nobody waits for, leave no trace"
	}
	if !seen.Whole() {
		says = "of the processes that could be seen, " + says
	}
	return says
}

// readForks says how many were started in an interval, and by whom.
func readForks(l list) string {
	was, over, ok := l.Before()
	if !ok {
		return ""
	}
	n, then := l.Stat["processes"], was.Stat["processes"]
	switch {
	case n < then:
		return ""
	case n == then:
		return "None in the last " + units.Span(over.Seconds()) + "."
	}
	return fmt.Sprintf("%s in the last %s, threads included: %s.", units.Number(n-then), units.Span(over.Seconds()), Forkers(l))
}
