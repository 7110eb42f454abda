package proc

import (
	"fmt"
	"time"

	"kwhy/explain"
	"kwhy/explain/edge"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
	"kwhy/inspect/wait"
)

// rowRules give a row its level, which its column why shows.
func rowRules() []explain.Rule[procfacts.Row] {
	return []explain.Rule[procfacts.Row]{
		{ID: "proc.files_near_limit", What: "open descriptors / soft RLIMIT_NOFILE", Unit: explain.Ratio,
			Means:    "At the limit open, socket and accept fail with EMFILE.",
			Evidence: []string{"fds", "fd_limit"}, Concept: "file-descriptor", Next: "kwhy fd PID",
			Of: func(p row) value {
				switch low := p.P.Below(); {
				case p.P.MaxFDs <= 0 || p.P.FDs < 0:
					return value{}
				case low < 0:
					return explain.None(inspect.Denied) // some are above the limit, and how many their number does not say
				default:
					return explain.F(float64(low) / float64(p.P.MaxFDs))
				}
			}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
			Say: func(p row) string {
				share := units.AppendPercent(nil, float64(p.P.Below())/float64(p.P.MaxFDs))
				return fmt.Sprintf("%s has %s of the descriptors that it may have open", named(nil, p.P), share)
			}},
		{ID: "proc.uninterruptible", Unit: explain.Count,
			What: "how often it was found in D: 2 is at both ends of the interval, without a voluntary switch in between; " +
				"a wait for a disk counts only then, one in vfork, frozen or for its cgroup's memory never",
			Means: "It waits in the kernel in a state that ordinary signals don't end, and counts as load. What it waits for, " +
				"and whether SIGKILL ends that, its wait channel tells.",
			Evidence: []string{"state"}, Concept: "process-state", Next: "kwhy explain process-state",
			Of: stuckNow, At: explain.At{Notice: 1, Warning: 2}, Unless: "sched.stuck",
			Say: func(p row) string {
				if stuckNow(p).Int() > 1 {
					return string(named(nil, p.P)) + " was in uninterruptible sleep over the whole interval"
				}
				return string(named(nil, p.P)) + " is in uninterruptible sleep"
			}},
		{ID: "proc.stopped", Unit: explain.Count,
			What: "1: stopped for 10 s or over the interval by its tracer, or where no shell has it as a job, or for an hour as a job; " +
				"2: for a minute where no shell has it as a job",
			Means: "A stopped process keeps its locks, connections and memory, and does nothing with them until somebody sends it " +
				"SIGCONT; one that a tracer stopped, until that lets it go on. The shell that has it as a job can do so by fg.",
			Evidence: []string{"state"}, Concept: "process-state", Next: "kwhy proc PID",
			Of: halted, At: explain.At{Notice: 1, Warning: 2},
			Say: func(p row) string {
				return string(doing(append(named(nil, p.P), " is "...), p))
			}},
	}
}

// halted is how much it matters that a process is stopped: 2 where no shell has it as a job and it is so
// for a minute, 1 where it lasts in another way.
func halted(p row) value {
	const lasts, long, forgotten = 10 * time.Second, time.Minute, time.Hour
	if p.P.State != 'T' && p.P.State != 't' {
		return value{}
	}
	over, whole := stoppedFor(p)
	w := p.Wait()
	job, jobless := inspect.Choose(w.Jobless, false, true, false), inspect.Choose(w.Jobless, true, false, false)
	switch {
	case w.Kind == wait.Traced && (whole || over >= lasts), job && over >= forgotten:
		return explain.I(1)
	case w.Kind != wait.Stopped || job:
		return value{}
	case jobless && over >= long:
		return explain.I(2)
	case whole || over >= lasts:
		return explain.I(1)
	}
	return value{}
}

// stoppedFor is how long a process has been stopped at least, and whether it was so over the whole
// interval: at both ends, and not on a CPU in between.
func stoppedFor(p row) (least time.Duration, whole bool) {
	if run, ok := p.LastRun(); ok {
		least = run.Least
	}
	was, over, ok := p.Before()
	if !ok || was.P.State != p.P.State || p.P.Voluntary < 0 {
		return least, false
	}
	q := was.P
	whole = p.P.Voluntary == q.Voluntary && p.P.Forced == q.Forced && p.P.UTime == q.UTime && p.P.STime == q.STime
	if whole {
		least = max(least, over)
	}
	return least, whole
}

// Stuck is how often a process was found in D, once or at both ends of an interval in
// which it did not wake. A frozen process, one that waits for a child of vfork, and one that its memory
// cgroup holds up, is not stuck, nor is one that was seen waiting for a disk once.
func Stuck(p procfacts.Row, was *procfacts.Process) explain.Value {
	if p.P.State != 'D' {
		return value{}
	}
	switch w := p.Wait(); {
	case w.Kind == wait.Frozen, w.Kind == wait.Vfork:
		return value{}
	case w.Object != "" && (w.Kind == wait.MemoryOOM || w.Kind == wait.MemoryHigh):
		return value{} // a rule on that cgroup speaks of it
	case edge.OfDisk(w.Kind) && !stood(p.P, was):
		return value{} // I/O at work: a healthy database has hundreds of such threads at any moment
	}
	if w := p.Wait(); stood(p.P, was) && (w.Kind != wait.Unknown || len(w.Holders) == 0) { // else it may be in vfork
		return explain.I(2)
	}
	return explain.I(1)
}

// stood reports whether a task was in D before too, and did not wake since.
func stood(p, was *procfacts.Process) bool {
	return was != nil && was.State == 'D' && p.Voluntary > 0 && was.Voluntary == p.Voluntary
}

func stuckNow(p row) value {
	was, _, _ := p.Before()
	return Stuck(p, was.P)
}
