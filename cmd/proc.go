package cmd

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	procfacts "kwhy/inspect/proc"
	"kwhy/output"
)

const procLong = `The processes as in ps, and for each what it does or waits for now; above
them how many there are by state, the kernel's limits, and zombies by
parent.

CPU is the share of one CPU over a process's life, or over --interval.

With a PID, or a name that only one process has: its identity, state, credentials,
signals, namespaces, CPU time, files and limits. With --sample: where
its threads spend their time, by sampling them some hundred times per second,
without tracing them; Ctrl-C ends that early.`

type procOptions struct {
	limit   int
	columns []string
	sort    []string
	tree    bool
	threads bool
	thread  int32
	sample  time.Duration
	filter  procFilter
}

// procFilter says which processes are wanted.
type procFilter struct{ user, name, state, cgroup string }

func (a *App) procCommand() *cobra.Command {
	var o procOptions
	c := &cobra.Command{
		Use:   "proc [PID|NAME]",
		Short: "Processes: the table, and what each does or waits for",
		Long:  procLong,
		Example: `  kwhy proc
  kwhy proc 1234                             one process, as the kernel sees it
  kwhy proc nginx                            the same by name, if only one has it
  kwhy proc --interval 1s                    processes by current CPU use
  kwhy proc --state D,Z --limit 0            uninterruptible processes and zombies
  kwhy proc --columns pid,comm,syscall,why   --columns help lists them all
  kwhy proc --user www-data --sort rss
  kwhy proc --tree
  kwhy proc nginx --sample 5s                what it waits for, without tracing it
  kwhy proc --thread 1236                    one thread`,
		Args: atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			if o.limit < autoLimit {
				return usagef("--limit: bad value %d: it takes a number of rows, or 0 for all", o.limit)
			}
			if len(o.columns) == 1 && o.columns[0] == "help" {
				_, err := fmt.Fprint(a.Out, proc.Columns())
				return err
			}
			if o.tree && o.threads {
				return usagef("--tree is of processes: it does not go with --threads")
			}
			if o.tree && len(o.sort) > 0 {
				return usagef("--tree has an order of its own: it takes no --sort")
			}
			r, err := a.begin(c, "proc")
			if err != nil {
				return err
			}
			defer r.host.Close()
			if len(args) == 0 && o.thread == 0 {
				if o.sample != 0 {
					return usagef("--sample is of one process: give its PID or name")
				}
				return r.procHost(o)
			}
			if err := forTable(c); err != nil {
				return err
			}
			return r.procOne(args, &o)
		},
	}
	o.flags(c.Flags())
	return c
}

// forTable refuses what goes with the table alone.
func forTable(c *cobra.Command) error {
	for _, name := range []string{"limit", "columns", "sort", "tree", "threads", "user", "name", "state", "cgroup"} {
		if c.Flags().Changed(name) {
			return usagef("--%s is for the table, and a process was given", name)
		}
	}
	return nil
}

func (o *procOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.limit, "limit", autoLimit, "`N` rows of processes; 0 is all, -1 as many as a screen takes")
	f.StringSliceVar(&o.columns, "columns", nil, "`COLUMNS` to show, in this order; help lists them")
	f.StringSliceVar(&o.sort, "sort", nil, "`COLUMNS` to sort by, numbers largest first; a leading - reverses one")
	f.BoolVar(&o.tree, "tree", false, "each process below its parent, all unless --limit is given")
	f.BoolVar(&o.threads, "threads", false, "one row for each thread")
	f.Int32Var(&o.thread, "thread", 0, "explain one thread, by its number: `TID`")
	f.DurationVar(&o.sample, "sample", 0, "sample for `D` what the process's threads do")
	f.StringVar(&o.filter.user, "user", "", "only processes of this `USER`, by name or number")
	f.StringVar(&o.filter.name, "name", "", "only processes whose name matches this `REGEXP`")
	f.StringVar(&o.filter.state, "state", "", "only processes in these `STATES`: letters such as D,Z")
	f.StringVar(&o.filter.cgroup, "cgroup", "", "only processes of the cgroup of this `PATH` and those below it")
}

// apply puts the filters before a view.
func (f *procFilter) apply(v *lower.View[procfacts.Row]) error {
	if f.user != "" {
		uid, err := userID(f.user)
		if err != nil {
			return err
		}
		v.Where(inspect.Of(inspect.PIDStatus), func(p procfacts.Row) bool {
			return p.Missing(inspect.PIDStatus) == inspect.Present && p.P.UID == uid
		})
	}
	if f.name != "" {
		re, err := regexp.Compile(f.name)
		if err != nil {
			return usagef("--name: %v", err)
		}
		v.Where(inspect.Of(inspect.PIDStat), func(p procfacts.Row) bool { return re.MatchString(p.P.Comm) })
	}
	if f.state != "" {
		letters := strings.ReplaceAll(f.state, ",", "")
		if bad := strings.Trim(letters, "RSDTtZIXP"); bad != "" {
			return usagef("--state: bad value %q: it takes the letters R, S, D, T, t, Z, I, X and P", f.state)
		}
		v.Where(inspect.Of(inspect.PIDStat), func(p procfacts.Row) bool { return strings.IndexByte(letters, p.P.State) >= 0 })
	}
	if f.cgroup != "" {
		top := "/" + strings.Trim(f.cgroup, "/")
		v.Where(inspect.Of(inspect.PIDCgroup), func(p procfacts.Row) bool {
			return p.P.Cgroup != "" && (top == "/" || p.P.Cgroup == top || strings.HasPrefix(p.P.Cgroup, top+"/"))
		})
	}
	return nil
}

// view is the table as it was asked for.
func (o *procOptions) view(screen int, interval bool) (*lower.View[procfacts.Row], error) {
	limit, columns, sort := o.limit, o.columns, o.sort
	switch {
	case limit == autoLimit && o.tree:
		limit = 0
	case limit == autoLimit:
		limit = screen
	}
	if o.tree && len(columns) == 0 {
		columns = []string{"pid", "user", "state", "cpu", "vm_rss", "age", "tree", "why"}
	}
	if len(sort) == 0 && interval { // then a busy kernel thread stands where it belongs
		sort = []string{"cpu", "rss", "-pid"}
	}
	table := proc.Processes()
	if o.threads {
		table = proc.EachThread()
	}
	v, err := lower.NewView(table, columns, sort, limit)
	if err != nil {
		return nil, usagef("%v", err)
	}
	return v, o.filter.apply(v)
}

func (r *run) procHost(o procOptions) error {
	v, err := o.view(r.app.screenRows(), r.set.Interval > 0)
	if err != nil {
		return err
	}
	var was *procfacts.Snapshot
	if r.set.Interval > 0 {
		if was, err = r.takeProcs(v, &o, nil); err != nil {
			return err
		}
		r.wait(r.set.Interval)
	}
	p := r.progress("reading the processes")
	l, err := r.takeProcs(v, &o, was)
	p.Stop()
	if err != nil {
		return err
	}
	var over time.Duration
	if was != nil {
		l.Was, over = was, l.Settings.At.Sub(was.Settings.At)
	}
	card := proc.Host()
	rep := lower.Explain(&card, l, r.set.Limits)
	g, found := v.Explain(l.Procs, l.Order, r.set.Limits)
	g.More = "--limit 0 shows all"
	rep.Grids, rep.Findings = append(rep.Grids, g), append(rep.Findings, found...)
	groups, err := lower.NewView(proc.PidsGroups(), nil, nil, r.app.screenRows())
	if err != nil {
		return err
	}
	addGrid(&rep, groups, cgroupfacts.TakePids(r.host))
	rep.Tell(l.Gaps(), r.host.Kernel)
	h := r.header(l.Settings.At, over)
	h.Summary = []string{units.Plural(l.Procs.Len(), "process", "processes")}
	return r.print(h, &rep)
}

// takeProcs scans the processes for a view; was is the sample an interval ago.
func (r *run) takeProcs(v *lower.View[procfacts.Row], o *procOptions, was *procfacts.Snapshot) (*procfacts.Snapshot, error) {
	scan := proc.Scan
	if o.threads {
		scan = proc.ScanThreads
	}
	rows, order, err := v.Scan(func(want inspect.Sources) (explain.Scan[procfacts.Row], error) {
		if was == nil {
			return scan(r.host, want, nil)
		}
		return scan(r.host, want, was.Procs)
	})
	if err != nil {
		return nil, err
	}
	ps := rows.(*procfacts.Processes)
	if o.tree {
		order = proc.AsTree(ps, order)
	}
	return procfacts.Take(r.host, ps, order)
}

// procOne explains one process, given by number or by name, or one thread.
func (r *run) procOne(args []string, o *procOptions) error {
	switch {
	case o.thread < 0:
		return usagef("--thread: bad value %d: it takes the number of a thread", o.thread)
	case o.sample < 0:
		return usagef("--sample: bad value %v: it takes how long, such as 5s", o.sample)
	case o.thread != 0 && o.sample != 0:
		return usagef("--sample is of all threads: it does not go with --thread")
	case o.thread != 0 && len(args) > 0:
		return usagef("--thread says which process it is of: give no other")
	case o.thread != 0:
		return r.procProcess(o.thread, proc.ThreadDetail)
	}
	pid, err := r.findProcess(args[0])
	if err != nil {
		return err
	}
	if o.sample == 0 {
		return r.procProcess(pid, proc.Detail)
	}
	if r.set.Interval > 0 {
		return usagef("--sample has its own time: it does not go with --interval")
	}
	return r.procSample(pid, o.sample)
}

// procSample shows where a process spends its time.
func (r *run) procSample(pid int32, over time.Duration) error {
	doings, err := lower.NewView(proc.Doings(), nil, nil, 0)
	if err != nil {
		return err
	}
	p := r.progress("watching the process for " + over.String())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // what was seen until then is worth showing
	s, err := proc.Take(ctx, r.host, pid, over)
	stop()
	p.Stop()
	if err != nil {
		return err
	}
	card := proc.Sampled()
	rep := lower.Explain(&card, s, r.set.Limits)
	addGrid(&rep, doings, s)
	rep.Tell(s.Gaps(), r.host.Kernel)
	h := r.header(s.Host.At, 0)
	h.Subject = &output.Subject{PID: pid, Comm: s.Comm}
	return r.print(h, &rep)
}

type detailer func(*inspect.Host, int32, inspect.Sources) (*procfacts.Detail, error)

// procProcess explains one process or thread.
func (r *run) procProcess(pid int32, detail detailer) error {
	card := proc.Process()
	spaces, err := lower.NewView(proc.Namespaces(), nil, nil, 0)
	if err != nil {
		return err
	}
	ladder, err := lower.NewView(proc.Limits(), nil, nil, 0)
	if err != nil {
		return err
	}
	limits, err := lower.NewView(proc.Rlimits(), nil, nil, 0)
	if err != nil {
		return err
	}
	want := card.Needs().Plus(spaces.Needs()).Plus(ladder.Needs()).Plus(limits.Needs())
	d, over, err := r.readProcess(pid, want, detail)
	if err != nil {
		return err
	}
	rep := lower.Explain(&card, d, r.set.Limits)
	addGrid(&rep, spaces, procfacts.DetailParts[procfacts.Namespace]{Detail: d, List: d.Namespaces})
	addGrid(&rep, ladder, procfacts.DetailParts[procfacts.Bound]{Detail: d, List: d.Bounds})
	addGrid(&rep, limits, procfacts.DetailParts[procfacts.Limit]{Detail: d, List: d.Limits})
	rep.Tell(d.Gaps(), r.host.Kernel)
	h := r.header(d.Row.Host.At, over)
	h.Subject = &output.Subject{PID: pid, Comm: d.Row.P.Comm}
	if !d.Born.IsZero() {
		h.Subject.StartTime = &d.Born
	}
	return r.print(h, &rep)
}

// readProcess reads a process once, or twice an interval apart. Where it ends between
// the two, the first is what there is to tell.
func (r *run) readProcess(pid int32, want inspect.Sources, detail detailer) (d *procfacts.Detail, over time.Duration, err error) {
	d, was, ended, err := twice(r, "reading the process", func() (*procfacts.Detail, error) { return detail(r.host, pid, want) },
		func(was, now *procfacts.Detail) bool { return was.Row.P.Start == now.Row.P.Start })
	if err != nil {
		return nil, 0, err
	}
	d.Ended = d.Ended || ended
	if was == nil {
		return d, 0, nil
	}
	d.Was, over = was, d.Row.Host.At.Sub(was.Row.Host.At)
	d.Row.Host.Was, d.Row.Was = was.Row.Host, was.Row.P
	return d, over, nil
}

// findProcess finds a process by number, or by a name that just one has.
func (r *run) findProcess(arg string) (int32, error) {
	if arg == "" || strings.Trim(arg, "0123456789") == "" {
		return parsePID(arg)
	}
	ps, err := proc.Scan(r.host, inspect.Sources{}, nil)
	if err != nil {
		return 0, err
	}
	var found []string
	var pid int32
	for i := range ps.Rows {
		if p := &ps.Rows[i]; p.Comm == arg && p.PID != ps.Host.Self {
			pid = p.PID
			found = append(found, strconv.Itoa(int(pid)))
		}
	}
	switch n := len(found); {
	case n == 0:
		return 0, fmt.Errorf("no process is called %q (kwhy proc --name finds parts of names): %w", arg, inspect.ErrNoProcess)
	case n > 20:
		return 0, fmt.Errorf("%d processes are called %q: give a PID, such as %s", n, arg, found[0])
	case n > 1:
		return 0, fmt.Errorf("%d processes are called %q: give a PID of %s", n, arg, strings.Join(found, ", "))
	}
	return pid, nil
}
