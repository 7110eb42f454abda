package check

import (
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
	cgroupfacts "kwhy/inspect/cgroup"
	memfacts "kwhy/inspect/mem"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
	schedfacts "kwhy/inspect/sched"
	"kwhy/inspect/sockdiag"
)

// Domain is a topic as check runs it: how its facts are taken and paired with those
// of an interval ago, its rules, and the words for how it stands.
type Domain struct {
	Name  string // the subcommand that tells more of it
	Title string

	take   func(*Facts) error
	since  func(now, was *Facts)
	judge  func(*Facts, explain.Limits) lower.Judgement
	health func(*Facts) lower.Health
}

// Domains returns all of them, in the order in which they are told.
func Domains() []Domain {
	return []Domain{
		{"mem", "memory", takeMem, func(now, was *Facts) { now.Mem.Was = was.Mem }, judgeMem, func(f *Facts) lower.Health { return mem.Health(f.Mem) }},
		{"oom", "OOM killer", takeOOM, func(now, was *Facts) { now.OOM.Was, now.OOM.Mem.Was = was.OOM, was.OOM.Mem }, judgeOOM, func(f *Facts) lower.Health { return oom.Health(f.OOM, f.Kills) }},
		{"proc", "processes", takeList, func(now, was *Facts) { now.List.Was = was.List }, judgeProc, func(f *Facts) lower.Health { return proc.Health(f.List) }},
		{"sched", "CPUs", takeSched, func(now, was *Facts) { now.Sched.Was = was.Sched }, judgeSched, func(f *Facts) lower.Health { return sched.Health(f.Sched) }},
		{"fd", "open files", takeFD, func(now, was *Facts) { now.FD.Was = was.FD }, judgeFD, func(f *Facts) lower.Health { return fd.Health(f.FD) }},
		{"net", "network", takeNet, sinceNet, judgeNet, func(f *Facts) lower.Health { return net.Health(f.Net) }},
	}
}

// Names returns the names of the domains.
func Names() (out []string) {
	for _, d := range Domains() {
		out = append(out, d.Name)
	}
	return out
}

// Wanted returns the domains of those names; none means all.
func Wanted(only []string) []Domain {
	return slices.DeleteFunc(Domains(), func(d Domain) bool { return len(only) > 0 && !slices.Contains(only, d.Name) })
}

func judgeMem(f *Facts, l explain.Limits) lower.Judgement {
	card := mem.Host()
	j := lower.JudgeCard(&card, f.Mem, l)
	j = j.Plus(lower.JudgeTable(mem.Zones(), card.Name, memfacts.Parts[memfacts.Zone]{Mem: f.Mem, List: mem.Populated(f.Mem)}, l))
	return j.Plus(lower.JudgeTable(mem.Cgroups(), card.Name, memfacts.Parts[cgroupfacts.Memory]{Mem: f.Mem, List: f.Mem.Cgroups}, l))
}

func judgeOOM(f *Facts, l explain.Limits) lower.Judgement {
	card := oom.Host()
	j := lower.JudgeCard(&card, f.OOM, l).Plus(lower.JudgeTable(oom.Cgroups(), card.Name, oomfacts.Parts{OOM: f.OOM}, l))
	log := lower.JudgeTable(oom.Kills(), "oom log", f.Kills, l)
	for i := range log.Rules {
		if r := &log.Rules[i]; f.log.IsGap() && r.Outcome == lower.Idle {
			r.Outcome, r.Source, r.Reason = lower.Blind, inspect.KernelLog, f.log
		}
	}
	return j.Plus(log)
}

func judgeProc(f *Facts, l explain.Limits) lower.Judgement {
	card := proc.Host()
	table := proc.Processes()
	table.Rules = slices.DeleteFunc(table.Rules, func(r explain.Rule[procfacts.Row]) bool { return r.Evidence[0] == "fds" }) // fd counts them
	j := lower.JudgeCard(&card, f.List, l).Plus(lower.JudgeTable(table, card.Name, f.Procs, l))
	return j.Plus(lower.JudgeTable(proc.PidsGroups(), card.Name, f.Pids, l))
}

func judgeSched(f *Facts, l explain.Limits) lower.Judgement {
	card := sched.Host()
	j := lower.JudgeCard(&card, f.Sched, l)
	j = j.Plus(lower.JudgeTable(sched.Blocked(), card.Name, schedfacts.Parts[schedfacts.Task]{Sched: f.Sched, List: f.Sched.Blocked, Was: schedfacts.SameBlocked}, l))
	j = j.Plus(lower.JudgeTable(sched.Realtime(), card.Name, schedfacts.Parts[schedfacts.Task]{Sched: f.Sched, List: f.Sched.Realtime, Was: schedfacts.SameRealtime}, l))
	return j.Plus(lower.JudgeTable(sched.Cgroups(), card.Name, schedfacts.Parts[cgroupfacts.CPU]{Sched: f.Sched, List: f.Sched.Groups, Was: schedfacts.SameGroup}, l))
}

func judgeFD(f *Facts, l explain.Limits) lower.Judgement {
	card := fd.Host()
	return lower.JudgeCard(&card, f.FD, l).Plus(lower.JudgeTable(fd.Processes(), card.Name, f.FD, l))
}

func judgeNet(f *Facts, l explain.Limits) lower.Judgement {
	card := net.Host()
	j := lower.JudgeCard(&card, f.Net, l)
	j = j.Plus(lower.JudgeTable(net.Interfaces(), card.Name, net.InterfaceRows(f.Net), l))
	j = j.Plus(lower.JudgeTable(net.Qdiscs(), card.Name, net.QdiscRows(f.Net), l))
	if f.Net.Listed == nil {
		return j // which the report tells
	}
	j = j.Plus(lower.JudgeTable(net.Use(), card.Name, f.Net.Listed.Use(), l))
	j = j.Plus(lower.JudgeTable(net.Listeners(), card.Name, f.Net.Listed.Only((*sockdiag.Socket).IsListener), l))
	return j.Plus(lower.JudgeTable(net.Sockets(), "net sockets", f.Net.Listed, l))
}

func sinceNet(now, was *Facts) {
	now.Net.Was = was.Net
	if now.Net.Listed != nil {
		now.Net.Listed.Was = was.Net.Listed
	}
}
