package oom

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

// The fields of a kill about the victim, and what killing it freed.

func victimFields() []killField {
	return []killField{
		declareKill(doc{
			Key: "victim_pid", Label: "victim", Unit: explain.Plain,
			Gist:    "The process that was killed.",
			Concept: "oom-killer",
		}, func(k *Kill) value { return logged(k.V.PID, 1) }, readVictim),
		declareKill(doc{Key: "victim_comm", Show: explain.Data, Gist: "Its name."}, func(k *Kill) value {
			if k.V.Cut {
				return notLogged()
			}
			return explain.S(k.V.Comm)
		}, nil),
		declareKill(doc{
			Key: "victim_uid", Unit: explain.Plain, Show: explain.Data,
			Gist: "Its user ID.",
		}, func(k *Kill) value {
			if t := k.E.Row(k.V.PID); k.V.UID == kmsg.Unset && t != nil {
				return logged(t.UID, 1)
			}
			return logged(k.V.UID, 1)
		}, nil),
		declareKill(doc{
			Key: "members", Label: "killed with victim", Show: explain.Rare,
			Gist:    "The other processes killed with it, each with its PID.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return explain.L(k.members()) }, func(k *Kill) string {
			if k.E.Whole != "" {
				return fmt.Sprintf("%s in all: memory.oom.group is set for %s.", units.Plural(len(k.E.Victims), "process", "processes"), k.E.Whole)
			}
			return "They shared its memory."
		}),
		declareKill(doc{
			Key: "freed_at_most", Label: "freed at most", Unit: explain.Bytes,
			Gist: "An upper bound of the RAM freed, as if it shared nothing.",
		}, func(k *Kill) value {
			n, ok := k.held()
			tables, known := k.tables()
			if !ok || k.V.Torn && !known {
				return notLogged()
			}
			return explain.I(n + tables)
		}, readFreed),
	}
}

// maxMembers is how many of the processes killed with a victim are named.
const maxMembers = 20

// members names the processes killed with the first victim of a report.
func (k *Kill) members() (out []value) {
	if !k.First() {
		return nil
	}
	for i := range k.E.Victims[1:] {
		v := &k.E.Victims[i+1]
		if len(out) == maxMembers {
			return append(out, explain.S(fmt.Sprintf("and %d more", len(k.E.Victims)-1-maxMembers)))
		}
		out = append(out, explain.S(fmt.Sprintf("%s (%d)", v.Comm, v.PID)))
	}
	return out
}

func sizeFields() []killField {
	size := func(key, gist string, get func(*kmsg.Victim) int64) killField {
		return declareKill(doc{Key: key, Unit: explain.Bytes, Show: explain.Data, Concept: "rss", Gist: gist},
			func(k *Kill) value { return logged(get(k.V), kB) }, nil)
	}
	return []killField{
		size("total_vm", "Its address space.", func(v *kmsg.Victim) int64 { return v.TotalVM }),
		size("anon_rss", "Its anonymous memory in RAM.", func(v *kmsg.Victim) int64 { return v.Anon }),
		size("file_rss", "Its mapped file pages.", func(v *kmsg.Victim) int64 { return v.File }),
		size("shmem_rss", "Its mapped shared memory.", func(v *kmsg.Victim) int64 { return v.Shmem }),
		declareKill(doc{
			Key: "pgtables", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Its page tables.",
			Concept: "rss",
		}, func(k *Kill) value {
			if n, ok := k.tables(); ok && k.V.Tables != kmsg.Unset {
				return explain.I(n)
			}
			return notLogged()
		}, nil),
		declareKill(doc{
			Key: "victim_swap", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Its swap according to the task table, which was freed as well.",
			Concept: "swap",
		}, func(k *Kill) value {
			if n, ok := k.swapped(); ok {
				return explain.I(n)
			}
			return notLogged()
		}, nil),
		declareKill(doc{
			Key: "oom_score_adj", Kernel: "oom_score_adj", Unit: explain.Plain, Show: explain.Data,
			Gist:    "Its oom_score_adj.",
			Concept: "oom-score-adj",
		}, func(k *Kill) value {
			if n, ok := k.adj(); ok {
				return explain.I(n)
			}
			return notLogged()
		}, nil),
		declareKill(doc{
			Key: "score", Unit: explain.Plain, Show: explain.Data,
			Gist:    "The score that kernels up to 5.0 logged with it.",
			Concept: "oom-score",
		}, func(k *Kill) value { return logged(k.V.Score, 1) }, nil),
	}
}

// reapFields say what the OOM reaper did.
func reapFields() []killField {
	return []killField{
		declareKill(doc{
			Key: "reaped", Unit: explain.Bool, Show: explain.Data,
			Gist: "Whether the OOM reaper freed its memory before it exited.",
		}, func(k *Kill) value {
			if k.V.Reaped || k.V.Unreaped || k.V.Failed {
				return explain.B(k.V.Reaped)
			}
			if k.before(4, 6) {
				return explain.None(inspect.Unsupported) // there was no OOM reaper yet
			}
			return notLogged()
		}, nil),
		declareKill(doc{
			Key: "reap_failed", Unit: explain.Bool, Show: explain.Data,
			Gist: "Whether the OOM reaper failed: then nothing was freed until it exited.",
		}, func(k *Kill) value {
			if k.V.Failed {
				return explain.B(true)
			}
			if k.V.Reaped || k.V.Unreaped {
				return explain.B(false)
			}
			return notLogged()
		}, nil),
	}
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
	s := k.name()
	if n, ok := k.adj(); ok && n != 0 {
		s += fmt.Sprintf(", with oom_score_adj %d", n)
	}
	if strings.HasSuffix(s, "…") {
		return s
	}
	return s + "."
}

func readFreed(k *Kill) string {
	v := k.V
	var words []string
	add := func(n int64, name string) {
		if n > 0 {
			words = append(words, units.Size(uint64(n))+" "+name)
		}
	}
	if t := k.E.Row(v.PID); v.Anon == kmsg.Unset && t != nil {
		add(t.RSS*k.page, "resident")
	} else {
		add(v.Anon<<10, "anonymous")
		add(v.File<<10, "file pages")
		add(v.Shmem<<10, "shared memory")
	}
	tables, known := k.tables()
	add(tables, "page tables")
	s := strings.Join(words, ", ")
	if s != "" && !known {
		s += ", and its page tables, whose size the log does not have"
	}
	if s != "" {
		s += "."
	}
	if n, ok := k.swapped(); ok && n > 0 {
		s += " It also freed " + units.Size(uint64(n)) + " of swap."
	}
	switch {
	case v.Reaped:
		s += " The OOM reaper freed its memory, because it did not exit at once."
	case v.Failed:
		s += " The OOM reaper could not free its memory: nothing was freed until it exited."
	}
	return strings.TrimSpace(s)
}
