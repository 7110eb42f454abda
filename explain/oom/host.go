package oom

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/mem"
	"kwhy/explain/units"
	"kwhy/inspect"
	memfacts "kwhy/inspect/mem"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
)

type (
	host  = *oomfacts.Snapshot
	field = explain.Field[*oomfacts.Snapshot]
	rule  = explain.Rule[*oomfacts.Snapshot]
)

func memOf(o host) *memfacts.Snapshot { return o.Mem }

// Host explains which process would be killed next on a host, how much memory is left,
// and the OOM policy.
func Host() explain.Card[*oomfacts.Snapshot] {
	far, farRules := explain.Borrow(mem.Host(), memOf, "mem_available", "swap_total", "swap_free", "pressure_memory_full",
		"oom_kill", "cgroup_limit", "cgroup_room")
	set, setRules := explain.Borrow(mem.Host(), memOf, "overcommit_memory", "min_free_kbytes")
	return explain.Card[*oomfacts.Snapshot]{Name: "oom", Sections: []explain.Section[*oomfacts.Snapshot]{
		{Title: "Next victim of a global OOM", Fields: next(), Table: "processes"},
		{Title: "Memory left", Fields: far},
		{Title: "Memory cgroups with a limit", Fields: groups(), Table: "cgroups"},
		{Title: "OOM policy", Fields: append(policy(), set...)},
	}, Rules: slices.Concat(hostRules(), farRules, setRules)}
}

// Within explains which process would be killed next when one cgroup's limit is hit: nobody, where its
// OOM killer is off.
func Within(off bool) explain.Card[*oomfacts.Snapshot] {
	set, setRules := explain.Borrow(Host(), func(o host) host { return o }, "panic_on_oom", "oom_dump_tasks")
	ranked := slices.DeleteFunc(next(), func(f field) bool { return f.Key == "unkillable" }) // counted over the host
	title := "Next victim at this cgroup's limit"
	if off {
		title = "Processes of this cgroup, of which none is killed at its limit"
	}
	return explain.Card[*oomfacts.Snapshot]{Name: "oom", Sections: []explain.Section[*oomfacts.Snapshot]{
		{Title: title, Fields: ranked, Table: "processes"},
		{Title: "The cgroup", Table: "cgroups"},
		{Title: "OOM policy", Fields: set},
	}, Rules: setRules}
}

// scanned are the files of processes that the ranking uses.
func scanned() []inspect.Source {
	return also(inspect.PIDOomScore, inspect.PIDOomScoreAdj, inspect.PIDStat, inspect.Meminfo)
}

func next() []field {
	declare := func(d doc, get func(host) value, read func(host) string) field {
		d.Source, d.Also = inspect.PIDStatus, scanned()
		if d.Concept == "" {
			d.Concept = "oom-killer"
		}
		return field{Doc: d, Get: get, Reading: read}
	}
	victim := func(get func(*procfacts.Process) value) func(host) value {
		return func(o host) value {
			if seen := o.SeenOf(inspect.PIDStat); !seen.Whole() {
				return explain.None(seen.Reason) // it may be one of those that were not seen
			}
			switch {
			case o.Unjudged != inspect.Present:
				return explain.None(o.Unjudged)
			case o.First == nil:
				return explain.None(inspect.Inapplicable)
			case o.Tied > 0:
				return explain.None(unranked(o))
			}
			return get(o.First)
		}
	}
	// What is the same for every process is of no set.
	ofAny := func(f field) field {
		f.Over = func(host) inspect.Seen { return inspect.Seen{} }
		return f
	}
	ofScores := func(f field) field { f.Over = seenToScore; return f }
	ofKillable := func(f field) field { f.Over = seenToKill; return f }
	return []field{
		declare(doc{
			Key: "next_victim_pid", Label: "next victim", Unit: explain.Plain,
			Gist: "The process that the kernel would kill first, except kwhy itself.",
		}, victim(func(p *procfacts.Process) value { return explain.I(p.PID) }), readNext),
		declare(doc{Key: "next_victim_comm", Show: explain.Data, Gist: "Its name."},
			victim(func(p *procfacts.Process) value { return explain.S(p.Comm) }), nil),
		ofScores(declare(doc{
			Key: "scores_exact", Label: "exact scores", Unit: explain.Count,
			Gist:    "How many of the 20 highest scores kwhy computes exactly from their parts.",
			Concept: "oom-score",
		}, func(o host) value {
			n, of, _ := agreement(o)
			if of == 0 && (o.Procs.Host.OOM.Host == 0 || noScores(o) != inspect.Present) {
				return explain.None(cmp.Or(o.Procs.Host.OOM.Why, noScores(o)))
			}
			return explain.I(n)
		}, readAgreement)),
		ofAny(declare(doc{
			Key: "oom_score_idle", Label: "idle score", Unit: explain.Plain,
			Gist:    "The oom_score of a process with almost no memory and no adjustment.",
			Concept: "oom-score",
		}, func(o host) value {
			if o.Procs.Host.OOM.Host == 0 {
				return explain.None(o.Procs.Host.OOM.Why)
			}
			return explain.I(idle(o))
		}, readIdle)),
		ofAny(declare(doc{
			Key: "oom_score_adj_step", Label: "one step of adj", Unit: explain.Bytes,
			Gist:    "How much memory one step of oom_score_adj counts for in this ranking.",
			Concept: "oom-score-adj",
		}, func(o host) value {
			if o.Procs.Host.OOM.Domain == 0 {
				return explain.None(o.Procs.Host.OOM.Why)
			}
			return explain.N(o.Procs.Host.OOM.Domain / 1000 * o.Mem.Host.PageSize)
		}, readStep)),
		ofKillable(declare(doc{Key: "unkillable", Unit: explain.Count, Gist: "Processes that the OOM killer cannot kill."},
			func(o host) value {
				if !o.Known {
					return explain.None(inspect.Unread)
				}
				n := 0
				for _, c := range tallies(o) {
					n += c.n
				}
				return explain.I(n)
			}, readUnkillable)),
	}
}

// noScores says why no score could be computed and compared.
func noScores(o host) inspect.Reason {
	for _, src := range append(scanned(), inspect.PIDStatus) {
		if seen := o.SeenOf(src); seen.Nothing() {
			return seen.Reason
		}
	}
	return cmp.Or(o.Mem.Missing(inspect.Meminfo), inspect.Inapplicable)
}

// seenToKill returns how much was seen of what makes a process one that cannot be killed.
func seenToKill(o host) inspect.Seen {
	return leastSeen(o, inspect.PIDStatus, inspect.PIDStat, inspect.PIDOomScoreAdj)
}

// seenToScore returns how much was seen of what the highest scores are found by.
func seenToScore(o host) inspect.Seen { return leastSeen(o, inspect.PIDStat, inspect.PIDOomScore) }

// leastSeen returns how much was seen of that source of processes of which least was.
func leastSeen(o host, sources ...inspect.Source) (least inspect.Seen) {
	for _, src := range sources {
		if seen := o.SeenOf(src); !seen.Whole() && (least.Whole() || seen.Seen < least.Seen) {
			least = seen
		}
	}
	return least
}

// unranked is why nothing tells apart those that share the first place: what their points are
// parts of, or what they are made of, can't be read.
func unranked(o host) inspect.Reason {
	if o.Procs.Host.OOM.Domain == 0 {
		return o.Procs.Host.OOM.Why
	}
	for i := range o.Procs.Rows {
		if r := o.Procs.At(i); Killable(r) && r.Missing(inspect.PIDStatus) != inspect.Present {
			return r.Missing(inspect.PIDStatus)
		}
	}
	return o.Mem.Host.Unshown()
}

func readNext(o host) string {
	p := o.First
	r := explainRow(o, p)
	n, ok := Points(r)
	if !ok {
		return fmt.Sprintf("%s: oom_score %d. Its points cannot be computed here.", p.Comm, p.OomScore)
	}
	s := fmt.Sprintf("%s: %s points, oom_score %d.", p.Comm, units.Number(n), p.OomScore)
	if o.Second == nil {
		return s
	}
	if m, ok := Points(explainRow(o, o.Second)); ok {
		s += fmt.Sprintf(" Next is %s (%d), %s points behind.", o.Second.Comm, o.Second.PID, units.Number(n-m))
	}
	return s
}

// explainRow makes a row of a process of the scan.
func explainRow(o host, p *procfacts.Process) row { return row{Host: &o.Procs.Host, P: p} }

// agreement counts the highest scores that are computed exactly, those that
// were computed, and those where only one of the RSS counts gives the figure.
func agreement(o host) (exact, of int, by map[string]int) {
	by = map[string]int{}
	for _, i := range o.Highest {
		r := o.Procs.At(int(i))
		if _, file, ok := recompute(r); ok && !spared(r) && immortal(r) == "" && r.Missing(inspect.PIDOomScore) == inspect.Present {
			of++
			if file != "" {
				exact++
				by[file]++
			}
		}
	}
	return exact, of, by
}

func readAgreement(o host) string {
	exact, of, by := agreement(o)
	formula := "(1000 + points·1000/total)·2/3, the scale since 5.9"
	if !o.Procs.Host.OOM.Since59 {
		formula = "points·1000/total, the scale before 5.9"
	}
	formula += assumption(&o.Procs.Host.OOM)
	s := fmt.Sprintf("Of the %d highest, computed as %s.", of, formula)
	switch {
	case of == 0 && o.Procs.Host.OOM.Host == 0:
		return "Without the host's RAM and swap no score can be computed. Scores are " + formula + "."
	case of == 0:
		return "The parts of the highest scores could not be read. Scores are " + formula + "."
	case by[fromStatus] > 0:
		s += fmt.Sprintf(" For %d only the RSS of status gives the kernel's figure.", by[fromStatus])
	case by[fromStat] > 0:
		s += fmt.Sprintf(" For %d only the RSS of stat does: this kernel's OOM code uses the same quick sum.", by[fromStat])
	}
	if exact < of {
		s += " The others changed between two reads, or some of their pages are not added up yet."
	}
	return s
}

func idle(o host) int64 {
	var none parts
	scale := o.Procs.Host.OOM
	scale.Host = max(scale.Host, 1) // of nothing it is the same, whatever the host has
	return none.score(&scale)
}

func readIdle(o host) string {
	switch s := &o.Procs.Host.OOM; {
	case s.Assumed:
		return "On the scale of 5.9 and later" + assumption(s) + ". On the older one small processes have 0."
	case s.Since59:
		return "This is normal: on this scale an idle process has 666, with adj 1000 it has 1,333, and 2,000 is the maximum."
	}
	return "On this scale small processes have 0, and 1,000 is the maximum."
}

func readStep(o host) string {
	s := &o.Procs.Host.OOM
	if s.Domain != s.Host {
		return fmt.Sprintf("%s pages: what the cgroup may use, %s pages, in thousandths. On the whole host it is %s.",
			units.Number(s.Domain/1000), units.Number(s.Domain), units.Size(s.Host/1000*o.Mem.Host.PageSize))
	}
	return fmt.Sprintf("%s pages: RAM and swap, %s pages, in thousandths. In a cgroup it is a thousandth of what "+
		"that may use: its limit, and swap.",
		units.Number(s.Host/1000), units.Number(s.Host))
}

type tally struct {
	n    int
	what string
}

// tallies counts the processes that can't be killed, by reason.
func tallies(o host) (out []tally) {
	at := map[string]int{}
	for i := range o.Procs.Len() {
		r := o.Procs.At(i)
		s := immortal(r)
		if s == "" && spared(r) {
			s = "already reaped, or using its parent's memory after vfork"
		}
		if s == "" {
			continue
		}
		if _, ok := at[s]; !ok {
			at[s] = len(out)
			out = append(out, tally{what: s})
		}
		out[at[s]].n++
	}
	slices.SortStableFunc(out, func(a, b tally) int { return b.n - a.n })
	return out
}

func readUnkillable(o host) string {
	var words []string
	for _, c := range tallies(o) {
		words = append(words, fmt.Sprintf("%s: %s", c.what, units.Number(c.n)))
	}
	if len(words) == 0 {
		return "Every process can be killed: this /proc shows a container, whose PID 1 can be killed like any other."
	}
	return strings.ToUpper(words[0][:1]) + strings.Join(words, "; ")[1:] + "."
}

func policy() []field {
	number := func(src inspect.Source, d doc, read func(int64) string) field {
		d.Source, d.Unit, d.Concept = src, explain.Plain, "oom-policy"
		return field{Doc: d, Get: func(o host) value {
			if n, ok := o.Mem.Number(src); ok {
				return explain.I(n)
			}
			return value{}
		}, Reading: func(o host) string { n, _ := o.Mem.Number(src); return read(n) }}
	}
	return []field{
		number(inspect.VMPanicOnOOM, doc{
			Key: "panic_on_oom", Kernel: "panic_on_oom",
			Gist: "Whether the kernel panics instead of killing.",
		}, func(n int64) string {
			switch n {
			case 0:
				return "The kernel kills a process and goes on."
			case 1:
				return "The kernel panics when the whole host is out of memory, and still kills when only a cgroup, cpuset or memory policy is."
			}
			return "The kernel panics at any OOM, including that of a cgroup."
		}),
		number(inspect.VMOOMKillAllocatingTask, doc{
			Key: "oom_kill_allocating_task", Kernel: "oom_kill_allocating_task",
			Gist: "Whether the allocating process is killed instead of the largest.",
		}, func(n int64) string {
			if n == 0 {
				return "The process with the most points is killed, not the allocating one."
			}
			return "In a global OOM the allocating process is killed: the ranking does not decide. In a cgroup it does."
		}),
		number(inspect.VMOOMDumpTasks, doc{
			Key: "oom_dump_tasks", Kernel: "oom_dump_tasks",
			Gist: "Whether the report in the kernel log has the table of processes.",
		}, func(n int64) string {
			if n == 0 {
				return "No: a report won't show why this victim was chosen."
			}
			return "Yes: `kwhy oom log` can rank the processes afterwards."
		}),
		{Doc: doc{
			Key: "userspace_killers", Label: "userspace OOM killers",
			Source: inspect.PIDStat, Also: also(inspect.PIDCmdline),
			Gist:    "Programs that kill processes before the kernel runs out of memory.",
			Concept: "oom-policy",
		}, Get: func(o host) value {
			if !o.Known {
				return explain.None(inspect.Unread)
			}
			list := make([]value, len(o.Killers))
			for i, k := range o.Killers {
				list[i] = explain.S(k)
			}
			return explain.L(list)
		}, Reading: func(o host) string {
			if len(o.Killers) == 0 {
				return "No systemd-oomd, earlyoom, oomd, nohang, bustd or lmkd runs."
			}
			return "It acts first and by its own rules: its kills are in its own log, not in the kernel's."
		}},
	}
}

// killers are the names of user-space OOM killers.
func killers() []string {
	return []string{"systemd-oomd", "earlyoom", "oomd", "nohang", "bustd", "lmkd"}
}

// Killers returns the user-space killers among the processes, each once. One that
// is a script has the name of its interpreter: nohang is python3.
func Killers(ps *procfacts.Processes) (out []string) {
	var scripts []int32
	for i := range ps.Rows {
		if strings.HasPrefix(ps.Rows[i].Comm, "python") {
			scripts = append(scripts, int32(i))
		}
	}
	ps.Fill(scripts, inspect.Of(inspect.PIDCmdline))
	for i := range ps.Rows {
		name := ps.Rows[i].Comm
		if strings.HasPrefix(name, "python") {
			name = script(ps.Rows[i].Cmdline)
		}
		if slices.Contains(killers(), name) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// script returns the base name of what an interpreter runs: the first argument
// that is no option.
func script(command string) string {
	for i, word := range strings.Fields(command) {
		if i > 0 && !strings.HasPrefix(word, "-") {
			return path.Base(word)
		}
	}
	return ""
}

func groups() []field {
	lean := also(inspect.SelfMountinfo)
	return []field{
		{Doc: doc{
			Key: "limited_cgroups", Label: "limited cgroups", Unit: explain.Count,
			Source: inspect.CgroupMemory, Also: lean,
			Gist:    "Memory cgroups that have a hard limit, as far as visible from here.",
			Concept: "memory-cgroup",
		}, Get: func(o host) value {
			if o.Got != inspect.Present {
				return explain.None(o.Got)
			}
			return explain.I(len(o.Groups))
		}, Over: func(o host) inspect.Seen { return o.Walked }, Reading: func(o host) string {
			switch {
			case len(o.Groups) > 0 || !o.Walked.Whole():
			case o.Mem.Host.Live:
				return "No cgroup has one: a kill would be global."
			default: // which need not have all that there were
				return "No cgroup in this copy has one."
			}
			return "When the limit of one of them is hit, a process in it is killed, however much the host has free: " +
				"but where its killer is disabled."
		}},
	}
}

func hostRules() []rule {
	return []rule{{
		ID: "oom.panics", What: "vm.panic_on_oom", Unit: explain.Count,
		Means: "With 1 the kernel panics when the whole host is out of memory, with 2 also when a cgroup, " +
			"cpuset or policy is; kernel.panic says whether it then reboots.",
		Evidence: []string{"panic_on_oom"}, Concept: "oom-policy", Next: "kwhy explain oom-policy",
		Of: func(o host) value {
			if n, ok := o.Mem.Number(inspect.VMPanicOnOOM); ok {
				return explain.I(n)
			}
			return value{}
		}, At: explain.At{Notice: 1},
		Say: func(host) string {
			return "the kernel panics when the host runs out of memory, instead of killing a process"
		},
	}}
}
