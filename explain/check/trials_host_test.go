package check_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"kwhy/explain/check"
	"kwhy/explain/oom"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
)

const (
	killer = "debian-7.3-oom"
	batch  = "sys/fs/cgroup/batch/"
)

// killed is that the kernel wrote of a kill so long before the report. A copy of /proc
// has no kernel log.
func killed(ago time.Duration) edit {
	return facts(func(now, _ *check.Facts) {
		boot := now.At.Add(-48 * time.Hour)
		text := fmt.Sprintf(
			"6,1,%d,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),"+
				"cpuset=/,mems_allowed=0,oom_memcg=/batch,task_memcg=/batch,task=hog,pid=77,uid=0\n"+
				"3,2,%[1]d,-;Memory cgroup out of memory: Killed process 77 (hog) total-vm:70000kB, anon-rss:65000kB, file-rss:0kB, "+
				"shmem-rss:0kB, UID:0 pgtables:180kB oom_score_adj:0\n",
			(48*time.Hour - ago).Microseconds(),
		)
		by := oom.Examiner{Boot: boot, Now: now.At}
		var kills oom.Recent
		if _, err := by.Walk(strings.NewReader(text), func(k *oom.Kill) bool { kills = append(kills, k); return true }); err != nil {
			panic(err)
		}
		of[*oomfacts.Snapshot](now).Kills = kills
	})
}

// underOOM is what memory.oom_control of version 1 says of /batch.
func underOOM(n uint64) edit {
	return facts(func(now, _ *check.Facts) {
		for i := range of[*oomfacts.Snapshot](now).Groups {
			if g := &of[*oomfacts.Snapshot](now).Groups[i]; g.Path == "/batch" {
				g.Events = inspect.Counters{"oom_kill_disable": 1, "under_oom": n}
			}
		}
	})
}

func oomTrials() []trial {
	return []trial{{
		rule: "oom.panics", host: killer, fires: []rung{
			notice("the kernel panics when the host runs out of memory", file("proc/sys/vm/panic_on_oom", "1\n")),
			notice("the kernel panics", file("proc/sys/vm/panic_on_oom", "2\n")),
		}, well: edits{file("proc/sys/vm/panic_on_oom", "0\n")},
	}, {
		rule: "oom.killed_lately", host: killer, fires: []rung{
			warning("the OOM killer killed hog (77) 5m0s ago, at the limit of cgroup /batch", killed(5*time.Minute)),
			notice("the OOM killer killed hog (77) 23h0m0s ago", killed(23*time.Hour)),
		}, well: edits{killed(24 * time.Hour)},
	}, {
		rule: "oom.cgroup_near_limit", host: killer, fires: []rung{
			notice("cgroup /batch uses 84 % of its limit for memory that cannot be reclaimed: ", group(batch, 85)),
			warning("cgroup /batch uses 94 %", group(batch, 95)),
			critical("cgroup /batch uses 98 %", group(batch, 99)),
		}, well: edits{group(batch, 80)},
	}, {
		rule: "oom.cgroup_stuck", host: killer,
		fires: []rung{critical("tasks of cgroup /batch wait for memory, and none is killed", underOOM(1))},
		well:  edits{underOOM(0)},
	}}
}

const files = "linux-6.18-files"

// threads is how many the host has, by loadavg.
func threads(n int) edit {
	return file("proc/loadavg", fmt.Sprintf("0.10 0.10 0.10 1/%d 22717\n", n))
}

func sysctl(name string, n int) edit { return file("proc/sys/"+name, fmt.Sprint(n, "\n")) }

// dead are so many children of app (22650) that have ended.
func dead(n int) edit {
	return func(p *pair) {
		for i := range n {
			pid := 90000 + i
			file(
				fmt.Sprintf("proc/%d/stat", pid),
				fmt.Sprintf(
					"%d (child) Z 22650 22602 23332 0 -1 4227084 0 0 0 0 0 0 0 0 20 0 1 0 700000 0 0 18446744073709551615%s\n",
					pid,
					strings.Repeat(" 0", 27),
				),
			)(
				p,
			)
			file(
				fmt.Sprintf("proc/%d/status", pid),
				fmt.Sprintf(
					"Name:\tchild\nState:\tZ (zombie)\nTgid:\t%d\nPid:\t%[1]d\nPPid:\t22650\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nThreads:\t1\n",
					pid,
				),
			)(
				p,
			)
		}
	}
}

func pids(limit string, used int) edit {
	return some(file(batch+"pids.max", limit+"\n"), file(batch+"pids.current", fmt.Sprint(used, "\n")), file(batch+"pids.events", "max 7\n"))
}

// asleep puts throttled (152) into uninterruptible sleep. It had given up its CPU 40
// times at first, and now times then.
func asleep(now int, where string) edit { return inD("152", now, where) }

func inD(pid string, now int, where string) edit {
	n, _ := strconv.Atoi(pid)
	return some(stat(n, 3, "D", "D"),
		func(p *pair) {
			for h, n := range map[*tree]int{p.was: 40, p.now: now} {
				text := setLine(h.get(p.t, "proc/"+pid+"/status"), "State:", "D (disk sleep)")
				h.put(p.t, "proc/"+pid+"/status", setLine(text, "voluntary_ctxt_switches:", fmt.Sprint(n)))
			}
		}, file("proc/"+pid+"/wchan", where), file("proc/"+pid+"/syscall", "0 0x3 0x7f0000000000 0x1000 0x0 0x0 0x0 0x7ffe00000000 0x401000\n"))
}

// calm is that a process did not run in the interval.
func calm() edit { return some(stat(152, 14, "9", "9"), stat(152, 15, "9", "9")) }

// jobOf makes a process a job of another, which is the shell of a terminal.
func jobOf(shell, pid int) edit {
	both := func(pid, field, value int) edit { return stat(pid, field, fmt.Sprint(value), fmt.Sprint(value)) }
	const tty = 34816 // pts/0
	return some(both(shell, 5, shell), both(shell, 6, shell), both(shell, 7, tty),
		both(pid, 4, shell), both(pid, 5, pid), both(pid, 6, shell), both(pid, 7, tty))
}

// uid makes a process a user's, without capabilities.
func uid(pid, id int) edit {
	status := fmt.Sprintf("proc/%d/status", pid)
	return some(line(status, "Uid:", fmt.Sprintf("\t%d\t%[1]d\t%[1]d\t%[1]d", id)), line(status, "CapEff:", "0000000000000000"))
}

// tasksOf makes app (22650) a user's, with so many threads of those that its limit allows, and
// worker (22659) another's.
func tasksOf(n int, limit string) edit {
	return some(uid(22650, 1000), uid(22659, 1001), stat(22650, 20, fmt.Sprint(n), fmt.Sprint(n)),
		line("proc/22650/limits", "Max processes", limit+" "+limit+" processes"))
}

func procTrials() []trial {
	return []trial{{
		rule: "proc.pids_near_limit", host: files, fires: []rung{
			notice("75 % of kernel.pid_max is in use: at the limit fork fails", threads(300), sysctl("kernel/pid_max", 400)),
			warning("80 % of kernel.pid_max", threads(320), sysctl("kernel/pid_max", 400)),
			critical("95 % of kernel.pid_max", threads(380), sysctl("kernel/pid_max", 400)),
		}, well: edits{threads(239), sysctl("kernel/pid_max", 400)},
	}, {
		rule: "proc.threads_near_limit", host: files, fires: []rung{
			notice("75 % of kernel.threads-max is in use", threads(300), sysctl("kernel/threads-max", 400)),
			critical("95 % of kernel.threads-max", threads(380), sysctl("kernel/threads-max", 400)),
		}, well: edits{threads(239), sysctl("kernel/threads-max", 400)},
	}, {
		rule: "proc.zombies", host: files, fires: []rung{
			notice("20 processes have ended without being waited for: 20 of app (22650)", dead(20)),
			warning("1,000 processes have ended", dead(1000)),
		}, well: edits{dead(19)},
	}, {
		// It did not wake between: 2. It did: 1.
		rule: "proc.uninterruptible", host: sched, fires: []rung{
			warning("throttled (152) was in uninterruptible sleep over the whole interval", asleep(40, "folio_wait_bit_common"), sleepy()),
			notice("throttled (152) is in uninterruptible sleep", asleep(41, "rpc_wait_bit_killable"), sleepy()),
		}, well: edits{asleep(40, "__refrigerator")}, idle: "what is in D is either found or does not count: this is frozen",
	}, {
		// Its group has no parent in its session: none but SIGSTOP stops it, and no shell continues it.
		rule: "proc.stopped", host: sched, over: time.Minute, fires: []rung{
			warning("throttled (152) is stopped by SIGSTOP; SIGCONT continues it; no shell has it as a job", stat(152, 3, "T", "T"), calm(),
				stat(152, 5, "152", "152"), stat(152, 6, "152", "152")),
		}, well: edits{stat(152, 3, "T", "T"), stat(152, 14, "0", "1")}, idle: "it ran in between",
	}, {
		rule: "proc.stopped", host: sched, over: time.Minute, fires: []rung{
			notice("throttled (152) is stopped by its tracer task-1 (131)", stat(152, 3, "t", "t"), calm(),
				line("proc/152/status", "TracerPid:", "131")),
		}, well: edits{stat(152, 3, "T", "T"), calm(), jobOf(131, 152)}, idle: "a shell has it as a job",
	}, {
		rule: "proc.stopped", host: sched, over: time.Hour, fires: []rung{
			notice("throttled (152) is stopped by a signal; SIGCONT continues it, and so does fg in its shell, task-1 (131)",
				stat(152, 3, "T", "T"), calm(), jobOf(131, 152)),
		}, well: edits{stat(152, 3, "S", "S"), calm(), jobOf(131, 152)}, idle: "it sleeps",
	}, {
		// 22650 has the numbers of threads that the user has; 22659 is another's.
		rule: "proc.user_tasks_near", host: files, fires: []rung{
			notice("user 1000 has 80 tasks, and RLIMIT_NPROC of app (22650) allows it 100", tasksOf(80, "100")),
			warning("user 1000 has 90 tasks", tasksOf(90, "100")),
			critical("user 1000 has 100 tasks", tasksOf(100, "100")),
			noWorse("user 1000 has 101 tasks, and RLIMIT_NPROC of app (22650) allows it 100", tasksOf(101, "100")),
			critical("user 1000 has 16 tasks", tasksOf(16, "16")),
			noWorse("user 1000 has 10 tasks, and RLIMIT_NPROC of app (22650) allows it 10", tasksOf(10, "10")),
		}, well: edits{tasksOf(79, "100")},
	}, {
		// Both are of one user, and of sessions of their own: it is the lower limit.
		rule: "proc.user_tasks_near", host: files, fires: []rung{
			critical("user 1000 has 99 tasks, and RLIMIT_NPROC of worker (22659) allows it 100", tasksOf(98, "5000"), uid(22659, 1000),
				stat(22659, 6, "22659", "22659"), line("proc/22659/limits", "Max processes", "100 100 processes")),
		}, well: edits{tasksOf(98, "5000"), uid(22659, 1000)},
	}, {
		// A limit of 3 is a ban on children, root is exempt, and so is who may exceed limits.
		rule: "proc.user_tasks_near", host: files, fires: []rung{critical("user 1000 has 99 tasks", tasksOf(99, "100"))},
		well: edits{tasksOf(3, "3"), uid(22659, 0)}, idle: "no limit is left that holds",
	}, {
		rule: "proc.user_tasks_near", host: files, fires: []rung{critical("user 1000 has 99 tasks", tasksOf(99, "100"))},
		well: edits{tasksOf(99, "100"), line("proc/22650/status", "CapEff:", "0000000001000000"), uid(22659, 0)}, idle: "it is exempt",
	}, {
		rule: "proc.cgroup_pids_near", host: sched, fires: []rung{
			notice("cgroup /batch has 80 of its 100 threads; fork failed there 7 times", pids("100", 80)),
			warning("cgroup /batch has 90 of its 100 threads", pids("100", 90)),
			critical("cgroup /batch has 100 of its 100 threads", pids("100", 100)),
		}, well: edits{pids("100", 79)},
	}, {
		rule: "proc.cgroup_pids_near", host: sched, fires: []rung{critical("cgroup /batch has 1 of its 0 threads", pids("0", 1))},
		well: edits{pids("max", 5000)}, idle: "it has no bound",
	}, {
		// With nothing in it, it is closed and not full.
		rule: "proc.cgroup_pids_near", host: sched, fires: []rung{critical("cgroup /batch has 1 of its 1 thread;", pids("1", 1))},
		well: edits{pids("0", 0)},
	}}
}

const sched = "debian-7.3-sched"

func cpuPressure(percent float64) edit { return file("proc/pressure/cpu", psi(percent, 0, 0)) }

// sleepy switches off what reports threads in D in better words, so that proc's own
// words are heard.
func sleepy() edit {
	return func(p *pair) { p.without = "sched.stuck" }
}

// cpus is what /proc/stat says of all CPUs: how long they worked, stood idle, and were
// taken by the hypervisor, in ticks.
func cpus(work, idle, steal int) string {
	return fmt.Sprintf(
		"cpu  %d 0 0 %d 0 0 0 %d 0 0\ncpu0 %[1]d 0 0 %[2]d 0 0 0 %[3]d 0 0\nbtime 1795479250\nprocs_running 1\nprocs_blocked 0\n",
		work,
		idle,
		steal,
	)
}

func running(n int) edit { return line("proc/stat", "procs_running", fmt.Sprint(n)) }

// rt is task-3 (137), of SCHED_FIFO, with so many ticks of CPU time, first and then.
func rt(was, now int) edit { return stat(137, 14, fmt.Sprint(was), fmt.Sprint(now)) }

// unpressed switches off what says who had the CPUs besides, so that a rule on one process is heard.
func unpressed() edit {
	return func(p *pair) { p.without = "sched.cpu_pressure" }
}

// started is what /proc/stat says of the times of all CPUs in programs, in the kernel and without work, and of how
// many processes were started.
func started(user, system, idle, processes int) string {
	return fmt.Sprintf("cpu  %d 0 %d %d 0 0 0 0 0 0\ncpu0 %[1]d 0 %[2]d %[3]d 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\n"+
		"btime 1795479250\nprocesses %[4]d\nprocs_running 1\nprocs_blocked 0\n", user, system, idle, processes)
}

// bornOf is that a process has a child which it had not at first.
func bornOf(pid int) edit {
	return func(p *pair) {
		const text = "90001 (child) S %d 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 700000 0 0 18446744073709551615%s\n"
		p.now.put(p.t, "proc/90001/stat", fmt.Sprintf(text, pid, strings.Repeat(" 0", 27)))
	}
}

// renamed gives a process another name.
func renamed(pid int, comm string) edit {
	return both(fmt.Sprintf("proc/%d/stat", pid), func(text string) string {
		return text[:strings.Index(text, "(")+1] + comm + text[strings.LastIndex(text, ")"):]
	})
}

// runs is that threads get a CPU in the interval, if only once.
func runs(pids ...int) edit {
	return func(p *pair) {
		for _, pid := range pids {
			becomes(fmt.Sprintf("proc/%d/schedstat", pid), "1000 2000 5\n", "1500 2500 6\n")(p)
		}
	}
}

const server = "sys/kernel/debug/sched/fair_server/cpu0/"

// quota is how often /batch came to the end of its quota, first and then.
func quota(periods, throttled [2]uint64) edit {
	return some(
		grows(batch+"cpu.stat", "nr_periods", periods[0], periods[1]),
		grows(batch+"cpu.stat", "nr_throttled", throttled[0], throttled[1]),
	)
}

func schedTrials() []trial {
	return []trial{{
		rule: "sched.cpu_pressure", host: sched, fires: []rung{
			notice("tasks wait for CPUs: pressure 30 % of the last 10 s; now 4 threads are runnable on 2 CPUs", cpuPressure(30)),
			warning("pressure 50 %", cpuPressure(50)),
			critical("pressure 95 %", cpuPressure(95)),
		}, well: edits{cpuPressure(24.99)},
	}, {
		// The CPUs had half of their time left, or spent it on tasks of a nice value above 0.
		rule: "sched.cpu_held", host: sched, fires: []rung{
			notice("tasks wait for CPUs 90 % of the last 10 s, though these were idle for 50 % of the interval",
				cpuPressure(90), becomes("proc/stat", cpus(500, 500, 0), cpus(600, 600, 0))),
			notice("and ran tasks of a nice value above 0 for 90 %",
				cpuPressure(90), becomes("proc/stat", cpus(500, 500, 0), strings.Replace(cpus(510, 510, 0), "cpu  510 0", "cpu  510 180", 1))),
		}, well: edits{cpuPressure(90), becomes("proc/stat", cpus(500, 500, 0), cpus(690, 510, 0))}, idle: "the CPUs were busy",
	}, {
		rule: "sched.cpu_pressure", host: sched, fires: []rung{
			critical("pressure 95 %", cpuPressure(95), becomes("proc/stat", cpus(500, 500, 0), cpus(690, 510, 0))),
			critical("runnable on 2 CPUs; over 1 s throttled (152) of cgroup /batch had 1.10 of 2 CPUs, 2 called twin 0.50, "+
				"task-3 (137) 0.10, and processes that have ended 0.20",
				cpuPressure(95), becomes("proc/stat", cpus(500, 500, 0), cpus(690, 510, 0)), running(4), stat(152, 14, "300", "410"),
				renamed(131, "twin"), renamed(134, "twin"), stat(131, 14, "300", "330"), stat(134, 15, "7", "27"), stat(137, 14, "5", "15")),
		}, well: edits{cpuPressure(95), becomes("proc/stat", cpus(500, 500, 0), cpus(600, 600, 0))}, idle: "sched.cpu_held speaks of it",
	}, {
		// One look: with fewer threads than CPUs it is not for these that tasks wait.
		rule: "sched.cpu_pressure", host: sched, once: true, fires: []rung{critical("pressure 95 %", cpuPressure(95))},
		well: edits{cpuPressure(95), running(2), file("proc/loadavg", "0.20 0.18 0.06 1/77 156\n")}, idle: "an interval tells who is held back",
	}, {
		rule: "sched.starved", host: sched, fires: []rung{
			notice("task-1 (131), nice 0, was ready for about 1 s and did not run: task-2 (134), nice 5, had CPU 1 for 90 % of that time",
				runs(134, 152, 156), stat(134, 14, "608", "698")),
		}, well: edits{runs(131, 134, 152, 156)},
	}, {
		rule: "sched.starved", host: sched, over: 5 * time.Second, fires: []rung{
			warning("task-1 (131), nice 0, was ready for about 5 s and did not run: who had CPU 1 was not seen; and so were 3 other threads"),
		}, well: edits{runs(131, 134, 152, 156)},
	}, {
		rule: "sched.starved", host: sched, over: time.Minute, fires: []rung{
			critical("task-2 (134), nice 5, was ready for about 1m0s and did not run", runs(131, 152, 156)),
		}, well: edits{runs(131, 134, 152, 156)},
	}, {
		// On a CPU without a tick a lone thread's times stand still while it runs.
		rule: "sched.starved", host: sched, over: 5 * time.Second, fires: []rung{
			warning("task-1 (131), nice 0, was ready for about 5 s", file("sys/devices/system/cpu/nohz_full", "0-1\n")),
		}, well: edits{runs(131, 134, 152, 156)},
	}, {
		rule: "sched.starved", host: sched, fires: []rung{notice("task-1 (131), nice 0", runs(134, 152, 156))},
		well: edits{file("sys/devices/system/cpu/nohz_full", "0-1\n")},
	}, {
		// It waited for the quota of its cgroup.
		rule: "sched.starved", host: sched, fires: []rung{notice("throttled (152), nice 0, was ready for about 1 s", runs(131, 134, 156))},
		well: edits{runs(131, 134, 156), quota([2]uint64{189, 199}, [2]uint64{186, 196})},
	}, {
		// 200 ticks in all.
		rule: "sched.steal", host: sched, fires: []rung{
			notice("the hypervisor kept 2.0 % of this host's CPU time from it", becomes("proc/stat", cpus(500, 500, 0), cpus(598, 598, 4))),
			warning("the hypervisor kept 10 %", becomes("proc/stat", cpus(500, 500, 0), cpus(590, 590, 20))),
			critical("the hypervisor kept 30 %", becomes("proc/stat", cpus(500, 500, 0), cpus(570, 570, 60))),
		}, well: edits{becomes("proc/stat", cpus(500, 500, 900), cpus(598, 599, 903))}, // long ago it was much
	}, {
		rule: "sched.blocked", host: sched, fires: []rung{
			notice("1 thread in D, such as throttled", asleep(41, "rpc_wait_bit_killable"), sleepy()),
		}, well: edits{stat(152, 3, "S", "S")},
	}, {
		// What waits for a disk for a moment is I/O at work.
		rule: "sched.blocked", host: sched, fires: []rung{
			notice("1 thread in D, such as throttled", asleep(40, "folio_wait_bit_common"), sleepy()),
		}, well: edits{asleep(41, "folio_wait_bit_common")},
	}, {
		rule: "sched.stuck", host: sched, fires: []rung{
			warning("throttled (152) was in uninterruptible sleep for 1 s at least: ", asleep(40, "folio_wait_bit_common")),
			notice("throttled (152) is in uninterruptible sleep: ", asleep(41, "rpc_wait_bit_killable")),
		}, well: edits{asleep(40, "__refrigerator")}, idle: "what is in D is either found or does not count: this is frozen",
	}, {
		// A thread of the kernel may sleep so for ever.
		rule: "sched.stuck", host: sched, fires: []rung{
			notice("migration/1 (24) is in uninterruptible sleep: ", inD("24", 40, "msleep")),
		}, well: edits{asleep(40, "__refrigerator")}, idle: "what is in D is either found or does not count: this is frozen",
	}, {
		// One of those that run is kwhy; the fewest of both samples count.
		rule: "sched.run_queue", host: sched, fires: []rung{
			notice("2 threads want each CPU: 5 threads are runnable on 2 CPUs", running(5), cpuPressure(0)),
			warning("4 threads want each CPU: 9 threads are runnable on 2 CPUs", running(9), cpuPressure(0)),
			critical("16 threads want each CPU", running(33), cpuPressure(0)),
		}, well: edits{grows("proc/stat", "procs_running", 4, 33), cpuPressure(0)},
	}, {
		// 190 of 200 ticks were worked, of which throttled (152) had 180 in the cgroup /batch, and somebody waited.
		rule: "sched.cpu_hog", host: sched, fires: []rung{
			notice("throttled (152) of cgroup /batch had 1.80 of 2 CPUs over 1 s while others waited for one",
				unpressed(), cpuPressure(30), becomes("proc/stat", cpus(500, 500, 0), cpus(690, 510, 0)), stat(152, 14, "300", "480")),
			notice("throttled (152) of cgroup /batch had 0.95 of 2 CPUs over 1 s while others waited for one; so had 1 other process a whole one",
				unpressed(), cpuPressure(0), becomes("proc/stat", cpus(500, 500, 0), cpus(690, 510, 0)), running(5), stat(152, 14, "300", "395"),
				stat(131, 14, "300", "392")),
		}, well: edits{cpuPressure(30), becomes("proc/stat", cpus(500, 500, 0), cpus(690, 510, 0)), stat(152, 14, "300", "380")},
	}, {
		// A batch job on a host that has CPUs left.
		rule: "sched.cpu_hog", host: sched, fires: []rung{
			notice("throttled (152)", unpressed(), cpuPressure(30),
				becomes("proc/stat", cpus(500, 500, 0), cpus(690, 510, 0)), stat(152, 14, "300", "400")),
		}, well: edits{cpuPressure(90), becomes("proc/stat", cpus(500, 500, 0), cpus(600, 600, 0)), stat(152, 14, "300", "400")},
	}, {
		// 30 % of 200 ticks were the kernel's; task-2 (134) had children that used 90 ticks, and task-1 (131) one that lives.
		rule: "sched.fork_rate", host: sched, fires: []rung{
			notice("100 processes and threads were started a second on 2 CPUs, and the kernel's work took 30 % of CPU time; "+
				"task-2 (134) waited for children that used 0.9 s of CPU time before they ended, task-1 (131) has 1 new child that lives",
				becomes("proc/stat", started(500, 0, 500, 1000), started(540, 60, 600, 1100)), stat(134, 16, "10", "70"), stat(134, 17, "-3", "27"),
				bornOf(131)),
			warning("1,000 processes and threads were started a second on 2 CPUs, and the kernel's work took 30 % of CPU time; "+
				"no parent shows whose they were",
				becomes("proc/stat", started(500, 0, 500, 1000), started(540, 60, 600, 2000))),
		}, well: edits{becomes("proc/stat", started(500, 0, 500, 1000), started(540, 60, 600, 1099)), stat(134, 16, "10", "70")},
	}, {
		// So many threads cost little.
		rule: "sched.fork_rate", host: sched, fires: []rung{
			notice("600 processes and threads", becomes("proc/stat", started(500, 0, 500, 1000), started(530, 70, 600, 1600))),
		}, well: edits{becomes("proc/stat", started(500, 0, 500, 1000), started(580, 20, 600, 9000))},
	}, {
		// One that has all CPUs of a host on which nobody waits.
		rule: "sched.cpu_hog", host: sched, fires: []rung{
			notice("throttled (152)", unpressed(), cpuPressure(25),
				becomes("proc/stat", cpus(500, 500, 0), cpus(700, 500, 0)), stat(152, 14, "300", "499")),
		}, well: edits{cpuPressure(24), becomes("proc/stat", cpus(500, 500, 0), cpus(700, 500, 0)), running(3), stat(152, 14, "300", "499")},
	}, {
		// Since 6.12 by the fair server, which debugfs shows.
		rule: "sched.realtime_unbounded", host: sched, fires: []rung{
			notice(
				"1 real-time thread of a program could keep a CPU from all tasks of lower priority: nothing reserves time for those",
				file(server+"runtime", "0\n"),
			),
		}, well: edits{file(server+"runtime", "50000000\n")},
	}, {
		// Before that by sched_rt_runtime_us.
		rule: "sched.realtime_unbounded", host: "debian-6.1-sched", fires: []rung{
			notice("1 real-time thread of a program could keep a CPU from all tasks of lower priority",
				file("proc/sys/kernel/sched_rt_runtime_us", "-1\n")),
			notice("1 real-time thread", file("proc/sys/kernel/sched_rt_runtime_us", "1000000\n")),
		}, well: edits{file("proc/sys/kernel/sched_rt_runtime_us", "950000\n")},
	}, {
		rule: "sched.realtime_starves", host: sched, fires: []rung{
			notice("task-3 (137), a real-time task, had a CPU for 60 % of the last 1 s", rt(100, 160)),
			warning("had a CPU for 80 %", rt(100, 180)),
			critical("had a CPU for 98 %", rt(100, 198)),
		}, well: edits{rt(90000, 90049)},
	}, {
		// Its CPU was set apart for such work.
		rule: "sched.realtime_starves", host: sched, fires: []rung{
			critical("had a CPU for 98 %", rt(100, 198), file("sys/devices/system/cpu/isolated", "2-3\n")),
		}, well: edits{rt(100, 198), file("sys/devices/system/cpu/isolated", "0-1\n")},
	}, {
		rule: "sched.throttled", host: sched, fires: []rung{
			notice("cgroup /batch: 30 % of its periods of 0.1 s in this interval ended early", quota([2]uint64{189, 199}, [2]uint64{186, 189})),
			warning("cgroup /batch: 50 % of its periods", quota([2]uint64{189, 199}, [2]uint64{186, 191})),
			critical("cgroup /batch: 100 % of its periods", quota([2]uint64{189, 199}, [2]uint64{186, 196})),
		}, well: edits{quota([2]uint64{1890, 1990}, [2]uint64{1860, 1869})},
	}}
}

// fdTrials are about app (22650), which has an inotify instance with two watches, and worker
// (22659), its child, which has a copy of it by fork. Where the two watch other things, each
// has its own.
func fdTrials() []trial {
	const instances, watches, limits = "fs/inotify/max_user_instances", "fs/inotify/max_user_watches", "proc/22650/limits"
	own := instead("proc/22659/fdinfo/12", "mask:302", "mask:300")
	return []trial{{
		rule: "fd.inotify_instances_near", host: files, fires: []rung{
			critical("user 0 has 100 % of the inotify instances that a user may have, 2 of 2", sysctl(instances, 2), own),
			critical("user 0 has 100 % of the inotify instances that a user may have, 1 of 1", sysctl(instances, 1)),
		}, well: edits{sysctl(instances, 2)},
	}, {
		rule: "fd.inotify_near", host: files, fires: []rung{
			notice("user 0 has 80 % of the files that a user may watch by inotify, 4 of 5", sysctl(watches, 5), own),
			critical("user 0 has 100 %", sysctl(watches, 4), own),
			critical("user 0 has 100 %", sysctl(watches, 2)),
		}, well: edits{sysctl(watches, 4)},
	}, {
		rule: "fd.aio_near", host: files, fires: []rung{
			notice("52,429 of the 65,536 events of asynchronous I/O that fs.aio-max-nr allows are reserved", aio(52429)),
			warning("59,000 of the 65,536", aio(59000)),
			critical("65,536 of the 65,536", aio(65536)),
		}, well: edits{aio(52428)},
	}, {
		rule: "fd.ptys_near", host: files, fires: []rung{
			notice("2,900 of 4,096 pseudo terminals are in use", ptys(2900, 1024)),
			notice("3,071 of 4,096 pseudo terminals are in use: containers get no more", ptys(3071, 1024)),
			warning("3,500 of 4,096", ptys(3500, 1024)),
			critical("4,095 of 4,096 pseudo terminals are in use", ptys(4095, 0)),
		}, well: edits{ptys(2800, 1024)},
	}, {
		rule: "fd.user_namespaces_near", host: files, fires: []rung{
			notice("user 1000 has at least 80 of the 100 user namespaces that one user may have made", spaces("user", 80, 0)),
			warning("user 1000 has at least 90 of the 100", spaces("user", 90, 0)),
			critical("user 1000 has at least 98 of the 100", spaces("user", 98, 0)),
			few("processes are in 99 user namespaces; who made them is not known", spaces("user", 0, 99)),
		}, well: edits{spaces("user", 79, 79)},
	}, {
		rule: "fd.net_namespaces_near", host: files, fires: []rung{
			notice("user 1000 has at least 80 of the 100 network namespaces that one user may have made", spaces("net", 80, 0)),
			warning("user 1000 has at least 90 of the 100", spaces("net", 90, 0)),
			critical("user 1000 has at least 98 of the 100", spaces("net", 98, 0)),
			few("processes are in 99 network namespaces; who made them is not known", spaces("net", 0, 99)),
		}, well: edits{spaces("net", 79, 79)},
	}, {
		rule: "fd.mnt_namespaces_near", host: files, fires: []rung{
			notice("user 1000 has at least 80 of the 100 mount namespaces that one user may have made", spaces("mnt", 80, 0)),
			warning("user 1000 has at least 90 of the 100", spaces("mnt", 90, 0)),
			critical("user 1000 has at least 98 of the 100", spaces("mnt", 98, 0)),
			few("processes are in 99 mount namespaces; who made them is not known", spaces("mnt", 0, 99)),
		}, well: edits{spaces("mnt", 79, 79)},
	}, {
		rule: "fd.pid_namespaces_near", host: files, fires: []rung{
			notice("user 1000 has at least 80 of the 100 PID namespaces that one user may have made", spaces("pid", 80, 0)),
			warning("user 1000 has at least 90 of the 100", spaces("pid", 90, 0)),
			critical("user 1000 has at least 98 of the 100", spaces("pid", 98, 0)),
			few("processes are in 99 PID namespaces; who made them is not known", spaces("pid", 0, 99)),
		}, well: edits{spaces("pid", 79, 79)},
	}, {
		rule: "fd.keys_near", host: files, fires: []rung{
			notice("user 1000 has 160 of the 200 keys that it may have", keys("160/200 900/20000")),
			warning("user 1000 has 18,000 of the 20,000 bytes of keys that it may have", keys("3/200 18000/20000")),
			critical("user 1000 has 200 of the 200 keys", keys("200/200 900/20000")),
		}, well: edits{keys("159/200 15999/20000")},
	}, {
		rule: "fd.keys_near", host: files, fires: []rung{critical("user 1000 has 200", keys("200/200 900/20000"))},
		well: edits{keys("0/0 0/0"), line("proc/key-users", "    0:", "1 1/1 0/0 0/0")}, idle: "keys are switched off",
	}, {
		rule: "fd.host_near", host: files, fires: []rung{
			notice("75 % of the files that this host may have open", file("proc/sys/fs/file-nr", "7500\t0\t10000\n")),
			warning("85 %", file("proc/sys/fs/file-nr", "8500\t0\t10000\n")),
			critical("95 %", file("proc/sys/fs/file-nr", "9500\t0\t10000\n")),
		}, well: edits{file("proc/sys/fs/file-nr", "6900\t0\t10000\n")},
	}, {
		// app has 0 to 19 open.
		rule: "fd.process_near", host: files, fires: []rung{
			notice("app (22650) has taken 80 % of the descriptor numbers below its limit of 25", line(limits, "Max open files", "25 25 files")),
			warning("app (22650) has taken 91 %", line(limits, "Max open files", "22 25 files")),
			critical("app (22650) has taken 100 %", line(limits, "Max open files", "20 25 files")),
		}, well: edits{line(limits, "Max open files", "26 26 files")},
	}, {
		rule: "fd.deleted_space", host: files, fires: []rung{
			notice("app (22650) keeps 3.0 GiB in 2 files that were deleted, the largest /var/log/app.log", deleted(2, 1)),
			warning("app (22650) keeps 11.0 GiB", deleted(10, 1)),
			critical("app (22650) keeps 101 GiB", deleted(100, 1)),
		}, well: edits{deleted(0, 0)},
	}, {
		// On tmpfs and the like they take memory, as shared memory without a name does that is in use.
		rule: "fd.deleted_space", host: files, fires: []rung{
			notice("app (22650) keeps 3.0 GiB in 1 file that was deleted, the largest /var/log/app.log",
				deleted(3, 100), inTmpfs("/var/cache/app.db")),
		}, well: edits{deleted(100, 100), inTmpfs("/var/log/app.log", "/var/cache/app.db")},
	}}
}

func aio(n int) edit { return some(sysctl("fs/aio-nr", n), sysctl("fs/aio-max-nr", 65536)) }

func ptys(n, kept int) edit {
	return some(sysctl("kernel/pty/nr", n), sysctl("kernel/pty/max", 4096), sysctl("kernel/pty/reserve", kept))
}

// spaces are namespaces of a kind that user 1000 made, and that nobody knows who made, of 100.
func spaces(kind string, made, unsure int) edit {
	return some(sysctl("user/max_"+kind+"_namespaces", 100), facts(func(now, _ *check.Facts) {
		f := of[*fdfacts.Snapshot](now)
		for src, s := range f.Spaces {
			if s.Kind == kind {
				s.Counted, s.All, s.Most, s.Who, s.Unsure = true, made+unsure, made, 1000, unsure
				f.Spaces[src] = s
			}
		}
	}))
}

// keys is what root and user 1000 have of their quotas.
func keys(of string) edit {
	return file("proc/key-users", "    0:     9 8/8 3/1000000 40/25000000\n 1000:     4 4/4 "+of+"\n")
}

// inTmpfs says of deleted files that they take memory.
func inTmpfs(paths ...string) edit {
	return facts(func(now, _ *check.Facts) {
		for i := range of[*fdfacts.Snapshot](now).Scan.Counts {
			list := of[*fdfacts.Snapshot](now).Scan.Counts[i].Deleted
			for j := range list {
				list[j].Memory = slices.Contains(paths, list[j].Path)
			}
		}
	})
}

// deleted are two files that app keeps, of so many GiB each. In a copy a descriptor leads
// to a file of another host, if to any: what they take is made up.
func deleted(log, cache uint64) edit {
	return facts(func(now, _ *check.Facts) {
		now.Host.Live = true
		for i := range of[*fdfacts.Snapshot](now).Scan.Counts {
			if now.Processes().Rows[i].PID != 22650 {
				of[*fdfacts.Snapshot](now).Scan.Counts[i].Deleted = nil
				continue
			}
			a := procfacts.OpenDeleted{FD: 7, Path: "/var/log/app.log"}
			a.Dev, a.Inode, a.Taken = 1, 10, log<<30+4096
			b := procfacts.OpenDeleted{FD: 8, Path: "/var/cache/app.db"}
			b.Dev, b.Inode, b.Taken = 1, 11, cache<<30
			of[*fdfacts.Snapshot](now).Scan.Counts[i].Deleted = []procfacts.OpenDeleted{a, b, a} // one of them twice
		}
	})
}
