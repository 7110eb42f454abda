package fd

import (
	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// Spaces is how many namespaces of a kind there are of those that /proc/sys/user bounds.
//
// The bounds are those of a user namespace, kwhy's own. A namespace is charged to the effective user of
// who makes it, in his user namespace, and to the maker of each user namespace that this one is in, in
// the one above; where one of the counts has come to the bound there, clone and unshare fail with ENOSPC
// (kernel/ucount.c, inc_ucount, since 4.9). No file has the counts. Namespaces that processes live in are
// counted here: those that only a descriptor or a bind mount keeps are not seen.
type Spaces struct {
	Kind string // user, net, mnt, pid
	// Counted is false where they were not counted: processes are too few to come near to the bound.
	Counted bool
	All     int    // different ones
	Most    int    // of these, those of one user, the one with most
	Who     uint32 // that user, as kwhy's own user namespace has him
	Unsure  int    // of these, those whose user is not known
	Seen    inspect.Seen
}

// nearSpaces is from which share of a bound on they are counted: there cannot be more in use by processes
// than there are processes.
const nearSpaces = 0.5

// spaceKinds are the kinds, by the source of their bound.
func spaceKinds() map[inspect.Source]string {
	return map[inspect.Source]string{
		inspect.UserMaxUserNamespaces: "user", inspect.UserMaxNetNamespaces: "net",
		inspect.UserMaxMntNamespaces: "mnt", inspect.UserMaxPidNamespaces: "pid",
	}
}

// countSpaces counts namespaces of the kinds that are wanted: links of every process are read where there
// may be many, and only there.
func (f *Snapshot) countSpaces(h *inspect.Host, want inspect.Sources, own uint64) {
	f.Spaces = map[inspect.Source]Spaces{}
	ps := f.Scan.Procs
	known := map[uint64][]inspect.UserNamespace{}
	for src, kind := range spaceKinds() {
		most, ok := f.Mem.Number(src)
		if !want.Has(src) || !ok {
			continue
		}
		s := Spaces{Kind: kind, Seen: ps.Seen()}
		if most > 0 && float64(len(ps.Rows)) >= nearSpaces*float64(most) {
			s.count(h, ps, own, known)
		}
		f.Spaces[src] = s
	}
}

// count looks at the namespace of each process. known are the user namespaces above each that was met.
func (s *Spaces) count(h *inspect.Host, ps *proc.Processes, own uint64, known map[uint64][]inspect.UserNamespace) {
	met, of := map[uint64]bool{}, map[uint32]int{}
	whys := make([]inspect.Reason, len(ps.Rows))
	for i := range ps.Rows {
		p := &ps.Rows[i]
		if p.Kthread() || p.Over() {
			whys[i] = inspect.Inapplicable
			continue
		}
		n, err := h.Namespace(p.Home(h), s.Kind)
		if whys[i] = inspect.ReasonOfPID(err); err != nil || met[n] {
			continue
		}
		met[n] = true
		in, err := h.Namespace(p.Home(h), "user")
		if err == nil && known[in] == nil {
			known[in], _ = h.UserNamespaces(p.Home(h) + "/ns/user") // without it nobody is known to be charged
		}
		s.charge(n, own, known[in], met, of)
	}
	seen := inspect.SeenBy("process", inspect.PIDNs, len(ps.Rows), func(i int) inspect.Reason { return whys[i] })
	s.Counted, s.Seen = true, seen.Within(ps.Seen())
	for uid, n := range of {
		if n > s.Most || n == s.Most && uid < s.Who {
			s.Most, s.Who = n, uid
		}
	}
}

// charge charges a namespace to a user. Of one that was made in kwhy's own user namespace who made it is
// not known: that takes CAP_SYS_ADMIN there, which root has.
func (s *Spaces) charge(n, own uint64, chain []inspect.UserNamespace, met map[uint64]bool, of map[uint32]int) {
	if s.Kind == "user" && n == own || n < inspect.FirstDynamic {
		return // it is charged above, or to nobody
	}
	if s.All++; len(chain) == 0 {
		s.Unsure++
		return
	}
	below := 0 // how many of the chain are below kwhy's own
	for below < len(chain) && chain[below].Inode != own {
		below++
	}
	var who uint32 // root
	if below > 0 {
		who = chain[below-1].Owner // who made the outermost is charged for all that is in it
	}
	of[who]++
	for i := 1; s.Kind == "user" && i < below; i++ {
		if !met[chain[i].Inode] { // nobody lives in it, but somebody below it
			met[chain[i].Inode] = true
			s.All++
			of[who]++
		}
	}
}
