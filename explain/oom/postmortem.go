package oom

import (
	"io"
	"slices"
	"strings"
	"time"

	"kwhy/explain/kernel"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

// Kill is one victim of a report, and what can be inferred about the choice.
type Kill struct {
	inspect.Unpaired[*Kill]

	E      *kmsg.Event
	V      *kmsg.Victim
	Number int       // of the report, from 1
	Boot   time.Time // of the machine whose log it is; zero if unknown
	Now    time.Time // when the log was read, of the machine that kwhy runs on; zero elsewhere

	page    int64 // bytes
	assumed bool  // the log does not have the page size
	swap    int64 // pages of swap that the host had, by this report or an earlier one; kmsg.Unset if unknown
	now     bool  // that is what it has now: no report has it
	span    span  // what points were relative to, as far as the report has it
	bonus   bonus // what privilege subtracted for the process whose score was logged
	ranked  []ranked
	place   int  // the victim's among them, from 1; 0: not among them, or it depends
	of      int  // how many could be killed
	partial bool // the table lacks columns that counted
	old     bool // the kernel scored by more than a report has: up to 2.6.35

	on inspect.Kernel // which kernels may have written the report
}

// ranked is a row of the task table and its points; known is false where they
// depend on a total that the report does not have.
type ranked struct {
	task   *kmsg.Task
	points int64
	known  bool
}

// Missing says that a log, once it is open, is there.
func (k *Kill) Missing(inspect.Source) inspect.Reason { return inspect.Present }

// Kernel returns the kernel that wrote the report: by the line that says so, or else by its
// format.
func (k *Kill) Kernel() inspect.Kernel { return k.on }

// First reports whether a kill is the one that a report was written for: others
// were killed with it.
func (k *Kill) First() bool { return k.V == &k.E.Victims[0] }

// Examiner infers from reports why their victims were chosen. It remembers
// how much swap a host had, which reports about a cgroup's limit don't have.
type Examiner struct {
	Boot time.Time // of the machine whose log it is; zero if unknown
	Now  time.Time // when the log is read, of the machine that this runs on; zero elsewhere
	Here bool      // it is the log of the machine that this runs on, since it was booted
	Swap int64     // kB of swap that this machine has

	number int
	swap   map[string]int64 // by kernel release, in kB
}

// Examine works through one report.
func (x *Examiner) Examine(e *kmsg.Event) []*Kill {
	x.number++
	if x.swap == nil {
		x.swap = map[string]int64{}
	}
	if e.SwapTotal != kmsg.Unset && e.Release != "" && len(x.swap) < 100 {
		x.swap[e.Release] = e.SwapTotal
	}
	out := make([]*Kill, len(e.Victims))
	for i := range e.Victims {
		k := &Kill{E: e, V: &e.Victims[i], Number: x.number, Boot: x.Boot, Now: x.Now, page: e.PageSize(), swap: kmsg.Unset}
		if k.page == 0 {
			k.page, k.assumed = 4096, true
		}
		if kb, ok := x.swap[e.Release]; ok && e.Release != "" {
			k.swap = kb << 10 / k.page
		} else if e.SwapTotal != kmsg.Unset {
			k.swap = e.SwapTotal << 10 / k.page
		} else if x.Here {
			k.swap, k.now = x.Swap<<10/k.page, true
		}
		k.date()
		k.old = e.Header != nil && !slices.Contains(e.Header, "oom_score_adj")
		k.span = k.domain()
		k.solve()
		k.rank()
		out[i] = k
	}
	return out
}

// base is what a row's process had, in pages; ok is false where the row does not
// have it.
func (k *Kill) base(t *kmsg.Task) (n int64, ok bool) {
	if t.RSS == kmsg.Unset || k.old {
		return 0, false
	}
	tables := max(t.Tables, 0)
	if t.TableBytes != kmsg.Unset {
		tables = t.TableBytes / k.page
	}
	return t.RSS + max(t.Swap, 0) + tables, true
}

// candidate reports whether the kernel could have picked a row's process. PIDs are
// the host's, so 1 is the host's init, whatever the constraint was.
func (k *Kill) candidate(t *kmsg.Task) bool {
	_, ok := k.base(t)
	return ok && (!t.HasAdj || t.Adj != -1000) && t.TGID != 1
}

// points recomputes a row's points at a total. Up to 5.8 the minimum was one; a
// kernel whose version is unknown is taken for one of those, because its ties are
// ties on both.
func (k *Kill) points(t *kmsg.Task, total int64) int64 {
	n, _ := k.base(t)
	n = k.bonus.off(t, n, total)
	n = kernel.Badness(n, 0, 0, t.Adj, total)
	if !k.atLeast(5, 9) {
		n = max(n, 1)
	}
	return n
}

// rankAt ranks the candidates at a total.
func (k *Kill) rankAt(total int64) []ranked {
	var out []ranked
	for i := range k.E.Tasks {
		if t := &k.E.Tasks[i]; k.candidate(t) {
			out = append(out, ranked{task: t, points: k.points(t, total)})
		}
	}
	slices.SortStableFunc(out, func(a, b ranked) int {
		switch {
		case a.points != b.points:
			return int(min(max(b.points-a.points, -1), 1))
		case k.isVictim(a.task):
			return -1 // the kernel decides ties
		case k.isVictim(b.task):
			return 1
		}
		return 0
	})
	return out
}

func (k *Kill) isVictim(t *kmsg.Task) bool { return t == k.E.Row(k.V.PID) }

// placeIn returns the victim's place in a ranking, from 1; 0 if it has none.
func (k *Kill) placeIn(list []ranked) int {
	return 1 + slices.IndexFunc(list, func(r ranked) bool { return k.isVictim(r.task) })
}

// rank ranks the table. Where the total is unknown, an order that is the same at
// both ends of what it may have been holds between them too: points grow with it
// in straight lines.
func (k *Kill) rank() {
	for i := range k.E.Tasks {
		t := &k.E.Tasks[i]
		if k.candidate(t) && (t.Swap == kmsg.Unset || t.Tables == kmsg.Unset && t.TableBytes == kmsg.Unset) {
			k.partial = true
		}
	}
	low := k.rankAt(k.span.low)
	k.of = len(low)
	if k.span.known() {
		k.ranked, k.place = low, k.placeIn(low)
		for i := range low {
			low[i].known = low[i].points > 1 || !k.unsure()
		}
		return
	}
	high := k.rankAt(k.span.high)
	if k.placeIn(low) == 1 && k.placeIn(high) == 1 {
		k.place = 1
	}
	if !slices.EqualFunc(low, high, func(a, b ranked) bool { return a.task == b.task }) {
		return
	}
	k.ranked, k.place = low, k.placeIn(low)
	for i := range low {
		low[i].known = low[i].task.Adj == 0 && low[i].points == high[i].points
	}
}

// unsure reports whether points below 1 may have been compared as they were:
// late 5.4 kernels have the scale of 5.9, and a report may lack its kernel version.
func (k *Kill) unsure() bool {
	named := k.on.Known() && k.on.Oldest.Major == 5 && k.on.Oldest.Minor == 4
	return inspect.Choose(k.on.Since(5, 9), false, named, true)
}

// held is what the victim had in RAM, in bytes; ok is false where its line does
// not say.
func (k *Kill) held() (int64, bool) {
	v := k.V
	if v.Anon != kmsg.Unset && v.File != kmsg.Unset && (!v.Torn || v.Shmem != kmsg.Unset) {
		return (v.Anon + v.File + max(v.Shmem, 0)) << 10, true
	}
	if t := k.E.Row(v.PID); t != nil && t.RSS != kmsg.Unset {
		return t.RSS * k.page, true
	}
	return 0, false
}

// tables is what the victim's page tables took, in bytes: by its own line, which
// on some 5.4 kernels has bytes and calls them kB, or by its row.
func (k *Kill) tables() (int64, bool) {
	t := k.E.Row(k.V.PID)
	switch {
	case t != nil && t.TableBytes > 0 && t.TableBytes == k.V.Tables:
		return k.V.Tables, true
	case k.V.Tables != kmsg.Unset:
		return k.V.Tables << 10, true
	case t != nil && t.TableBytes != kmsg.Unset:
		return t.TableBytes, true
	case t != nil && t.Tables != kmsg.Unset:
		return t.Tables * k.page, true
	}
	return 0, false
}

// swapped is what the victim had in swap, in bytes, which only its row has.
func (k *Kill) swapped() (int64, bool) {
	if t := k.E.Row(k.V.PID); t != nil && t.Swap != kmsg.Unset {
		return t.Swap * k.page, true
	}
	return 0, false
}

// whole is all that the domain has in RAM, in bytes; 0 if unknown.
func (k *Kill) whole() int64 {
	e := k.E
	if k.constraint() == "memcg" {
		if hit, u := k.limitHit(); hit != "" {
			return u.Limit << 10
		}
		return max(e.Memory.Limit, 0) << 10
	}
	if e.RAM == kmsg.Unset || e.Reserved == kmsg.Unset {
		return 0
	}
	return (e.RAM - e.Reserved) * k.page
}

// together is what all processes of the table have in RAM, in bytes, pages that
// they share counted for each.
func (k *Kill) together() (sum int64) {
	for i := range k.E.Tasks {
		sum += max(k.E.Tasks[i].RSS, 0) * k.page
	}
	return sum
}

// largest returns the task with the most RSS and swap, whatever its adjustment.
func (k *Kill) largest() (best *kmsg.Task) {
	for i := range k.E.Tasks {
		t := &k.E.Tasks[i]
		if best == nil || t.RSS+max(t.Swap, 0) > best.RSS+max(best.Swap, 0) {
			best = t
		}
	}
	return best
}

// Walk reads a log and passes on each victim that it reports.
func (x *Examiner) Walk(in io.Reader, yield func(*Kill) bool) (kmsg.Tally, error) {
	return kmsg.Scan(in, func(e *kmsg.Event) bool {
		for _, k := range x.Examine(e) {
			if !yield(k) {
				return false
			}
		}
		return true
	})
}

// advice is what would prevent it from happening again; "" where the report has too
// little.
func (k *Kill) advice() string {
	b := k.blame()
	switch {
	case b.role == "asked":
		return "There is nothing to fix."
	case b.role == "member":
		return "If its processes can work without each other, set memory.oom.group to 0 there."
	case b.role == "" && k.E.OOMMemcg == "" && !k.E.Invoked:
		return ""
	}
	var s string
	switch k.constraint() {
	case "memcg":
		s = k.adviceInCgroup(b)
	case "cpuset", "mempolicy":
		s = "Let it use more NUMA nodes, or move other tasks off these."
	default:
		s = k.adviceOnHost(b)
	}
	if k.E.Order > 3 {
		s += " On current kernels a request of that order does not invoke the OOM killer by itself."
	}
	return s
}

func (k *Kill) adviceInCgroup(b blame) string {
	at := k.E.OOMMemcg
	if at == "" {
		at = "that cgroup"
	}
	switch {
	case b.role == "culprit":
		return "Find out why it grew, or raise the limit of " + at + " if it needs as much."
	case b.cause == elsewhere && len(k.others()) > 0:
		return "Kills won't help: " + k.others()[0].cure + ", or raise the limit of " + at + "."
	case b.cause == elsewhere:
		return "Kills won't help: look at what else is charged to " + at + "."
	case b.cause == adjustment:
		return "Look at the larger one: killing the victim did not help. To have the larger one killed instead, raise its oom_score_adj."
	}
	return "Raise the limit of " + at + ", or run less in it."
}

func (k *Kill) adviceOnHost(b blame) string {
	if k.fragmented() {
		return "Contiguous pages were missing, not memory as such: see kwhy explain fragmentation."
	}
	if z := k.failing(); z != nil && z.Free > z.Min && k.spare(z) <= 0 && k.withheld(z).cma > 0 {
		return "Memory was free, but belonged to CMA: a smaller area (cma= on the kernel's command line) leaves more for requests like this one."
	}
	switch {
	case b.role == "culprit":
		return "Give it a memory cgroup with a limit, so that it is killed before the host runs out; find out why it grew."
	case b.cause == elsewhere && len(k.others()) > 0:
		var words []string
		for _, o := range k.others()[:min(2, len(k.others()))] {
			words = append(words, o.cure)
		}
		return "Kills won't help: " + strings.Join(words, "; ") + "."
	case b.cause == elsewhere:
		return "Kills won't help: find what uses the memory (kwhy mem)."
	case b.cause == adjustment:
		return "Look at the larger one: limit it, or set its oom_score_adj higher. Killing the victim did not help."
	case b.role == "largest":
		return "The host has too little memory for what runs on it, or too little swap: limit what may grow."
	}
	return "Find what uses the memory (kwhy mem), and limit what may grow."
}

// fragmented reports whether contiguous pages were missing, not memory as such.
func (k *Kill) fragmented() bool {
	z := k.failing()
	return k.E.Order > 0 && z != nil && k.spare(z) > 0
}
