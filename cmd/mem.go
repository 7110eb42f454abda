package cmd

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/mem"
	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	memfacts "kwhy/inspect/mem"
	procfacts "kwhy/inspect/proc"
	"kwhy/output"
)

const memLong = `Without a PID: how the host's RAM is used, what is available and how the kernel
computes that, the memory cgroup that limits programs here, processes by RSS, page
cache and writeback, overcommit, swap, reclaim and pressure, zones, huge pages,
and the slab caches (as root).

With a PID: the resident memory of one process, its proportional share (PSS), its
address space by kind and in address order, and what is freed when it ends.`

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
  kwhy mem --pss --limit 20       20 processes, with PSS, USS and SwapPss
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
	processes *lower.View[procfacts.Row] // ranked by what the kernel tells cheaply
	shown     *lower.View[procfacts.Row] // and then by what is shown
	rest      []func(*memfacts.Snapshot, explain.Limits) (lower.Grid, []lower.Finding)
	needs     inspect.Sources
}

func newHostTables(o memOptions, screen int) (*hostTables, error) {
	limit := o.limit
	if limit == autoLimit {
		limit = screen
	}
	procs, err := lower.NewView(mem.Processes(o.pss), nil, nil, limit)
	if err != nil {
		return nil, err
	}
	shown, err := lower.NewView(mem.Processes(o.pss), nil, []string{"vm_rss", "-pid"}, 0)
	if err != nil {
		return nil, err
	}
	t := &hostTables{processes: procs, shown: shown}
	add(t, mem.Cgroups(), 0, func(m *memfacts.Snapshot) []cgroupfacts.Memory { return m.Cgroups })
	add(t, mem.Swaps(), 0, func(m *memfacts.Snapshot) []memfacts.Swap { return m.Swaps })
	add(t, mem.Zones(), 0, mem.Populated)
	add(t, mem.Nodes(), 0, func(m *memfacts.Snapshot) []memfacts.Node { return m.Nodes })
	add(t, mem.HugePools(), 0, mem.UsedPools)
	add(t, mem.Slabs(), slabRows, func(m *memfacts.Snapshot) []memfacts.Slab { return m.Slabs })
	return t, nil
}

func add[T any](t *hostTables, table *explain.Table[memfacts.Part[T]], limit int, list func(*memfacts.Snapshot) []T) {
	v, err := lower.NewView(table, nil, nil, limit)
	if err != nil {
		panic(err) // a table whose own sort keys are not its columns: a test finds it
	}
	t.needs = t.needs.Plus(v.Needs()).Plus(v.Rank())
	t.rest = append(t.rest, func(m *memfacts.Snapshot, l explain.Limits) (lower.Grid, []lower.Finding) {
		rows := memfacts.Parts[T]{Mem: m, List: list(m)}
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
	var was *memfacts.Snapshot
	if r.set.Interval > 0 {
		if was, err = memfacts.Take(r.host, want); err != nil {
			return err
		}
		r.wait(r.set.Interval)
	}
	p := r.progress("reading memory")
	var procs explain.Scan[procfacts.Row]
	var order []int32
	var scanErr error
	m, err := memfacts.TakeBeside(r.host, want, func() {
		procs, order, scanErr = tables.processes.Scan(func(want inspect.Sources) (explain.Scan[procfacts.Row], error) { return procfacts.Scan(r.host, want) })
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
	rep := lower.Explain(&card, m, r.set.Limits)
	tables.explain(&rep, m, procs, order)
	rep.Tell(append(m.Gaps(), procs.(*procfacts.Processes).Gaps(order)...), r.host.Kernel)
	h := r.header(m.At, over)
	h.Summary = ramSummary(&rep)
	if o.pss {
		cost := procs.(*procfacts.Processes).FillTook.Round(10 * time.Microsecond)
		h.Summary = append(h.Summary, fmt.Sprintf("PSS and details of %s read in %s", units.Plural(len(order), "process", "processes"), cost))
	}
	return r.print(h, &rep)
}

func (t *hostTables) explain(rep *lower.Report, m *memfacts.Snapshot, procs explain.Rows[procfacts.Row], order []int32) {
	g, found := t.processes.Explain(procs, order, rep.Limits)
	g.More = "--limit 0 shows all"
	rep.Grids, rep.Findings = append(rep.Grids, g), append(rep.Findings, found...)
	for _, one := range t.rest {
		g, found := one(m, rep.Limits)
		rep.Grids, rep.Findings = append(rep.Grids, g), append(rep.Findings, found...)
	}
}

// ramSummary is what the header of the text says of RAM and swap.
func ramSummary(rep *lower.Report) (words []string) {
	if c := rep.Cell("mem_total"); c != nil && c.Value.Has() {
		words = append(words, units.Size(c.Value.Uint())+" RAM")
	}
	if c := rep.Cell("swap_total"); c != nil && c.Value.Has() {
		if c.Value.Zero() {
			return append(words, "no swap")
		}
		words = append(words, units.Size(c.Value.Uint())+" swap")
	}
	return words
}

func (r *run) memProcess(pid int32) error {
	card := mem.Process()
	kinds, err := lower.NewView(mem.MapKinds(), nil, nil, 0)
	if err != nil {
		return err
	}
	regions, err := lower.NewView(mem.Mappings(), nil, nil, 0)
	if err != nil {
		return err
	}
	want := card.Needs().Plus(kinds.Needs()).Plus(regions.Needs())
	m, was, ended, err := twice(r, "reading the process's memory", func() (*memfacts.Process, error) { return memfacts.TakeProcess(r.host, pid, want) },
		func(was, now *memfacts.Process) bool { return was.P.Start == now.P.Start })
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
	rep := lower.Explain(&card, m, r.set.Limits)
	addGrid(&rep, kinds, memfacts.ProcessParts[memfacts.MapKind]{Mem: m, List: m.Kinds})
	addGrid(&rep, regions, memfacts.ProcessParts[memfacts.Region]{Mem: m, List: m.Regions})
	rep.Tell(vanished(m.Gaps(), ended), r.host.Kernel)
	h := r.header(m.At, over)
	h.Subject = &output.Subject{PID: pid, Comm: m.P.Comm}
	if !m.Born.IsZero() {
		h.Subject.StartTime = &m.Born
	}
	return r.print(h, &rep)
}

func addGrid[S explain.Snapshot[S]](rep *lower.Report, v *lower.View[S], rows explain.Rows[S]) {
	g, found := v.Explain(rows, v.Order(rows), rep.Limits)
	rep.Grids, rep.Findings = append(rep.Grids, g), append(rep.Findings, found...)
}
