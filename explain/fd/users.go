package fd

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
)

// perUser are limits of what users have, in all their processes together.
func perUser() []hostField {
	return append(append(inotifyLimits(), spaceLimits()...),
		ofUsers(doc{
			Key: "epoll_max_user_watches", Label: "epoll watches", Concept: "epoll",
			Source: inspect.EpollMaxWatches, Also: shownByInfo(),
			Gist: "The most descriptors of a user in epoll sets: ENOSPC after that.",
		}, readEpoll),
		ofHost(doc{
			Key: "pipe_user_pages_soft", Kernel: "fs.pipe-user-pages-soft", Label: "pipe-user-pages-soft",
			Unit:   explain.Count,
			Source: inspect.PipeUserPagesSoft, Concept: "pipe",
			Gist: "Above this, new pipes of a user get a page or two; use is not shown.",
		}, sysctl(inspect.PipeUserPagesSoft), nil),
		ofHost(doc{
			Key: "pipe_user_pages_hard", Kernel: "fs.pipe-user-pages-hard", Label: "pipe-user-pages-hard",
			Unit:   explain.Count,
			Source: inspect.PipeUserPagesHard, Concept: "pipe",
			Gist: "Above this, a user gets no new pipes; 0 is no limit.",
		}, sysctl(inspect.PipeUserPagesHard), nil),
		ofHost(doc{
			Key: "pipe_max_size", Kernel: "fs.pipe-max-size", Label: "pipe-max-size", Unit: explain.Bytes,
			Source: inspect.PipeMaxSize, Concept: "pipe",
			Gist: "The largest pipe that can be made without CAP_SYS_RESOURCE.",
		}, sysctl(inspect.PipeMaxSize), nil),
	)
}

// inotifyLimits are those of inotify: of users in the initial user namespace, and of those in
// kwhy's own where that is another.
func inotifyLimits() []hostField {
	own := func(d doc, n counting) hostField {
		d.Since, d.Concept = inspect.Version{Major: 4, Minor: 11}, "inotify-fanotify"
		f := ofUsers(d, func(f host) string { return readInotify(f, n, f.Charges.Own) })
		f.Get = func(f host) value {
			if n, ok := f.Mem.Number(d.Source); ok && n == math.MaxInt32 {
				return explain.None(inspect.Unlimited) // as each begins (kernel/user_namespace.c, create_user_ns)
			}
			return sysctl(d.Source)(f)
		}
		return f
	}
	return []hostField{
		ofUsers(doc{
			Key: "max_user_instances", Label: "max_user_instances", Concept: "inotify-fanotify",
			Source: inspect.InotifyMaxInstances,
			Gist:   "The most inotify instances of a user: EMFILE after that.",
		}, func(f host) string { return readInotify(f, instances(), outermost(f)) }),
		ofUsers(doc{
			Key: "max_user_watches", Label: "max_user_watches", Concept: "inotify-fanotify",
			Source: inspect.InotifyMaxWatches, Also: shownByInfo(),
			Gist: "The most files that a user may watch by inotify: ENOSPC after that.",
		}, func(f host) string { return readInotify(f, watches(), outermost(f)) }),
		own(doc{
			Key: "user_max_inotify_instances", Kernel: "user.max_inotify_instances", Label: "own instances",
			Source: inspect.UserMaxInotifyInstances,
			Gist:   "The most inotify instances of a user in kwhy's own user namespace.",
		}, instances()),
		own(doc{
			Key: "user_max_inotify_watches", Kernel: "user.max_inotify_watches", Label: "own watches",
			Source: inspect.UserMaxInotifyWatches, Also: shownByInfo(),
			Gist: "The most files that a user may watch in kwhy's own user namespace.",
		}, watches()),
	}
}

// ofUsers declares a limit of users, with what is read of how near they are to it.
func ofUsers(d doc, read func(host) string) hostField {
	d.Unit = explain.Count
	if d.Also == nil {
		d.Also = []inspect.Source{inspect.PIDFd}
	}
	return ofHost(d, sysctl(d.Source), func(f host) string {
		switch {
		case f.Missing(inspect.PIDFd) != inspect.Present:
			return "The kernel does not show the use itself, and no process shows its descriptors."
		case slices.Contains(d.Also, inspect.PIDFdinfo) && f.SeenOf(inspect.PIDFdinfo).Nothing():
			return "The kernel does not show the use itself, and no process shows what it watches."
		}
		return read(f)
	})
}

// shownByInfo is what tells how much is watched: the fdinfo of descriptors.
func shownByInfo() []inspect.Source { return []inspect.Source{inspect.PIDFd, inspect.PIDFdinfo} }

// counting is what of inotify is counted, and the limits that bound it.
type counting struct {
	of          func(fdfacts.Charge) int
	from        inspect.Source // of processes: what shows it
	global, own inspect.Source
	words       string
}

func instances() counting {
	return counting{
		func(c fdfacts.Charge) int { return c.Instances }, inspect.PIDFd, inspect.InotifyMaxInstances, inspect.UserMaxInotifyInstances,
		"inotify instances that a user may have",
	}
}

func watches() counting {
	return counting{
		func(c fdfacts.Charge) int { return c.Watches }, inspect.PIDFdinfo, inspect.InotifyMaxWatches, inspect.UserMaxInotifyWatches,
		"files that a user may watch by inotify",
	}
}

// outermost is the namespace that the limits in /proc/sys/fs are of, as accounts name it: the
// initial one, which from inside of another cannot be seen.
func outermost(f host) uint64 {
	if f.Charges.Own != inspect.InitialUserNS {
		return 0
	}
	return inspect.InitialUserNS
}

// limitIn is the limit of users in a namespace; false where it is not known.
func limitIn(f host, n counting, ns uint64) (most int64, ok bool) {
	if ns == outermost(f) {
		return f.Mem.Number(n.global)
	}
	return f.Mem.Number(n.own)
}

// readInotify says who has most in a namespace, and of what: a user is charged for what is made
// in the namespaces that he made, too.
func readInotify(f host, n counting, ns uint64) string {
	who, c, ok := f.Charges.Most(ns, n.of)
	most, _ := limitIn(f, n, ns)
	s := usedBy(f, n, who, c, most)
	switch rest := n.of(f.Charges.Unplaced); {
	case !ok && ns == 0:
		return "The kernel does not show the use itself, and what is outside of kwhy's user namespace cannot be seen."
	case !ok && rest == 0:
		return "Visible processes use none; the kernel does not show the use itself."
	case !ok:
		s = units.Number(rest) + " are used by users who can't be seen"
	case rest > 0:
		s += "; " + units.Number(rest) + " more by users who can't be seen"
	}
	return s + ". Summed over fdinfo, " + once(f) + ": the kernel does not show the use itself."
}

// usedBy says who it is, how much of the limit that is, and where it was made.
func usedBy(f host, n counting, who fdfacts.Account, c fdfacts.Charge, most int64) string {
	used, count := "", units.Number(n.of(c))
	if most > 0 && most < math.MaxInt32 {
		used = units.Percent(int64(n.of(c)), most) + " "
	}
	if who.NS == 0 {
		return used + "or more used by the user who made kwhy's user namespace, or one above it: " + count + " are in it"
	}
	return used + "used by user " + userName(f, who.UID) + ", the largest user: " + count + below(f, who, c)
}

// below says how much of it was made in namespaces that the user made, as containers are.
func below(f host, who fdfacts.Account, c fdfacts.Charge) string {
	if c.Below == 0 {
		return ""
	}
	part := units.Number(c.Below) + " instances"
	if c.Below == c.Instances {
		part = "all"
	}
	return fmt.Sprintf(", %s in %s that %s made", part, units.Plural(c.Namespaces, "user namespace", "user namespaces"), userName(f, who.UID))
}

// readEpoll says who has most descriptors in epoll sets.
func readEpoll(f host) string {
	most, uid := top(f.Charges.Epoll)
	if n := f.Charges.UnplacedEpoll; most == 0 && n > 0 {
		return units.Number(n) + " are used by users who can't be seen: the kernel does not show the use itself."
	}
	if most == 0 {
		return "Visible processes use none; the kernel does not show the use itself."
	}
	n, _ := f.Mem.Number(inspect.EpollMaxWatches)
	return fmt.Sprintf("%s used by user %s, the largest user: %s. Summed over fdinfo, %s: the kernel does not show the use itself.",
		units.Percent(int64(most), n), userName(f, uid), units.Number(most), once(f))
}

// once says how copies were told from what is one more.
func once(f host) string {
	if f.Charges.Exact {
		return "copies by dup and fork once"
	}
	return "what a process and its parent have alike once, for nobody could be asked which are copies"
}

// top finds the user with the most.
func top(users map[uint32]int) (most int, uid uint32) {
	for _, u := range slices.Sorted(maps.Keys(users)) {
		if users[u] > most {
			most, uid = users[u], u
		}
	}
	return most, uid
}

func userName(f host, uid uint32) string {
	return cmp.Or(f.Scan.Procs.Host.Users[uid], fmt.Sprint(uid))
}

// fullest is the account that is nearest to its limit: of the initial user namespace, or of
// kwhy's own.
type fullest struct {
	who  fdfacts.Account
	of   fdfacts.Charge
	most int64
}

func (n counting) fullest(f host) (at fullest, ok bool) {
	if f.SeenOf(n.from).Nothing() {
		return at, false
	}
	for _, ns := range slices.Compact([]uint64{outermost(f), f.Charges.Own}) {
		who, c, some := f.Charges.Most(ns, n.of)
		most, known := limitIn(f, n, ns)
		if known && most > 0 && (!ok || some && float64(n.of(c))/float64(most) > at.share(n)) {
			at, ok = fullest{who, c, most}, true
		}
	}
	return at, ok
}

func (at fullest) share(n counting) float64 { return float64(n.of(at.of)) / float64(at.most) }

// inotifyNear is the rule about one of the limits of inotify.
func inotifyNear(r explain.Rule[host], n counting) explain.Rule[host] {
	r.Unit, r.Concept = explain.Ratio, "inotify-fanotify"
	r.At = explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98}
	r.Of = func(f host) value {
		if at, ok := n.fullest(f); ok {
			return explain.F(at.share(n))
		}
		return value{}
	}
	r.Say = func(f host) string {
		at, _ := n.fullest(f)
		who := "user " + userName(f, at.who.UID)
		if at.who.NS == 0 {
			who = "the user who made kwhy's user namespace"
		}
		return fmt.Sprintf("%s has %s of the %s, %s of %s%s", who, units.AppendPercent(nil, at.share(n)), n.words,
			units.Number(n.of(at.of)), units.Number(at.most), below(f, at.who, at.of))
	}
	return r
}

func instancesNear() explain.Rule[host] {
	return inotifyNear(explain.Rule[host]{
		ID: "fd.inotify_instances_near", What: "inotify instances of the largest user / fs.inotify.max_user_instances",
		Means: "At the limit inotify_init fails with EMFILE, which programs report as too many open files though they have few. " +
			"What is made in a container counts for who made its user namespace too.",
		Evidence: []string{"max_user_instances", "user_max_inotify_instances"}, Next: "kwhy fd --sort inotify",
	}, instances())
}

func watchesNear() explain.Rule[host] {
	return inotifyNear(explain.Rule[host]{
		ID: "fd.inotify_near", What: "inotify watches of the largest user / fs.inotify.max_user_watches",
		Means: "At the limit inotify_add_watch fails with ENOSPC: editors, file synchronisers and log shippers no longer " +
			"notice changes.",
		Evidence: []string{"max_user_watches", "user_max_inotify_watches"}, Next: "kwhy fd --sort inotify_watches",
	}, watches())
}
