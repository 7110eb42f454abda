package cmd

import (
	"github.com/spf13/cobra"

	"kwhy/explain/oom"
)

const oomLong = `Without a PID: the processes in the order in which the kernel would kill them,
each score recomputed from its parts; the memory that is left; the memory cgroups
with a limit, each with its own victim; and the host's OOM policy.

With a PID: the parts of that process's badness, its rank, and with --adj what
another oom_score_adj would change. Nothing is written.`

type oomOptions struct {
	settings
	limit  int
	sort   []string
	who    processFilter
	cgroup string
	adj    *int32 // nil: none was given
	pid    int32  // 0 is the host
}

func (o *oomOptions) parse(t *typed) (err error) {
	switch {
	case o.limit < autoLimit:
		return usagef("--limit: bad value %d: it takes a number of rows, or 0 for all", o.limit)
	case t.given("adj") == "":
		o.adj = nil
	case len(t.args) == 0:
		return usagef("--adj needs a PID: it says what would become of that process")
	case *o.adj < -1000 || *o.adj > 1000:
		return usagef("--adj: bad value %d: it takes -1000 to 1000", *o.adj)
	}
	if t.given("cgroup") != "" && o.cgroup == "" {
		return usagef("--cgroup: it takes the path of a memory cgroup, as /proc/PID/cgroup spells it")
	}
	if len(t.args) == 0 {
		return o.who.settle()
	}
	if name := t.given("limit", "sort", "user", "name", "cgroup"); name != "" {
		return usagef("--%s is for the ranking, and a PID was given", name)
	}
	o.pid, err = parsePID(t.arg())
	return err
}

func newOom(a *App, do func(*oomOptions) error) *cobra.Command {
	o := oomOptions{adj: new(int32)}
	c := &cobra.Command{
		Use:   "oom [PID]",
		Short: "The OOM killer: the next victim and why, and past kills",
		Long:  oomLong,
		Example: `  kwhy oom                        the next victim on this host
  kwhy oom 1234 --adj -500        one process, and with another oom_score_adj
  kwhy oom --cgroup /app/web      the next victim at that cgroup's limit
  kwhy oom --user www-data --limit 0
  kwhy oom log                    the kills in the kernel's log`,
		Args: atMostOne,
		RunE: settled(a, &o, do, onHost(a, "oom", runOom)),
	}
	f := c.Flags()
	f.IntVar(&o.limit, "limit", autoLimit, "`N` rows of processes; 0 is all, -1 as many as a screen takes")
	f.StringSliceVar(&o.sort, "sort", nil, "`COLUMNS` to sort by, numbers largest first; a leading - reverses one")
	o.who.flags(f)
	f.StringVar(&o.cgroup, "cgroup", "", "rank within the memory cgroup of this `PATH`, by its own limit")
	f.Int32Var(o.adj, "adj", 0, "with a PID: what an oom_score_adj of `N` would change, -1000 to 1000")
	c.AddCommand(newOomLog(a, nil))
	return c
}

func runOom(r *run, o *oomOptions) error {
	if o.pid != 0 {
		return show(r, oom.ProcessPage(o.pid, o.adj))
	}
	screen := r.app.screenRows()
	asked := oom.HostOptions{Sort: o.sort, Limit: rowLimit(o.limit, screen), Screen: screen, Filter: o.who.Filter}
	if o.cgroup != "" {
		var err error
		if asked.Cgroup, err = oom.FindGroup(r.host, o.cgroup); err != nil {
			return err
		}
	}
	page, err := oom.HostPage(asked)
	return showAsked(r, page, err)
}
