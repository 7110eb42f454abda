package proc

import (
	"fmt"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
)

func confined() []detailField {
	return []detailField{
		told(doc{Key: "container", Label: "apart from PID 1", Unit: explain.Count, Source: inspect.PIDNs, Concept: "namespaces", Gist: "In how many kinds of namespace it lives apart from PID 1."},
			func(d detail) value {
				apart, seen := apartFrom1(d)
				if !seen {
					return explain.None(inspect.Masked)
				}
				return explain.I(len(apart))
			}, func(d detail) string {
				apart, _ := apartFrom1(d)
				if len(apart) == 0 {
					return "No container: it shares every namespace with PID 1 of this /proc."
				}
				s := "Apart in " + strings.Join(apart, ", ") + ": that is what a container is made of."
				if n := strings.Fields(d.Status["NSpid"]); len(n) > 1 {
					s += " In there it is PID " + n[len(n)-1] + "."
				}
				return s
			}),
		told(doc{Key: "cgroups", Label: "cgroup", Source: inspect.PIDCgroup, Concept: "memory-cgroup", Gist: "Where it is in each hierarchy of control groups."},
			func(d detail) value {
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

func apartFrom1(d detail) (apart []string, seen bool) {
	for _, n := range d.Namespaces {
		if n.Init == 0 || strings.HasSuffix(n.Name, "_for_children") {
			continue
		}
		seen = true
		if n.Inode != n.Init {
			apart = append(apart, n.Name)
		}
	}
	return apart, seen
}

func Namespaces() *explain.Table[nsRow] {
	type column = explain.Field[nsRow]
	declare := func(d doc, get func(*inspect.Namespace) value) column {
		d.Source, d.Concept = inspect.PIDNs, "namespaces"
		return column{Doc: d, Get: func(r nsRow) value { return get(r.It) }}
	}
	return &explain.Table[nsRow]{Name: "namespaces", Fields: []column{
		declare(doc{Key: "name", Label: "NAMESPACE", Gist: "The kind: what it sets apart."}, func(n *inspect.Namespace) value { return explain.S(n.Name) }),
		declare(doc{Key: "inode", Unit: explain.ID, Gist: "Its number: processes with the same one share it."}, func(n *inspect.Namespace) value { return explain.N(n.Inode) }),
		declare(doc{Key: "with_init", Label: "PID 1'S", Unit: explain.Bool, Gist: "Whether it is PID 1's too, or the one that the kernel began with."}, func(n *inspect.Namespace) value {
			if n.Init == 0 {
				return explain.None(inspect.Masked)
			}
			return explain.B(n.Init == n.Inode)
		}),
		declare(doc{Key: "shared_with", Label: "OTHERS", Unit: explain.Count, Gist: "How many other processes share it, of those that may be looked at."}, func(n *inspect.Namespace) value { return explain.I(n.With) }),
		declare(doc{Key: "why", Gist: "What it sets apart, and who else lives in it where these are few."}, func(n *inspect.Namespace) value {
			s := whyNamespace(n.Name)
			if n.With == len(n.Whom) && n.With > 0 {
				var words []string
				for _, p := range n.Whom {
					words = append(words, fmt.Sprintf("%s (%d)", p.Comm, p.PID))
				}
				s += "; shared with " + strings.Join(words, ", ")
			}
			return explain.S(s)
		}),
	}}
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
