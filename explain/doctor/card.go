package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	doctorfacts "kwhy/inspect/doctor"
)

type (
	sights = *doctorfacts.Environment
	field  = explain.Field[sights]
)

// Card is what kwhy can see here, and which settings of the kernel restrict that.
func Card() explain.Card[sights] {
	return explain.Card[sights]{Name: "doctor", Sections: []explain.Section[sights]{
		{Title: "Visibility", Fields: slices.Concat(rights(), spaces(), mounts())},
		{Title: "Kernel restrictions", Fields: settings()},
	}}
}

// The views.
const (
	viewHost      = "host"
	viewContainer = "container"
	viewBetween   = "between"
	viewCopy      = "copy"
	viewNothing   = "nothing"
)

func views() []explain.Word {
	word := func(name, gist string) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: "container"}
	}
	return []explain.Word{
		word(viewHost, "kwhy sees the whole host: it is in the host's own namespaces."),
		word(viewContainer, "kwhy sees a container's processes, and what a container shares with its host."),
		word(viewBetween, "kwhy sees the host's processes, but is isolated from it in other ways."),
		word(viewCopy, "kwhy reads a copy of /proc: what is not in it can't be asked for."),
		word(viewNothing, "kwhy sees no /proc: nothing is mounted or saved where it looks."),
	}
}

// View is the word for what kwhy sees, "" if that is not known.
func View(s sights) string {
	switch s.Host.View() {
	case inspect.ViewCopy:
		return viewCopy
	case inspect.ViewNothing:
		return viewNothing
	case inspect.ViewContainer, inspect.ViewElsewhere:
		return viewContainer
	case inspect.ViewUnknown:
		return ""
	}
	if len(evidence(s)) > 0 {
		return viewBetween
	}
	return viewHost
}

// evidence lists what isolates kwhy from the host, each as part of a sentence.
func evidence(s sights) (out []string) {
	if whole, known := s.Host.InitialPIDNamespace(); known && !whole {
		out = append(out, "this /proc belongs to a PID namespace below the host's")
	}
	for _, n := range s.Spaces {
		if n.Known && !n.First && !strings.HasSuffix(n.Name, "_for_children") && n.Name != "pid" {
			out = append(out, "a "+n.Name+" namespace of its own")
		}
	}
	switch {
	case s.Foreign && s.Host.View() == inspect.ViewHost:
		out = append(out, "a PID namespace of its own, in which processes have other numbers than in this /proc")
	case s.Foreign:
		out = append(out, "this /proc shows a PID namespace that kwhy is not in")
	}
	if r := s.Root; len(out) > 0 && r != nil && r.Type == "overlay" { // alone it may be a live system's
		out = append(out, "its root is an overlay, as container runtimes make them")
	}
	return out
}

// doubtful lists the namespaces of which it can't be seen whether they are the host's.
func doubtful(s sights) (out []string) {
	for _, n := range s.Spaces {
		if !n.Known && !strings.HasSuffix(n.Name, "_for_children") {
			out = append(out, n.Name)
		}
	}
	return out
}

// newField declares a value with what it says here.
func newField(d doc, get func(sights) value, read func(sights) string) field {
	return field{Doc: d, Get: get, Reading: read}
}

func rights() []field {
	caps := func(key, label, gist string, has bool) field {
		return newField(doc{Key: key, Label: label, Source: inspect.PIDStatus, Concept: "capabilities", Gist: gist}, func(s sights) value {
			list, ok := held(s, has)
			if !ok {
				return value{}
			}
			return names(list)
		}, func(s sights) string { return readCaps(s, has) })
	}
	return []field{
		newField(
			doc{
				Key:     "view",
				Label:   "view",
				Source:  inspect.ProcAndSys,
				Also:    []inspect.Source{inspect.PIDNs, inspect.SelfMountinfo},
				Words:   views(),
				Concept: "container",
				Gist:    "Whether kwhy sees the host, or a container's part of it.",
			},
			func(s sights) value { return orNone(View(s)) },
			readView,
		),
		newField(
			doc{
				Key:     "set_apart",
				Source:  inspect.PIDNs,
				Also:    []inspect.Source{inspect.SelfMountinfo},
				Show:    explain.Data,
				Concept: "container",
				Gist:    "What isolates kwhy from the host.",
			},
			func(s sights) value {
				if !s.Host.Live {
					return explain.None(s.Missing(inspect.PIDNs))
				}
				return names(evidence(s))
			},
			nil,
		),
		newField(
			doc{
				Key:     "own_user",
				Label:   "effective UID",
				Unit:    explain.Plain,
				Source:  inspect.PIDStatus,
				Also:    []inspect.Source{inspect.Passwd},
				Concept: "credentials",
				Gist:    "The effective user ID that kwhy runs with.",
			},
			ownUser,
			readUser,
		),
		caps("own_capabilities", "caps held", "The capabilities that kwhy has, of those that let it see more.", true),
		caps("lacking_capabilities", "caps missing", "The capabilities that kwhy lacks, of those that would let it see more.", false),
	}
}

// capability is one that lets kwhy see more (include/uapi/linux/capability.h).
type capability struct {
	bit         uint
	name, opens string
}

func capabilities() []capability {
	return []capability{
		{2, "CAP_DAC_READ_SEARCH", "files whatever their mode"},
		{12, "CAP_NET_ADMIN", "netfilter's hooks, and delays from taskstats"},
		{19, "CAP_SYS_PTRACE", "others' descriptors, mappings, I/O and namespaces"},
		{21, "CAP_SYS_ADMIN", "kernel stacks, other network namespaces, and mapped files"},
		{23, "CAP_SYS_NICE", "others' timer slack"},
		{34, "CAP_SYSLOG", "the kernel's log where dmesg_restrict is set"},
		{40, "CAP_CHECKPOINT_RESTORE", "mapped files, in place of CAP_SYS_ADMIN"},
	}
}

// inner reports whether kwhy is in a user namespace of its own: its capabilities hold over that
// alone.
func inner(s sights) bool {
	user := s.Space("user")
	return user != nil && user.Known && !user.First
}

// held returns those that kwhy has, or lacks. A kernel before 5.9 can't give what 5.9 added.
func held(s sights, has bool) (out []string, ok bool) {
	for _, c := range capabilities() {
		yes, known := s.Holds(c.bit)
		if inner(s) { // what it has there is not over the host
			yes = false
		}
		if !known {
			return nil, false
		}
		if c.bit == 40 && inspect.Choose(s.Kernel().Since(5, 9), false, true, !yes) {
			continue
		}
		if yes == has {
			out = append(out, c.name)
		}
	}
	return out, true
}

func readCaps(s sights, has bool) string {
	list, _ := held(s, has)
	switch {
	case has && inner(s):
		return "None over the host: what it has in a user namespace of its own holds there alone."
	case len(list) == 0 && has:
		return "None that would show it more: it sees what any user sees."
	case len(list) == 0:
		return "None: it has every capability that would show it more."
	}
	var opens []string
	for _, c := range capabilities() {
		if slices.Contains(list, c.name) {
			opens = append(opens, c.opens)
		}
	}
	if lacks, _ := held(s, false); has && len(lacks) == 0 {
		return "All that let kwhy see more."
	}
	if has {
		return "They give access to " + strings.Join(opens, "; ") + "."
	}
	return "They would give access to " + strings.Join(opens, "; ") + "."
}

func ownUser(s sights) value {
	f := strings.Fields(s.Status["Uid"])
	if len(f) != 4 {
		return value{}
	}
	var uid uint32
	if _, err := fmt.Sscan(f[1], &uid); err != nil {
		return value{}
	}
	return explain.N(uid)
}

func readUser(s sights) string {
	text := s.User
	if text != "" {
		text += "."
	}
	switch user := s.Space("user"); {
	case user == nil || !user.Known:
		text += " Its user namespace can't be seen."
	case user.First:
		text += " In the host's own user namespace: its rights hold over the host."
	default:
		text += " In a user namespace of its own: root in it is not root on the host."
	}
	return strings.TrimSpace(text)
}

func readView(s sights) string {
	list := evidence(s)
	why := strings.Join(list, "; ")
	switch View(s) {
	case viewHost:
		text := "The host: it is in the initial namespaces."
		if list := doubtful(s); len(list) > 0 {
			text = "The host, as far as can be seen: not whether it is in the host's " + strings.Join(list, " and ") + " namespace"
			if len(list) > 1 {
				text += "s"
			}
			text += "."
		}
		if s.Hidden {
			text += " But this /proc hides other users' processes from it."
		}
		return text
	case viewContainer:
		return "A container's part of the host: " + why + ". Memory, load and CPUs in /proc are still the host's."
	case viewBetween:
		return "The processes of the whole host, but partly isolated from it: " + why + "."
	}
	if s.Host.NoProc {
		return "Nothing is mounted or saved where kwhy looks for /proc: neither a running kernel's files nor a copy of them."
	}
	return "A copy of /proc, or one that somebody made: what is not in it can't be asked for, " +
		"and live sources (netlink, system calls) can't be used."
}

func spaces() []field {
	space := func(key, name, label, gist, concept string, first, other string) field {
		return newField(
			doc{Key: key, Label: label, Unit: explain.ID, Source: inspect.PIDNs, Concept: explain.Concept(concept), Gist: gist},
			func(s sights) value {
				if n := s.Space(name); n != nil {
					return explain.N(n.Inode)
				}
				return value{}
			},
			func(s sights) string {
				switch n := s.Space(name); {
				case !n.Known:
					return "It can't be seen whether it is the host's."
				case n.First:
					return first
				case name == "pid":
					return other + readOutside(s)
				}
				return other
			},
		)
	}
	return []field{
		newField(
			doc{
				Key:     "processes_seen",
				Label:   "processes",
				Unit:    explain.Count,
				Source:  inspect.PIDStat,
				Concept: "pid-namespace",
				Gist:    "How many processes /proc shows to kwhy.",
			},
			func(s sights) value {
				if s.Host.NoProc {
					return explain.None(inspect.NotMounted)
				}
				if s.Processes == 0 {
					return explain.None(s.Host.Lack()) // somebody reads it, or made the copy
				}
				return explain.I(s.Processes)
			},
			readProcesses,
		),
		space(
			"own_pid_namespace",
			"pid",
			"PID namespace",
			"The namespace in which kwhy has its PID.",
			"pid-namespace",
			"The host's.",
			"Not the host's.",
		),
		space(
			"own_user_namespace",
			"user",
			"user namespace",
			"The namespace in which kwhy's rights hold.",
			"user-namespace",
			"The host's.",
			"Not the host's: its root is an ordinary user of the host.",
		),
		space(
			"own_net_namespace",
			"net",
			"net namespace",
			"The namespace whose interfaces, sockets and settings kwhy sees.",
			"namespaces",
			"The host's.",
			"Not the host's: interfaces, sockets and half of the settings belong to this one alone.",
		),
		space(
			"own_cgroup_namespace",
			"cgroup",
			"cgroup namespace",
			"The namespace that decides which cgroup kwhy sees as the root.",
			"cgroups",
			"The host's: cgroup paths are whole.",
			"Not the host's: paths begin at its own root; what is above that takes the host's /sys to see.",
		),
	}
}

// readOutside says what a PID namespace of its own means for what kwhy sees.
func readOutside(s sights) string {
	switch s.Host.View() {
	case inspect.ViewHost:
		return " This /proc shows the host's processes all the same, under the host's numbers."
	case inspect.ViewElsewhere:
		return " This /proc shows the processes of another."
	}
	return " Processes outside it can't be seen."
}

func readProcesses(s sights) string {
	switch {
	case !s.Host.Live:
		return "In the copy."
	case s.Hidden:
		return "Only this user's: /proc is mounted with hidepid."
	}
	if whole, known := s.Host.InitialPIDNamespace(); known && whole {
		return "All on the host."
	}
	if s.Foreign {
		return "Those of another PID namespace than kwhy's: the one that this /proc was mounted for."
	}
	return "Those of this PID namespace and of the ones below it."
}

func mounts() []field {
	return []field{
		newField(
			doc{Key: "proc_mount", Label: "/proc", Source: inspect.SelfMountinfo, Concept: "procfs",
				Gist: "The options that /proc is mounted with."},
			func(s sights) value { return options(s, s.Proc) },
			readProcMount,
		),
		newField(doc{Key: "sys_mount", Label: "/sys", Source: inspect.SelfMountinfo, Concept: "sysfs",
			Gist: "The options that /sys is mounted with."},
			func(s sights) value { return options(s, s.Sys) }, func(s sights) string {
				if s.Sys.Type != "sysfs" {
					return "A " + s.Sys.Type + " lies over it: nothing that the kernel shows there can be seen."
				}
				if s.Sys.Has("ro") {
					return "Read-only, as in most containers. kwhy writes nothing."
				}
				return "Mounted as on a host. kwhy writes nothing."
			}),
		newField(
			doc{
				Key:     "debugfs_mount",
				Label:   "debugfs",
				Source:  inspect.SelfMountinfo,
				Concept: "debugfs",
				Gist:    "The options that debugfs is mounted with.",
			},
			func(s sights) value { return options(s, s.Debug) },
			func(sights) string {
				return "The scheduler's own figures are below it, for root."
			},
		),
		newField(
			doc{
				Key:     "cgroup_mounts",
				Label:   "cgroups",
				Source:  inspect.SelfMountinfo,
				Concept: "cgroups",
				Gist:    "The cgroup file systems that are mounted: version and controllers.",
			},
			cgroupMounts,
			readCgroups,
		),
	}
}

// options returns a mount's options, absent if there is no such mount.
func options(s sights, m *doctorfacts.Mount) value {
	if m == nil {
		if !s.Host.Live {
			return explain.None(inspect.Inapplicable)
		}
		return explain.None(inspect.NotMounted)
	}
	all := slices.Clone(m.Options)
	for _, o := range m.Super {
		if !slices.Contains(all, o) {
			all = append(all, o)
		}
	}
	return explain.S(strings.Join(all, ","))
}

func readProcMount(s sights) string {
	var words []string
	switch s.Proc.Option("hidepid") { // fs/proc/root.c: numbers, and since 5.8 words
	case "", "0", "off":
		words = append(words, "Everybody sees every process.")
	case "1", "noaccess":
		words = append(words, "hidepid: only directories of processes that kwhy may trace can be entered, but for the group of gid=.")
	case "2", "invisible":
		words = append(words, "hidepid: only processes that kwhy may trace are shown, but for the group of gid=.")
	case "4", "ptraceable":
		words = append(words, "hidepid: only processes that kwhy may trace are shown.")
	}
	if s.Proc.Option("subset") == "pid" {
		words = append(words, "subset=pid: it has only the processes, none of the host's files.")
	}
	if s.Foreign {
		words = append(words, "It belongs to another PID namespace.")
	}
	return strings.Join(words, " ")
}

func cgroupMounts(s sights) value {
	if !s.Host.Live && len(s.Cgroups) == 0 {
		return explain.None(inspect.Inapplicable)
	}
	var out []string
	for _, c := range s.Cgroups {
		if c.Why != inspect.Present {
			out = append(out, fmt.Sprintf("v%d", c.Version))
			continue
		}
		out = append(out, fmt.Sprintf("v%d:%s", c.Version, strings.Join(c.Controllers, ",")))
	}
	if out == nil {
		return explain.None(inspect.Unsupported)
	}
	return names(out)
}

func readCgroups(s sights) string {
	var v1, v2, controllers int
	part, unread := "", inspect.Present
	for _, c := range s.Cgroups {
		unread = cmp.Or(unread, c.Why)
		if c.Rest != inspect.Present {
			part = " Only a part of them is shown here: cgroups above and beside it can't be seen."
		}
		if c.Version == 2 {
			v2++
			controllers += len(c.Controllers)
		} else {
			v1++
		}
	}
	switch {
	case v1 == 0:
		return "Version 2." + part
	case v2 == 0:
		return "Version 1." + part
	case unread != inspect.Present:
		return "Both versions: which controllers are in version 2 isn't known; cgroup.controllers: " + units.AbsentWord(unread) + "." + part
	case controllers == 0:
		return "The controllers are in version 1; a version 2 tree is mounted too and has none." + part
	}
	return "Both versions: each controller is in one of them." + part
}
