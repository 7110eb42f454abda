package oom

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"kwhy/explain/kernel"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

// Kill is one victim of a report, and what can be recovered of the choice.
type Kill struct {
	E      *kmsg.Event
	V      *kmsg.Victim
	Number int       // of the report, from 1
	Boot   time.Time // of the machine whose log it is; zero if unknown

	page    int64 // bytes
	assumed bool  // the log does not tell the page size
	total   int64 // pages that points were set against; 0 if unknown
	ranked  []ranked
	place   int  // the victim's among them, from 1; 0: not among them
	partial bool // the table lacks columns that made points
	old     bool // the kernel scored by more than a report tells: up to 2.6.35
}

type ranked struct {
	task   *kmsg.Task
	points int64
}

// Missing says that a log, once it is open, is there.
func (k *Kill) Missing(inspect.Source) inspect.Reason { return inspect.Present }

// Before says that a kill has no earlier sample.
func (k *Kill) Before() (*Kill, time.Duration, bool) { return nil, 0, false }

// Kernel returns the kernel that wrote the report; the zero Version where the
// report does not say.
func (k *Kill) Kernel() inspect.Version { return inspect.ParseVersion(k.E.Release) }

// Examine works out of a report what made its victim one.
func Examine(e *kmsg.Event, v *kmsg.Victim, number int, boot time.Time) *Kill {
	k := &Kill{E: e, V: v, Number: number, Boot: boot, page: e.PageSize()}
	if k.page == 0 {
		k.page, k.assumed = 4096, true
	}
	k.total = k.domain()
	k.old = e.Header != nil && !slices.Contains(e.Header, "oom_score_adj")
	for i := range e.Tasks {
		t := &e.Tasks[i]
		n, ok := k.points(t)
		if ok && (!t.HasAdj || t.Adj != -1000) && (t.TGID != 1 || k.constraint() == "memcg") {
			k.ranked = append(k.ranked, ranked{t, n})
		}
	}
	slices.SortStableFunc(k.ranked, func(a, b ranked) int {
		switch {
		case a.points != b.points:
			return int(min(max(b.points-a.points, -1), 1))
		case a.task.PID == v.PID:
			return -1 // ties are the kernel's to break
		case b.task.PID == v.PID:
			return 1
		}
		return 0
	})
	if t := e.Row(v.PID); t != nil {
		k.place = 1 + slices.IndexFunc(k.ranked, func(r ranked) bool { return r.task == t })
	}
	return k
}

// points recomputes a row's. Without its adjustment's worth there is no result;
// without columns that the kernel had not yet, there is one in part.
func (k *Kill) points(t *kmsg.Task) (int64, bool) {
	if t.RSS == kmsg.Unset || k.old {
		return 0, false
	}
	tables := max(t.Tables, 0)
	if t.TableBytes != kmsg.Unset {
		tables = t.TableBytes / k.page
	}
	if t.Swap == kmsg.Unset || t.Tables == kmsg.Unset && t.TableBytes == kmsg.Unset {
		k.partial = true
	}
	if t.HasAdj && t.Adj != 0 && k.total == 0 {
		return 0, false
	}
	return kernel.Badness(t.RSS, max(t.Swap, 0), tables, t.Adj, k.total), true
}

// boundless is from where a limit in kB is none.
const boundless = 1 << 50

// domain is what points are set against, in pages: what the cgroup may use, the
// pages of the nodes that the task was bound to, or RAM; and swap.
func (k *Kill) domain() int64 {
	e := k.E
	swap := max(e.SwapTotal, 0) << 10 / k.page
	switch k.constraint() {
	case "memcg":
		if e.Memory.Limit == kmsg.Unset {
			return 0
		}
		limit := e.Memory.Limit
		switch {
		case e.MemSwap.Limit != kmsg.Unset && e.MemSwap.Limit < boundless && k.swaps(limit<<10/k.page):
			limit = max(limit, e.MemSwap.Limit)
		case e.Swap.Limit != kmsg.Unset && e.Swap.Limit < boundless:
			limit += e.Swap.Limit
		}
		return limit << 10 / k.page
	case "cpuset", "mempolicy":
		var kb int64
		for _, z := range e.Zones {
			if z.Present > 0 && inNodes(e.Nodes, z.Node) {
				kb += z.Present
			}
		}
		if kb == 0 {
			return 0
		}
		return kb<<10/k.page + swap
	}
	if e.RAM == kmsg.Unset || e.Reserved == kmsg.Unset {
		return 0
	}
	return e.RAM - e.Reserved + swap
}

// swaps tells whether a v1 cgroup could use swap up to its limit for memory and
// swap together: a host without swap counts the limit of memory alone, and the
// report does not say whether there is any. The score of kernels up to 4.20
// decides, and else whether any of it is swapped.
func (k *Kill) swaps(limit int64) bool {
	e := k.E
	if c := e.Chosen; c != nil && c.Score > 0 && limit > 0 {
		for _, pid := range [...]int64{c.PID, k.V.PID} {
			t := e.Row(pid)
			if t == nil || t.RSS == kmsg.Unset {
				continue
			}
			n := kernel.Badness(t.RSS, max(t.Swap, 0), max(t.Tables, 0), t.Adj, limit)
			return kernel.ScoreBefore59(n, limit) != c.Score
		}
	}
	for i := range e.Tasks {
		if e.Tasks[i].Swap > 0 {
			return true
		}
	}
	return e.Stats["swap"] > 0
}

// inNodes tells whether a list such as 0,2-3 has a node.
func inNodes(list string, node int64) bool {
	if list == "" || node == kmsg.Unset {
		return true
	}
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.ParseInt(from, 10, 32)
		if err != nil {
			return true
		}
		b := a
		if isRange {
			if b, err = strconv.ParseInt(to, 10, 32); err != nil {
				return true
			}
		}
		if node >= a && node <= b {
			return true
		}
	}
	return false
}

// constraint is what bound the allocation; "" where the text does not say. Before
// 5.0 it says so only for cgroups, and where the cpuset holds every node.
func (k *Kill) constraint() string {
	e := k.E
	switch e.Constraint {
	case "NONE":
		return "none"
	case "CPUSET":
		return "cpuset"
	case "MEMORY_POLICY":
		return "mempolicy"
	case "MEMCG":
		return "memcg"
	}
	switch {
	case k.V.Memcg, e.OOMMemcg != "", e.Memory.Limit != kmsg.Unset:
		return "memcg"
	case e.Invoked && e.Cpuset == "/" && len(e.Zones) > 0:
		return "none"
	}
	return ""
}

// held is what the victim had in RAM, in bytes; ok is false where its line does
// not say.
func (k *Kill) held() (int64, bool) {
	v := k.V
	if v.Anon != kmsg.Unset {
		return (v.Anon + max(v.File, 0) + max(v.Shmem, 0)) << 10, true
	}
	if t := k.E.Row(v.PID); t != nil && t.RSS != kmsg.Unset {
		return t.RSS * k.page, true
	}
	return 0, false
}

// whole is all that the domain has in RAM, in bytes; 0 if unknown.
func (k *Kill) whole() int64 {
	e := k.E
	if k.constraint() == "memcg" {
		return max(e.Memory.Limit, 0) << 10
	}
	if e.RAM == kmsg.Unset {
		return 0
	}
	return (e.RAM - max(e.Reserved, 0)) * k.page
}

// together is what all processes of the table have in RAM, in bytes, pages that
// they share counted for each.
func (k *Kill) together() (sum int64) {
	for i := range k.E.Tasks {
		sum += max(k.E.Tasks[i].RSS, 0) * k.page
	}
	return sum
}

// largest returns the task with most memory of its own, whatever its adjustment.
func (k *Kill) largest() (best *kmsg.Task) {
	for i := range k.E.Tasks {
		t := &k.E.Tasks[i]
		if best == nil || t.RSS+max(t.Swap, 0) > best.RSS+max(best.Swap, 0) {
			best = t
		}
	}
	return best
}

// failing returns the zone that could not serve the request: of those that it may
// come from the highest of each node, and of these the one with least to spare.
func (k *Kill) failing() *kmsg.Zone {
	if k.constraint() == "memcg" {
		return nil
	}
	var worst *kmsg.Zone
	tops := map[int64]*kmsg.Zone{}
	for i := range k.E.Zones {
		z := &k.E.Zones[i]
		if z.Free == kmsg.Unset || z.Min == kmsg.Unset || z.Managed == 0 || z.Present == 0 || !inNodes(k.E.Nodes, z.Node) || !k.mayUse(z.Name) {
			continue
		}
		if top := tops[z.Node]; top == nil || height(z.Name) >= height(top.Name) {
			tops[z.Node] = z
		}
	}
	for _, z := range tops {
		if worst == nil || z.Free-z.Min < worst.Free-worst.Min || z.Free-z.Min == worst.Free-worst.Min && z.Node < worst.Node {
			worst = z
		}
	}
	return worst
}

func height(zone string) int {
	return slices.Index([]string{"DMA", "DMA32", "Normal", "HighMem", "Movable"}, zone)
}

// mayUse tells whether the request could come from a zone: the mask names the
// highest.
func (k *Kill) mayUse(zone string) bool {
	top := "Normal"
	for _, f := range flags(k.E) {
		switch f {
		case "GFP_DMA", "__GFP_DMA":
			top = "DMA"
		case "GFP_DMA32", "__GFP_DMA32":
			top = "DMA32"
		case "GFP_HIGHUSER", "__GFP_HIGHMEM":
			top = "HighMem"
		case "GFP_HIGHUSER_MOVABLE", "GFP_TRANSHUGE", "GFP_TRANSHUGE_LIGHT":
			top = "Movable"
		}
	}
	return height(zone) <= height(top)
}

// missing lists what the report lacks that its kernel would have written.
func (k *Kill) missing() (out []string) {
	e := k.E
	if !e.Invoked {
		out = append(out, "invoker")
	}
	if e.Header == nil {
		out = append(out, "task_table")
	} else if e.Lost > 0 || len(e.Tasks) > 0 && e.Row(k.V.PID) == nil && k.V.PID != kmsg.Unset && !k.V.Sharing {
		out = append(out, "task_rows")
	}
	if !e.Summary && e.Release != "" && k.Kernel().AtLeast(5, 0) {
		out = append(out, "oom_kill_line")
	}
	switch k.constraint() {
	case "memcg":
		if e.Memory.Limit == kmsg.Unset {
			out = append(out, "memory")
		}
	default:
		if len(e.Zones) == 0 {
			out = append(out, "memory")
		}
	}
	switch {
	case k.V.Named:
		out = append(out, "killed_line")
	case k.V.Anon == kmsg.Unset:
		out = append(out, "victim_sizes")
	}
	return out
}

// Walk reads a log and hands on each victim that it reports.
func Walk(in io.Reader, boot time.Time, yield func(*Kill) bool) (kmsg.Tally, error) {
	number := 0
	return kmsg.Scan(in, func(e *kmsg.Event) bool {
		number++
		for i := range e.Victims {
			if !yield(Examine(e, &e.Victims[i], number, boot)) {
				return false
			}
		}
		return true
	})
}
