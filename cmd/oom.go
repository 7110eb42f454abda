package cmd

import (
	"fmt"
	"os/user"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/oom"
	"kwhy/explain/units"
	"kwhy/inspect"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
	"kwhy/output"
)

const oomLong = `Without a PID: the processes in the order in which the kernel would kill them,
each score recomputed from its parts; the memory that is left; the memory cgroups
with a limit, each with its own victim; and the host's OOM policy.

With a PID: the parts of that process's badness, its rank, and with --adj what
another oom_score_adj would change. Nothing is written.`

type oomOptions struct {
	limit  int
	sort   []string
	user   string
	name   string
	cgroup string
	adj    int32
}

func (a *App) oomCommand() *cobra.Command {
	var o oomOptions
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
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(c, args); err != nil {
				return err
			}
			r, err := a.begin(c, "oom")
			if err != nil {
				return err
			}
			defer r.host.Close()
			if len(args) == 0 {
				return r.oomHost(o)
			}
			pid, err := parsePID(args[0])
			if err != nil {
				return err
			}
			var adj *int32
			if c.Flags().Changed("adj") {
				adj = &o.adj
			}
			return r.oomProcess(pid, adj)
		},
	}
	f := c.Flags()
	f.IntVar(&o.limit, "limit", autoLimit, "`N` rows of processes; 0 is all, -1 as many as a screen takes")
	f.StringSliceVar(&o.sort, "sort", nil, "`COLUMNS` to sort by, numbers largest first; a leading - reverses one")
	f.StringVar(&o.user, "user", "", "only processes of this `USER`, by name or number")
	f.StringVar(&o.name, "name", "", "only processes whose name matches this `REGEXP`")
	f.StringVar(&o.cgroup, "cgroup", "", "rank within the memory cgroup of this `PATH`, by its own limit")
	f.Int32Var(&o.adj, "adj", 0, "with a PID: what an oom_score_adj of `N` would change, -1000 to 1000")
	c.AddCommand(a.oomLogCommand())
	return c
}

func (o *oomOptions) check(c *cobra.Command, args []string) error {
	changed := c.Flags().Changed
	switch {
	case o.limit < autoLimit:
		return usagef("--limit: bad value %d: it takes a number of rows, or 0 for all", o.limit)
	case changed("adj") && len(args) == 0:
		return usagef("--adj needs a PID: it says what would become of that process")
	case changed("adj") && (o.adj < -1000 || o.adj > 1000):
		return usagef("--adj: bad value %d: it takes -1000 to 1000", o.adj)
	case changed("cgroup") && o.cgroup == "":
		return usagef("--cgroup: it takes the path of a memory cgroup, as /proc/PID/cgroup spells it")
	}
	for _, name := range []string{"limit", "sort", "user", "name", "cgroup"} {
		if len(args) > 0 && changed(name) {
			return usagef("--%s is for the ranking, and a PID was given", name)
		}
	}
	return nil
}

// view is the ranking as it was asked for.
func (o *oomOptions) view(screen int) (*lower.View[procfacts.Row], error) {
	limit := o.limit
	if limit == autoLimit {
		limit = screen
	}
	v, err := lower.NewView(oom.Processes(o.cgroup != ""), nil, o.sort, limit)
	if err != nil {
		return nil, usagef("--sort: %v", err)
	}
	f := procFilter{user: o.user, name: o.name}
	if err := f.apply(v); err != nil {
		return nil, err
	}
	return v, nil
}

// userID finds a user's number by name or by number.
func userID(name string) (uint32, error) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, usagef("--user: there is no user %q here; a number works too", name)
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(n), err
}

func (r *run) oomHost(o oomOptions) error {
	card := oom.Host()
	screen := r.app.screenRows()
	groups, err := lower.NewView(oom.Cgroups(), nil, nil, screen)
	if err != nil {
		return err
	}
	opt := oom.Options{Mem: card.Needs(), Groups: o.cgroup == "", GroupView: groups, Everyone: true}
	if o.cgroup != "" {
		card = oom.Within()
		opt.Mem = card.Needs()
		if opt.Cgroup, err = r.limitedCgroup(o.cgroup); err != nil {
			return err
		}
	}
	take := func() (*oomfacts.Snapshot, error) {
		v, err := o.view(screen)
		if err != nil {
			return nil, err
		}
		opt.View = v
		if opt.Cgroup != nil {
			within(v, opt.Cgroup)
		}
		out, _, err := oom.Take(r.host, opt)
		return out, err
	}
	var was *oomfacts.Snapshot
	if r.set.Interval > 0 {
		if was, err = take(); err != nil {
			return err
		}
		r.wait(r.set.Interval)
	}
	p := r.progress("ranking the processes")
	out, err := take()
	p.Stop()
	if err != nil {
		return err
	}
	var over time.Duration
	if was != nil {
		out.Was, out.Mem.Was, over = was, was.Mem, out.Mem.At.Sub(was.Mem.At)
	}
	rep := r.oomReport(card, out, opt)
	h := r.header(out.Mem.At, over)
	h.Summary = []string{units.Plural(out.Procs.Len(), "process", "processes")}
	return r.print(h, &rep)
}

// within keeps the processes of a cgroup.
func within(v *lower.View[procfacts.Row], g *oomfacts.Group) {
	g.Members()
	in := map[int32]bool{}
	for _, pid := range g.PIDs {
		in[pid] = true
	}
	v.Where(inspect.Sources{}, func(p procfacts.Row) bool { return in[p.P.PID] })
}

func (r *run) oomReport(card explain.Card[*oomfacts.Snapshot], out *oomfacts.Snapshot, opt oom.Options) lower.Report {
	if g := opt.Cgroup; g != nil {
		out.Groups, out.Got = []oomfacts.Group{*g}, inspect.Present
		oom.Judge(out.Procs, &out.Groups[0])
	}
	rep := lower.Explain(&card, out, r.set.Limits)
	g, found := opt.View.Explain(out.Procs, out.Order, r.set.Limits)
	g.More = "--limit 0 shows all"
	rep.Grids, rep.Findings = append(rep.Grids, g), append(rep.Findings, found...)
	parts := oomfacts.Parts{OOM: out}
	cg, found := opt.GroupView.Explain(parts, opt.GroupView.Order(parts), r.set.Limits)
	rep.Grids, rep.Findings = append(rep.Grids, cg), append(rep.Findings, found...)
	rep.Tell(append(out.Mem.Gaps(), out.Procs.Gaps(out.Order)...), r.host.Kernel)
	return rep
}

// limitedCgroup finds the cgroup that was asked for: by its path as
// /proc/PID/cgroup has it, or as it is mounted.
func (r *run) limitedCgroup(name string) (*oomfacts.Group, error) {
	at := path.Clean("/" + strings.TrimPrefix(name, "/"))
	g, err := oom.FindGroup(r.host, at)
	switch {
	case err != nil || g != nil:
		return g, err
	case oomfacts.HasMemoryCgroup(r.host, at):
		return nil, fmt.Errorf("--cgroup %s: it has no hard limit, so that it kills nobody of its own (kwhy oom lists those that have one)", name)
	}
	return nil, fmt.Errorf("--cgroup %s: there is no memory cgroup of that path here (kwhy oom lists those that have a limit)", name)
}

func (r *run) oomProcess(pid int32, adj *int32) error {
	p := r.progress("ranking the processes")
	t, err := oom.TakeTask(r.host, pid, adj)
	p.Stop()
	if err != nil {
		return err
	}
	card := oom.Process()
	rep := lower.Explain(&card, t, r.set.Limits)
	rep.Tell(append(t.OOM.Mem.Gaps(), t.Row.Gaps()...), r.host.Kernel)
	h := r.header(t.OOM.Mem.At, 0)
	h.Subject = &output.Subject{PID: pid, Comm: t.Row.P.Comm}
	if born := r.host.Born(t.Row.P.Start); !born.IsZero() {
		h.Subject.StartTime = &born
	}
	return r.print(h, &rep)
}
