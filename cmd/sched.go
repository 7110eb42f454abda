package cmd

import (
	"github.com/spf13/cobra"

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
	settings
	table   tableFlags
	who     processFilter
	threads bool
	of      process // none: the host
}

func (o *schedOptions) parse(t *typed) (err error) {
	if err := o.table.check(); err != nil || o.table.asksHelp() {
		return err
	}
	if len(t.args) == 0 {
		if o.threads {
			return usagef("--threads is of one process: give its PID, or see kwhy proc --threads")
		}
		o.who.settle()
		return nil
	}
	if err := t.forTable("limit", "columns", "sort", "user", "name"); err != nil {
		return err
	}
	o.of, err = parseProcess(t.arg())
	return err
}

func (o *schedOptions) asksHelp() bool { return o.table.asksHelp() }

func newSched(a *App, do func(*schedOptions) error) *cobra.Command {
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
		RunE: settled(a, &o, do, onHost(a, "sched", runSched)),
	}
	f := c.Flags()
	o.table.flags(f, "`N` rows of processes; 0 is all, -1 as many as a screen takes")
	f.BoolVar(&o.threads, "threads", false, "with a PID: its threads too")
	o.who.flags(f)
	return c
}

func runSched(r *run, o *schedOptions) error {
	if o.of.given() {
		pid, err := r.find(o.of)
		if err != nil {
			return err
		}
		return show(r, sched.ProcessPage(pid, o.threads))
	}
	who, err := r.wanted(&o.who)
	if err != nil {
		return err
	}
	screen := r.app.screenRows()
	page, err := sched.HostPage(sched.HostOptions{
		Columns: o.table.columns, Sort: o.table.sort, Limit: rowLimit(o.table.limit, screen), Screen: screen,
		Filter: who, Text: o.Output == "text",
	})
	return showAsked(r, page, err)
}
