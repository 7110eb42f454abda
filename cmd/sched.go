package cmd

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/explain/sched"
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
	filter  processFlags
}

func (o *schedOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.limit, "limit", autoLimit, "`N` rows of processes; 0 is all, -1 as many as a screen takes")
	f.StringSliceVar(&o.columns, "columns", nil, "`COLUMNS` to show, in this order; help lists them")
	f.StringSliceVar(&o.sort, "sort", nil, "`COLUMNS` to sort by, numbers largest first; a leading - reverses one")
	f.BoolVar(&o.threads, "threads", false, "with a PID: its threads too")
	o.filter.flags(f)
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
			if err := checkLimit(o.limit); err != nil {
				return err
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
			if err := forTable(c, "limit", "columns", "sort", "user", "name"); err != nil {
				return err
			}
			pid, err := r.findProcess(args[0])
			if err != nil {
				return err
			}
			return show(r, sched.ProcessPage(pid, o.threads))
		},
	}
	o.flags(c.Flags())
	return c
}

func (r *run) schedHost(o *schedOptions) error {
	filter, err := o.filter.filter()
	if err != nil {
		return err
	}
	screen := r.app.screenRows()
	page, err := sched.HostPage(sched.HostOptions{
		Columns: o.columns, Sort: o.sort, Limit: rowLimit(o.limit, screen), Screen: screen, Filter: filter, Text: r.set.Output == "text",
	})
	return showAsked(r, page, err)
}
