package doctor

import (
	"fmt"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
	doctorfacts "kwhy/inspect/doctor"
)

type (
	sights = *doctorfacts.Environment
	field  = explain.Field[sights]
)

// Card is what kwhy sees here, and what this kernel keeps to itself.
func Card() explain.Card[sights] {
	return explain.Card[sights]{Name: "doctor", Sections: []explain.Section[sights]{
		{Title: "What kwhy sees here", Fields: slices.Concat(rights(), spaces(), mounts())},
		{Title: "What this kernel keeps to itself", Fields: settings()},
	}}
}

// The views.
const (
	viewHost      = "host"
	viewContainer = "container"
	viewBetween   = "between"
	viewCopy      = "copy"
)

func views() []explain.Word {
	word := func(name, gist string) explain.Word {
		return explain.Word{Name: name, Gist: gist, Concept: "container"}
	}
	return []explain.Word{
		word(viewHost, "kwhy sees the whole host: no namespace sets it apart."),
		word(viewContainer, "kwhy sees the processes of a container, and of the host what is not set apart."),
		word(viewBetween, "kwhy sees the host's processes, and is set apart from it in other ways."),
		word(viewCopy, "kwhy reads a copy of /proc: what is not in it can't be asked for."),
	}
}

// View says in a word what is seen, "" where that is not known.
func View(s sights) string {
	pid := s.Space("pid")
	switch whole, known := s.Host.InitialPIDNamespace(); {
	case !s.Host.Live:
		return viewCopy
	case !known && (pid == nil || !pid.Known):
		return ""
	case !whole:
		return viewContainer
	case len(evidence(s)) > 0:
		return viewBetween
	}
	return viewHost
}

// evidence is what sets kwhy apart from the host, a sentence's part each.
func evidence(s sights) (out []string) {
	if whole, known := s.Host.InitialPIDNamespace(); known && !whole {
		out = append(out, "this /proc is of a PID namespace below the host's")
	}
	for _, n := range s.Spaces {
		if n.Known && !n.First && !strings.HasSuffix(n.Name, "_for_children") && n.Name != "pid" {
			out = append(out, "a "+n.Name+" namespace of its own")
		}
	}
	if s.Foreign {
		out = append(out, "this /proc shows another PID namespace than the one that kwhy is in")
	}
	if r := s.Root; len(out) > 0 && r != nil && r.Type == "overlay" { // alone it may be a live system's
		out = append(out, "its root is an overlay, as container runtimes make them")
	}
	return out
}

func told(d doc, get func(sights) value, read func(sights) string) field {
	return field{Doc: d, Get: get, Reading: read}
}

func rights() []field {
	caps := func(key, label, gist string, has bool) field {
		return told(doc{Key: key, Label: label, Source: inspect.PIDStatus, Concept: "capabilities", Gist: gist}, func(s sights) value {
			list, ok := held(s, has)
			if !ok {
				return value{}
			}
			return names(list)
		}, func(s sights) string { return readCaps(s, has) })
	}
	return []field{
		told(
			doc{
				Key:     "view",
				Label:   "kwhy sees",
				Source:  inspect.ProcAndSys,
				Also:    []inspect.Source{inspect.PIDNs, inspect.SelfMountinfo},
				Words:   views(),
				Concept: "container",
				Gist:    "Whether kwhy sees the host, or a container's part of it.",
			},
			func(s sights) value { return orNone(View(s)) },
			readView,
		),
		told(
			doc{
				Key:     "set_apart",
				Source:  inspect.PIDNs,
				Also:    []inspect.Source{inspect.SelfMountinfo},
				Show:    explain.Data,
				Concept: "container",
				Gist:    "What sets kwhy apart from the host.",
			},
			func(s sights) value { return names(evidence(s)) },
			nil,
		),
		told(
			doc{
				Key:     "own_user",
				Label:   "as user",
				Unit:    explain.Plain,
				Source:  inspect.PIDStatus,
				Also:    []inspect.Source{inspect.Passwd},
				Concept: "credentials",
				Gist:    "The effective user ID that kwhy runs with.",
			},
			ownUser,
			readUser,
		),
		caps("own_capabilities", "with", "Of the capabilities that open something to kwhy, those that it has.", true),
		caps("lacking_capabilities", "without", "Of the capabilities that open something to kwhy, those that it lacks.", false),
	}
}

// capability is one that opens something to kwhy (include/uapi/linux/capability.h).
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

// held are those that kwhy has, or lacks. What came with 5.9 an older kernel can't give.
func held(s sights, has bool) (out []string, ok bool) {
	for _, c := range capabilities() {
		yes, known := s.Holds(c.bit)
		if !known {
			return nil, false
		}
		if c.bit == 40 && s.Kernel().Before(inspect.Version{Major: 5, Minor: 9}) {
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
	switch user := s.Space("user"); {
	case len(list) == 0 && has:
		return "None that would open anything to kwhy: it sees what any user does."
	case len(list) == 0:
		return "None: what a capability opens is open to it."
	case has && user != nil && user.Known && !user.First:
		return "Over its own user namespace only: past the bounds of the host they get it nowhere."
	}
	var opens []string
	for _, c := range capabilities() {
		if slices.Contains(list, c.name) {
			opens = append(opens, c.opens)
		}
	}
	if lacks, _ := held(s, false); has && len(lacks) == 0 {
		return "All that open anything to kwhy."
	}
	if has {
		return "They open " + strings.Join(opens, "; ") + "."
	}
	return "They would open " + strings.Join(opens, "; ") + "."
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
		text += " In which user namespace is not to be seen."
	case user.First:
		text += " In the host's own user namespace: what it may, it may over the host."
	default:
		text += " In a user namespace of its own: its root passes no bound of the host."
	}
	return strings.TrimSpace(text)
}

func readView(s sights) string {
	list := evidence(s)
	why := strings.Join(list, "; ")
	switch View(s) {
	case viewHost:
		text := "The host: it is in the namespaces that the kernel began with."
		if s.Hidden {
			text += " But this /proc hides the processes of others from it."
		}
		return text
	case viewContainer:
		return "A container's part of the host: " + why + ". Memory, load and CPUs in /proc are the host's all the same."
	case viewBetween:
		return "The processes of the whole host, from a place set apart: " + why + "."
	}
	return "A copy of /proc, or one that somebody made: what is not in it can't be asked for, " +
		"and live sources (netlink, system calls) are of no use."
}

func spaces() []field {
	space := func(key, name, label, gist, concept string, first, apart string) field {
		return told(
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
					return "Whether it is the host's is not to be seen."
				case n.First:
					return first
				}
				return apart
			},
		)
	}
	return []field{
		told(
			doc{
				Key:     "processes_seen",
				Label:   "processes",
				Unit:    explain.Count,
				Source:  inspect.PIDStat,
				Concept: "pid-namespace",
				Gist:    "How many processes /proc shows to kwhy.",
			},
			func(s sights) value { return explain.I(s.Processes) },
			readProcesses,
		),
		space(
			"own_pid_namespace",
			"pid",
			"PID namespace",
			"The namespace in which kwhy has its process number.",
			"pid-namespace",
			"The host's.",
			"Not the host's: processes outside of it are not to be seen.",
		),
		space(
			"own_user_namespace",
			"user",
			"user namespace",
			"The namespace over which kwhy's rights hold.",
			"user-namespace",
			"The host's.",
			"Not the host's: its root is a plain user of the host.",
		),
		space(
			"own_net_namespace",
			"net",
			"net namespace",
			"The namespace whose interfaces, sockets and settings kwhy sees.",
			"namespaces",
			"The host's.",
			"Not the host's: interfaces, sockets and half of the settings are of this one alone.",
		),
		space(
			"own_cgroup_namespace",
			"cgroup",
			"cgroup namespace",
			"The namespace that decides which cgroup kwhy takes for the root.",
			"cgroups",
			"The host's: cgroup paths are whole.",
			"Not the host's: cgroup paths begin at its own root, and limits above it are not to be seen.",
		),
	}
}

func readProcesses(s sights) string {
	switch {
	case !s.Host.Live:
		return "In the copy."
	case s.Hidden:
		return "This user's alone: /proc is mounted with hidepid."
	case s.Foreign:
		return "Of another PID namespace than kwhy's: the tree was given by --proc-root."
	}
	if whole, known := s.Host.InitialPIDNamespace(); known && whole {
		return "All of the host."
	}
	return "Of this PID namespace, and of those below it."
}

func mounts() []field {
	return []field{
		told(
			doc{Key: "proc_mount", Label: "/proc", Source: inspect.SelfMountinfo, Concept: "procfs", Gist: "With which options /proc is mounted."},
			func(s sights) value { return options(s, s.Proc) },
			readProcMount,
		),
		told(doc{Key: "sys_mount", Label: "/sys", Source: inspect.SelfMountinfo, Concept: "sysfs", Gist: "With which options /sys is mounted."},
			func(s sights) value { return options(s, s.Sys) }, func(s sights) string {
				if s.Sys.Has("ro") {
					return "Read-only, as in most containers. kwhy writes nothing."
				}
				return "Mounted as on a host. kwhy writes nothing."
			}),
		told(
			doc{
				Key:     "debugfs_mount",
				Label:   "debugfs",
				Source:  inspect.SelfMountinfo,
				Concept: "debugfs",
				Gist:    "With which options debugfs is mounted.",
			},
			func(s sights) value { return options(s, s.Debug) },
			func(sights) string {
				return "What the scheduler tells of itself is below it, for root."
			},
		),
		told(
			doc{
				Key:     "cgroup_mounts",
				Label:   "cgroups",
				Source:  inspect.SelfMountinfo,
				Concept: "cgroups",
				Gist:    "Which cgroup file systems are mounted, by version, with their controllers.",
			},
			cgroupMounts,
			readCgroups,
		),
	}
}

// options are those of a mount; absent where there is none.
func options(s sights, m *doctorfacts.Mount) value {
	if m == nil {
		if !s.Host.Live {
			return explain.None(inspect.Inapplicable)
		}
		return explain.None(inspect.Unsupported)
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
		words = append(words, "Every process is shown to everybody.")
	case "1", "noaccess":
		words = append(words, "hidepid: the directories of others' processes can't be entered.")
	case "2", "invisible":
		words = append(words, "hidepid: others' processes are not shown.")
	case "4", "ptraceable":
		words = append(words, "hidepid: only what kwhy may trace is shown.")
	}
	if s.Proc.Option("subset") == "pid" {
		words = append(words, "subset=pid: nothing but the processes is there, none of the host's files.")
	}
	if s.Foreign {
		words = append(words, "It is another PID namespace's.")
	}
	return strings.Join(words, " ")
}

func cgroupMounts(s sights) value {
	if !s.Host.Live && len(s.Cgroups) == 0 {
		return explain.None(inspect.Inapplicable)
	}
	var out []string
	for _, c := range s.Cgroups {
		out = append(out, fmt.Sprintf("v%d:%s", c.Version, strings.Join(c.Controllers, ",")))
	}
	if out == nil {
		return explain.None(inspect.Unsupported)
	}
	return names(out)
}

func readCgroups(s sights) string {
	var v1, v2, controllers int
	for _, c := range s.Cgroups {
		if c.Version == 2 {
			v2++
			controllers += len(c.Controllers)
		} else {
			v1++
		}
	}
	switch {
	case v1 == 0:
		return "Version 2."
	case v2 == 0:
		return "Version 1."
	case controllers == 0:
		return "The controllers are of version 1; the tree of version 2 beside them has none."
	}
	return "Both versions: each controller is in one of them."
}
