package mem

import (
	"strings"
	"testing"

	"kwhy/inspect"
	memfacts "kwhy/inspect/mem"
	procfacts "kwhy/inspect/proc"
)

// What runs in the memory of another has none that is its own, and its end frees nothing.
func TestMemoryThatSeveralRunInIsNobodysOwn(t *testing.T) {
	const MiB = 1 << 20
	m := &memfacts.Process{
		Rollup: inspect.Counters{"Rss": 52 * MiB, "Pss": 50 * MiB, "Pss_Anon": 50 * MiB, "Pss_File": 0, "Pss_Shmem": 0,
			"Private_Clean": 0, "Private_Dirty": 50 * MiB, "Anonymous": 50 * MiB},
		Status: inspect.Counters{"VmPTE": 1 * MiB},
	}
	if v := freed(m); v.Int() != 51*MiB || !strings.HasPrefix(readFreed(m), "Its own memory") || readUss(m) != "" {
		t.Errorf("alone: %v, %q, %q", v, readFreed(m), readUss(m))
	}
	for _, others := range []int{1, 3} {
		m.Sharers = nil
		for range others {
			m.Sharers = append(m.Sharers, &procfacts.Process{PID: 812, Comm: "child"})
		}
		for what, v := range map[string]value{"at most": freed(m), "at least": freedAtLeast(m)} {
			if v.Int() != 0 {
				t.Errorf("with %d others %s %v", others, what, v)
			}
		}
		for _, says := range []string{readFreed(m), readUss(m), readPss(m)} {
			if !strings.Contains(says, "child (812)") || strings.Contains(says, "counts every page once") {
				t.Errorf("with %d others: %q", others, says)
			}
		}
	}
}
