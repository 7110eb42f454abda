package cmd

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/explain/sched"
	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	procfacts "kwhy/inspect/proc"
	schedfacts "kwhy/inspect/sched"
	"kwhy/output"
)

const schedLong = `How the CPUs are shared: the scheduler of this kernel and its settings, CPU time by
kind, the run queue and load, real-time tasks, cgroups that are throttled when their
quota is used up, and the processes that ran most.

Without --interval, counters are totals since boot; --interval 1s shows what goes on
now, and 5 s or more also how many threads the kernel last put into the load averages.

With a PID: one process's policy, its share of a CPU by the kernel's weights against
those that want it now, how long it waited, where it may run and what limits it.`

type schedOptions struct {
	limit   int
	columns []string
	sort    []string
	threads bool
	filter  procFilter
}

func (o *schedOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.limit, "limit", autoLimit, "`N` rows of processes; 0 is all, -1 as many as a screen takes")
	f.StringSliceVar(&o.columns, "columns", nil, "`COLUMNS` to show, in this order; help lists them")
	f.StringSliceVar(&o.sort, "sort", nil, "`COLUMNS` to sort by, numbers largest first; a leading - reverses one")
	f.BoolVar(&o.threads, "threads", false, "with a PID: its threads too")
	f.StringVar(&o.filter.user, "user", "", "only processes of this `USER`, by name or number")
	f.StringVar(&o.filter.name, "name", "", "only processes whose name matches this `REGEXP`")
}

func (a *App) schedCommand() *cobra.Command {
	var o schedOptions
	c := &cobra.Command{
		Use:   "sched [PID]",
		Short: "The scheduler, CPU time, and which tasks run or wait",
		Long:  schedLong,
		Example: `  kwhy sched
  kwhy sched --interval 5s              what goes on now, and what the load averages consist of
  kwhy sched 1234                       one process: its share, and how long it waited
  kwhy sched 1234 --threads
  kwhy sched --sort wait_time           which processes waited most for CPUs`,
		Args: atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			if o.limit < autoLimit {
				return usagef("--limit: bad value %d: it takes a number of rows, or 0 for all", o.limit)
			}
			if len(o.columns) == 1 && o.columns[0] == "help" {
				_, err := fmt.Fprint(a.Out, sched.Columns())
				return err
			}
			if len(args) == 0 && o.threads {
				return usagef("--threads is of one process: give its PID, or see kwhy proc --threads")
			}
			r, err := a.begin(c, "sched")
			if err != nil {
				return err
			}
			defer r.host.Close()
			if len(args) == 0 {
				return r.schedHost(&o)
			}
			for _, name := range []string{"limit", "columns", "sort", "user", "name"} {
				if c.Flags().Changed(name) {
					return usagef("--%s is for the table, and a process was given", name)
				}
			}
			pid, err := r.findProcess(args[0])
			if err != nil {
				return err
			}
			return r.schedProcess(pid, &o)
		},
	}
	o.flags(c.Flags())
	return c
}

func (o *schedOptions) view(screen int) (*lower.View[procfacts.Row], error) {
	limit := o.limit
	if limit == autoLimit {
		limit = screen
	}
	v, err := lower.NewView(sched.Processes(), o.columns, o.sort, limit)
	if err != nil {
		return nil, usagef("%v", err)
	}
	return v, o.filter.apply(v)
}

func (r *run) schedHost(o *schedOptions) error {
	card := sched.Host()
	v, err := o.view(r.app.screenRows())
	if err != nil {
		return err
	}
	if r.set.Output == "text" {
		v.ForText()
	}
	want := card.Needs().Plus(inspect.Of(inspect.CgroupCPU, inspect.Schedstat, inspect.ProcStat, inspect.SchedGetattr))
	var was *schedfacts.Snapshot
	var step schedfacts.LoadStep
	if r.set.Interval > 0 {
		if was, err = takeSched(r, v, want, nil); err != nil {
			return err
		}
		v.Watch(was.Procs)
		step = r.watchLoads()
	}
	p := r.progress("reading the processes")
	s, err := takeSched(r, v, want, was)
	p.Stop()
	if err != nil {
		return err
	}
	s.Was, s.Step = was, step
	var over time.Duration
	if was != nil {
		over = s.Settings.At.Sub(was.Settings.At)
	}
	rep := lower.Explain(&card, s, r.set.Limits)
	if err := addSched(&rep, s, r.app.screenRows()); err != nil {
		return err
	}
	g, found := v.Explain(s.Procs, s.Order, r.set.Limits)
	g.More = "--limit 0 shows all"
	rep.Grids, rep.Findings = append(rep.Grids, g), append(rep.Findings, found...)
	rep.Tell(s.Gaps(), r.host.Kernel)
	h := r.header(s.Settings.At, over)
	h.Summary = []string{units.Plural(s.Procs.Len(), "process", "processes")}
	return r.print(h, &rep)
}

// addSched adds the tables of a host but that of the processes.
func addSched(rep *lower.Report, s *schedfacts.Snapshot, screen int) error {
	cpus, err := lower.NewView(sched.CPUs(), nil, nil, screen)
	if err != nil {
		return err
	}
	blocked, err := lower.NewView(sched.Blocked(), nil, nil, screen)
	if err != nil {
		return err
	}
	realtime, err := lower.NewView(sched.Realtime(), nil, nil, screen)
	if err != nil {
		return err
	}
	groups, err := lower.NewView(sched.Cgroups(), nil, nil, screen)
	if err != nil {
		return err
	}
	addGrid(rep, cpus, schedfacts.Parts[schedfacts.CPU]{Sched: s, List: s.CPUs, Was: schedfacts.SameCPU})
	addGrid(rep, blocked, schedfacts.Parts[schedfacts.Task]{Sched: s, List: s.Blocked, Was: schedfacts.SameBlocked})
	addGrid(rep, realtime, schedfacts.Parts[schedfacts.Task]{Sched: s, List: s.Realtime, Was: schedfacts.SameRealtime})
	addGrid(rep, groups, schedfacts.Parts[cgroupfacts.CPU]{Sched: s, List: s.Groups, Was: schedfacts.SameGroup})
	return nil
}

func takeSched(r *run, v *lower.View[procfacts.Row], want inspect.Sources, was *schedfacts.Snapshot) (*schedfacts.Snapshot, error) {
	rows, order, err := v.Scan(func(need inspect.Sources) (explain.Scan[procfacts.Row], error) {
		if was == nil {
			return proc.Scan(r.host, need, nil)
		}
		return proc.Scan(r.host, need, was.Procs)
	})
	if err != nil {
		return nil, err
	}
	return sched.Take(r.host, rows.(*procfacts.Processes), order, want)
}

// loadEvery is how often the load averages are looked at while an interval goes
// by: they change every five seconds, and one change at a time can be solved.
const loadEvery = 100 * time.Millisecond

// watchLoads waits for the interval and watches for updates of the load averages.
func (r *run) watchLoads() (step schedfacts.LoadStep) {
	p := r.progress("sampling for " + r.set.Interval.String())
	defer p.Stop()
	old, why := schedfacts.Loads(r.host)
	if why != inspect.Present {
		r.app.Sleep(r.set.Interval)
		return step
	}
	for left := r.set.Interval; left > 0; left -= loadEvery {
		r.app.Sleep(min(left, loadEvery))
		if now, why := schedfacts.Loads(r.host); why == inspect.Present && now != old {
			step = schedfacts.LoadStep{Old: old, New: now, Seen: true}
			old = now
		}
	}
	return step
}

func (r *run) schedProcess(pid int32, o *schedOptions) error {
	card := sched.Process()
	t, was, ended, err := twice(r, "reading the process", func() (*schedfacts.Process, error) { return sched.Task(r.host, pid, card.Needs()) },
		func(was, now *schedfacts.Process) bool { return was.Row.P.Start == now.Row.P.Start })
	if err != nil {
		return err
	}
	var over time.Duration
	if was != nil {
		t.Was, over = was, t.Row.Host.At.Sub(was.Row.Host.At)
		t.Row.Host.Was, t.Row.Was = was.Row.Host, was.Row.P
		t.Threads.Since(was.Threads)
	}
	rep := lower.Explain(&card, t, r.set.Limits)
	if o.threads {
		threads, err := lower.NewView(sched.EachThread(), nil, nil, 0)
		if err != nil {
			return err
		}
		order := threads.Order(t.Threads)
		t.Threads.Fill(order, threads.Needs())
		g, found := threads.Explain(t.Threads, order, r.set.Limits)
		rep.Grids, rep.Findings = append(rep.Grids, g), append(rep.Findings, found...)
	}
	rep.Tell(vanished(t.Gaps(), ended), r.host.Kernel)
	h := r.header(t.Row.Host.At, over)
	h.Subject = &output.Subject{PID: pid, Comm: t.Row.P.Comm}
	if born := r.host.Born(t.Row.P.Start); !born.IsZero() {
		h.Subject.StartTime = &born
	}
	return r.print(h, &rep)
}
