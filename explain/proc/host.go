package proc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

type (
	list  = *procfacts.Snapshot
	field = explain.Field[*procfacts.Snapshot]
)

// Host sums up the processes of a host.
func Host() explain.Card[*procfacts.Snapshot] {
	return explain.Card[*procfacts.Snapshot]{Name: "proc", Sections: []explain.Section[*procfacts.Snapshot]{
		{Title: "Summary", Fields: summary()},
		{Title: "Tasks of users", Table: "users"},
		{Title: "Cgroups with pids.max", Table: "pids_cgroups"},
		{Title: "Processes", Table: "processes"},
		{Title: "Threads", Table: "threads"},
	}, Rules: rules()}
}

func summary() []field {
	counted := func(d doc, get func(list) value, read func(list) string) field {
		d.Unit = explain.Count
		if d.Source == inspect.None {
			d.Source = inspect.PIDStat
		}
		return field{Doc: d, Get: get, Reading: read}
	}
	stat := func(key, label, gist string, concept explain.Concept, counter bool, read func(list) string) field {
		return counted(doc{
			Key: key, Kernel: key, Label: label, Counter: counter,
			Source:  inspect.ProcStat,
			Gist:    gist,
			Concept: concept,
		}, func(l list) value { return explain.Look(l.Stat, key) }, read)
	}
	return []field{
		counted(doc{
			Key: "user_processes", Label: "processes",
			Also:    []inspect.Source{inspect.PIDEntry},
			Gist:    "Processes that run programs, without kernel threads.",
			Concept: "process",
		}, func(l list) value { n, _ := split(l); return explain.I(n) }, readStates),
		counted(doc{
			Key: "kernel_threads", Label: "kernel threads",
			Gist:    "Threads of the kernel itself, without a program or memory of their own.",
			Concept: "kernel-thread",
		}, func(l list) value { _, n := split(l); return explain.I(n) }, nil),
		counted(doc{
			Key: "tasks", Label: "all threads",
			Source: inspect.Loadavg, Also: []inspect.Source{inspect.KernelThreadsMax, inspect.KernelPIDMax},
			Gist:    "All threads of the host, kernel threads included.",
			Concept: "threads",
		}, func(l list) value { return explain.Opt(l.Tasks) }, readTasks),
		stat("procs_running", "", "Runnable threads, on a CPU or waiting for one, including the reader's.", "run-queue", false, readRunning),
		stat("procs_blocked", "", "Threads blocked until their I/O completes.", "process-state", false, nil),
		stat("processes", "forks", "Processes and threads started since boot.", "fork-and-exec", true, readForks),
		counted(doc{
			Key:     "zombies",
			Gist:    "Processes that ended, but whose parent has not waited for them.",
			Concept: "zombie",
		}, func(l list) value { return explain.I(len(zombies(l))) }, readZombies),
		limit("pid_max", "PIDs are below this number; each thread needs one.", inspect.KernelPIDMax),
		limit("threads-max", "The maximum number of threads on the whole host.", inspect.KernelThreadsMax),
	}
}

func limit(name, gist string, src inspect.Source) field {
	return field{Doc: doc{
		Key: strings.ReplaceAll(name, "-", "_"), Kernel: name, Label: "kernel." + name, Unit: explain.Count,
		Source: src, Also: []inspect.Source{inspect.Loadavg},
		Gist:    gist,
		Concept: "process",
	}, Get: func(l list) value {
		if n, ok := l.Settings.Number(src); ok {
			return explain.I(n)
		}
		return value{}
	}, Reading: func(l list) string {
		n, _ := l.Settings.Number(src)
		tasks := inUse(l, src)
		switch {
		case tasks == inspect.Unset || n <= 0:
			return ""
		case src == inspect.KernelPIDMax && l.Procs.Host.OwnPIDMax():
			return units.Percent(int64(tasks), n) + " of them in use: this is the limit of a PID namespace below the host's. " +
				"Those of the namespaces above it apply too, and are not visible from here."
		}
		return units.Percent(int64(tasks), n) + " of them in use."
	}}
}

// inUse is how many tasks count for a sysctl's limit: those of the whole
// host, or of the PID namespace that has its own pid_max.
func inUse(l list, src inspect.Source) inspect.Num {
	if h := &l.Procs.Host; src == inspect.KernelPIDMax && h.OwnPIDMax() {
		if h.Hidden {
			return inspect.Unset
		}
		return inspect.Num(l.Procs.Tasks())
	}
	return l.Tasks
}

// split counts processes and kernel threads: of those that show which they are.
func split(l list) (users, kernel int) {
	for i := range l.Procs.Rows {
		switch p := &l.Procs.Rows[i]; {
		case isProcess(p):
			users++
		case p.Why(inspect.PIDStat) == inspect.Present && p.Kthread():
			kernel++
		}
	}
	return users, kernel
}

// isProcess reports whether p shows that it is a process and no kernel thread; of a table of
// threads the main ones are.
func isProcess(p *procfacts.Process) bool {
	shown := p.Why(inspect.PIDStat) == inspect.Present && !p.Spoilt(procfacts.StatFields(9))
	return shown && !p.Kthread() && (p.TGID == 0 || p.TGID == p.PID)
}

func readStates(l list) string {
	const mainEnded = 'm' // no letter of the kernel's
	names := map[byte]string{
		'R': "running or ready", 'S': "sleeping", 'D': "in uninterruptible sleep", 'T': "stopped",
		't': "traced", 'Z': "zombie", 'I': "idle", 'X': "ending", 'P': "parked",
		mainEnded: "whose main thread has ended",
	}
	count := map[byte]int{}
	for i := range l.Procs.Rows {
		if p := &l.Procs.Rows[i]; isProcess(p) {
			if p.MainEnded() {
				count[mainEnded]++
				continue
			}
			count[p.State]++
		}
	}
	var words []string
	for _, s := range []byte("RDSTtZIPXm") {
		if count[s] > 0 {
			words = append(words, units.Number(count[s])+" "+names[s])
		}
	}
	return strings.Join(words, ", ") + "."
}

func readTasks(l list) string {
	pid, ok1 := l.Settings.Number(inspect.KernelPIDMax)
	max, ok2 := l.Settings.Number(inspect.KernelThreadsMax)
	switch {
	case !ok1 || !ok2:
		return ""
	case l.Procs.Host.OwnPIDMax():
		return fmt.Sprintf("%s of threads-max, on the whole host.", units.Percent(int64(l.Tasks), max))
	}
	name, least := "pid_max", pid
	if max < pid {
		name, least = "threads-max", max
	}
	return fmt.Sprintf("%s of %s, the lower of the two limits below.", units.Percent(int64(l.Tasks), least), name)
}

func readRunning(l list) string {
	n, cpus := l.Stat["procs_running"], uint64(l.Settings.Host.CPUs)
	if cpus == 0 {
		return ""
	}
	if n > cpus {
		waiting := units.Plural(n-cpus, "thread waits for a CPU", "threads wait for a CPU")
		return fmt.Sprintf("On %s: %s.", units.Plural(cpus, "CPU", "CPUs"), waiting)
	}
	reader := "kwhy"
	if !l.Settings.Host.Live {
		reader = "the one that made the copy"
	}
	return fmt.Sprintf("On %s, including %s: no thread waits for a CPU.", units.Plural(cpus, "CPU", "CPUs"), reader)
}

func zombies(l list) (out []*procfacts.Process) {
	for i := range l.Procs.Rows {
		if p := &l.Procs.Rows[i]; p.Zombie() && p.Told(procfacts.StatFields(3)) == inspect.Present {
			out = append(out, p)
		}
	}
	return out
}

func readZombies(l list) string {
	if len(zombies(l)) == 0 {
		return "None."
	}
	return parentsOf(l) + ". Only the parent can clean up, after the tracer of one that is traced: it has to wait for them, or end."
}

// parentsOf lists the parents of the zombies, those with the most first.
func parentsOf(l list) string {
	by := map[int32]int{}
	for _, z := range zombies(l) {
		by[z.PPID]++
	}
	parents := make([]int32, 0, len(by))
	for pid := range by {
		parents = append(parents, pid)
	}
	slices.SortFunc(parents, func(a, b int32) int { return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b)) })
	var words []string
	for _, pid := range parents[:min(len(parents), 5)] {
		name := "a parent outside this /proc"
		if i, ok := l.Procs.Row(pid); ok {
			name = l.Procs.Rows[i].Comm
		}
		words = append(words, fmt.Sprintf("%s of %s (%d)", units.Number(by[pid]), name, pid))
	}
	s := strings.Join(words, ", ")
	if n := len(parents) - 5; n > 0 {
		s += fmt.Sprintf(", and of %s more", units.Plural(n, "parent", "parents"))
	}
	return s
}

func rules() []explain.Rule[*procfacts.Snapshot] {
	share := func(l list, src inspect.Source) value {
		n, ok := l.Settings.Number(src)
		tasks := inUse(l, src)
		if !ok || n <= 0 || tasks == inspect.Unset {
			return value{}
		}
		return explain.F(float64(tasks) / float64(n))
	}
	near := func(id, key, name, means string, src inspect.Source) explain.Rule[*procfacts.Snapshot] {
		return explain.Rule[*procfacts.Snapshot]{ID: id, What: "threads / kernel." +
			name, Unit: explain.Ratio, Means: means, Evidence: []string{key, "tasks"}, Concept: "process",
			Next: "kwhy proc --sort threads --limit 0",
			Of:   func(l list) value { return share(l, src) }, At: explain.At{Notice: 0.60, Warning: 0.80, Critical: 0.95},
			Say: func(l list) string {
				return fmt.Sprintf("%s of kernel.%s is in use: at the limit fork fails", units.AppendPercent(nil, share(l, src).Float()), name)
			}}
	}
	return []explain.Rule[*procfacts.Snapshot]{
		near("proc.pids_near_limit", "pid_max", "pid_max", "Each thread needs a PID below pid_max: "+
			"when all are used, fork and clone fail with EAGAIN.", inspect.KernelPIDMax),
		near("proc.threads_near_limit", "threads_max", "threads-max", "At the limit fork and clone fail with EAGAIN, for root too.",
			inspect.KernelThreadsMax),
		{ID: "proc.zombies", What: "processes in Z", Unit: explain.Count,
			Means: "They have no memory and no files left, only a PID and an exit status. " +
				"Their parent has to call wait(), after the tracer of one that is traced; if it ends, init or a subreaper does.",
			Evidence: []string{"zombies"}, Concept: "zombie", Next: "kwhy proc --state Z",
			Of: func(l list) value { return explain.I(len(zombies(l))) }, At: explain.At{Notice: 20, Warning: 1000},
			Say: func(l list) string {
				return units.Plural(len(zombies(l)), "process has", "processes have") + " ended without being waited for: " + parentsOf(l)
			}},
	}
}
