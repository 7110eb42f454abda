package check

import (
	"time"

	"kwhy/explain/fd"
	"kwhy/explain/lower"
	"kwhy/explain/mem"
	"kwhy/explain/net"
	"kwhy/explain/oom"
	"kwhy/explain/proc"
	"kwhy/explain/sched"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	fdfacts "kwhy/inspect/fd"
	memfacts "kwhy/inspect/mem"
	netfacts "kwhy/inspect/net"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
	schedfacts "kwhy/inspect/sched"
)

// Facts are what the rules are held against: a snapshot of each domain that is
// wanted, all of one moment and of the same processes.
type Facts struct {
	Host  *inspect.Host
	At    time.Time
	Over  time.Duration // the interval; 0 without one
	Procs *procfacts.Processes
	Mem   *memfacts.Snapshot
	OOM   *oomfacts.Snapshot
	List  *procfacts.Snapshot
	Pids  *cgroupfacts.PidsList
	Kills oom.Recent // those that the kernel's log still has
	Sched *schedfacts.Snapshot
	FD    *fdfacts.Snapshot
	Net   *netfacts.Snapshot

	walk   *netfacts.FDWalk
	log    inspect.Reason   // why the kernel's log gave nothing
	failed map[string]error // by domain: nothing of it could be read
}

// Take collects the facts of the domains that are wanted, none meaning all; was are
// those of an interval ago, nil without one. It fails only where no process can be
// listed; a domain of which nothing can be read is told as such.
func Take(h *inspect.Host, only []string, was *Facts) (*Facts, error) {
	f := &Facts{Host: h, failed: map[string]error{}}
	var before *procfacts.Processes
	if was != nil {
		before = was.Procs
	}
	var err error
	// status says whose a process is, and how often it gave up its CPU
	if f.Procs, err = proc.Scan(h, inspect.Of(inspect.PIDStatus), before); err != nil {
		return nil, err
	}
	if f.At = f.Procs.Host.At; was != nil {
		f.Over = f.At.Sub(was.At)
	}
	for _, d := range Wanted(only) {
		if err := d.take(f); err != nil {
			f.failed[d.Name] = err
			continue
		}
		if was != nil && was.failed[d.Name] == nil {
			d.since(f, was)
		}
	}
	return f, nil
}

// Alone takes from the facts those that they were paired with, and returns them: who
// compares the next with them, and so on, does not keep all that ever were.
func (f *Facts) Alone() *Facts {
	f.Procs.Alone()
	if f.Mem != nil {
		f.Mem.Was = nil
	}
	if f.OOM != nil {
		f.OOM.Was, f.OOM.Mem.Was = nil, nil
	}
	if f.List != nil {
		f.List.Was = nil
	}
	if f.Sched != nil {
		f.Sched.Was = nil
	}
	if f.FD != nil {
		f.FD.Was = nil
	}
	if f.Net != nil {
		f.Net.Was = nil
		if f.Net.Listed != nil {
			f.Net.Listed.Was = nil
		}
	}
	return f
}

func takeMem(f *Facts) (err error) {
	card, zones, groups := mem.Host(), mem.Zones(), mem.Cgroups()
	free := inspect.Of(inspect.Buddyinfo) // how scattered it is, which mem.fragmented says with what it finds
	f.Mem, err = memfacts.Take(f.Host, lower.JudgesCard(&card).Plus(lower.JudgesTable(zones)).Plus(lower.JudgesTable(groups)).Plus(mem.HealthNeeds()).Plus(free))
	return err
}

func takeOOM(f *Facts) (err error) {
	card := oom.Host()
	f.OOM, _, err = oom.Take(f.Host, oom.Options{Mem: lower.JudgesCard(&card), Procs: f.Procs, Limit: 2, Groups: true})
	f.Kills, f.log = oom.Ring(f.Host, f.Procs.Host.At)
	return err
}

func takeList(f *Facts) (err error) {
	var stuck []int32
	for i := range f.Procs.Rows {
		if f.Procs.Rows[i].State == 'D' {
			stuck = append(stuck, int32(i))
		}
	}
	rows := proc.Processes()
	f.Procs.Fill(stuck, lower.JudgesTable(rows).Plus(inspect.Of(inspect.PIDWchan, inspect.PIDSyscall)))
	f.Pids = cgroupfacts.TakePids(f.Host)
	f.List, err = procfacts.Take(f.Host, f.Procs, nil)
	return err
}

func takeSched(f *Facts) (err error) {
	card := sched.Host()
	want := lower.JudgesCard(&card).Plus(inspect.Of(inspect.CgroupCPU, inspect.ProcStat, inspect.Loadavg, inspect.SchedGetattr, inspect.SchedRTRuntime, inspect.SchedRTPeriod, inspect.SchedDebug))
	f.Sched, err = schedfacts.Take(f.Host, f.Procs, nil, want)
	return err
}

func takeFD(f *Facts) (err error) {
	card := fd.Host()
	f.FD, err = fd.Complete(f.Host, func() *procfacts.FDScan { return f.walked().Scan }, lower.JudgesCard(&card))
	return err
}

func takeNet(f *Facts) (err error) {
	card, links, queues, cpus := net.Host(), net.Interfaces(), net.Qdiscs(), net.SoftnetCPUs()
	want := lower.JudgesCard(&card).Plus(lower.JudgesTable(links)).Plus(lower.JudgesTable(queues)).Plus(lower.JudgesTable(cpus))
	f.Net, err = netfacts.TakeWith(f.Host, netfacts.OwnNamespace(f.Host), net.Whole(want.Plus(inspect.Of(inspect.NetSockets))), f.walked())
	return err
}

// walked is the walk over all descriptors, which two domains need.
func (f *Facts) walked() *netfacts.FDWalk {
	if f.walk == nil {
		f.walk = netfacts.WalkFDs(f.Host, f.Procs)
	}
	return f.walk
}

// gaps are what could not be seen of all that was looked at, each source once.
func (f *Facts) gaps() (out []inspect.Gap) {
	seen := map[inspect.Gap]bool{}
	add := func(list []inspect.Gap) {
		for _, g := range list {
			if !seen[g] {
				seen[g] = true
				out = append(out, g)
			}
		}
	}
	if f.Mem != nil {
		add(f.Mem.Gaps())
	}
	if f.log.IsGap() {
		add([]inspect.Gap{{Source: inspect.KernelLog, Reason: f.log, Count: 1, Of: 1}})
	}
	if f.Sched != nil {
		add(f.Sched.Gaps())
	}
	if f.FD != nil {
		add(f.FD.Gaps())
	}
	if f.Net != nil {
		add(f.Net.Gaps())
	}
	return out
}
