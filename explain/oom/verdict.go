package oom

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/explain/kernel"
	"kwhy/explain/units"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

// Whether the victim caused the OOM, what to do, and what the report lacks.

func verdictFields() []killField {
	return []killField{
		declareKill(doc{
			Key: "explained", Label: "explained", Unit: explain.Bool,
			Gist:    "Whether the report shows why this process was killed and not another.",
			Concept: "oom-score",
		}, func(k *Kill) value {
			switch v, _ := k.judge(); v {
			case shown:
				return explain.B(true)
			case contradicted:
				return explain.B(false)
			}
			return notLogged()
		}, readExplained),
		declareKill(doc{
			Key: "explained_if", Label: "explained if",
			Words: []explain.Word{
				{Name: "swap", Label: "there was swap", Gist: "There was enough swap.", Concept: "oom-score"},
				{Name: "no_swap", Label: "little or no swap", Gist: "There was no swap, or little.", Concept: "oom-score"},
				{Name: "privilege", Gist: "Those with more points had CAP_SYS_ADMIN, which subtracted 3 % up to 4.16.", Concept: "oom-score"},
				{Name: "total", Label: "another total", Gist: "Points were relative to a total that fits.", Concept: "oom-score"},
			},
			Gist:    "Under which condition the report explains the kill, if it lacks a fact.",
			Concept: "oom-score",
		}, func(k *Kill) value {
			if s := k.explainedIf(); s != "" {
				return explain.S(s)
			}
			return explain.None(inspect.Inapplicable)
		}, readIf),
		declareKill(doc{
			Key: "role", Label: "victim's role",
			Words: []explain.Word{
				{Name: "culprit", Gist: "It used most of the memory that ran out.", Concept: "oom-killer"},
				{Name: "largest", Gist: "It used more than any other process, but less than half.", Concept: "oom-killer"},
				{Name: "bystander", Gist: "Most of the memory was used elsewhere.", Concept: "oom-killer"},
				{Name: "member", Gist: "It was killed with its cgroup (memory.oom.group).", Concept: "memory-cgroup"},
				{Name: "asked", Label: "requested", Gist: "An operator requested a kill, with sysrq f.", Concept: "oom-killer"},
			},
			Gist: "Whether the victim caused the OOM.",
		}, func(k *Kill) value { return word(k.blame().role) }, func(k *Kill) string {
			return strings.TrimSpace(k.blame().says + " " + k.advice())
		}),
		declareKill(doc{Key: "advice", Show: explain.Data, Gist: "What would prevent it from happening again."},
			func(k *Kill) value { return word(k.advice()) }, nil),
		missingField(),
		declareKill(doc{Key: "why", Show: explain.Data, Gist: "Why this process was killed, in a sentence."},
			func(k *Kill) value {
				return explain.S(strings.TrimSpace(readExplained(k) + " " + k.blame().says))
			}, nil),
	}
}

func missingField() killField {
	return declareKill(doc{
		Key: "missing", Label: "missing parts", Show: explain.Rare,
		Words: []explain.Word{
			{Name: "invoker", Gist: "The line that says which task invoked the OOM killer.", Concept: "oom-report"},
			{Name: "constraint", Gist: "The constraint, which kernels up to 4.20 don't log.", Concept: "oom-report"},
			{Name: "task_table", Gist: "The table of candidates.", Concept: "oom-report"},
			{Name: "task_rows", Gist: "Rows of that table, the victim's among them.", Concept: "oom-report"},
			{Name: "oom_kill_line", Gist: "The summary, since 5.0.", Concept: "oom-report"},
			{Name: "memory", Gist: "The state of memory.", Concept: "oom-report"},
			{Name: "victim_name", Gist: "The end of the victim's name.", Concept: "oom-report"},
			{Name: "victim_sizes", Gist: "What the victim had.", Concept: "oom-report"},
			{Name: "killed_line", Gist: "The line that says it was killed.", Concept: "oom-report"},
			{Name: "interleaved", Gist: "All but the victim: two reports were logged at once.", Concept: "oom-report"},
		},
		Gist: "What a complete report would have: the log is cut, or lines were dropped.",
	}, func(k *Kill) value {
		list := k.missing()
		out := make([]value, len(list))
		for i, s := range list {
			out[i] = explain.S(s)
		}
		return explain.L(out)
	}, func(k *Kill) string {
		switch list := k.missing(); {
		case k.E.Interleaved:
			return "Up to 4.1 two reports could be logged at once: which line belongs to which is unknown."
		case len(list) == 1 && list[0] == "constraint":
			return "This kernel did not log the constraint, and the lists of nodes leave it open."
		}
		return "The log is cut, or lines were dropped: reports are rate-limited."
	})
}

// missing lists what the report lacks that its kernel would have written.
func (k *Kill) missing() (out []string) {
	e := k.E
	add := func(is bool, what string) {
		if is {
			out = append(out, what)
		}
	}
	add(e.Interleaved, "interleaved")
	if !e.Interleaved {
		add(!e.Invoked, "invoker")
		add(e.Invoked && !e.Summary && k.constraint() == "", "constraint")
		add(e.Header == nil, "task_table")
		add(e.Header != nil && (e.Lost > 0 || len(e.Tasks) > 0 && e.Row(k.V.PID) == nil && k.V.PID != kmsg.Unset && !k.V.Sharing), "task_rows")
		add(!e.Summary && e.Release != "" && k.atLeast(5, 0), "oom_kill_line")
		if k.constraint() == "memcg" {
			add(e.Memory.Limit == kmsg.Unset, "memory")
		} else {
			add(len(e.Zones) == 0, "memory")
		}
	}
	add(k.V.Cut, "victim_name")
	add(k.V.Named, "killed_line")
	add(!k.V.Named && !k.V.Sharing && k.lacksSizes(), "victim_sizes")
	return out
}

// lacksSizes reports whether the victim's line has less than its kernel logs.
func (k *Kill) lacksSizes() bool {
	v := k.V
	return v.TotalVM == kmsg.Unset || v.Anon == kmsg.Unset || v.File == kmsg.Unset ||
		v.Shmem == kmsg.Unset && (v.Lead || k.atLeast(4, 5)) || (v.Tables == kmsg.Unset || !v.HasAdj) && k.atLeast(5, 4)
}

// blame is whether the victim caused the OOM, why, and the numbers behind that.
type blame struct {
	role  string
	cause cause
	says  string
}

type cause uint8

const (
	ofItself   cause = iota
	adjustment       // it was picked for its own or another's oom_score_adj
	elsewhere        // most was in no process
)

func (k *Kill) blame() blame {
	if k.E.Whole != "" && !k.First() {
		first := &k.E.Victims[0]
		return blame{role: "member", says: fmt.Sprintf("It was killed because %s (%d) was picked, in the same cgroup.", first.Comm, first.PID)}
	}
	if k.E.Manual {
		return blame{role: "asked", says: "An operator requested a kill (sysrq f): memory need not have been short."}
	}
	held, ok := k.held()
	whole := k.whole()
	if !ok || whole <= 0 {
		return blame{}
	}
	if k.V.Anon != kmsg.Unset { // file pages could be dropped, and may be charged to others
		held = (k.V.Anon + max(k.V.Shmem, 0)) << 10
	}
	domain := "of RAM"
	if k.constraint() == "memcg" {
		domain = "of the limit"
	}
	if hit, _ := k.limitHit(); hit == "memory+swap" {
		n, _ := k.swapped()
		held += n
		domain = "of the limit, swap included"
	}
	return k.blameBy(held, whole, units.Percent(held, whole)+" "+domain)
}

// blameBy judges by what the victim held of what ran out.
func (k *Kill) blameBy(held, whole int64, share string) blame {
	if float64(held) >= 0.5*float64(whole) {
		return blame{role: "culprit", says: fmt.Sprintf("It used %s, %s: this is where the memory went.", units.Size(uint64(held)), share)}
	}
	all := k.together()
	none := len(k.E.Tasks) > 0 && float64(all) < 0.5*float64(whole)
	if big := k.largest(); big != nil && !k.isVictim(big) && big.RSS*k.page > held && (!none || big.RSS*k.page > whole/4) {
		s := fmt.Sprintf("It used %s, while %s (%d) had %s", share, big.Comm, big.PID, units.Size(uint64(big.RSS*k.page)))
		if n, ok := k.adj(); ok && n > 0 {
			s += fmt.Sprintf(": its oom_score_adj of %d made it the first", n)
			if k.span.known() {
				s = strings.TrimSuffix(s, "made it the first") + "counted like another " + units.Size(uint64(kernel.AdjPages(n, k.span.low)*k.page))
			}
		} else if big.HasAdj && big.Adj < 0 {
			s += fmt.Sprintf(", which its oom_score_adj of %d protected", big.Adj)
		}
		return blame{"bystander", adjustment, s + "."}
	}
	if none {
		return blame{"bystander", elsewhere, fmt.Sprintf("It used %s, and all processes of the table together %s: "+
			"most of the memory was in none of them%s.", share, units.Percent(all, whole), but(k.others()))}
	}
	if len(k.E.Tasks) == 0 {
		return blame{}
	}
	return blame{
		role: "largest",
		says: fmt.Sprintf("It used %s, more than any other process; together they had %s.", share, units.Size(uint64(k.together()))),
	}
}

// other is something that used memory outside processes.
type other struct {
	bytes      int64
	name, cure string
}

// others lists what used more than a twentieth of what ran out, largest first.
func (k *Kill) others() (out []other) {
	e := k.E
	add := func(n int64, name, cure string) {
		if n <= k.whole()/20 {
			return
		}
		i := 0
		for i < len(out) && out[i].bytes >= n {
			i++
		}
		out = append(out[:i:i], append([]other{{n, name, cure}}, out[i:]...)...)
	}
	const tmpfs = "see what is in tmpfs and in shared memory (df -t tmpfs, ipcs -m)"
	if k.constraint() == "memcg" {
		n, name := k.cgroupShmem()
		add(n, name, tmpfs)
		add(int64(e.Stats["slab"]), "of slab", "see which kernel objects the host has many of (slabtop; it does not tell cgroups apart)")
		add(int64(e.Stats["sock"]), "of socket buffers", "see which of its sockets queue data (ss -m, in its network namespace)")
		return out
	}
	add(max(e.HugePages, 0)<<10, "in huge page pools, "+kiB(e.HugeFree)+" of it unused", "lower vm.nr_hugepages if nothing needs them")
	add(e.Mem["shmem"]*k.page, "of tmpfs and shared memory", tmpfs)
	add(e.Mem["slab_unreclaimable"]*k.page, "of unreclaimable slab", "see which kernel objects those are (kwhy mem, slabtop)")
	return out
}

// cgroupShmem is what a cgroup had in tmpfs and shared memory. Version 1 counts it
// as cache; where it has no own counter, it is what is not on the lists of file
// pages.
func (k *Kill) cgroupShmem() (n int64, name string) {
	stat := func(key string) (int64, bool) {
		n, ok := k.E.Stats[key]
		return int64(n), ok
	}
	if n, ok := stat("shmem"); ok {
		return n, "of tmpfs and shared memory"
	}
	cache, ok := stat("cache")
	active, ok1 := stat("active_file")
	inactive, ok2 := stat("inactive_file")
	if ok && ok1 && ok2 {
		return max(cache-active-inactive, 0), "of tmpfs and shared memory"
	}
	return cache, "of file pages and tmpfs"
}

func but(list []other) string {
	var words []string
	for _, o := range list {
		words = append(words, units.Size(uint64(o.bytes))+" "+o.name)
	}
	if len(words) == 0 {
		return ""
	}
	return ", but " + strings.Join(words, "; ")
}
