package mem

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	memfacts "kwhy/inspect/mem"
	procfacts "kwhy/inspect/proc"
)

// What snapshots and rows offer besides, as the machinery looks for it.
var (
	_ lower.Partial = mem(nil)
	_ lower.Gapped  = mem(nil)
	_ lower.Misser  = memfacts.Parts[memfacts.Zone]{}
)

// Topic is memory: the host's, and one process's.
func Topic() explain.Topic {
	return explain.Topic{Name: "mem", Title: "memory", Trials: trials, Pages: func() []explain.Page {
		return []explain.Page{
			HostPage(HostOptions{PSS: true}), ProcessPage(0),
		}
	}}
}

// HostOptions are what the page of a host's memory is asked for.
type HostOptions struct {
	Limit int  // rows of processes; 0 is all
	PSS   bool // with what each process shares with others
}

// slabRows is how many caches text and JSON show.
const slabRows = 10

// HostPage shows a host's memory, and who holds most of it.
func HostPage(o HostOptions) *lower.Page[mem] {
	holders := newHolders(o)
	return &lower.Page[mem]{
		Command: "mem", Card: ranked(Host(), o.PSS), Doing: "reading memory",
		Tables: []lower.Attached[mem]{
			holders.rows(),
			table(Cgroups(), 0, func(m mem) []cgroupfacts.Memory { return m.Cgroups }),
			stalledTable(), mapCounts(),
			sharedTable(),
			table(Swaps(), 0, func(m mem) []memfacts.Swap { return m.Swaps }),
			table(Zones(), 0, Populated),
			table(Nodes(), 0, func(m mem) []memfacts.Node { return m.Nodes }),
			table(HugePools(), 0, UsedPools),
			table(Slabs(), slabRows, func(m mem) []memfacts.Slab { return m.Slabs }),
		},
		Take:   func(h *inspect.Host, want inspect.Sources) (mem, error) { return memfacts.Take(h, want) },
		Second: holders.take,
		Since:  func(now, was mem) { now.Was = was },
		At:     func(m mem) time.Time { return m.At },
		Gaps:   func(m mem) []inspect.Gap { return append(m.Gaps(), holders.procs.Gaps()...) },
		Summary: func(rep *lower.Report, _ mem) []string {
			return append(ramSummary(rep), holders.cost()...)
		},
		Check: check,
	}
}

// ranked is the card with processes ranked by what they share taken into account, where that was
// asked for.
func ranked(c explain.Card[mem], byPSS bool) explain.Card[mem] {
	for i := range c.Sections {
		if s := &c.Sections[i]; byPSS && s.By == "rss" {
			s.Title, s.By = "Processes by PSS", "pss"
		}
	}
	return c
}

// check looks at the host's memory, its zones and the cgroups that bound kwhy.
func check() *lower.Check[mem] {
	return &lower.Check[mem]{
		Take: func(sh *lower.Shared, want inspect.Sources) (mem, error) {
			free := inspect.Of(inspect.Buddyinfo) // how scattered it is, which mem.fragmented says with what it finds
			m, err := memfacts.Take(sh.Host, want.Plus(HealthNeeds()).Plus(free))
			if err == nil {
				m.Walk, m.Mapped = Walked(sh), memfacts.TakeMapCounts(sh.Procs)
			}
			return m, err
		},
		Scan: inspect.Of(inspect.PIDStat), Health: Health, Rests: HealthNeeds(), Gaps: mem.Gaps,
	}
}

// holders are the processes that hold most of a host's memory.
type holders struct {
	o      HostOptions
	ranked *lower.View[procfacts.Row] // by what the kernel says cheaply
	shown  *lower.View[procfacts.Row] // and then by what is shown
	procs  *procfacts.Processes
	order  []int32
}

func newHolders(o HostOptions) *holders {
	t := Processes(o.PSS)
	l := &holders{o: o, ranked: lower.Own(t, nil, nil, o.Limit), shown: lower.Own(t, nil, []string{"vm_rss", "-pid"}, 0)}
	if o.PSS {
		l.shown = lower.Own(t, nil, []string{"pss", "vm_rss", "-pid"}, o.Limit)
	}
	return l
}

// scan reads the processes: all by RSS, and of those that may be shown all that is shown.
func (l *holders) scan(h *inspect.Host) (explain.Scan[procfacts.Row], []int32, error) {
	take := func(want inspect.Sources) (explain.Scan[procfacts.Row], error) { return procfacts.Scan(h, want) }
	if !l.o.PSS || l.o.Limit == 0 {
		return l.ranked.Scan(take)
	}
	rows, order, err := lower.Own(Processes(true), []string{"pid"}, []string{"vm_rss", "-pid"}, 0).Scan(take)
	if err != nil {
		return nil, nil, err
	}
	order = l.largest(rows, order)
	return rows, rows.Fill(order, l.ranked.Needs()), nil
}

// largest returns those with the highest PSS, of processes by RSS. To know it the kernel walks page
// tables, so that it is read of no more than it takes: no PSS is larger than the RSS.
func (l *holders) largest(rows explain.Scan[procfacts.Row], order []int32) (read []int32) {
	var known []inspect.Num
	for at := 0; at < len(order); at += l.o.Limit {
		part := rows.Fill(order[at:min(at+l.o.Limit, len(order))], inspect.Of(inspect.PIDSmapsRollup))
		for _, i := range part {
			known = append(known, rows.At(int(i)).P.Pss)
		}
		slices.SortFunc(known, func(a, b inspect.Num) int { return cmp.Compare(b, a) })
		read = append(read, part...)
		if next := at + l.o.Limit; len(known) >= l.o.Limit && next < len(order) && rows.At(int(order[next])).P.VmRSS < known[l.o.Limit-1] {
			break
		}
	}
	return l.shown.Again(rows, read)
}

// take reads the host's memory and, at the same time, the processes.
func (l *holders) take(h *inspect.Host, want inspect.Sources, _ mem) (mem, error) {
	var scanned error
	m, err := memfacts.TakeBeside(h, want, func() {
		var rows explain.Scan[procfacts.Row]
		rows, l.order, scanned = l.scan(h)
		if scanned == nil {
			l.procs = rows.(*procfacts.Processes)
		}
	})
	if err == nil {
		err = scanned
	}
	if err != nil {
		return nil, err
	}
	l.order = l.shown.Again(l.procs, l.order)
	if l.o.PSS { // where each process costs the kernel a walk through its mappings anyway
		m.Mapped = memfacts.TakeMapCounts(l.procs)
	}
	return m, nil
}

func (l *holders) rows() lower.Attached[mem] {
	return &lower.Rows[mem, procfacts.Row]{View: l.ranked, Ready: true, More: "--limit 0 shows all", Left: lower.NotAsked,
		Of:    func(mem) explain.Rows[procfacts.Row] { return l.procs },
		Order: func(mem) []int32 { return l.order },
		Scan:  processes,
	}
}

// cost is how long the kernel took for what costs it most.
func (l *holders) cost() []string {
	if !l.o.PSS {
		return nil
	}
	took := l.procs.FillTook.Round(10 * time.Microsecond)
	return []string{fmt.Sprintf("PSS and details of %s read in %s", units.Plural(len(l.order), "process", "processes"), took)}
}

// ramSummary is what the header of the text says of RAM and swap.
func ramSummary(rep *lower.Report) (words []string) {
	if c := rep.Cell("mem_total"); c != nil && c.Value.Has() && !c.Doubt.Any() {
		words = append(words, units.Size(c.Value.Uint())+" RAM")
	}
	if c := rep.Cell("swap_total"); c != nil && c.Value.Has() && !c.Doubt.Any() {
		if c.Value.Zero() {
			return append(words, "no swap")
		}
		words = append(words, units.Size(c.Value.Uint())+" swap")
	}
	return words
}

func processes(h *inspect.Host, v *lower.View[procfacts.Row]) (explain.Rows[procfacts.Row], []int32, error) {
	return v.Scan(func(want inspect.Sources) (explain.Scan[procfacts.Row], error) { return procfacts.Scan(h, want) })
}

// table attaches a table of a host's parts, which lean on meminfo besides their own columns.
func table[T any](t *explain.Table[memfacts.Part[T]], limit int, of func(mem) []T) lower.Attached[mem] {
	r := lower.Table(t, limit, func(m mem) explain.Rows[memfacts.Part[T]] { return memfacts.Parts[T]{In: m, List: of(m)} })
	r.Plus = inspect.Of(inspect.Meminfo)
	return r
}

// sharedTable shows who holds shared memory, where either of those could be asked.
func sharedTable() lower.Attached[mem] {
	r := lower.Table(SharedMemory(), 0, func(m mem) explain.Rows[sharedRow] {
		if m.Missing(inspect.TmpfsUse) != inspect.Present && m.Missing(inspect.SysvipcShm) != inspect.Present {
			return nil
		}
		return memfacts.Parts[memfacts.Shared]{In: m, List: m.Shared()}
	})
	r.Plus = inspect.Of(inspect.Meminfo)
	r.Scan = func(h *inspect.Host, v *lower.View[sharedRow]) (explain.Rows[sharedRow], []int32, error) {
		m, err := memfacts.Take(h, v.Needs().Plus(v.Rank()).Plus(r.Plus))
		if err != nil {
			return nil, nil, err
		}
		rows := memfacts.Parts[memfacts.Shared]{In: m, List: m.Shared()}
		return rows, v.Order(rows), nil
	}
	return r
}

// stalledTable shows the cgroups that are stalled at their bound; check judges all that have one.
func stalledTable() lower.Attached[mem] {
	r := lower.Table(Stalled(), 0, stalled)
	r.Judged = func(m mem) explain.Rows[cgroupRow] { return bounded(m, func(*cgroupfacts.Memory) bool { return true }) }
	return r
}

// mapCounts attaches the processes by their mappings, which are counted for check and with PSS.
func mapCounts() lower.Attached[mem] {
	t := lower.Table(MapCounts(), 0, func(m mem) explain.Rows[mapsRow] {
		if m.Mapped == nil {
			return nil
		}
		return m.Mapped
	})
	t.Scan = func(h *inspect.Host, v *lower.View[mapsRow]) (explain.Rows[mapsRow], []int32, error) {
		ps, err := procfacts.Scan(h, inspect.Of(inspect.PIDStat))
		if err != nil {
			return nil, nil, err
		}
		c := memfacts.TakeMapCounts(ps)
		return c, v.Order(c), nil
	}
	return t
}

// ProcessPage shows the memory of one process; 0 is kwhy itself.
func ProcessPage(pid int32) *lower.Page[procMem] {
	return &lower.Page[procMem]{
		Command: "mem PID", Scope: explain.OfProcess, Card: Process(), Doing: "reading the process's memory",
		Tables: []lower.Attached[procMem]{
			ofProcess(MapKinds(), func(m procMem) []memfacts.MapKind { return m.Kinds }),
			ofProcess(Mappings(), func(m procMem) []memfacts.Region { return m.Regions }),
		},
		Take: func(h *inspect.Host, want inspect.Sources) (procMem, error) {
			if pid == 0 {
				return memfacts.TakeProcess(h, h.Example(), want)
			}
			return takeProcess(h, pid, want)
		},
		Since:   func(now, was procMem) { now.Was = was },
		Same:    func(was, now procMem) bool { return was.P.GoesOn(&now.P) },
		Ended:   func(left procMem, limits explain.Limits) []lower.Finding { return proc.Ended(&left.P, limits) },
		At:      func(m procMem) time.Time { return m.At },
		Gaps:    procMem.Gaps,
		Subject: func(m procMem) *lower.Subject { return &lower.Subject{PID: pid, Comm: m.P.Comm, Born: m.Born} },
	}
}

func takeProcess(h *inspect.Host, pid int32, want inspect.Sources) (procMem, error) {
	m, err := memfacts.TakeProcess(h, pid, want)
	if err != nil {
		return nil, err
	}
	if tgid := m.Status["Tgid"]; tgid != 0 && tgid != uint64(pid) {
		return nil, fmt.Errorf("%d is a thread of process %d, and memory is the whole process's: kwhy mem %d", pid, tgid, tgid)
	}
	return m, nil
}

func ofProcess[T any](t *explain.Table[memfacts.ProcessPart[T]], of func(procMem) []T) lower.Attached[procMem] {
	return lower.Table(t, 0, func(m procMem) explain.Rows[memfacts.ProcessPart[T]] {
		return memfacts.ProcessParts[T]{In: m, List: of(m)}
	})
}
