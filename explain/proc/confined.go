package proc

import (
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

func confined() []detailField {
	return []detailField{
		told(doc{
			Key: "container", Label: "apart from PID 1", Unit: explain.Count,
			Source:  inspect.PIDNs,
			Gist:    "In how many kinds of namespace it is seen to live apart from PID 1.",
			Concept: "container",
		}, func(d detail) value {
			c := compared(d)
			if len(c.apart)+len(c.same)+len(c.strange) == 0 {
				return explain.None(inspect.Masked)
			}
			return explain.I(len(c.apart))
		}, readContainer),
		told(doc{
			Key: "cgroups", Label: "cgroup",
			Source:  inspect.PIDCgroup,
			Gist:    "Where it is in each hierarchy of control groups.",
			Concept: "cgroups",
		}, func(d detail) value {
			var out []string
			for _, c := range d.Cgroups {
				if c.Version == 2 {
					out = append(out, c.Path)
				} else if c.Path != "/" {
					out = append(out, c.Controllers+":"+c.Path)
				}
			}
			slices.Sort(out)
			return names(slices.Compact(out))
		}, func(detail) string {
			return "A path alone is of version 2; those of version 1 where it is not in the root."
		}),
	}
}

// comparison sorts the kinds of namespace in which a process lives by what is to be
// seen of PID 1's: apart from it, the same, or not known; then they can be kwhy's own,
// or other than these (strange).
type comparison struct{ apart, same, unseen, strange []string }

func compared(d detail) (c comparison) {
	for i := range d.Namespaces {
		switch n := &d.Namespaces[i]; {
		case n.ForChildren():
		case n.Init != 0 && n.Inode != n.Init:
			c.apart = append(c.apart, n.Name)
		case n.Init != 0:
			c.same = append(c.same, n.Name)
		case n.Own != 0 && n.Inode != n.Own:
			c.strange = append(c.strange, n.Name)
		default:
			c.unseen = append(c.unseen, n.Name)
		}
	}
	return c
}

func readContainer(d detail) string {
	c := compared(d)
	var s string
	switch {
	case len(c.apart) > 0:
		s = "Apart in " + strings.Join(c.apart, ", ") + ": that is what a container is made of."
	case len(c.same) == 0:
		s = "PID 1's are not to be seen."
	case len(c.unseen)+len(c.strange) > 0:
		s = "In none of those of which PID 1's are to be seen: " + strings.Join(c.same, ", ") + "."
	case d.Row.Host.Inside:
		s = "It shares every namespace with PID 1, and that lives in a container itself: this /proc is of a PID namespace below the host's."
	case d.Row.Host.Whole:
		s = "No container: it shares every namespace with PID 1 of this host."
	default:
		s = "It shares every namespace with PID 1 of this /proc."
	}
	if len(c.strange) > 0 {
		s += " In " + strings.Join(c.strange, ", ") + " it is apart from kwhy itself; where PID 1 is, is not to be seen."
	}
	if len(c.unseen) > 0 {
		s += " In " + strings.Join(c.unseen, ", ") + " it is where kwhy is; where PID 1 is, is not to be seen."
	}
	if n := strings.Fields(d.Status["NSpid"]); len(n) > 1 {
		s += " In there it is PID " + n[len(n)-1] + "."
	}
	return s
}

// Namespaces lists those that a process lives in.
func Namespaces() *explain.Table[nsRow] {
	type column = explain.Field[nsRow]
	declare := func(d doc, get func(*procfacts.Namespace) value) column {
		d.Source, d.Concept = inspect.PIDNs, "namespaces"
		return column{Doc: d, Get: func(r nsRow) value { return get(r.It) }}
	}
	return &explain.Table[nsRow]{Name: "namespaces", Fields: []column{
		declare(doc{
			Key: "name", Label: "NAMESPACE",
			Words: namespaceWords(),
			Gist:  "The kind: what it sets apart.",
		}, func(n *procfacts.Namespace) value { return explain.S(n.Name) }),
		declare(doc{
			Key: "inode", Unit: explain.ID,
			Gist: "Its number: processes with the same one share it.",
		}, func(n *procfacts.Namespace) value { return explain.N(n.Inode) }),
		declare(doc{
			Key: "with_init", Label: "PID 1'S", Unit: explain.Bool,
			Gist: "Whether it is PID 1's too, or the one that the kernel began with.",
		}, func(n *procfacts.Namespace) value {
			if n.Init == 0 {
				return explain.None(inspect.Masked)
			}
			return explain.B(n.Init == n.Inode)
		}),
		declare(doc{
			Key: "shared_with", Label: "OTHERS", Unit: explain.Count, Show: explain.Wide,
			Gist: "How many other processes share it, of those that may be looked at.",
		}, func(n *procfacts.Namespace) value {
			if n.With == inspect.Unset { // the host's own, or there are too many to look at each
				return explain.None(inspect.Unread)
			}
			return explain.Opt(n.With)
		}),
		declare(doc{
			Key:  "why",
			Gist: "What it sets apart, and who else lives in it where these are few.",
		}, func(n *procfacts.Namespace) value {
			return explain.S(whyNamespace(n.Name) + sharers(n))
		}),
	}}
}

// sharers names who else lives in a namespace, where these are few and all may be
// looked at.
func sharers(n *procfacts.Namespace) string {
	switch {
	case n.With == inspect.Unset:
		return ""
	case n.Blind:
		return "; who else, only root can see"
	case n.With == 0:
		return "; nobody else"
	case int(n.With) > len(n.Whom):
		return ""
	}
	var words []string
	for _, p := range n.Whom {
		words = append(words, string(named(nil, p)))
	}
	return "; shared with " + strings.Join(words, ", ")
}

func whyNamespace(name string) string {
	switch strings.TrimSuffix(name, "_for_children") {
	case "cgroup":
		return "which cgroup it takes for the root"
	case "ipc":
		return "System V IPC and message queues"
	case "mnt":
		return "what is mounted where"
	case "net":
		return "interfaces, addresses, routes, sockets and firewall"
	case "pid":
		if name != "pid" {
			return "that of the processes which it will start"
		}
		return "which processes it sees, and by which numbers"
	case "time":
		if name != "time" {
			return "that of the processes which it will start"
		}
		return "the clocks that count from boot"
	case "user":
		return "user IDs, and over what its capabilities hold"
	case "uts":
		return "the host's name"
	}
	return "a kind that this kwhy does not know"
}
