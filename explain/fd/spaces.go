package fd

import (
	"fmt"
	"math"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
)

// space is a kind of namespaces that /proc/sys/user bounds.
type space struct {
	name, kind string // user, "user namespace"
	src        inspect.Source
	gist       string
}

func spaces() [4]space {
	return [4]space{
		{"user", "user namespace", inspect.UserMaxUserNamespaces, "The most user namespaces that a user may have made: ENOSPC after that."},
		{"net", "network namespace", inspect.UserMaxNetNamespaces, "The most network namespaces that a user may have made: ENOSPC after that."},
		{"mnt", "mount namespace", inspect.UserMaxMntNamespaces, "The most mount namespaces that a user may have made: ENOSPC after that."},
		{"pid", "PID namespace", inspect.UserMaxPidNamespaces, "The most PID namespaces that a user may have made: ENOSPC after that."},
	}
}

func (s *space) key() string { return "user_max_" + s.name + "_namespaces" }

// spaceLimits are the bounds on the namespaces that a user makes in kwhy's own user namespace.
func spaceLimits() (out []hostField) {
	for _, s := range spaces() {
		f := ofHost(doc{
			Key: s.key(), Kernel: "user.max_" + s.name + "_namespaces", Label: "max_" + s.name + "_namespaces", Unit: explain.Count,
			Source: s.src, Also: []inspect.Source{inspect.PIDStat, inspect.PIDNs}, Concept: "user-namespace",
			Since: inspect.Version{Major: 4, Minor: 9},
			Gist:  s.gist,
		}, func(f host) value {
			if n, ok := f.Mem.Number(s.src); ok && n == math.MaxInt32 {
				return explain.None(inspect.Unlimited) // as each user namespace begins (kernel/user_namespace.c, create_user_ns)
			}
			return sysctl(s.src)(f)
		}, s.read)
		out = append(out, f)
	}
	return out
}

// read says how many there are of a bound.
func (s *space) read(f host) string {
	most, _ := f.Mem.Number(s.src)
	n, known := f.Spaces[s.src]
	const kept = " Those that only a bind mount or a descriptor keeps are not seen."
	switch {
	case most == 0:
		return "An administrator has forbidden them: clone and unshare fail with ENOSPC here, for root too." + s.without()
	case most == math.MaxInt32:
		return "" // no bound
	case !known || n.Seen.Nothing():
		return "The kernel does not show how many there are."
	case !n.Counted:
		return "There are fewer processes than half of it: how many namespaces they live in was not counted." + kept
	case n.All == 0:
		return units.Sentence(units.NoneOf("no process is in one that was made here", n.Seen)) + kept
	}
	says := s.made(f, &n)
	if among := units.Among(n.Seen); among != "" {
		says += " (by what can be seen " + among + ")"
	}
	return units.Sentence(says) + kept
}

// without says what does not work without such namespaces.
func (s *space) without() string {
	if s.name == "user" {
		return " Rootless containers don't start, nor bubblewrap and sandboxes of browsers unless they are set-user-ID."
	}
	return " Containers don't start, but for those that share the host's."
}

// made says how many were made, and by whom.
func (s *space) made(f host, n *fdfacts.Spaces) string {
	if n.Most == 0 {
		return "processes are in " + units.Plural(n.All, s.kind, s.kind+"s") + "; who made them is not known"
	}
	most, _ := f.Mem.Number(s.src)
	return fmt.Sprintf("user %s has at least %s of the %s that one user may have made",
		userName(f, n.Who), units.Number(n.Most), units.Plural(most, s.kind, s.kind+"s"))
}

// spacesNear is about one of these bounds. Where nobody knows who made them, all may be one user's or not.
func spacesNear(i int) explain.Rule[host] {
	s := spaces()[i]
	return explain.Rule[host]{
		ID: "fd." + s.name + "_namespaces_near", Unit: explain.Ratio,
		What: s.kind + "s of one user / user.max_" + s.name + "_namespaces",
		Means: "Namespaces count for who made them and for the makers of the user namespaces around them. At the bound clone and unshare fail " +
			"with ENOSPC, \"no space left on device\", though no disk is full. Those that processes live in are counted; there may be more.",
		Evidence: []string{s.key()}, Concept: "user-namespace", Next: "kwhy explain user-namespace",
		Of: func(f host) value {
			most, ok := f.Mem.Number(s.src)
			n, known := f.Spaces[s.src]
			switch {
			case !ok || !known || most <= 0 || !n.Counted:
				return value{}
			case n.Seen.Nothing():
				return explain.None(n.Seen.Reason)
			}
			return explain.F(float64(max(n.Most, n.Unsure)) / float64(most))
		},
		At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
		Most: func(f host) explain.Level {
			if n := f.Spaces[s.src]; n.Unsure > n.Most {
				return explain.Notice
			}
			return explain.Critical
		},
		Say: func(f host) string {
			n := f.Spaces[s.src]
			return s.made(f, &n)
		},
	}
}
