package net

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
)

// Neighbours are the addresses on links that the kernel knows of one version of IP: of the whole
// host, for all network namespaces share one table, and one bound (net/core/neighbour.c).
type Neighbours struct {
	Stat   inspect.Counters // arp_cache or ndisc_cache: entries now, the rest since boot
	Exempt inspect.Num      // of the namespace that is looked at that the bound does not count; Unset where nobody asked
	Own    int              // of the same namespace, those that it does count
}

// neighbourFamily is one of the two tables.
type neighbourFamily struct {
	file   string
	stat   inspect.Source
	most   inspect.Source
	family uint8
}

func neighbourFamilies() [2]neighbourFamily {
	return [2]neighbourFamily{
		{"arp_cache", inspect.NetARPCache, inspect.NeighThresh3, unix.AF_INET},
		{"ndisc_cache", inspect.NetNdiscCache, inspect.Neigh6Thresh3, unix.AF_INET6},
	}
}

// neighbourReader returns what reads the table of a source. The file is in the namespace that
// the kernel began with alone, so that it is read where kwhy is.
func neighbourReader(h *inspect.Host, n *Snapshot, s inspect.Source) func() error {
	for i, f := range neighbourFamilies() {
		if f.stat != s {
			continue
		}
		return func() error {
			return h.Proc.With(OwnNamespace(h).Dir+"/stat/"+f.file, func(b []byte) (err error) {
				n.noteWhole(s, !inspect.CutOff(b))
				n.Neighbours[i].Stat, err = parsePerCPU(b)
				return err
			})
		}
	}
	return nil
}

// manyNeighbours is from which part of the bound on it is worth asking which entries count.
const manyNeighbours = 0.5

// askNeighbours counts the neighbours of the namespace that the calling thread is in which the
// bound does not count, where the table is half full: permanent ones and those that a routing
// daemon has learned, since 5.0 (net/core/neighbour.c, neigh_alloc, exempt_from_gc).
func (n *Snapshot) askNeighbours(h *inspect.Host) {
	for i, f := range neighbourFamilies() {
		most, ok := n.Mem.Number(f.most)
		if entries := n.Neighbours[i].Stat["entries"]; !ok || float64(entries) < manyNeighbours*float64(most) {
			continue
		}
		exempt, own := 0, 0
		err := dump(h, unix.RTM_GETNEIGH, sizeofNdmsg, func(b []byte) {
			if b[0] != f.family {
				return
			}
			state, flags := binary.NativeEndian.Uint16(b[8:]), b[10]
			if state&unix.NUD_PERMANENT != 0 || flags&unix.NTF_EXT_LEARNED != 0 {
				exempt++
			} else if state&unix.NUD_NOARP == 0 { // these are in no list of what can be removed either
				own++
			}
		})
		if err == nil {
			n.Neighbours[i].Exempt, n.Neighbours[i].Own = inspect.Num(exempt), own
		}
	}
}

const sizeofNdmsg = 12 // struct ndmsg (include/uapi/linux/neighbour.h): family, ifindex at 4, state at 8, flags, type
