package fd

import (
	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// Account is whom something is charged to: a user in a user namespace (struct ucounts,
// kernel/ucount.c).
type Account struct {
	NS  uint64 // the namespace's number; 0 for those above kwhy's own, which cannot be seen
	UID uint32 // as kwhy's own user namespace has that user
}

// Charge is what an account has of one kind.
type Charge struct {
	Instances, Watches int
	// Below is how many of the instances were made in user namespaces that the user made, or
	// below these, and Namespaces how many namespaces those are.
	Below, Namespaces int
}

// Charges are the inotify instances and watches of a host by account, and the watches of
// epoll sets by user.
//
// Since 4.11 an inotify instance is charged to the effective user of who makes it, in his
// user namespace, and to the maker of each namespace that this one is in, in the one above
// (fs/notify/inotify/inotify_user.c, inotify_new_group; kernel/ucount.c, inc_ucount); before,
// to the real user. Its watches go where it went. The watches of an epoll set are charged to
// the real user of who made it, whatever the namespace (fs/eventpoll.c, ep_alloc). The kernel
// shows none of that: here it is who has the descriptor now, of several the oldest process.
type Charges struct {
	Inotify map[Account]Charge
	Epoll   map[uint32]int
	// Own is kwhy's own user namespace, as far as that is known: accounts in it are held
	// against /proc/sys/user, those in the initial one against /proc/sys/fs/inotify.
	Own uint64
	// Unplaced is what was made by users, or in namespaces of makers, that cannot be seen.
	Unplaced Charge
	// UnplacedEpoll are the descriptors in epoll sets of such users.
	UnplacedEpoll int
	// Exact says that the kernel was asked which descriptors are copies of one instance or set.
	Exact bool
}

// ownUserNS is the user namespace that kwhy is in; of a copy, and where it cannot be seen, the
// initial one.
func ownUserNS(h *inspect.Host) uint64 {
	if own, err := h.Namespace(h.OwnDir(), "user"); err == nil && h.Live {
		return own
	}
	return inspect.InitialUserNS
}

// ofOwnNamespace reports whether a source is a limit of the user namespace that kwhy is in. In
// the initial one each is the same as another, in /proc/sys/fs.
func ofOwnNamespace(s inspect.Source) bool {
	return s == inspect.UserMaxInotifyInstances || s == inspect.UserMaxInotifyWatches
}

// chargesOf finds out who is charged for what the processes of a scan have.
func chargesOf(h *inspect.Host, scan *proc.FDScan, own uint64) *Charges {
	c := &Charges{Inotify: map[Account]Charge{}, Epoll: map[uint32]int{}, Own: own}
	instances, exact := watchers(h, scan, proc.KindInotify)
	sets, exactly := watchers(h, scan, proc.KindEpoll)
	c.Exact = exact && exactly
	for i := range sets {
		if p := sets[i].made.p; p.Why(inspect.PIDStatus) == inspect.Present {
			c.Epoll[p.RealUID] += sets[i].watches
		} else {
			c.UnplacedEpoll += sets[i].watches
		}
	}
	known := map[uint64][]inspect.UserNamespace{}
	namespaces := map[Account]map[uint64]bool{}
	for i := range instances {
		c.add(h, &instances[i], known, namespaces)
	}
	for who, from := range namespaces {
		one := c.Inotify[who]
		one.Namespaces = len(from)
		c.Inotify[who] = one
	}
	return c
}

// add charges an instance. known are the namespaces above each that was met, and from is where
// what an account is charged for was made.
func (c *Charges) add(h *inspect.Host, o *object, known map[uint64][]inspect.UserNamespace, from map[Account]map[uint64]bool) {
	charge := func(who Account, below uint64) {
		one := c.Inotify[who]
		one.Instances, one.Watches = one.Instances+1, one.Watches+o.watches
		if below != 0 {
			one.Below++
			if from[who] == nil {
				from[who] = map[uint64]bool{}
			}
			from[who][below] = true
		}
		c.Inotify[who] = one
	}
	unplaced := func() {
		c.Unplaced.Instances, c.Unplaced.Watches = c.Unplaced.Instances+1, c.Unplaced.Watches+o.watches
	}
	p := o.made.p
	if p.Why(inspect.PIDStatus) != inspect.Present {
		unplaced()
		return
	}
	if inspect.Choose(h.Kernel.Since(4, 11), false, true, false) {
		charge(Account{inspect.InitialUserNS, p.RealUID}, 0)
		return
	}
	in, err := h.Namespace(p.Home(h), "user")
	if err != nil { // a copy without it: most processes are where the kernel began
		in = inspect.InitialUserNS
	}
	charge(Account{in, p.UID}, 0)
	if in == inspect.InitialUserNS {
		return
	}
	chain, asked := known[in]
	if !asked {
		chain, _ = h.UserNamespaces(p.Home(h) + "/ns/user") // without it the charge is unplaced
		known[in] = chain
	}
	if len(chain) == 0 {
		unplaced()
		return
	}
	for i, ns := range chain {
		if ns.Inode == inspect.InitialUserNS {
			return
		}
		above := uint64(0)
		if i+1 < len(chain) {
			above = chain[i+1].Inode
		}
		charge(Account{above, ns.Owner}, ns.Inode)
	}
}

// Most returns the account in a namespace that has most by count, and false where none has
// any.
func (c *Charges) Most(ns uint64, count func(Charge) int) (who Account, most Charge, ok bool) {
	for a, one := range c.Inotify {
		n := count(one)
		if a.NS == ns && n > 0 && (n > count(most) || n == count(most) && a.UID < who.UID) {
			who, most, ok = a, one, true
		}
	}
	return who, most, ok
}
