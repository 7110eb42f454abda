package cmd

import (
	"context"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

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
	settings
	table         tableFlags
	who           processFilter
	tree, threads bool
	thread        int32
	sample        time.Duration
	of            process // none: the host, or a thread
}

func (o *procOptions) parse(t *typed) (err error) {
	if err := o.table.check(); err != nil || o.table.asksHelp() {
		return err
	}
	switch {
	case o.tree && o.threads:
		return usagef("--tree is of processes: it does not go with --threads")
	case o.tree && len(o.table.sort) > 0:
		return usagef("--tree has an order of its own: it takes no --sort")
	case len(t.args) > 0 || o.thread != 0:
		return o.parseOne(t)
	case o.sample != 0:
		return usagef("--sample is of one process: give its PID or name")
	}
	o.who.settle()
	return nil
}

// parseOne parses the options for one process or one thread.
func (o *procOptions) parseOne(t *typed) (err error) {
	if err := t.forTable("limit", "columns", "sort", "tree", "threads", "user", "name", "state", "cgroup"); err != nil {
		return err
	}
	switch {
	case o.thread < 0:
		return usagef("--thread: bad value %d: it takes the number of a thread", o.thread)
	case o.sample < 0:
		return usagef("--sample: bad value %v: it takes how long, such as 5s", o.sample)
	case o.thread != 0 && o.sample != 0:
		return usagef("--sample is of all threads: it does not go with --thread")
	case o.thread != 0 && len(t.args) > 0:
		return usagef("--thread says which process it is of: give no other")
	case o.thread != 0:
		return nil
	}
	if o.of, err = parseProcess(t.arg()); err == nil && o.sample != 0 && o.paired() {
		return usagef("--sample has its own time: it does not go with --interval")
	}
	return err
}

func (o *procOptions) asksHelp() bool { return o.table.asksHelp() }

func newProc(a *App, do func(*procOptions) error) *cobra.Command {
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
		RunE: settled(a, &o, do, onHost(a, "proc", runProc)),
	}
	f := c.Flags()
	o.table.flags(f, "`N` rows of processes; 0 is all, -1 as many as a screen takes")
	f.BoolVar(&o.tree, "tree", false, "each process below its parent, all unless --limit is given")
	f.BoolVar(&o.threads, "threads", false, "one row for each thread")
	f.Int32Var(&o.thread, "thread", 0, "explain one thread, by its number: `TID`")
	f.DurationVar(&o.sample, "sample", 0, "sample for `D` what the process's threads do")
	o.who.flags(f)
	f.StringVar(&o.who.State, "state", "", "only processes in these `STATES`: letters such as D,Z")
	f.StringVar(&o.who.Cgroup, "cgroup", "", "only processes of the cgroup of this `PATH` and those below it")
	return c
}

func runProc(r *run, o *procOptions) error {
	switch {
	case o.thread != 0:
		return show(r, proc.ThreadPage(o.thread))
	case o.of.given():
		pid, err := r.find(o.of)
		if err != nil {
			return err
		}
		if o.sample == 0 {
			return show(r, proc.ProcessPage(pid))
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C ends the sampling, and what was seen is shown
		defer stop()
		return show(r, proc.SamplePage(ctx, pid, o.sample))
	}
	who, err := r.wanted(&o.who)
	if err != nil {
		return err
	}
	screen := r.app.screenRows()
	auto := screen
	if o.tree {
		auto = 0
	}
	page, err := proc.HostPage(proc.HostOptions{
		Columns: o.table.columns, Sort: o.table.sort, Limit: rowLimit(o.table.limit, auto), Screen: screen,
		Tree: o.tree, Threads: o.threads, Filter: who, Interval: o.paired(),
	})
	return showAsked(r, page, err)
}
