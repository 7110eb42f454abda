package proc

import (
	"fmt"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

func rights() []detailField {
	ids := func(key, kernel, label, gist string, name func(detail, uint32) string) detailField {
		return told(doc{
			Key: key, Kernel: kernel, Label: label, Unit: explain.Plain,
			Source:  inspect.PIDStatus,
			Gist:    gist,
			Concept: "credentials",
		},
			func(d detail) value { return numbers(d.Status[kernel]) }, func(d detail) string { return readIDs(d, kernel, name) })
	}
	caps := func(key, kernel, gist string) detailField {
		return told(doc{
			Key: key, Kernel: kernel, Show: explain.Data,
			Source:  inspect.PIDStatus,
			Words:   capabilityWords(),
			Gist:    gist,
			Concept: "capabilities",
		}, func(d detail) value {
			set, ok := mask(d.Status[kernel])
			if !ok {
				return value{}
			}
			return names(capNames(set))
		}, nil)
	}
	return []detailField{
		ids("uid", "Uid", "user", "Real, effective, saved and file system user IDs.", func(d detail, id uint32) string {
			return d.Row.Host.Users[id]
		}),
		ids("gid", "Gid", "group", "Real, effective, saved and file system group IDs.", func(d detail, id uint32) string { return d.Groups[id] }),
		told(doc{
			Key: "groups", Kernel: "Groups", Label: "more groups", Unit: explain.Plain, Show: explain.Rare,
			Source:  inspect.PIDStatus,
			Gist:    "Further groups whose rights it has.",
			Concept: "credentials",
		}, func(d detail) value { return numbers(d.Status["Groups"]) }, readGroups),
		capCount(),
		caps("cap_eff", "CapEff", "Capabilities that it has now."),
		caps("cap_prm", "CapPrm", "Capabilities that it may take up."),
		caps("cap_bnd", "CapBnd", "Capabilities that it can ever get, by exec of a program that has them."),
		caps("cap_inh", "CapInh", "Capabilities that programs which it runs may inherit."),
		caps("cap_amb", "CapAmb", "Capabilities that plain programs which it runs keep."),
		told(doc{
			Key: "no_new_privs", Kernel: "NoNewPrivs", Label: "no new rights", Unit: explain.Bool,
			Source: inspect.PIDStatus, Since: inspect.Version{Major: 4, Minor: 10},
			Gist:    "Whether exec can give it no more rights.",
			Concept: "credentials",
		}, func(d detail) value {
			if s, ok := d.Status["NoNewPrivs"]; ok {
				return explain.B(s == "1")
			}
			return value{}
		}, func(d detail) string {
			if d.Status["NoNewPrivs"] == "1" {
				return "Set-user-ID programs and file capabilities give it and its children nothing."
			}
			return "Programs that it runs may give it more rights: set-user-ID ones, those with file capabilities."
		}),
		seccomp(),
		told(doc{
			Key: "label", Label: "security label",
			Source:  inspect.PIDLabel,
			Gist:    "What the security module knows it by: an AppArmor profile, a SELinux context.",
			Concept: "lsm",
		}, func(d detail) value { return text(d.Label) }, nil),
		line("umask", "Umask", "Rights that files which it makes do not get.", "credentials", explain.Always, nil),
	}
}

// seccomp says which system calls are open to it.
func seccomp() detailField {
	return told(doc{
		Key: "seccomp", Kernel: "Seccomp",
		Source: inspect.PIDStatus, Option: "CONFIG_SECCOMP",
		Words: []explain.Word{
			{Name: "off", Gist: "Every system call is open to it.", Concept: "credentials"},
			{Name: "strict", Gist: "It may read, write, exit and return from signals.", Concept: "credentials"},
			{Name: "filter", Gist: "A program in the kernel looks at each of its system calls.", Concept: "credentials"},
		},
		Gist:    "Which system calls are open to it.",
		Concept: "seccomp",
	}, func(d detail) value {
		switch d.Status["Seccomp"] {
		case "0":
			return explain.S("off")
		case "1":
			return explain.S("strict")
		case "2":
			return explain.S("filter")
		}
		return value{}
	}, readSeccomp)
}

// grouped writes a number of status as people read it.
func grouped(text string) string {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return units.Number(n)
	}
	return text
}

// readGroups names its further groups.
func readGroups(d detail) string {
	var words []string
	for f := range strings.FieldsSeq(d.Status["Groups"]) {
		if n, err := strconv.ParseUint(f, 10, 32); err == nil && d.Groups[uint32(n)] != "" {
			f = d.Groups[uint32(n)]
		}
		words = append(words, f)
	}
	return strings.Join(words, ", ") + "."
}

func readIDs(d detail, kernel string, name func(detail, uint32) string) string {
	f := strings.Fields(d.Status[kernel])
	if len(f) != 4 {
		return ""
	}
	of := func(text string) string {
		n, err := strconv.ParseUint(text, 10, 32)
		if s := name(d, uint32(n)); err == nil && s != "" {
			return s
		}
		return text
	}
	if f[0] == f[1] && f[1] == f[2] && f[2] == f[3] {
		if s := of(f[0]); s != f[0] {
			return s + ", in all four."
		}
		return "The same in all four."
	}
	return fmt.Sprintf("Real %s, effective %s, saved %s, for files %s: it changed them, or its program is set-ID.",
		of(f[0]), of(f[1]), of(f[2]), of(f[3]))
}

func capCount() detailField {
	return told(doc{
		Key: "capabilities", Unit: explain.Count,
		Source:  inspect.PIDStatus,
		Gist:    "How many of root's separate rights it has now.",
		Concept: "capabilities",
	}, func(d detail) value {
		set, ok := mask(d.Status["CapEff"])
		if !ok {
			return value{}
		}
		return explain.I(len(capNames(set)))
	}, readCaps)
}

// readCaps says which rights it has, and over what: those of a user namespace that is
// not the host's hold over that alone (user_namespaces(7)).
func readCaps(d detail) string {
	set, _ := mask(d.Status["CapEff"])
	bound, _ := mask(d.Status["CapBnd"]) // a distribution's kernel may have later ones than its version says
	lacks := capNames((everyCap(d.Kernel()) | bound) &^ set)
	inside := d.UserKnown && !d.HostUser
	var s string
	switch {
	case set == 0:
		s = "None: a plain user's rights."
	case len(lacks) == 0 && (inside || !d.UserKnown):
		s = "All."
	case len(lacks) == 0:
		s = "All: nothing that needs a right is closed to it."
	case len(lacks) <= 5:
		s = "All but " + strings.Join(lacks, ", ") + "."
	default:
		s = strings.Join(capNames(set), ", ") + "."
	}
	switch {
	case set == 0:
	case inside:
		s = strings.TrimSuffix(s, ".") + ", over its own user namespace only: over the host it has none."
	case !d.UserKnown:
		s += " Whether they hold over the host is not to be seen: that depends on its user namespace."
	}
	return s + otherCaps(d, set)
}

// otherCaps tells the other sets in so far as they differ from the effective one.
func otherCaps(d detail, eff uint64) string {
	var s string
	if prm, ok := mask(d.Status["CapPrm"]); ok && prm&^eff != 0 {
		s += " It may take up " + strings.Join(capNames(prm&^eff), ", ") + "."
	}
	if bnd, ok := mask(d.Status["CapBnd"]); ok && bnd&^eff != 0 {
		s += " A program with file capabilities, or set-user-ID root, could add " + units.Plural(len(capNames(bnd&^eff)), "more", "more") + "."
	}
	for _, set := range [...]struct{ line, text string }{{"CapInh", "Inheritable: "}, {"CapAmb", "Kept by plain programs: "}} {
		if n, ok := mask(d.Status[set.line]); ok && n != 0 {
			s += " " + set.text + strings.Join(capNames(n), ", ") + "."
		}
	}
	return s
}

func readSeccomp(d detail) string {
	switch d.Status["Seccomp"] {
	case "0":
		return "Every system call is open to it."
	case "1":
		return "Strict: read, write, exit and return from a signal are all that it may call."
	case "2":
		if n := d.Status["Seccomp_filters"]; n != "" {
			if n == "1" {
				return "One filter looks at each of its system calls."
			}
			return n + " filters look at each of its system calls."
		}
		return "A filter looks at each of its system calls."
	}
	return ""
}

func signals() []detailField {
	set := func(key, kernel, label, gist string, show explain.Show) detailField {
		return told(doc{
			Key: key, Kernel: kernel, Label: label, Show: show,
			Source:  inspect.PIDStatus,
			Words:   signalWords(),
			Gist:    gist,
			Concept: "signals",
		}, func(d detail) value {
			set, ok := mask(d.Status[kernel])
			if !ok {
				return value{}
			}
			return names(SignalNames(set))
		}, func(d detail) string {
			if n, ok := mask(d.Status[kernel]); ok && n == 0 {
				return "No signal is " + label + "."
			}
			return gist
		})
	}
	return []detailField{
		set("sig_cgt", "SigCgt", "caught", "It has a handler for these.", explain.Always),
		set("sig_ign", "SigIgn", "ignored", "These pass without effect.", explain.Always),
		set("sig_blk", "SigBlk", "blocked", "These wait until the main thread lets them in.", explain.Always),
		set("sig_pnd", "SigPnd", "waiting", "These wait for the main thread.", explain.Rare),
		set("shd_pnd", "ShdPnd", "waiting for all", "These wait for whichever thread takes them.", explain.Rare),
		line("sig_q", "SigQ", "Queued signals of its user, and how many there may be.", "signals", explain.Always, func(d detail) string {
			n, most, ok := strings.Cut(d.Status["SigQ"], "/")
			if !ok {
				return ""
			}
			return "Its user's processes have " + grouped(n) + " queued, and may have " + grouped(most) + " (RLIMIT_SIGPENDING)."
		}),
	}
}
