package oom

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

// The fields of a kill that say who died, and what that freed.

func victimFields() []killField {
	return []killField{
		logField(doc{
			Key: "victim_pid", Label: "victim", Unit: explain.Plain,
			Gist:    "The process that was killed.",
			Concept: "oom-killer",
		}, func(k *Kill) value { return told(k.V.PID, 1) }, readVictim),
		logField(doc{Key: "victim_comm", Show: explain.Data, Gist: "Its name."}, func(k *Kill) value {
			if k.V.Cut {
				return untold()
			}
			return explain.S(k.V.Comm)
		}, nil),
		logField(doc{
			Key: "victim_uid", Unit: explain.Plain, Show: explain.Data,
			Gist: "Its user ID.",
		}, func(k *Kill) value {
			if t := k.E.Row(k.V.PID); k.V.UID == kmsg.Unset && t != nil {
				return told(t.UID, 1)
			}
			return told(k.V.UID, 1)
		}, nil),
		logField(doc{
			Key: "members", Label: "killed with it", Show: explain.Rare,
			Gist:    "The others that died with it, each with its PID.",
			Concept: "memory-cgroup",
		}, func(k *Kill) value { return explain.L(k.members()) }, func(k *Kill) string {
			if k.E.Whole != "" {
				return fmt.Sprintf("%s in all: memory.oom.group is set for %s.", units.Plural(len(k.E.Victims), "process", "processes"), k.E.Whole)
			}
			return "They shared its memory."
		}),
		logField(doc{
			Key: "freed_at_most", Label: "freed at most", Unit: explain.Bytes,
			Gist: "What its end gave back of RAM, had it shared nothing; page tables where told.",
		}, func(k *Kill) value {
			n, ok := k.held()
			tables, told := k.tables()
			if !ok || k.V.Torn && !told {
				return untold()
			}
			return explain.I(n + tables)
		}, readFreed),
	}
}

// maxMembers is how many of those that died with a victim are named.
const maxMembers = 20

// members names those that died with the first victim of a report.
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
		return logField(doc{Key: key, Unit: explain.Bytes, Show: explain.Data, Concept: "rss", Gist: gist},
			func(k *Kill) value { return told(get(k.V), kB) }, nil)
	}
	return []killField{
		size("total_vm", "Its address space.", func(v *kmsg.Victim) int64 { return v.TotalVM }),
		size("anon_rss", "Its anonymous memory in RAM.", func(v *kmsg.Victim) int64 { return v.Anon }),
		size("file_rss", "File pages that it had mapped.", func(v *kmsg.Victim) int64 { return v.File }),
		size("shmem_rss", "Shared memory that it had mapped.", func(v *kmsg.Victim) int64 { return v.Shmem }),
		logField(doc{
			Key: "pgtables", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "Its page tables.",
			Concept: "rss",
		}, func(k *Kill) value {
			if n, ok := k.tables(); ok && k.V.Tables != kmsg.Unset {
				return explain.I(n)
			}
			return untold()
		}, nil),
		logField(doc{
			Key: "victim_swap", Unit: explain.Bytes, Show: explain.Data,
			Gist:    "What it had in swap, by the task table: its end freed that as well.",
			Concept: "swap",
		}, func(k *Kill) value {
			if n, ok := k.swapped(); ok {
				return explain.I(n)
			}
			return untold()
		}, nil),
		logField(doc{
			Key: "oom_score_adj", Kernel: "oom_score_adj", Unit: explain.Plain, Show: explain.Data,
			Gist:    "Its oom_score_adj.",
			Concept: "oom-score-adj",
		}, func(k *Kill) value {
			if n, ok := k.adj(); ok {
				return explain.I(n)
			}
			return untold()
		}, nil),
		logField(doc{
			Key: "score", Unit: explain.Plain, Show: explain.Data,
			Gist:    "The score that kernels up to 5.0 wrote with it.",
			Concept: "oom-score",
		}, func(k *Kill) value { return told(k.V.Score, 1) }, nil),
	}
}

// reapFields tell what the reaper made of it.
func reapFields() []killField {
	return []killField{
		logField(doc{
			Key: "reaped", Unit: explain.Bool, Show: explain.Data,
			Gist: "Whether the reaper had to take its memory before it could exit.",
		}, func(k *Kill) value {
			if k.V.Reaped || k.V.Unreaped || k.V.Failed {
				return explain.B(k.V.Reaped)
			}
			if k.before(4, 6) {
				return explain.None(inspect.Unsupported) // there was no reaper yet
			}
			return untold()
		}, nil),
		logField(doc{
			Key: "reap_failed", Unit: explain.Bool, Show: explain.Data,
			Gist: "Whether the reaper gave up on it: then it freed nothing until it exited.",
		}, func(k *Kill) value {
			if k.V.Failed {
				return explain.B(true)
			}
			if k.V.Reaped || k.V.Unreaped {
				return explain.B(false)
			}
			return untold()
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
		add(v.Anon<<10, "its own")
		add(v.File<<10, "file pages")
		add(v.Shmem<<10, "shared memory")
	}
	tables, known := k.tables()
	add(tables, "page tables")
	s := strings.Join(words, ", ")
	if s != "" && !known {
		s += ", and its page tables, whose size the log does not tell"
	}
	if s != "" {
		s += "."
	}
	if n, ok := k.swapped(); ok && n > 0 {
		s += " And " + units.Size(uint64(n)) + " of swap."
	}
	switch {
	case v.Reaped:
		s += " The OOM reaper took its memory, for it did not exit at once."
	case v.Failed:
		s += " The OOM reaper could not take its memory: nothing was freed until it exited."
	}
	return strings.TrimSpace(s)
}
