package mem

import (
	"strings"
	"testing"

	"kwhy/inspect"
	cgroupfacts "kwhy/inspect/cgroup"
	memfacts "kwhy/inspect/mem"
)

// Where a limit above a container's cgroup is known by hierarchical_memory_limit alone, there is no more room
// than that limit leaves beside what the container uses itself.
func TestRoomBelowALimitThatIsNotVisible(t *testing.T) {
	const MiB = 1 << 20
	for _, c := range []struct{ limit, use, above, room uint64 }{
		{64 * MiB, 3 * MiB, 40 * MiB, 37 * MiB},
		{64 * MiB, 50 * MiB, 40 * MiB, 0},
		{64 * MiB, 3 * MiB, 64 * MiB, 61 * MiB},
	} {
		m := &memfacts.Snapshot{Cgroups: []cgroupfacts.Memory{{
			Version: 1, Path: "/", Root: true, Rest: inspect.OtherNamespace,
			Nums: inspect.Counters{"memory.limit_in_bytes": c.limit, "memory.usage_in_bytes": c.use},
			Stat: inspect.Counters{"hierarchical_memory_limit": c.above},
		}}}
		if v := room(m); !v.Has() || v.Uint() != c.room {
			t.Errorf("%+v: room %v, want %d", c, v, c.room)
		}
		if says := readRoom(m); strings.HasPrefix(says, "At most") != (c.above < c.limit) {
			t.Errorf("%+v: %s", c, says)
		}
	}
}
