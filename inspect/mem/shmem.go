package mem

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"kwhy/inspect"
)

// Shared is who holds shared memory that no process may be using: a mount of tmpfs, or a segment of
// System V. Sizes are in bytes.
type Shared struct {
	Kind string // tmpfs, devtmpfs, sysv
	Name string // where it is mounted, or the number of the segment
	// Used is what it takes: of tmpfs in RAM and swap together, which statfs(2) does not part
	// (mm/shmem.c, shmem_statfs), of a segment in RAM.
	Used uint64
	Swap inspect.Num // of a segment, in swap; Unset of tmpfs
	Most inspect.Num // what it may take; Unset where there is no bound

	UID, Attached, Creator inspect.Num // of a segment: whose it is, how often it is attached, and who made it
}

// enoughShared is from which share of RAM on Shmem is explained without being asked.
const enoughShared = 4

// explainShared finds who holds shared memory, where there is much and nobody has asked yet.
func (m *Snapshot) explainShared(h *inspect.Host, note func(inspect.Source, error)) {
	if m.Info["Shmem"]*enoughShared < m.Info["MemTotal"] || m.Info["Shmem"] == 0 || !h.Live {
		return
	}
	for _, s := range []inspect.Source{inspect.TmpfsUse, inspect.SysvipcShm} {
		if m.Got[s] == inspect.Unread {
			note(s, Reader(h, s)(m))
		}
	}
}

// Shared returns who holds shared memory, the largest first.
func (m *Snapshot) Shared() []Shared {
	out := slices.DeleteFunc(slices.Concat(m.tmpfs, m.segments), func(s Shared) bool { return s.Used == 0 && s.Swap <= 0 })
	slices.SortStableFunc(out, func(a, b Shared) int { return cmp.Compare(b.Used, a.Used) })
	return out
}

// readTmpfs asks each tmpfs that kwhy sees mounted how much it holds. Those of other mount namespaces, as
// containers have, are not seen. One that is mounted below what a server is needed for is not asked.
func readTmpfs(h *inspect.Host, m *Snapshot) error {
	if !h.Live {
		return inspect.ErrCopy
	}
	var list []inspect.Mount
	err := h.Proc.With(h.OwnDir()+"/mountinfo", func(b []byte) error {
		return inspect.ParseMountinfo(b, "", func(mount inspect.Mount) { list = append(list, mount) })
	})
	if err != nil {
		return err
	}
	asked, reached := map[uint64]bool{}, reachable(list)
	for i := range list {
		mount := &list[i]
		if mount.FSType != "tmpfs" && mount.FSType != "devtmpfs" || asked[mount.Dev] || !reached(i) {
			continue
		}
		room, err := h.Elsewhere().Room(mount.Point)
		if err != nil || room.Dev != mount.Dev {
			continue // it went meanwhile, or may not be seen
		}
		asked[mount.Dev] = true
		s := Shared{
			Kind: mount.FSType, Name: mount.Point, Used: room.Size - room.Free, Most: inspect.Num(room.Size),
			Swap: inspect.Unset, UID: inspect.Unset, Attached: inspect.Unset, Creator: inspect.Unset,
		}
		if room.Size == 0 { // without a bound it does not say what it has
			continue
		}
		m.tmpfs = append(m.tmpfs, s)
	}
	return nil
}

// reachable says of each mount whether to look at its point is to look at it, and asks no server: none is
// mounted on top of it, and none that needs one on the way there.
func reachable(list []inspect.Mount) func(i int) bool {
	top := map[string]int{}
	var served []string
	for i := range list {
		top[list[i].Point] = i // the last lies on top
		if inspect.NeedsServer(list[i].FSType) {
			served = append(served, strings.TrimSuffix(list[i].Point, "/")+"/")
		}
	}
	return func(i int) bool {
		at := list[i].Point
		return top[at] == i && !slices.ContainsFunc(served, func(on string) bool { return strings.HasPrefix(at+"/", on) })
	}
}

// readSegments reads /proc/sysvipc/shm (ipc/shm.c, sysvipc_shm_proc_show): the segments of kwhy's own IPC
// namespace.
func readSegments(h *inspect.Host, m *Snapshot) error {
	return h.Proc.With("sysvipc/shm", func(b []byte) error {
		heading, rest := inspect.CutLine(b)
		names := strings.Fields(string(heading))
		if !slices.Contains(names, "shmid") || !slices.Contains(names, "rss") {
			return inspect.ErrMalformed
		}
		for line := range inspect.Lines(rest) {
			f := strings.Fields(string(line))
			if len(f) != len(names) {
				return inspect.ErrMalformed
			}
			of := func(name string) inspect.Num { return inspect.ParseNum([]byte(f[slices.Index(names, name)])) }
			used := of("rss")
			if used < 0 {
				return inspect.ErrMalformed
			}
			m.segments = append(m.segments, Shared{
				Kind: "sysv", Name: strconv.FormatInt(int64(of("shmid")), 10), Used: uint64(used), Swap: of("swap"), Most: of("size"),
				UID: of("uid"), Attached: of("nattch"), Creator: of("cpid"),
			})
		}
		return nil
	})
}
