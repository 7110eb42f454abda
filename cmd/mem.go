package cmd

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"kwhy/explain"
	"kwhy/explain/mem"
	"kwhy/inspect"
	"kwhy/output"
)

const memLong = `Without a PID: where the host's RAM is, what is left to give and how the kernel
computes it, the memory cgroup that bounds programs here, who holds most, page
cache and writeback, overcommit, swap, reclaim and pressure, zones, huge pages,
and the slab caches (as root).

With a PID: what one process has in RAM, its fair share of what it shares, its
address space by kind and in address order, and what its end would free.`

type memOptions struct {
	limit int
	pss   bool
}

func (a *App) memCommand() *cobra.Command {
	var o memOptions
	c := &cobra.Command{
		Use:   "mem [PID]",
		Short: "Memory: of the host, or of one process",
		Long:  memLong,
		Example: `  kwhy mem                        this host
  kwhy mem 1234                   one process
  kwhy mem --pss --limit 20       who holds it, shared pages divided
  kwhy mem -o json | jq .values.mem_available.value`,
		Args: atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			if o.limit < autoLimit {
				return usagef("--limit: bad value %d: it takes a number of rows, 0 for all, or -1 for as many as a screen takes", o.limit)
			}
			r, err := a.begin(c, "mem")
			if err != nil {
				return err
			}
			defer r.host.Close()
			if len(args) == 0 {
				return r.memHost(o)
			}
			for _, name := range []string{"limit", "pss"} {
				if c.Flags().Changed(name) {
					return usagef("--%s is for the table of all processes", name)
				}
			}
			pid, err := parsePID(args[0])
			if err != nil {
				return err
			}
			return r.memProcess(pid)
		},
	}
	c.Flags().IntVar(&o.limit, "limit", autoLimit, "`N` rows of processes; 0 is all, -1 as many as a screen takes")
	c.Flags().BoolVar(&o.pss, "pss", false, "add PSS, USS and SwapPss of the processes shown: the kernel walks their page tables")
	return c
}

// autoLimit is as many rows as a screen takes.
const autoLimit = -1

// slabRows is how many caches text and JSON show.
const slabRows = 10

func parsePID(arg string) (int32, error) {
	n, err := strconv.ParseInt(arg, 10, 32)
	if err != nil || n < 1 {
		return 0, usagef("bad PID %q: it takes the number of a process", arg)
	}
	return int32(n), nil
}

// screenRows is how many rows of a table a screen takes: each may be two
// lines, and it is not alone.
func (a *App) screenRows() int {
	if !a.OutTerminal || a.Lines == 0 {
		return 10
	}
	return min(max((a.Lines-4)/2, 5), 20)
}

// hostTables are the tables of a host's memory, and what they need.
type hostTables struct {
	processes *explain.View[inspect.Proc] // ranked by what the kernel tells cheaply
	shown     *explain.View[inspect.Proc] // and then by what is shown
	rest      []func(*inspect.Mem, explain.Limits) (explain.Grid, []explain.Finding)
	needs     inspect.Sources
}

func newHostTables(o memOptions, screen int) (*hostTables, error) {
	limit := o.limit
	if limit == autoLimit {
		limit = screen
	}
	procs, err := mem.Processes(o.pss).View(nil, nil, limit)
	if err != nil {
		return nil, err
	}
	shown, err := mem.Processes(o.pss).View(nil, []string{"vm_rss", "-pid"}, 0)
	if err != nil {
		return nil, err
	}
	t := &hostTables{processes: procs, shown: shown}
	add(t, mem.Cgroups(), 0, func(m *inspect.Mem) []inspect.CgroupMem { return m.Cgroups })
	add(t, mem.Swaps(), 0, func(m *inspect.Mem) []inspect.Swap { return m.Swaps })
	add(t, mem.Zones(), 0, mem.Populated)
	add(t, mem.Nodes(), 0, func(m *inspect.Mem) []inspect.Node { return m.Nodes })
	add(t, mem.HugePools(), 0, mem.UsedPools)
	add(t, mem.Slabs(), slabRows, func(m *inspect.Mem) []inspect.Slab { return m.Slabs })
	return t, nil
}

func add[T any](t *hostTables, table *explain.Table[inspect.MemPart[T]], limit int, list func(*inspect.Mem) []T) {
	v, err := table.View(nil, nil, limit)
	if err != nil {
		panic(err) // a table whose own sort keys are not its columns: a test finds it
	}
	t.needs = t.needs.Plus(v.Needs()).Plus(v.Rank())
	t.rest = append(t.rest, func(m *inspect.Mem, l explain.Limits) (explain.Grid, []explain.Finding) {
		rows := inspect.MemParts[T]{Mem: m, List: list(m)}
		return v.Explain(rows, v.Order(rows), l)
	})
}

func (r *run) memHost(o memOptions) error {
	card := mem.Host()
	tables, err := newHostTables(o, r.app.screenRows())
	if err != nil {
		return err
	}
	want := card.Needs().Plus(tables.needs)
	var was *inspect.Mem
	if r.set.Interval > 0 {
		if was, err = r.host.Mem(want); err != nil {
			return err
		}
		r.wait(r.set.Interval)
	}
	p := r.progress("reading memory")
	var procs explain.Scan[inspect.Proc]
	var order []int32
	var scanErr error
	m, err := r.host.MemBeside(want, func() {
		procs, order, scanErr = tables.processes.Scan(func(want inspect.Sources) (explain.Scan[inspect.Proc], error) { return r.host.Procs(want) })
	})
	p.Stop()
	if err := cmp.Or(err, scanErr); err != nil {
		return err
	}
	order = tables.shown.Again(procs, order)
	var over time.Duration
	if was != nil {
		m.Was, over = was, m.At.Sub(was.At)
	}
	rep := card.Explain(m, r.set.Limits)
	tables.explain(&rep, m, procs, order)
	rep.Tell(append(m.Gaps(), procs.(*inspect.Procs).Gaps(order)...), r.host.Kernel)
	h := r.header(m.At, over)
	h.Summary = ramSummary(&rep)
	if o.pss {
		cost := procs.(*inspect.Procs).FillTook.Round(10 * time.Microsecond)
		h.Summary = append(h.Summary, fmt.Sprintf("PSS and details of %s read in %s", explain.Plural(len(order), "process", "processes"), cost))
	}
	return r.print(h, &rep)
}

func (t *hostTables) explain(rep *explain.Report, m *inspect.Mem, procs explain.Rows[inspect.Proc], order []int32) {
	g, found := t.processes.Explain(procs, order, rep.Limits)
	g.More = "--limit 0 shows all"
	rep.Grids, rep.Findings = append(rep.Grids, g), append(rep.Findings, found...)
	for _, one := range t.rest {
		g, found := one(m, rep.Limits)
		rep.Grids, rep.Findings = append(rep.Grids, g), append(rep.Findings, found...)
	}
}

// ramSummary is what the header of the text says of RAM and swap.
func ramSummary(rep *explain.Report) (words []string) {
	if c := rep.Cell("mem_total"); c != nil && c.Value.Has() {
		words = append(words, explain.Size(c.Value.Uint())+" RAM")
	}
	if c := rep.Cell("swap_total"); c != nil && c.Value.Has() {
		if c.Value.Zero() {
			return append(words, "no swap")
		}
		words = append(words, explain.Size(c.Value.Uint())+" swap")
	}
	return words
}

func (r *run) memProcess(pid int32) error {
	card := mem.Process()
	kinds, err := mem.MapKinds().View(nil, nil, 0)
	if err != nil {
		return err
	}
	regions, err := mem.Mappings().View(nil, nil, 0)
	if err != nil {
		return err
	}
	want := card.Needs().Plus(kinds.Needs()).Plus(regions.Needs())
	m, was, ended, err := twice(r, "reading the process's memory", func() (*inspect.ProcMem, error) { return r.host.ProcMem(pid, want) },
		func(was, now *inspect.ProcMem) bool { return was.P.Start == now.P.Start })
	if err != nil {
		return err
	}
	if tgid := m.Status["Tgid"]; tgid != 0 && tgid != uint64(pid) {
		return fmt.Errorf("%d is a thread of process %d, and memory is the whole process's: kwhy mem %d", pid, tgid, tgid)
	}
	var over time.Duration
	if was != nil {
		m.Was, over = was, m.At.Sub(was.At)
	}
	rep := card.Explain(m, r.set.Limits)
	addGrid(&rep, kinds, inspect.ProcMemParts[inspect.MapKind]{Mem: m, List: m.Kinds})
	addGrid(&rep, regions, inspect.ProcMemParts[inspect.Region]{Mem: m, List: m.Regions})
	rep.Tell(vanished(m.Gaps(), ended), r.host.Kernel)
	h := r.header(m.At, over)
	h.Subject = output.NewSubject(pid, m.P.Comm, m.Born)
	return r.print(h, &rep)
}

func addGrid[S explain.Snapshot[S]](rep *explain.Report, v *explain.View[S], rows explain.Rows[S]) {
	g, found := v.Explain(rows, v.Order(rows), rep.Limits)
	rep.Grids, rep.Findings = append(rep.Grids, g), append(rep.Findings, found...)
}
