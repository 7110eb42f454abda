package cmd

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/explain/proc"
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
	filter  processFlags
}

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
			if err := checkLimit(o.limit); err != nil {
				return err
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
			if err := forTable(c, "limit", "columns", "sort", "tree", "threads", "user", "name", "state", "cgroup"); err != nil {
				return err
			}
			return r.procOne(args, &o)
		},
	}
	o.flags(c.Flags())
	return c
}

func (o *procOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.limit, "limit", autoLimit, "`N` rows of processes; 0 is all, -1 as many as a screen takes")
	f.StringSliceVar(&o.columns, "columns", nil, "`COLUMNS` to show, in this order; help lists them")
	f.StringSliceVar(&o.sort, "sort", nil, "`COLUMNS` to sort by, numbers largest first; a leading - reverses one")
	f.BoolVar(&o.tree, "tree", false, "each process below its parent, all unless --limit is given")
	f.BoolVar(&o.threads, "threads", false, "one row for each thread")
	f.Int32Var(&o.thread, "thread", 0, "explain one thread, by its number: `TID`")
	f.DurationVar(&o.sample, "sample", 0, "sample for `D` what the process's threads do")
	o.filter.flags(f)
	f.StringVar(&o.filter.state, "state", "", "only processes in these `STATES`: letters such as D,Z")
	f.StringVar(&o.filter.cgroup, "cgroup", "", "only processes of the cgroup of this `PATH` and those below it")
}

func (r *run) procHost(o procOptions) error {
	filter, err := o.filter.filter()
	if err != nil {
		return err
	}
	screen := r.app.screenRows()
	auto := screen
	if o.tree {
		auto = 0
	}
	page, err := proc.HostPage(proc.HostOptions{
		Columns: o.columns, Sort: o.sort, Limit: rowLimit(o.limit, auto), Screen: screen,
		Tree: o.tree, Threads: o.threads, Filter: filter, Interval: r.set.Interval > 0,
	})
	return showAsked(r, page, err)
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
		return show(r, proc.ThreadPage(o.thread))
	}
	pid, err := r.findProcess(args[0])
	if err != nil {
		return err
	}
	if o.sample == 0 {
		return show(r, proc.ProcessPage(pid))
	}
	if r.set.Interval > 0 {
		return usagef("--sample has its own time: it does not go with --interval")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // what was seen until then is worth showing
	defer stop()
	return show(r, proc.SamplePage(ctx, pid, o.sample))
}

// findProcess finds a process by number, or by a name that just one has.
func (r *run) findProcess(arg string) (int32, error) {
	if arg == "" || strings.Trim(arg, "0123456789") == "" {
		return parsePID(arg)
	}
	return proc.Find(r.host, arg)
}
