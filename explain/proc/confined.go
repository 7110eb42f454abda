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
		declare(doc{
			Key: "container", Label: "own namespaces", Unit: explain.Count,
			Source:  inspect.PIDNs,
			Gist:    "How many of its namespaces are known to differ from those of PID 1.",
			Concept: "container",
		}, func(d detail) value {
			c := compared(d)
			if len(c.apart)+len(c.same)+len(c.strange) == 0 {
				return explain.None(inspect.Masked)
			}
			return explain.I(len(c.apart))
		}, readContainer),
		declare(doc{
			Key: "cgroups", Label: "cgroup",
			Source:  inspect.PIDCgroup,
			Gist:    "Its cgroup in each hierarchy.",
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
			return "A path alone is of version 2; of version 1 those that are not the root."
		}),
	}
}

// comparison sorts the namespaces of a process by how they compare with
// PID 1's: different, the same, or unknown; then they can be kwhy's own,
// or different from these (strange).
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
		s = "Different from PID 1 in " + strings.Join(c.apart, ", ") + ": a container consists of such namespaces."
	case len(c.same) == 0:
		s = "Those of PID 1 could not be read."
	case len(c.unseen)+len(c.strange) > 0:
		s = "None of those that could be compared differ from PID 1's: " + strings.Join(c.same, ", ") + "."
	case d.Row.Host.Inside:
		s = "It shares every namespace with PID 1, which is in a container itself: this /proc is of a PID namespace below the host's."
	case d.Row.Host.Whole:
		s = "No container: it shares every namespace with PID 1 of this host."
	default:
		s = "It shares every namespace with PID 1 of this /proc."
	}
	if len(c.strange) > 0 {
		s += " In " + strings.Join(c.strange, ", ") + " it differs from kwhy itself; those of PID 1 could not be read."
	}
	if len(c.unseen) > 0 {
		s += " In " + strings.Join(c.unseen, ", ") + " it is the same as kwhy; those of PID 1 could not be read."
	}
	if n := strings.Fields(d.Status["NSpid"]); len(n) > 1 {
		s += " In its own PID namespace it is PID " + n[len(n)-1] + "."
	}
	return s
}

// Namespaces lists the namespaces of a process.
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
			Gist:  "The kind of namespace.",
		}, func(n *procfacts.Namespace) value { return explain.S(n.Name) }),
		declare(doc{
			Key: "inode", Unit: explain.ID,
			Gist: "Its inode number: processes with the same number share it.",
		}, func(n *procfacts.Namespace) value { return explain.N(n.Inode) }),
		declare(doc{
			Key: "with_init", Label: "SAME AS PID 1", Unit: explain.Bool,
			Gist: "Whether it is also PID 1's, or the initial one.",
		}, func(n *procfacts.Namespace) value {
			if n.Init == 0 {
				return explain.None(inspect.Masked)
			}
			return explain.B(n.Init == n.Inode)
		}),
		declare(doc{
			Key: "shared_with", Label: "SHARED BY", Unit: explain.Count, Show: explain.Wide,
			Gist: "How many other processes share it, of those that could be read.",
		}, func(n *procfacts.Namespace) value {
			if n.With == inspect.Unset { // the host's own, or there are too many to read each
				return explain.None(inspect.Unread)
			}
			return explain.Opt(n.With)
		}),
		declare(doc{
			Key: "why", Label: explain.Description,
			Gist: "What it isolates, and which other processes are in it, if few.",
		}, func(n *procfacts.Namespace) value {
			return explain.S(whyNamespace(n.Name) + sharers(n))
		}),
	}}
}

// sharers names the other processes in a namespace, if they are few. Some may not show theirs, not even to root:
// a sandbox or a security module withholds them.
func sharers(n *procfacts.Namespace) string {
	switch {
	case n.With == inspect.Unset:
		return ""
	case n.Blind && n.With == 0:
		return "; no other of the processes that show theirs"
	case n.With == 0:
		return "; no other process"
	case int(n.With) > len(n.Whom):
		return ""
	}
	var words []string
	for _, p := range n.Whom {
		words = append(words, string(named(nil, p)))
	}
	s := "; shared with " + strings.Join(words, ", ")
	if n.Blind {
		s += ", of the processes that show theirs"
	}
	return s
}

func whyNamespace(name string) string {
	switch strings.TrimSuffix(name, "_for_children") {
	case "cgroup":
		return "which cgroup is its root"
	case "ipc":
		return "System V IPC and message queues"
	case "mnt":
		return "what is mounted where"
	case "net":
		return "interfaces, addresses, routes, sockets and firewall"
	case "pid":
		if name != "pid" {
			return "the namespace of its future children"
		}
		return "which processes it sees, and their PIDs"
	case "time":
		if name != "time" {
			return "the namespace of its future children"
		}
		return "the clocks that count from boot"
	case "user":
		return "user IDs, and the scope of its capabilities"
	case "uts":
		return "the host's name"
	}
	return "a kind that this version of kwhy does not know"
}
