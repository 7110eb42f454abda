package oom

import (
	"strings"
	"testing"

	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	memfacts "kwhy/inspect/mem"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
)

// A cgroup at its limit that reclaim can empty is not told as an empty one.
func TestAFullCgroupIsNotToldAsEmpty(t *testing.T) {
	const MiB = 1 << 20
	for _, c := range []struct {
		use, file uint64
		want      bool
	}{{199 * MiB / 5, 39 * MiB, true}, {199 * MiB / 5, 4 * MiB, false}, {20 * MiB, 19 * MiB, false}} {
		g := oomfacts.Group{Memory: cgroupfacts.Memory{
			Version: 1, Path: "/a",
			Nums:   inspect.Counters{"memory.limit_in_bytes": 40 * MiB, "memory.usage_in_bytes": c.use},
			Stat:   inspect.Counters{"total_inactive_file": c.file, "total_active_file": 0},
			Events: inspect.Counters{"oom_kill_disable": 1},
		}, PIDs: []int32{1}}
		s := &oomfacts.Snapshot{Mem: &memfacts.Snapshot{Info: inspect.Counters{"SwapTotal": 0, "SwapFree": 0}}, Procs: &procfacts.Processes{}}
		s.Groups, s.Got = []oomfacts.Group{g}, inspect.Present
		says := whyGroup(s.Limited().At(0))
		if got := strings.Contains(says, "it uses 99.5 % of the limit, of which all but 2.0 % can be dropped"); got != c.want {
			t.Errorf("%+v: %q", c, says)
		}
		if health := healthUse(s); strings.Contains(health, "fullest") || !strings.Contains(health, "cannot be reclaimed") {
			t.Errorf("%q", health)
		}
	}
}
