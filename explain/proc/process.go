package proc

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/inspect"
)

type (
	detail      = *inspect.ProcDetail
	detailField = explain.Field[*inspect.ProcDetail]
)

// Process explains one process as the kernel sees it.
func Process() explain.Card[*inspect.ProcDetail] {
	return explain.Card[*inspect.ProcDetail]{Name: "proc PID", Sections: []explain.Section[*inspect.ProcDetail]{
		{Title: "Who it is", Fields: identity()},
		{Title: "What it does now", Fields: now()},
		{Title: "What it may do", Fields: rights()},
		{Title: "Signals", Fields: signals()},
		{Title: "Its namespaces and cgroups", Fields: confined(), Table: "namespaces"},
		{Title: "Time (kwhy sched PID says more)", Fields: spent()},
		{Title: "What it was kept from going on by", Fields: delays()},
		{Title: "Memory (kwhy mem PID says more)", Fields: lifted(VmRSS(), VmSwap())},
		{Title: "If memory runs out (kwhy oom PID says more)", Fields: lifted(OomScore(), OomScoreAdj())},
		{Title: "Files, sockets and I/O (kwhy fd PID says more)", Fields: inout()},
		{Title: "What bounds it: its own limits, its cgroups', the host's", Table: "limits"},
		{Title: "All of its own limits", Table: "rlimits"},
	}}
}

// text is a value that may be empty where there is nothing.
func text(s string) value {
	if s == "" {
		return explain.None(inspect.Inapplicable)
	}
	return explain.S(s)
}

func names(list []string) value {
	out := make([]value, len(list))
	for i, s := range list {
		out[i] = explain.S(s)
	}
	return explain.L(out)
}

// lift takes a column of the table as a field of the card.
func lift(c column, label string) detailField {
	c.Label, c.Show = label, explain.Always
	f := explain.Lift(c, func(d detail) row { return d.Row })
	return explain.Own(f)
}

func told(d doc, get func(detail) value, read func(detail) string) detailField {
	return detailField{Doc: d, Get: get, Reading: read}
}

// line is a line of status as it is.
func line(key, kernel, gist string, concept explain.Concept, show explain.Show, read func(detail) string) detailField {
	return told(doc{Key: key, Kernel: kernel, Source: inspect.PIDStatus, Concept: concept, Show: show, Gist: gist},
		func(d detail) value {
			if s, ok := d.Status[kernel]; ok {
				return text(s)
			}
			return value{}
		}, read)
}

// numbers reads a line of numbers.
func numbers(text string) value {
	out := []value{}
	for f := range strings.FieldsSeq(text) {
		n, err := strconv.ParseUint(f, 10, 32)
		if err != nil {
			return explain.None(inspect.Malformed)
		}
		out = append(out, explain.N(n))
	}
	return explain.L(out)
}

func identity() []detailField {
	person := func(p *inspect.Process) string { return fmt.Sprintf("%s (%d)", p.Comm, p.PID) }
	return []detailField{
		lift(Comm(), "name"),
		told(doc{Key: "cmdline", Label: "command line", Source: inspect.PIDCmdline, Concept: "process", Gist: "The command line, which the process may have overwritten."},
			func(d detail) value {
				if len(d.Args) == 0 {
					return explain.None(inspect.Inapplicable)
				}
				return names(d.Args)
			}, func(d detail) string {
				return explain.Plural(len(d.Args), "argument", "arguments") + ", the program's own name first."
			}),
		told(doc{Key: "exe", Label: "program", Source: inspect.PIDExe, Concept: "process", Gist: "The file that it runs."},
			func(d detail) value { return text(d.Exe) }, func(d detail) string {
				if strings.HasSuffix(d.Exe, " (deleted)") {
					return "The file is gone from its directory, or was replaced: the process runs the old one until it ends."
				}
				return ""
			}),
		told(doc{Key: "cwd", Label: "works in", Source: inspect.PIDCwd, Concept: "process", Gist: "Its working directory, which keeps that file system mounted."},
			func(d detail) value { return text(d.Cwd) }, nil),
		told(doc{Key: "root", Label: "root", Source: inspect.PIDRoot, Concept: "process", Show: explain.Data, Gist: "What it takes for /."},
			func(d detail) value { return text(d.Root) }, nil),
		told(doc{Key: "started", Source: inspect.PIDStat, Concept: "process", Gist: "When it was started."},
			func(d detail) value {
				if d.Born.IsZero() {
					return value{}
				}
				return explain.S(d.Born.UTC().Format(time.RFC3339))
			}, func(d detail) string {
				if a := age(d.Row); a > 0 {
					return explain.Span(a) + " ago."
				}
				return ""
			}),
		told(doc{Key: "ppid", Label: "parent", Unit: explain.Plain, Source: inspect.PIDStat, Concept: "process", Gist: "The number of its parent; 0 where that is outside the PID namespace."},
			func(d detail) value { return explain.I(d.Row.P.PPID) }, func(d detail) string {
				if len(d.Ancestors) == 0 {
					return "Outside this PID namespace, or none."
				}
				var words []string
				for _, a := range d.Ancestors {
					words = append(words, person(a))
				}
				return strings.Join(words, " ← ") + "."
			}),
		told(doc{Key: "children", Unit: explain.Count, Source: inspect.PIDStat, Concept: "process", Gist: "Processes that it started, or that were left to it."},
			func(d detail) value { return explain.I(len(d.Children)) }, func(d detail) string {
				var words []string
				for _, c := range d.Children[:min(len(d.Children), 6)] {
					words = append(words, person(c))
				}
				if n := len(d.Children) - 6; n > 0 {
					words = append(words, fmt.Sprintf("and %d more", n))
				}
				if words == nil {
					return "None."
				}
				return strings.Join(words, ", ") + "."
			}),
		lift(Threads(), "threads"),
		line("n_spid", "NSpid", "Its number in each PID namespace, from this one inwards; since 4.1.", "namespaces", explain.Data, nil),
		told(doc{Key: "pgrp", Label: "process group", Unit: explain.Plain, Source: inspect.PIDStat, Concept: "process", Gist: "Its process group: what a shell signals as one job."},
			func(d detail) value { return explain.I(d.Row.P.PGRP) }, func(d detail) string {
				p := d.Row.P
				switch {
				case p.Session == p.PID:
					return "It leads a session of its own, as daemons and login shells do."
				case p.PGRP == p.PID:
					return fmt.Sprintf("It leads that group, in session %d.", p.Session)
				}
				return fmt.Sprintf("In session %d.", p.Session)
			}),
		told(doc{Key: "session", Unit: explain.Plain, Source: inspect.PIDStat, Concept: "process", Show: explain.Data, Gist: "Its session: the process groups of one login or daemon."},
			func(d detail) value { return explain.I(d.Row.P.Session) }, nil),
		told(doc{Key: "kthread", Label: "kernel thread", Unit: explain.Bool, Source: inspect.PIDStat, Concept: "kernel-thread", Show: explain.Rare, Gist: "Whether it is a thread of the kernel: PF_KTHREAD is the one sure mark."},
			func(d detail) value { return explain.B(d.Row.P.Kthread()) }, nil),
		told(doc{Key: "flags", Label: "flags", Source: inspect.PIDStat, Concept: "process", Gist: "The PF_* bits of its task, those that have kept their meaning by name."},
			func(d detail) value { return names(flagNames(d.Row.P.Flags)) }, readFlags),
		told(doc{Key: "terminal", Source: inspect.PIDStat, Concept: "process", Gist: "The terminal of its session; none for daemons."},
			func(d detail) value { return tty(d.Row) }, func(d detail) string {
				return "A signal key typed there reaches the foreground group of its session."
			}),
		origin(),
	}
}

func now() []detailField {
	return []detailField{
		told(doc{Key: "state", Source: inspect.PIDStat, Also: []inspect.Source{inspect.PIDWchan, inspect.PIDSyscall}, Words: states(), Concept: "process-state", Gist: "The state of its main thread, by the kernel's letter."},
			func(d detail) value { return explain.S(string(rune(d.Row.P.State))) }, func(d detail) string {
				s := string(why(nil, d.Row))
				return strings.ToUpper(s[:1]) + s[1:] + "."
			}),
		told(doc{Key: "syscall", Kernel: "syscall", Label: "system call", Source: inspect.PIDSyscall, Concept: "system-call", Gist: "The system call that its main thread waits in."},
			func(d detail) value { return text(callName(d.Row)) }, readCall),
		told(doc{Key: "syscall_args", Unit: explain.Address, Source: inspect.PIDSyscall, Concept: "system-call", Show: explain.Data, Gist: "The six registers of its system call, which uses as many as it has arguments."},
			func(d detail) value {
				if callName(d.Row) == "" {
					return explain.None(inspect.Inapplicable)
				}
				var out []value
				for _, a := range d.Row.P.Call.Args {
					out = append(out, explain.N(a))
				}
				return explain.L(out)
			}, nil),
		told(doc{Key: "wchan", Kernel: "wchan", Source: inspect.PIDWchan, Concept: "process-state", Gist: "The kernel function that its main thread waits in."},
			func(d detail) value {
				if w := wchan(d.Row); w != "" {
					return explain.S(w)
				}
				return explain.None(inspect.Inapplicable)
			}, nil),
		told(doc{Key: "stack", Label: "kernel stack", Source: inspect.PIDStack, Concept: "process-state", Gist: "The kernel functions that led there, the innermost first."},
			func(d detail) value {
				if len(d.Stack) == 0 {
					return explain.None(inspect.Inapplicable)
				}
				return names(d.Stack)
			}, nil),
		switches("voluntary_ctxt_switches", "waits", "How often its main thread gave the CPU up to wait.", func(d detail) inspect.Num { return d.Row.P.Voluntary }, nil),
		switches("nonvoluntary_ctxt_switches", "put off", "How often its main thread was put off the CPU for another.", func(d detail) inspect.Num { return d.Row.P.Forced }, readSwitches),
	}
}

// readCall writes the call with its arguments, as far as registers tell.
func readCall(d detail) string {
	c := &d.Row.P.Call
	if s, ok := callText(callName(d.Row), c, d.File); ok {
		return s
	}
	var args []string
	for _, a := range c.Args {
		args = append(args, "0x"+strconv.FormatUint(a, 16))
	}
	return fmt.Sprintf("Number %d of this machine, its six registers: %s. A call uses as many of them as it has arguments.", c.Number, strings.Join(args, ", "))
}

func switches(key, label, gist string, get func(detail) inspect.Num, read func(detail) string) detailField {
	return told(doc{Key: key, Kernel: key, Label: label, Unit: explain.Count, Counter: true, Source: inspect.PIDStatus, Concept: "cpu-time", Gist: gist},
		func(d detail) value { return explain.Opt(get(d)) }, read)
}

func readSwitches(d detail) string {
	v, f := d.Row.P.Voluntary, d.Row.P.Forced
	switch {
	case v <= 0 && f <= 0:
		return "It has not run yet."
	case f > v:
		return "More often than it waited: it computes, and others want the CPU too."
	case f*10 > v:
		return "Now and then it computes longer than its turn."
	}
	return "Seldom: mostly it waits for something before its turn is over."
}

func rights() []detailField {
	ids := func(key, kernel, label, gist string, name func(detail, uint32) string) detailField {
		return told(doc{Key: key, Kernel: kernel, Label: label, Unit: explain.Plain, Source: inspect.PIDStatus, Concept: "credentials", Gist: gist},
			func(d detail) value { return numbers(d.Status[kernel]) }, func(d detail) string { return readIDs(d, kernel, name) })
	}
	caps := func(key, kernel, gist string) detailField {
		return told(doc{Key: key, Kernel: kernel, Source: inspect.PIDStatus, Concept: "capabilities", Show: explain.Data, Gist: gist},
			func(d detail) value {
				set, ok := mask(d.Status[kernel])
				if !ok {
					return value{}
				}
				return names(capNames(set))
			}, nil)
	}
	return []detailField{
		ids("uid", "Uid", "user", "Real, effective, saved and file system user IDs.", func(d detail, id uint32) string { return d.Row.Host.Users[id] }),
		ids("gid", "Gid", "group", "Real, effective, saved and file system group IDs.", func(d detail, id uint32) string { return d.Groups[id] }),
		told(doc{Key: "groups", Kernel: "Groups", Label: "more groups", Unit: explain.Plain, Source: inspect.PIDStatus, Concept: "credentials", Show: explain.Rare, Gist: "Further groups whose rights it has."},
			func(d detail) value { return numbers(d.Status["Groups"]) }, readGroups),
		capCount(),
		caps("cap_eff", "CapEff", "Capabilities that it has now."),
		caps("cap_prm", "CapPrm", "Capabilities that it may take up."),
		caps("cap_bnd", "CapBnd", "Capabilities that it can ever get, by exec of a program that has them."),
		caps("cap_inh", "CapInh", "Capabilities that programs which it runs may inherit."),
		caps("cap_amb", "CapAmb", "Capabilities that plain programs which it runs keep."),
		told(doc{Key: "no_new_privs", Kernel: "NoNewPrivs", Label: "no new rights", Unit: explain.Bool, Source: inspect.PIDStatus, Since: inspect.Version{Major: 4, Minor: 10}, Concept: "credentials", Gist: "Whether exec can give it no more rights."},
			func(d detail) value {
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
		told(doc{Key: "seccomp", Kernel: "Seccomp", Source: inspect.PIDStatus, Option: "CONFIG_SECCOMP", Concept: "credentials", Words: []explain.Word{
			{Name: "off", Gist: "Every system call is open to it.", Concept: "credentials"},
			{Name: "strict", Gist: "It may read, write, exit and return from signals.", Concept: "credentials"},
			{Name: "filter", Gist: "A program in the kernel looks at each of its system calls.", Concept: "credentials"},
		}, Gist: "Which system calls are open to it."},
			func(d detail) value {
				switch d.Status["Seccomp"] {
				case "0":
					return explain.S("off")
				case "1":
					return explain.S("strict")
				case "2":
					return explain.S("filter")
				}
				return value{}
			}, readSeccomp),
		told(doc{Key: "label", Label: "security label", Source: inspect.PIDLabel, Concept: "credentials", Gist: "What the security module knows it by: an AppArmor profile, a SELinux context."},
			func(d detail) value { return text(d.Label) }, nil),
		line("umask", "Umask", "Rights that files which it makes do not get.", "credentials", explain.Always, nil),
	}
}

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
			return strings.ToUpper(s[:1]) + s[1:] + ", in all four."
		}
		return "The same in all four."
	}
	return fmt.Sprintf("Real %s, effective %s, saved %s, for files %s: it changed them, or its program is set-ID.", of(f[0]), of(f[1]), of(f[2]), of(f[3]))
}

func capCount() detailField {
	return told(doc{Key: "capabilities", Unit: explain.Count, Source: inspect.PIDStatus, Concept: "capabilities", Gist: "How many of root's separate rights it has now."},
		func(d detail) value {
			set, ok := mask(d.Status["CapEff"])
			if !ok {
				return value{}
			}
			return explain.I(len(capNames(set)))
		}, func(d detail) string {
			set, _ := mask(d.Status["CapEff"])
			bound, _ := mask(d.Status["CapBnd"])
			switch lacks := capNames(everyCap() &^ set); {
			case set == 0:
				return "None: a plain user's rights."
			case len(lacks) == 0:
				return "All: nothing that needs a right is closed to it."
			case len(lacks) <= 5:
				return "All but " + strings.Join(lacks, ", ") + "."
			}
			s := strings.Join(capNames(set), ", ") + "."
			if bound&^set != 0 {
				s += " A program with file capabilities could add " + explain.Plural(len(capNames(bound&^set)), "more", "more") + "."
			}
			return s
		})
}

func readSeccomp(d detail) string {
	switch d.Status["Seccomp"] {
	case "0":
		return "Every system call is open to it."
	case "1":
		return "Strict: read, write, exit and return from a signal are all that it may call."
	case "2":
		if n := d.Status["Seccomp_filters"]; n != "" {
			return n + " filters look at each of its system calls."
		}
		return "A filter looks at each of its system calls."
	}
	return ""
}

func signals() []detailField {
	set := func(key, kernel, label, gist string, show explain.Show) detailField {
		return told(doc{Key: key, Kernel: kernel, Label: label, Source: inspect.PIDStatus, Concept: "signals", Show: show, Gist: gist},
			func(d detail) value {
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
		line("sig_q", "SigQ", "Queued signals of its user, and how many there may be.", "signals", explain.Data, nil),
	}
}

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

// apartFrom1 names the kinds of namespace in which a process is not where PID 1
// is; seen is false where PID 1's are not to be seen.
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

func spent() []detailField {
	children := told(doc{Key: "cutime", Label: "children's time", Unit: explain.Seconds, Source: inspect.PIDStat, Concept: "cpu-time", Show: explain.Rare, Gist: "CPU time of children that it has waited for."},
		func(d detail) value { return ticks(d.Row.P.CUTime + d.Row.P.CSTime) }, nil)
	out := append(lifted(append([]column{CPU()}, times()[:4]...)...), children)
	return append(out, lifted(append(schedules()[:3:3], Nice())...)...)
}

// lifted takes columns of the table as fields of the card.
func lifted(list ...column) (out []detailField) {
	for _, f := range list {
		out = append(out, lift(f, ""))
	}
	return out
}

func inout() []detailField {
	io := func(key, gist string, read func(detail) string) detailField {
		return told(doc{Key: key, Kernel: key, Unit: explain.Bytes, Counter: true, Source: inspect.PIDIO, Concept: "page-cache", Gist: gist},
			func(d detail) value { return explain.Look(d.IO, key) }, read)
	}
	return []detailField{
		told(doc{Key: "fds", Label: "open files", Unit: explain.Count, Source: inspect.PIDFd, Concept: "file-descriptor", Gist: "Its open file descriptors."},
			func(d detail) value { return explain.Opt(d.Row.P.FDs) }, readFiles),
		told(doc{Key: "sockets", Unit: explain.Count, Source: inspect.PIDFd, Concept: "file-descriptor", Gist: "How many of these are sockets."},
			func(d detail) value { return explain.I(fileKinds(d)["sockets"]) }, nil),
		io("rchar", "What it read by system calls, from wherever.", nil),
		io("read_bytes", "What it made disks read.", func(d detail) string {
			return cached(d.IO["rchar"], d.IO["read_bytes"], "came from the page cache, pipes and sockets")
		}),
		io("wchar", "What it wrote by system calls.", nil),
		io("write_bytes", "What it made disks write, or will have when it is written back.", func(d detail) string {
			return cached(d.IO["wchar"], d.IO["write_bytes"], "went to pipes, sockets, terminals, or was overwritten in the cache")
		}),
		io("cancelled_write_bytes", "Of that, what was dropped before it reached a disk.", nil),
	}
}

// fileKinds counts what the open files are.
func fileKinds(d detail) map[string]int {
	kinds := map[string]int{}
	for _, f := range d.Files {
		switch to := f.To; {
		case strings.HasPrefix(to, "socket:["):
			kinds["sockets"]++
		case strings.HasPrefix(to, "pipe:["):
			kinds["ends of pipes"]++
		case strings.HasPrefix(to, "/dev/"):
			kinds["devices"]++
		case strings.HasPrefix(to, "/"):
			kinds["files"]++
		default:
			kinds["descriptors of other kinds"]++
		}
	}
	return kinds
}

func readFiles(d detail) string {
	kinds := fileKinds(d)
	var words []string
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		words = append(words, explain.Number(kinds[k])+" "+k)
	}
	if words == nil {
		return ""
	}
	return strings.Join(words, ", ") + "."
}

func cached(all, disk uint64, where string) string {
	switch {
	case all == 0 && disk == 0:
		return "None."
	case disk >= all:
		return "As much as it asked for, or more: whole blocks, read ahead or mapped."
	}
	return explain.Percent(all-disk, all) + " of what it asked for " + where + "."
}

type (
	nsRow    = inspect.DetailPart[inspect.Namespace]
	limitRow = inspect.DetailPart[inspect.Limit]
	rungRow  = inspect.DetailPart[inspect.Rung]
)

// Namespaces lists those that a process lives in.
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

// Rlimits lists a process's own resource limits.
func Rlimits() *explain.Table[limitRow] {
	type column = explain.Field[limitRow]
	declare := func(d doc, get func(limitRow) value) column {
		d.Source, d.Concept = inspect.PIDLimits, "resource-limits"
		return column{Doc: d, Get: get}
	}
	bound := func(n inspect.Num) value {
		if n == inspect.Unset {
			return explain.None(inspect.Unlimited)
		}
		return explain.N(uint64(n))
	}
	return &explain.Table[limitRow]{Name: "rlimits", Fields: []column{
		declare(doc{Key: "name", Label: "LIMIT", Gist: "What is bounded, as the kernel words it."}, func(r limitRow) value { return explain.S(r.It.Name) }),
		declare(doc{Key: "soft", Unit: explain.Plain, Show: explain.Data, Gist: "Where it stops now."}, func(r limitRow) value { return bound(r.It.Soft) }),
		declare(doc{Key: "hard", Unit: explain.Plain, Show: explain.Data, Gist: "How far the process may raise that itself."}, func(r limitRow) value { return bound(r.It.Hard) }),
		declare(doc{Key: "used", Unit: explain.Plain, Show: explain.Data, Gist: "How much of it is used, where the kernel shows that of the process."}, used),
		declare(doc{Key: "unit", Show: explain.Data, Gist: "What is counted."}, func(r limitRow) value { return text(r.It.Unit) }),
		declare(doc{Key: "used_text", Label: "USED", Gist: "How much of it is used, for people."}, func(r limitRow) value {
			if v := used(r); v.Has() {
				return inUnit(v, r.It.Unit)
			}
			return explain.S("not shown")
		}),
		declare(doc{Key: "soft_text", Label: "SOFT", Gist: "Where it stops now, for people."}, func(r limitRow) value { return inUnit(bound(r.It.Soft), r.It.Unit) }),
		declare(doc{Key: "hard_text", Label: "HARD", Gist: "How far the process may raise that itself, for people."}, func(r limitRow) value { return inUnit(bound(r.It.Hard), r.It.Unit) }),
	}}
}

// inUnit tells a number to people in the unit of its row.
func inUnit(v value, unit string) value {
	switch {
	case !v.Has():
		return v
	case unit == "bytes":
		return explain.S(explain.Size(v.Uint()))
	case unit == "seconds":
		return explain.S(explain.Span(v.Float()))
	}
	return explain.S(explain.Number(v.Uint()))
}

// used is what a process has of what a limit bounds.
func used(r limitRow) value {
	p := r.Detail.Row.P
	bytes := func(key string) value {
		kb, _, _ := strings.Cut(r.Detail.Status[key], " ")
		n, err := strconv.ParseUint(kb, 10, 50)
		if err != nil {
			return explain.None(inspect.Inapplicable)
		}
		return explain.N(n << 10)
	}
	switch r.It.Name {
	case "open files":
		return explain.Opt(p.FDs)
	case "cpu time":
		return explain.N((p.UTime + p.STime) / hz)
	case "address space":
		return explain.N(p.VSize)
	case "data size":
		return bytes("VmData")
	case "stack size":
		return bytes("VmStk")
	case "locked memory":
		return bytes("VmLck")
	case "resident set":
		return bytes("VmRSS")
	case "pending signals":
		n, _, _ := strings.Cut(r.Detail.Status["SigQ"], "/")
		if q, err := strconv.ParseUint(n, 10, 32); err == nil {
			return explain.N(q)
		}
	}
	return explain.None(inspect.Inapplicable)
}
