package proc

import (
	"fmt"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

func credentials() []detailField {
	ids := func(key, kernel, label, gist string, name func(detail, uint32) string) detailField {
		return declare(doc{
			Key: key, Kernel: kernel, Label: label, Unit: explain.Plain,
			Source:  inspect.PIDStatus,
			Gist:    gist,
			Concept: "credentials",
		},
			func(d detail) value { return numbers(d, kernel) }, func(d detail) string { return readIDs(d, kernel, name) })
	}
	caps := func(key, kernel, gist string) detailField {
		return declare(doc{
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
		declare(doc{
			Key: "groups", Kernel: "Groups", Unit: explain.Plain, Show: explain.Rare,
			Source:  inspect.PIDStatus,
			Gist:    "Its supplementary group IDs.",
			Concept: "credentials",
		}, func(d detail) value { return numbers(d, "Groups") }, readGroups),
		capCount(),
		caps("cap_eff", "CapEff", "Its effective capabilities."),
		caps("cap_prm", "CapPrm", "Its permitted capabilities: it may make them effective."),
		caps("cap_bnd", "CapBnd", "Its bounding set: capabilities that it can gain by exec."),
		caps("cap_inh", "CapInh", "Its inheritable capabilities, for programs with file capabilities."),
		caps("cap_amb", "CapAmb", "Its ambient capabilities, which other programs keep across exec."),
		declare(doc{
			Key: "no_new_privs", Kernel: "NoNewPrivs", Label: "no_new_privs", Unit: explain.Bool,
			Source: inspect.PIDStatus, Since: inspect.Version{Major: 4, Minor: 10},
			Gist:    "Whether exec can give it no more privileges.",
			Concept: "credentials",
		}, func(d detail) value {
			if s, ok := d.Status["NoNewPrivs"]; ok {
				return explain.B(s == "1")
			}
			return value{}
		}, func(d detail) string {
			if d.Status["NoNewPrivs"] == "1" {
				return "Set-user-ID programs and file capabilities give it and its children no privileges."
			}
			return "Programs that it runs may give it more privileges: set-user-ID ones, those with file capabilities."
		}),
		seccomp(),
		declare(doc{
			Key: "label", Label: "security label",
			Source:  inspect.PIDLabel,
			Gist:    "Its label in the security module: an AppArmor profile, an SELinux context.",
			Concept: "lsm",
		}, func(d detail) value { return text(d.Label) }, nil),
		statusLine("umask", "Umask", "Permissions that files it creates do not get.", "credentials", explain.Always, nil),
	}
}

// seccomp says which system calls it may use.
func seccomp() detailField {
	return declare(doc{
		Key: "seccomp", Kernel: "Seccomp",
		Source: inspect.PIDStatus, Option: "CONFIG_SECCOMP",
		Words: []explain.Word{
			{Name: "off", Gist: "It may use every system call.", Concept: "credentials"},
			{Name: "strict", Gist: "It may only read, write, exit and return from signals.", Concept: "credentials"},
			{Name: "filter", Gist: "BPF programs decide which of its system calls go through.", Concept: "credentials"},
		},
		Gist:    "Which system calls it may use.",
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

// grouped formats a number of status with separators.
func grouped(text string) string {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return units.Number(n)
	}
	return text
}

// readGroups names its supplementary groups.
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
	return fmt.Sprintf("Real %s, effective %s, saved %s, file system %s: it changed them, or its program is set-user-ID or set-group-ID.",
		of(f[0]), of(f[1]), of(f[2]), of(f[3]))
}

func capCount() detailField {
	return declare(doc{
		Key: "capabilities", Unit: explain.Count,
		Source:  inspect.PIDStatus,
		Gist:    "How many capabilities are in its effective set.",
		Concept: "capabilities",
	}, func(d detail) value {
		set, ok := mask(d.Status["CapEff"])
		if !ok {
			return value{}
		}
		return explain.I(len(capNames(set)))
	}, readCaps)
}

// readCaps says which capabilities it has, and their scope: those of a user namespace that is
// not the host's apply only there (user_namespaces(7)).
func readCaps(d detail) string {
	set, _ := mask(d.Status["CapEff"])
	bound, _ := mask(d.Status["CapBnd"]) // a distribution's kernel may have newer ones than its version suggests
	lacks := capNames((everyCap(d.Kernel()) | bound) &^ set)
	inside := d.UserKnown && !d.HostUser
	var s string
	switch {
	case set == 0:
		s = "None, as for a plain user."
	case len(lacks) == 0 && (inside || !d.UserKnown):
		s = "All."
	case len(lacks) == 0:
		s = "All: like root, it may do everything that needs a capability."
	case len(lacks) <= 5:
		s = "All but " + strings.Join(lacks, ", ") + "."
	default:
		s = strings.Join(capNames(set), ", ") + "."
	}
	switch {
	case set == 0:
	case inside:
		s = strings.TrimSuffix(s, ".") + ", in its own user namespace and those below it: on the host it has none."
	case !d.UserKnown:
		s += " Whether they apply to the host is unknown: its user namespace could not be read."
	}
	return s + otherCaps(d, set)
}

// otherCaps lists the other sets if they differ from the effective one.
func otherCaps(d detail, eff uint64) string {
	var s string
	if prm, ok := mask(d.Status["CapPrm"]); ok && prm&^eff != 0 {
		s += " Permitted, but not effective: " + strings.Join(capNames(prm&^eff), ", ") + "."
	}
	if bnd, ok := mask(d.Status["CapBnd"]); ok && bnd&^eff != 0 {
		s += " A program with file capabilities, or set-user-ID root, could add " + units.Plural(len(capNames(bnd&^eff)), "more", "more") + "."
	}
	for _, set := range [...]struct{ line, text string }{{"CapInh", "Inheritable: "}, {"CapAmb", "Ambient: "}} {
		if n, ok := mask(d.Status[set.line]); ok && n != 0 {
			s += " " + set.text + strings.Join(capNames(n), ", ") + "."
		}
	}
	return s
}

func readSeccomp(d detail) string {
	switch d.Status["Seccomp"] {
	case "0":
		return "It may use every system call."
	case "1":
		return "Strict: it may only read, write, exit and return from a signal."
	case "2":
		if n := d.Status["Seccomp_filters"]; n != "" {
			if n == "1" {
				return "One filter decides which of its system calls go through."
			}
			return n + " filters decide which of its system calls go through."
		}
		return "Filters decide which of its system calls go through."
	}
	return ""
}

func signals() []detailField {
	set := func(key, kernel, label, gist string, show explain.Show) detailField {
		return declare(doc{
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
		set("sig_cgt", "SigCgt", "caught", "Signals for which it has a handler.", explain.Always),
		set("sig_ign", "SigIgn", "ignored", "Signals that it ignores.", explain.Always),
		set("sig_blk", "SigBlk", "blocked", "Signals that its main thread has blocked.", explain.Always),
		set("sig_pnd", "SigPnd", "pending", "Signals pending for the main thread.", explain.Rare),
		set("shd_pnd", "ShdPnd", "pending (shared)", "Signals pending for the process: any thread may take them.", explain.Rare),
		statusLine("sig_q", "SigQ", "Queued signals of its user, and the limit.", "signals", explain.Always, func(d detail) string {
			n, most, ok := strings.Cut(d.Status["SigQ"], "/")
			if !ok {
				return ""
			}
			queued, _ := strconv.ParseUint(n, 10, 64)
			return "Its user's processes have " + units.Plural(queued, "signal", "signals") + " queued, and may have " +
				grouped(most) + " (RLIMIT_SIGPENDING)."
		}),
	}
}
