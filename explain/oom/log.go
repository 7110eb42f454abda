package oom

import (
	"fmt"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

type killField = explain.Field[*Kill]

func untold() value { return explain.None(inspect.Untold) }

// told is a number that a text may not say, times a factor.
func told(n, times int64) value {
	if n == kmsg.Unset {
		return untold()
	}
	return explain.I(n * times)
}

func word(s string) value {
	if s == "" {
		return untold()
	}
	return explain.S(s)
}

const kB = 1 << 10

func logField(d doc, get func(*Kill) value, read func(*Kill) string) killField {
	d.Source = inspect.KernelLog
	if d.Concept == "" {
		d.Concept = "oom-report"
	}
	return killField{Doc: d, Get: get, Reading: read}
}

// Kills is the post-mortem: a row a victim.
func Kills() *explain.Table[*Kill] {
	var fields []killField
	for _, list := range [][]killField{whenFields(), askedFields(), boundFields(), stateFields(), victimFields(), verdictFields()} {
		fields = append(fields, list...)
	}
	return &explain.Table[*Kill]{Name: "kills", Fields: fields, Heading: heading}
}

func heading(k *Kill) string {
	s := fmt.Sprintf("Kill %d: %s (%d)", k.Number, k.V.Comm, k.V.PID)
	switch {
	case k.V.Sharing:
		s += ", for sharing the victim's memory"
	case k.E.Whole != "":
		s += ", with all of " + k.E.Whole
	}
	return s
}

// at is when it happened, as far as the log tells.
func at(k *Kill) (t time.Time, zone bool) {
	s := &k.V.Stamp
	switch {
	case !s.Wall.IsZero():
		return s.Wall, s.Zone
	case s.Uptime >= 0 && !k.Boot.IsZero():
		return k.Boot.Add(s.Uptime).UTC(), true
	}
	return time.Time{}, false
}

// clock tells the time of day; "" where the log does not say it whole.
func clock(k *Kill, between string) string {
	t, zone := at(k)
	switch {
	case t.IsZero():
		return ""
	case zone:
		return t.Format("2006-01-02" + between + "15:04:05Z07:00")
	}
	return t.Format("2006-01-02" + between + "15:04:05")
}

func readWhen(k *Kill) string {
	var words []string
	if s := clock(k, " "); s != "" {
		words = append(words, s)
	}
	if up := k.V.Stamp.Uptime; up >= 0 {
		words = append(words, explain.Span(up.Seconds())+" after boot")
	}
	if len(words) == 0 {
		return "The log has no year and no time since boot."
	}
	return strings.Join(words, ", ") + "."
}

func whenFields() []killField {
	return []killField{
		logField(doc{Key: "kill", Unit: explain.Plain, Show: explain.Data, Gist: "The number of the report in the log: several victims may share one."},
			func(k *Kill) value { return explain.I(k.Number) }, nil),
		logField(doc{Key: "logged_at", Label: "when", Gist: "The time as the log has it."},
			func(k *Kill) value { return word(k.V.Stamp.Text) }, readWhen),
		logField(doc{Key: "time", Show: explain.Data, Gist: "When it was logged, where the log says so; without a zone where it has none."},
			func(k *Kill) value { return word(clock(k, "T")) }, nil),
		logField(doc{Key: "uptime", Unit: explain.Seconds, Show: explain.Data, Gist: "The same in seconds after boot."},
			func(k *Kill) value {
				if k.V.Stamp.Uptime < 0 {
					return untold()
				}
				return explain.F(k.V.Stamp.Uptime.Seconds())
			}, nil),
		logField(doc{Key: "kernel", Show: explain.Data, Gist: "The release of the kernel that wrote the report."},
			func(k *Kill) value { return word(k.E.Release) }, nil),
	}
}

func askedFields() []killField {
	return []killField{
		logField(doc{Key: "invoker_comm", Label: "who asked", Gist: "The task that asked for memory and could not get it."},
			func(k *Kill) value { return word(k.E.Invoker.Comm) }, readInvoker),
		logField(doc{Key: "invoker_pid", Unit: explain.Plain, Show: explain.Data, Gist: "Its PID."},
			func(k *Kill) value { return told(k.E.Invoker.PID, 1) }, nil),
		logField(doc{Key: "invoker_oom_score_adj", Unit: explain.Plain, Show: explain.Data, Concept: "oom-score-adj", Gist: "Its oom_score_adj."},
			func(k *Kill) value {
				if !k.E.Invoker.HasAdj {
					return untold()
				}
				return explain.I(k.E.Invoker.Adj)
			}, nil),
		logField(doc{Key: "gfp_mask", Unit: explain.Address, Show: explain.Data, Concept: "gfp-mask", Gist: "The flags of the request, as its kernel counts them."},
			func(k *Kill) value {
				if !k.E.HasGFP {
					return untold()
				}
				return explain.N(k.E.GFP)
			}, nil),
		logField(doc{Key: "gfp_flags", Show: explain.Data, Concept: "gfp-mask", Gist: "Their names: the kernel's, or by the bits of kernels before 4.6."},
			func(k *Kill) value {
				list := flags(k.E)
				if list == nil {
					return untold()
				}
				out := make([]value, len(list))
				for i, f := range list {
					out[i] = explain.S(f)
				}
				return explain.L(out)
			}, nil),
		logField(doc{Key: "order", Unit: explain.Plain, Concept: "fragmentation", Show: explain.Data, Gist: "It asked for 2 to the power of this many adjacent pages; -1: sysrq f."},
			func(k *Kill) value {
				if k.E.Manual {
					return explain.I(-1)
				}
				return told(k.E.Order, 1)
			}, nil),
	}
}

func readInvoker(k *Kill) string {
	e := k.E
	if e.Manual {
		return "Nobody: an operator did, through sysrq f."
	}
	var s strings.Builder
	if e.Invoker.PID != kmsg.Unset {
		fmt.Fprintf(&s, "PID %d. ", e.Invoker.PID)
	}
	s.WriteString("It wanted ")
	switch what := purpose(e, k.constraint() == "memcg"); {
	case what != "":
		s.WriteString(what)
	default:
		s.WriteString("memory")
	}
	if list := flags(e); len(list) > 0 {
		s.WriteString(" (" + strings.Join(list, "|") + ")")
	}
	if e.Order >= 0 && e.Order < 30 {
		fmt.Fprintf(&s, ", order %d: %s", e.Order, explain.Size(uint64(k.page)<<e.Order))
	}
	return s.String() + "."
}

func boundFields() []killField {
	return []killField{
		logField(doc{Key: "constraint", Label: "what ran out", Words: []explain.Word{
			{Name: "none", Gist: "The whole machine.", Concept: "oom-killer"},
			{Name: "cpuset", Gist: "The nodes that a cpuset allows.", Concept: "numa"},
			{Name: "mempolicy", Gist: "The nodes that a memory policy allows.", Concept: "numa"},
			{Name: "memcg", Gist: "The limit of a memory cgroup.", Concept: "memory-cgroup"},
		}, Gist: "What bound the allocation: the machine, or a part of it."}, func(k *Kill) value { return word(k.constraint()) }, readConstraint),
		logField(doc{Key: "oom_memcg", Label: "whose limit", Concept: "memory-cgroup", Gist: "The cgroup whose limit was hit."},
			func(k *Kill) value {
				if k.E.OOMMemcg == "" && k.constraint() != "memcg" && k.constraint() != "" {
					return explain.None(inspect.Inapplicable)
				}
				return word(k.E.OOMMemcg)
			}, readLimit),
		logField(doc{Key: "task_memcg", Show: explain.Data, Concept: "memory-cgroup", Gist: "The victim's own cgroup."},
			func(k *Kill) value { return word(k.E.TaskMemcg) }, nil),
		logField(doc{Key: "memcg_usage", Unit: explain.Bytes, Show: explain.Data, Concept: "memory-cgroup", Gist: "What was charged to that cgroup."},
			func(k *Kill) value { return told(k.E.Memory.Use, kB) }, nil),
		logField(doc{Key: "memcg_limit", Unit: explain.Bytes, Show: explain.Data, Concept: "memory-cgroup", Gist: "Its limit."},
			func(k *Kill) value { return told(k.E.Memory.Limit, kB) }, nil),
		logField(doc{Key: "memcg_failcnt", Unit: explain.Count, Show: explain.Data, Concept: "memory-cgroup", Gist: "How often it had been hit."},
			func(k *Kill) value { return told(k.E.Memory.Failed, 1) }, nil),
		logField(doc{Key: "memcg_swap_usage", Unit: explain.Bytes, Show: explain.Data, Concept: "memory-cgroup", Gist: "Its swap, of version 2."},
			func(k *Kill) value { return told(k.E.Swap.Use, kB) }, nil),
		logField(doc{Key: "cpuset", Show: explain.Data, Concept: "numa", Gist: "The cpuset of the task that asked."},
			func(k *Kill) value { return word(k.E.Cpuset) }, nil),
		logField(doc{Key: "nodes", Show: explain.Data, Concept: "numa", Gist: "The memory nodes that it could use."},
			func(k *Kill) value { return word(k.E.Nodes) }, nil),
	}
}

func readConstraint(k *Kill) string {
	switch k.constraint() {
	case "none":
		return "The whole machine, not a cgroup: every process was a candidate."
	case "cpuset":
		return "The nodes that its cpuset allows (" + k.E.Nodes + "): others may have had memory."
	case "mempolicy":
		return "The nodes that its memory policy allows (" + k.E.Nodes + "): others may have had memory."
	}
	return "The limit of a memory cgroup: only processes inside were candidates, whatever the host had left."
}

func readLimit(k *Kill) string {
	e := k.E
	var s string
	if e.Memory.Limit != kmsg.Unset {
		s = fmt.Sprintf("%s of %s used", explain.Size(uint64(max(e.Memory.Use, 0))<<10), explain.Size(uint64(e.Memory.Limit)<<10))
		if e.Memory.Failed > 0 {
			s += ", hit " + explain.Plural(e.Memory.Failed, "time", "times")
		}
		s += "."
	}
	if e.TaskMemcg != "" && e.TaskMemcg != e.OOMMemcg {
		s += " The victim was below it, in " + e.TaskMemcg + "."
	}
	if swap := &e.Swap; swap.Limit == 0 {
		s += " It may not swap."
	}
	return strings.TrimSpace(s + " " + readStats(k))
}

// readStats says what filled a cgroup, where its statistics are in the report.
func readStats(k *Kill) string {
	var words []string
	for _, part := range []struct{ v2, v1, name string }{
		{"anon", "rss", "of processes' own"}, {"file", "cache", "of files and tmpfs"}, {"shmem", "shmem", "of that tmpfs and shared"},
		{"slab", "", "of slab"}, {"sock", "", "of socket buffers"}, {"kernel_stack", "", "of kernel stacks"}, {"pagetables", "", "of page tables"},
	} {
		n, ok := k.E.Stats[part.v2]
		if !ok && part.v1 != "" {
			if n, ok = k.E.Stats["total_"+part.v1]; !ok {
				n, ok = k.E.Stats[part.v1]
			}
		}
		if ok && n >= 1<<20 {
			words = append(words, explain.Size(n)+" "+part.name)
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "In it: " + strings.Join(words, ", ") + "."
}

func stateFields() []killField {
	none := func(k *Kill, v value) value {
		if !v.Has() && k.constraint() == "memcg" {
			return explain.None(inspect.Inapplicable)
		}
		return v
	}
	zone := func(get func(*kmsg.Zone) value) func(*Kill) value {
		return func(k *Kill) value {
			if z := k.failing(); z != nil {
				return get(z)
			}
			return none(k, untold())
		}
	}
	mem := func(name string) func(*Kill) value {
		return func(k *Kill) value {
			if n, ok := k.E.Mem[name]; ok {
				return explain.I(n * k.page)
			}
			return none(k, untold())
		}
	}
	return []killField{
		logField(doc{Key: "zone", Label: "zone", Concept: "watermarks", Gist: "The zone that could not serve the request."},
			zone(func(z *kmsg.Zone) value { return explain.S(zoneName(z)) }), readZone),
		logField(doc{Key: "zone_free", Unit: explain.Bytes, Show: explain.Data, Concept: "watermarks", Gist: "What was free in it."},
			zone(func(z *kmsg.Zone) value { return told(z.Free, kB) }), nil),
		logField(doc{Key: "zone_min", Unit: explain.Bytes, Show: explain.Data, Concept: "watermarks", Gist: "Its min watermark."},
			zone(func(z *kmsg.Zone) value { return told(z.Min, kB) }), nil),
		logField(doc{Key: "page_cache", Unit: explain.Bytes, Concept: "page-cache", Gist: "Page cache at that moment, tmpfs and shared memory in it."},
			func(k *Kill) value { return none(k, told(k.E.PageCache, k.page)) }, readCacheLeft),
		logField(doc{Key: "swap_free", Unit: explain.Bytes, Concept: "swap", Gist: "Swap that was free."},
			func(k *Kill) value { return none(k, told(k.E.SwapFree, kB)) }, func(k *Kill) string {
				if k.E.SwapTotal == 0 {
					return "There was none."
				}
				return "Of " + explain.Size(uint64(max(k.E.SwapTotal, 0))<<10) + "."
			}),
		logField(doc{Key: "swap_total", Unit: explain.Bytes, Show: explain.Data, Concept: "swap", Gist: "Swap in all."},
			func(k *Kill) value { return none(k, told(k.E.SwapTotal, kB)) }, nil),
		logField(doc{Key: "slab_unreclaimable", Unit: explain.Bytes, Concept: "slab", Gist: "The kernel's own objects, which nothing can be reclaimed from."}, mem("slab_unreclaimable"), func(k *Kill) string {
			if n := k.whole(); n > 0 {
				return explain.Percent(k.E.Mem["slab_unreclaimable"]*k.page, n) + " of RAM: kernel objects that nothing gives back."
			}
			return ""
		}),
		logField(doc{Key: "ram", Unit: explain.Bytes, Show: explain.Data, Concept: "ram", Gist: "RAM that the kernel managed."},
			func(k *Kill) value {
				if k.E.RAM == kmsg.Unset {
					return none(k, untold())
				}
				return explain.I((k.E.RAM - max(k.E.Reserved, 0)) * k.page)
			}, nil),
	}
}

func zoneName(z *kmsg.Zone) string {
	if z.Node == kmsg.Unset {
		return z.Name
	}
	return fmt.Sprintf("node %d %s", z.Node, z.Name)
}

func readZone(k *Kill) string {
	z := k.failing()
	free, low := explain.Size(uint64(z.Free)<<10), explain.Size(uint64(z.Min)<<10)
	var s string
	switch {
	case z.Free <= z.Min:
		s = fmt.Sprintf("%s free, at or below its min watermark of %s: only tasks in need of it to free memory get more.", free, low)
	case k.E.Order > 0:
		s = fmt.Sprintf("%s free, above its min watermark of %s: it is the adjacent pages that were missing.", free, low)
	default:
		s = fmt.Sprintf("%s free, its min watermark is %s.", free, low)
	}
	if k.E.Order > 0 && int(k.E.Order) < len(z.Blocks) {
		var n int64
		for _, b := range z.Blocks[k.E.Order:] {
			n += b
		}
		s += fmt.Sprintf(" Of order %d and above it had %s.", k.E.Order, explain.Plural(n, "block", "blocks"))
	}
	return s
}

func readCacheLeft(k *Kill) string {
	shmem, ok := k.E.Mem["shmem"]
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s of it tmpfs and shared memory, which only swap can take: the rest is what reclaim had to work with.", explain.Size(uint64(shmem*k.page)))
}

func victimFields() []killField {
	sizes := func(key, gist string, get func(*kmsg.Victim) int64) killField {
		return logField(doc{Key: key, Unit: explain.Bytes, Show: explain.Data, Concept: "rss", Gist: gist},
			func(k *Kill) value { return told(get(k.V), kB) }, nil)
	}
	return []killField{
		logField(doc{Key: "victim_pid", Label: "victim", Unit: explain.Plain, Concept: "oom-killer", Gist: "The process that was killed."},
			func(k *Kill) value { return told(k.V.PID, 1) }, readVictim),
		logField(doc{Key: "victim_comm", Show: explain.Data, Gist: "Its name."}, func(k *Kill) value { return explain.S(k.V.Comm) }, nil),
		logField(doc{Key: "victim_uid", Unit: explain.Plain, Show: explain.Data, Gist: "Its user ID."}, func(k *Kill) value {
			if t := k.E.Row(k.V.PID); k.V.UID == kmsg.Unset && t != nil {
				return told(t.UID, 1)
			}
			return told(k.V.UID, 1)
		}, nil),
		logField(doc{Key: "freed_at_most", Label: "freed at most", Unit: explain.Bytes, Gist: "What its end gave back, had it shared nothing."},
			func(k *Kill) value {
				if n, ok := k.held(); ok {
					return explain.I(n + max(k.V.Tables, 0)<<10)
				}
				return untold()
			}, readFreed),
		sizes("total_vm", "Its address space.", func(v *kmsg.Victim) int64 { return v.TotalVM }),
		sizes("anon_rss", "Its anonymous memory in RAM.", func(v *kmsg.Victim) int64 { return v.Anon }),
		sizes("file_rss", "File pages that it had mapped.", func(v *kmsg.Victim) int64 { return v.File }),
		sizes("shmem_rss", "Shared memory that it had mapped.", func(v *kmsg.Victim) int64 { return v.Shmem }),
		sizes("pgtables", "Its page tables.", func(v *kmsg.Victim) int64 { return v.Tables }),
		logField(doc{Key: "oom_score_adj", Kernel: "oom_score_adj", Unit: explain.Plain, Show: explain.Data, Concept: "oom-score-adj", Gist: "Its oom_score_adj."},
			func(k *Kill) value {
				if n, ok := k.adj(); ok {
					return explain.I(n)
				}
				return untold()
			}, nil),
		logField(doc{Key: "score", Unit: explain.Plain, Show: explain.Data, Concept: "oom-score", Gist: "The score that kernels up to 4.20 wrote with it."},
			func(k *Kill) value { return told(k.V.Score, 1) }, nil),
		logField(doc{Key: "reaped", Unit: explain.Bool, Show: explain.Data, Gist: "Whether the reaper had to take its memory before it could exit."},
			func(k *Kill) value { return explain.B(k.V.Reaped) }, nil),
		logField(doc{Key: "points", Unit: explain.Pages, Concept: "oom-score", Gist: "Its points, recomputed from its row of the task table."},
			func(k *Kill) value {
				if k.place > 0 {
					return explain.I(k.ranked[k.place-1].points)
				}
				return untold()
			}, readKillPoints),
		logField(doc{Key: "points_total", Unit: explain.Pages, Show: explain.Data, Concept: "oom-score", Gist: "What points were set against: RAM or the limit, and swap."},
			func(k *Kill) value {
				if k.total == 0 {
					return untold()
				}
				return explain.I(k.total)
			}, nil),
		logField(doc{Key: "rank", Unit: explain.Plain, Concept: "oom-score", Gist: "Its place in the task table, ranked by points."},
			func(k *Kill) value {
				if k.place == 0 {
					return untold()
				}
				return explain.I(k.place)
			}, readRanking),
		logField(doc{Key: "candidates", Unit: explain.Count, Show: explain.Data, Concept: "oom-score", Gist: "Processes of the table that could be killed."},
			func(k *Kill) value {
				if k.E.Header == nil || k.old {
					return untold()
				}
				return explain.I(len(k.ranked))
			}, nil),
		ranking("ranked_pids", "The PIDs with most points, most first.", func(r ranked) value { return explain.I(r.task.PID) }),
		ranking("ranked_comms", "Their names.", func(r ranked) value { return explain.S(r.task.Comm) }),
		ranking("ranked_points", "Their points, in pages.", func(r ranked) value { return explain.I(r.points) }),
	}
}

// top is how many of the ranked tasks a row tells.
const top = 10

func ranking(key, gist string, get func(ranked) value) killField {
	return logField(doc{Key: key, Show: explain.Data, Concept: "oom-score", Gist: gist}, func(k *Kill) value {
		if k.E.Header == nil {
			return untold()
		}
		out := make([]value, 0, top)
		for _, r := range k.ranked[:min(len(k.ranked), top)] {
			out = append(out, get(r))
		}
		return explain.L(out)
	}, nil)
}

func (k *Kill) adj() (int64, bool) {
	if k.V.HasAdj {
		return k.V.Adj, true
	}
	if t := k.E.Row(k.V.PID); t != nil && t.HasAdj {
		return t.Adj, true
	}
	return 0, false
}

func readVictim(k *Kill) string {
	s := k.V.Comm
	if n, ok := k.adj(); ok && n != 0 {
		s += fmt.Sprintf(", with oom_score_adj %d", n)
	}
	return s + "."
}

func readFreed(k *Kill) string {
	v := k.V
	var words []string
	for _, p := range []struct {
		n    int64
		name string
	}{{v.Anon, "its own"}, {v.File, "file pages"}, {v.Shmem, "shared memory"}, {v.Tables, "page tables"}} {
		if p.n > 0 {
			words = append(words, explain.Size(uint64(p.n)<<10)+" "+p.name)
		}
	}
	s := strings.Join(words, ", ")
	if s != "" {
		s += "."
	}
	if v.Reaped {
		s += " The OOM reaper took its memory, for it did not exit at once."
	}
	return strings.TrimSpace(s)
}

func readKillPoints(k *Kill) string {
	t := k.ranked[k.place-1].task
	tables := max(t.Tables, 0)
	if t.TableBytes != kmsg.Unset {
		tables = t.TableBytes / k.page
	}
	s := fmt.Sprintf("= rss %s", explain.Number(t.RSS))
	if t.Swap != kmsg.Unset {
		s += " + swap " + explain.Number(t.Swap)
	}
	if t.Tables != kmsg.Unset || t.TableBytes != kmsg.Unset {
		s += " + tables " + explain.Number(tables)
	}
	if t.HasAdj && k.total > 0 {
		s += fmt.Sprintf(" + adj %d · (total %s / 1000)", t.Adj, explain.Number(k.total))
	}
	s += "."
	if k.V.Score != kmsg.Unset && k.total > 0 {
		s += fmt.Sprintf(" The kernel wrote score %d; these make %d.", k.V.Score, kernel.ScoreBefore59(k.ranked[k.place-1].points, k.total))
	}
	if k.partial {
		s += " This kernel's table leaves out what else counted: swap or page tables."
	}
	if k.assumed {
		s += " The log does not tell the page size: 4 KiB is assumed."
	}
	return s
}

func readRanking(k *Kill) string {
	var words []string
	for i, r := range k.ranked[:min(len(k.ranked), 5)] {
		words = append(words, fmt.Sprintf("%d. %s (%d) %s", i+1, r.task.Comm, r.task.PID, explain.Number(r.points)))
	}
	return "Of " + explain.Number(len(k.ranked)) + " that could be killed: " + strings.Join(words, "; ") + "."
}

func verdictFields() []killField {
	return []killField{
		logField(doc{Key: "explained", Label: "explained", Unit: explain.Bool, Concept: "oom-score", Gist: "Whether the report shows why this one was killed and no other."},
			func(k *Kill) value {
				if k.otherReason() != "" {
					return explain.B(true)
				}
				if k.place == 0 {
					return untold()
				}
				return explain.B(k.place == 1)
			}, readExplained),
		logField(doc{Key: "role", Label: "its part in it", Words: []explain.Word{
			{Name: "culprit", Gist: "It held most of what ran out.", Concept: "oom-killer"},
			{Name: "largest", Gist: "It held more than any other, and less than half.", Concept: "oom-killer"},
			{Name: "bystander", Gist: "The memory went elsewhere.", Concept: "oom-killer"},
			{Name: "member", Gist: "It died with its cgroup, by memory.oom.group.", Concept: "memory-cgroup"},
		}, Gist: "Whether the victim was to blame."},
			func(k *Kill) value { r, _ := k.role(); return word(r) }, func(k *Kill) string {
				_, s := k.role()
				return strings.TrimSpace(s + " " + k.advice())
			}),
		logField(doc{Key: "advice", Show: explain.Data, Gist: "What would keep it from happening again."},
			func(k *Kill) value { return explain.S(k.advice()) }, nil),
		logField(doc{Key: "missing", Label: "not in the log", Show: explain.Rare, Words: []explain.Word{
			{Name: "invoker", Gist: "The line that says who asked.", Concept: "oom-report"},
			{Name: "task_table", Gist: "The table of candidates.", Concept: "oom-report"},
			{Name: "task_rows", Gist: "Rows of that table, the victim's among them.", Concept: "oom-report"},
			{Name: "oom_kill_line", Gist: "The summary, since 5.0.", Concept: "oom-report"},
			{Name: "memory", Gist: "The state of memory.", Concept: "oom-report"},
			{Name: "victim_sizes", Gist: "What the victim had.", Concept: "oom-report"},
			{Name: "killed_line", Gist: "The line that says it was killed.", Concept: "oom-report"},
		}, Gist: "What a whole report would have: the log is cut, or lines were dropped."},
			func(k *Kill) value {
				list := k.missing()
				out := make([]value, len(list))
				for i, s := range list {
					out[i] = explain.S(s)
				}
				return explain.L(out)
			}, func(*Kill) string { return "The log is cut, or lines were dropped: reports are rate-limited." }),
		logField(doc{Key: "why", Show: explain.Data, Gist: "Why it was this one, in a sentence."},
			func(k *Kill) value {
				_, s := k.role()
				return explain.S(strings.TrimSpace(readExplained(k) + " " + s))
			}, nil),
	}
}

// otherReason is why the kernel killed another than the one with most points.
func (k *Kill) otherReason() string {
	e, v := k.E, k.V
	switch {
	case v.Sharing:
		return "It shared the memory of the victim before it."
	case e.Whole != "" && v != &e.Victims[0]:
		return "All of " + e.Whole + " was killed with the victim, for memory.oom.group is set."
	case v.AllocatingTask:
		return "vm.oom_kill_allocating_task was set: whoever asked was killed."
	case k.sacrificed():
		return fmt.Sprintf("%s (%d) was chosen, and this kernel killed a child in its place.", e.Chosen.Comm, e.Chosen.PID)
	}
	return ""
}

// sacrificed tells whether a child died for the one that was chosen. The chosen
// one's number may be that of a thread: then the table has no row of it.
func (k *Kill) sacrificed() bool {
	c := k.E.Chosen
	return c != nil && c.PID != k.V.PID && (c.Comm != k.V.Comm || k.E.Row(c.PID) != nil && k.E.Row(c.PID) != k.E.Row(k.V.PID))
}

func readExplained(k *Kill) string {
	if s := k.otherReason(); s != "" {
		return s
	}
	switch {
	case k.place == 1 && len(k.ranked) > 1:
		s := "It had most points"
		if next := k.ranked[1]; next.points == k.ranked[0].points {
			return s + fmt.Sprintf(", as many as %s (%d): the order of the scan decided.", next.task.Comm, next.task.PID)
		}
		return s + fmt.Sprintf(", %s more than %s (%d).", explain.Number(k.ranked[0].points-k.ranked[1].points), k.ranked[1].task.Comm, k.ranked[1].task.PID)
	case k.place == 1:
		return "It was the only candidate."
	case k.old:
		return "Up to 2.6.35 the kernel also scored run time, nice, privilege and children, which its report does not carry: the choice can't be checked."
	case k.place == 0 && k.E.Header == nil:
		return "The report has no table of candidates, so that the choice can't be checked."
	case k.place == 0:
		return "It has no row in the table that its points could be computed from."
	}
	first := k.ranked[0]
	s := fmt.Sprintf("By the table %s (%d) had more points, %s to %s.", first.task.Comm, first.task.PID, explain.Number(first.points), explain.Number(k.ranked[k.place-1].points))
	if k.partial || k.Kernel().Before(inspect.Version{Major: 4, Minor: 17}) {
		return s + " What this kernel also counted is not in the table: privilege, and on old ones run time and children."
	}
	return s + " It may have been killed or exiting already, or borrowing its parent's memory after vfork."
}

// role judges whether the victim was to blame, and says by which numbers.
func (k *Kill) role() (role, reason string) {
	if k.E.Whole != "" && k.V != &k.E.Victims[0] {
		first := &k.E.Victims[0]
		return "member", fmt.Sprintf("It died because %s (%d) was picked, in the same cgroup.", first.Comm, first.PID)
	}
	held, ok := k.held()
	whole := k.whole()
	if !ok || whole <= 0 {
		return "", ""
	}
	if k.V.Anon != kmsg.Unset { // file pages could be dropped, and others may be charged for them
		held = (k.V.Anon + max(k.V.Shmem, 0)) << 10
	}
	domain := "of RAM"
	if k.constraint() == "memcg" {
		domain = "of the limit"
	}
	share := explain.Percent(held, whole) + " " + domain
	if float64(held) >= 0.5*float64(whole) {
		return "culprit", fmt.Sprintf("It held %s, %s: what it had was what was missing.", explain.Size(uint64(held)), share)
	}
	if big := k.largest(); big != nil && big.PID != k.V.PID && big.TGID != k.V.PID && big.RSS*k.page > held {
		s := fmt.Sprintf("It held %s, while %s (%d) had %s", share, big.Comm, big.PID, explain.Size(uint64(big.RSS*k.page)))
		if n, ok := k.adj(); ok && n > 0 && k.total > 0 {
			s += fmt.Sprintf(": its oom_score_adj of %d counted like another %s", n, explain.Size(uint64(kernel.AdjPages(n, k.total)*k.page)))
		} else if big.HasAdj && big.Adj < 0 {
			s += fmt.Sprintf(", which its oom_score_adj of %d protected", big.Adj)
		}
		return "bystander", s + "."
	}
	if all := k.together(); len(k.E.Tasks) > 0 && float64(all) < 0.5*float64(whole) {
		return "bystander", fmt.Sprintf("It held %s, and all processes of the table together %s: most of the memory was in none of them%s.", share, explain.Percent(all, whole), k.elsewhere())
	}
	if len(k.E.Tasks) == 0 {
		return "", ""
	}
	return "largest", fmt.Sprintf("It held %s, more than any other process; together they had %s.", share, explain.Size(uint64(k.together())))
}

// elsewhere names what held memory outside processes.
func (k *Kill) elsewhere() string {
	var words []string
	add := func(n int64, name string) {
		if whole := k.whole(); n > whole/20 {
			words = append(words, explain.Size(uint64(n))+" "+name)
		}
	}
	if k.constraint() == "memcg" {
		add(int64(k.E.Stats["shmem"]), "of tmpfs and shared memory")
		add(int64(k.E.Stats["slab"]), "of slab")
		add(int64(k.E.Stats["sock"]), "of socket buffers")
	} else {
		add(k.E.Mem["shmem"]*k.page, "of tmpfs and shared memory")
		add(k.E.Mem["slab_unreclaimable"]*k.page, "of unreclaimable slab")
	}
	if len(words) == 0 {
		return ""
	}
	return ", but " + strings.Join(words, ", ")
}

func (k *Kill) advice() string {
	role, _ := k.role()
	var s string
	switch c := k.constraint(); {
	case k.E.Manual:
		return "Nothing: an operator asked for it."
	case role == "member":
		return "If its processes can live without each other, set memory.oom.group to 0 there."
	case c == "memcg" && role == "culprit":
		s = "Find out why it grew, or raise the limit of " + orThat(k.E.OOMMemcg) + " if it needs as much."
	case c == "memcg" && role == "bystander":
		s = "Look at what else is charged to " + orThat(k.E.OOMMemcg) + ": the victim's end did not cure it."
	case c == "memcg":
		s = "Raise the limit of " + orThat(k.E.OOMMemcg) + ", or run less in it."
	case c == "cpuset" || c == "mempolicy":
		s = "Let it use more memory nodes, or move others off these."
	case role == "culprit":
		s = "Give it a memory cgroup with a limit, so that it dies before the machine is short; find out why it grew."
	case role == "bystander":
		s = "Find what holds the memory (kwhy mem), and raise that one's oom_score_adj or limit it: the victim's end did not cure it."
	default:
		s = "The machine is too small for what runs on it, or has too little swap: limit what may grow."
	}
	if k.E.Order > 3 {
		s += " A request of that order does not kill by itself on kernels of today."
	} else if k.E.Order > 0 {
		s += " It wanted adjacent pages: see kwhy explain fragmentation."
	}
	return s
}

func orThat(s string) string {
	if s == "" {
		return "that cgroup"
	}
	return s
}
