package check

import (
	"slices"

	"kwhy/explain"
	"kwhy/explain/fd"
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
	judge  func(*Facts, explain.Limits) explain.Judgement
	health func(*Facts) explain.Health
}

// Domains returns all of them, in the order in which they are told.
func Domains() []Domain {
	return []Domain{
		{"mem", "memory", takeMem, func(now, was *Facts) { now.Mem.Was = was.Mem }, judgeMem, func(f *Facts) explain.Health { return mem.Health(f.Mem) }},
		{"oom", "OOM killer", takeOOM, func(now, was *Facts) { now.OOM.Was, now.OOM.Mem.Was = was.OOM, was.OOM.Mem }, judgeOOM, func(f *Facts) explain.Health { return oom.Health(f.OOM, f.Kills) }},
		{"proc", "processes", takeList, func(now, was *Facts) { now.List.Was = was.List }, judgeProc, func(f *Facts) explain.Health { return proc.Health(f.List) }},
		{"sched", "CPUs", takeSched, func(now, was *Facts) { now.Sched.Was = was.Sched }, judgeSched, func(f *Facts) explain.Health { return sched.Health(f.Sched) }},
		{"fd", "open files", takeFD, func(now, was *Facts) { now.FD.Was = was.FD }, judgeFD, func(f *Facts) explain.Health { return fd.Health(f.FD) }},
		{"net", "network", takeNet, sinceNet, judgeNet, func(f *Facts) explain.Health { return net.Health(f.Net) }},
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

func judgeMem(f *Facts, l explain.Limits) explain.Judgement {
	card := mem.Host()
	j := card.Judge(f.Mem, l)
	j = j.Plus(mem.Zones().Judge(card.Name, memfacts.Parts[memfacts.Zone]{Mem: f.Mem, List: mem.Populated(f.Mem)}, l))
	return j.Plus(mem.Cgroups().Judge(card.Name, memfacts.Parts[cgroupfacts.Memory]{Mem: f.Mem, List: f.Mem.Cgroups}, l))
}

func judgeOOM(f *Facts, l explain.Limits) explain.Judgement {
	card := oom.Host()
	j := card.Judge(f.OOM, l).Plus(oom.Cgroups().Judge(card.Name, oomfacts.Parts{OOM: f.OOM}, l))
	log := oom.Kills().Judge("oom log", f.Kills, l)
	for i := range log.Rules {
		if r := &log.Rules[i]; f.log.IsGap() && r.Outcome == explain.Idle {
			r.Outcome, r.Source, r.Reason = explain.Blind, inspect.KernelLog, f.log
		}
	}
	return j.Plus(log)
}

func judgeProc(f *Facts, l explain.Limits) explain.Judgement {
	card := proc.Host()
	table := proc.Processes()
	table.Rules = slices.DeleteFunc(table.Rules, func(r explain.Rule[procfacts.Row]) bool { return r.Evidence[0] == "fds" }) // fd counts them
	j := card.Judge(f.List, l).Plus(table.Judge(card.Name, f.Procs, l))
	return j.Plus(proc.PidsGroups().Judge(card.Name, f.Pids, l))
}

func judgeSched(f *Facts, l explain.Limits) explain.Judgement {
	card := sched.Host()
	j := card.Judge(f.Sched, l)
	j = j.Plus(sched.Blocked().Judge(card.Name, schedfacts.Parts[schedfacts.Task]{Sched: f.Sched, List: f.Sched.Blocked, Was: schedfacts.SameBlocked}, l))
	j = j.Plus(sched.Realtime().Judge(card.Name, schedfacts.Parts[schedfacts.Task]{Sched: f.Sched, List: f.Sched.Realtime, Was: schedfacts.SameRealtime}, l))
	return j.Plus(sched.Cgroups().Judge(card.Name, schedfacts.Parts[cgroupfacts.CPU]{Sched: f.Sched, List: f.Sched.Groups, Was: schedfacts.SameGroup}, l))
}

func judgeFD(f *Facts, l explain.Limits) explain.Judgement {
	card := fd.Host()
	return card.Judge(f.FD, l).Plus(fd.Processes().Judge(card.Name, f.FD, l))
}

func judgeNet(f *Facts, l explain.Limits) explain.Judgement {
	card := net.Host()
	j := card.Judge(f.Net, l)
	j = j.Plus(net.Interfaces().Judge(card.Name, net.InterfaceRows(f.Net), l))
	j = j.Plus(net.Qdiscs().Judge(card.Name, net.QdiscRows(f.Net), l))
	if f.Net.Listed == nil {
		return j // which the report tells
	}
	j = j.Plus(net.Use().Judge(card.Name, f.Net.Listed.Use(), l))
	j = j.Plus(net.Listeners().Judge(card.Name, f.Net.Listed.Only((*sockdiag.Socket).IsListener), l))
	return j.Plus(net.Sockets().Judge("net sockets", f.Net.Listed, l))
}

func sinceNet(now, was *Facts) {
	now.Net.Was = was.Net
	if now.Net.Listed != nil {
		now.Net.Listed.Was = was.Net.Listed
	}
}
