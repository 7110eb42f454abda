package proc

import (
	"fmt"
	"strconv"
	"strings"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

type (
	detail      = *procfacts.Detail
	detailField = explain.Field[*procfacts.Detail]
)

// Process explains one process as the kernel sees it.
func Process() explain.Card[*procfacts.Detail] {
	return explain.Card[*procfacts.Detail]{Name: "proc PID", Sections: []explain.Section[*procfacts.Detail]{
		{Title: "Identity", Fields: identity()},
		{Title: "State", Fields: now()},
		{Title: "Credentials and capabilities", Fields: credentials()},
		{Title: "Signals", Fields: signals()},
		{Title: "Namespaces and cgroups", Fields: confined(), Table: "namespaces"},
		{Title: "CPU time (details: kwhy sched PID)", Fields: spent()},
		{Title: "Delay accounting", Fields: delays()},
		{Title: "Memory (details: kwhy mem PID)", Fields: memories()},
		{Title: "OOM score (details: kwhy oom PID)", Fields: scores()},
		{Title: "Files and I/O (details: kwhy fd PID)", Fields: inout()},
		{Title: "Network (details: kwhy net PID)", Fields: reached()},
		{Title: "Limits: rlimits, cgroups, sysctls, host", Table: "limits"},
		{Title: "Resource limits (rlimits)", Table: "rlimits"},
	}, Rules: processRules()}
}

func processRules() []explain.Rule[detail] {
	return []explain.Rule[detail]{{
		ID: "proc.ended", What: "whether it ended while it was read", Unit: explain.Count,
		Means:    "What was read may be from different moments.",
		Evidence: []string{"state"}, Concept: "process-state",
		Of: func(d detail) value {
			if d.Ended {
				return explain.I(1)
			}
			return value{}
		}, At: explain.At{Notice: 1},
		Say: func(d detail) string {
			return string(named(nil, d.Row.P)) + " ended while it was read: the report has what was read before"
		},
	}}
}

// Ended is what is found of a process that ended before the second of two samples, of which the first is
// shown: the same by every command.
func Ended(left *procfacts.Process, limits explain.Limits) []lower.Finding {
	return lower.Findings(processRules(), &procfacts.Detail{Row: procfacts.Row{P: left}, Ended: true}, limits)
}

// text is a text value; inapplicable where it is empty.
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

// lift makes a column of the table a field of the card.
func lift(c column, label string) detailField {
	c.Label, c.Show = label, explain.Always
	f := explain.Lift(c, func(d detail) row { return d.Row })
	return explain.Own(f)
}

// declare declares a value of one process.
func declare(d doc, get func(detail) value, read func(detail) string) detailField {
	if fields, of := StatOf(d.Key), get; fields != 0 && d.Source == inspect.PIDStat {
		get = func(it detail) value {
			if it.Row.P.Spoilt(fields) && !it.Row.P.Stood(fields) {
				return explain.None(inspect.Malformed)
			}
			return of(it)
		}
	}
	return detailField{Doc: d, Get: get, Reading: read}
}

// statusLine declares a line of status as it is, but for tabs between its words.
func statusLine(key, kernel, gist string, concept explain.Concept, show explain.Show, read func(detail) string) detailField {
	return declare(doc{
		Key: key, Kernel: kernel, Show: show,
		Source:  inspect.PIDStatus,
		Gist:    gist,
		Concept: concept,
	}, func(d detail) value {
		if s, ok := d.Status[kernel]; ok {
			return text(strings.Join(strings.Fields(s), " "))
		}
		if d.Row.P.Zombie() { // its lines about memory and files are gone
			return explain.None(inspect.Inapplicable)
		}
		return value{}
	}, read)
}

// ofNumbers is a line that is told as it is written, where it has numbers alone.
func ofNumbers(f detailField) detailField {
	get := f.Get
	f.Get = func(d detail) value {
		if v := numbers(d, f.Kernel); v.Reason() == inspect.Malformed {
			return v
		}
		return get(d)
	}
	return f
}

// numbers parses a line of numbers.
func numbers(d detail, line string) value {
	text, there := d.Status[line]
	if !there {
		return value{}
	}
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

// lifted makes columns of the table fields of the card.
func lifted(list ...column) (out []detailField) {
	for _, f := range list {
		out = append(out, lift(f, ""))
	}
	return out
}

type (
	nsRow    = procfacts.DetailPart[procfacts.Namespace]
	limitRow = procfacts.DetailPart[procfacts.Limit]
	boundRow = procfacts.DetailPart[procfacts.Bound]
)

// Health summarizes the state of a host's processes.
func Health(l *procfacts.Snapshot) lower.Health {
	return lower.Health{Utilisation: healthUse(l), Saturation: healthWaits(l), Errors: healthErrors(l)}
}

func healthUse(l list) string {
	var words []string
	users, kernel := split(l)
	switch seen := l.SeenOf(inspect.PIDStat); {
	case seen.Whole():
		words = append(words, units.Plural(users, "process", "processes"))
	case !seen.Nothing() && kernel > 0: // what is said below is of both
		words = append(words, units.Plural(users, "process", "processes")+" and "+
			units.Plural(kernel, "kernel thread", "kernel threads")+" that could be seen")
	case !seen.Nothing():
		words = append(words, units.Plural(users, "process", "processes")+" that could be seen")
	}
	if max, ok := l.Settings.Number(inspect.KernelThreadsMax); ok && max > 0 && l.Tasks != inspect.Unset {
		threads := units.Plural(int64(l.Tasks), "thread", "threads")
		words = append(words, fmt.Sprintf("%s, %s of threads-max", threads, units.Percent(int64(l.Tasks), max)))
	}
	return strings.Join(words, ", ")
}

// healthWaits counts threads in D as sched does, of the same read: that of a process's main
// thread, which its state is, is not all.
func healthWaits(l list) string {
	if n := len(l.Threads.Blocked()); n > 0 {
		return units.Plural(n, "thread", "threads") + " in D"
	}
	return units.NoneOf("no thread in D", l.Threads.Seen())
}

func healthErrors(l list) string {
	if n := len(zombies(l)); n > 0 {
		return units.Plural(n, "zombie", "zombies")
	}
	if seen := l.SeenOf(inspect.PIDStat); !seen.Nothing() { // which says it once, above
		return units.NoneOf("no zombies", seen)
	}
	return ""
}

func inout() []detailField {
	io := func(key, gist string, read func(detail) string) detailField {
		return declare(doc{
			Key: key, Kernel: key, Unit: explain.Bytes, Counter: true,
			Source:  inspect.PIDIO,
			Gist:    gist,
			Concept: "page-cache",
		}, func(d detail) value { return explain.Look(d.IO, key) }, read)
	}
	return []detailField{
		declare(doc{
			Key: "fds", Label: "open descriptors", Unit: explain.Count,
			Source: inspect.PIDFd, Also: []inspect.Source{inspect.PIDLimits},
			Gist:    "Its open file descriptors.",
			Concept: "file-descriptor",
		}, func(d detail) value { return explain.Opt(d.Row.P.FDs) }, readFiles),
		io("rchar", "Bytes read by system calls, with those of its children that it waited for.", nil),
		io("read_bytes", "Bytes read from disks for it, with those of its children that it waited for.", func(d detail) string {
			return cached(d.IO["rchar"], d.IO["read_bytes"], "came from the page cache, pipes and sockets",
				"As much as was requested, or more: whole blocks, read ahead, mapped files, or pages read back from swap.")
		}),
		io("wchar", "Bytes written by system calls, with those of its children it waited for.", nil),
		io("write_bytes", "Bytes to be written to disks, now or at writeback, with those of children.", func(d detail) string {
			return cached(d.IO["wchar"], d.IO["write_bytes"], "went to pipes, sockets, terminals, or was overwritten in the cache",
				"As much as was written, or more: whole pages, and those of mapped files.")
		}),
		io("cancelled_write_bytes", "Bytes of those written that were dropped before they reached a disk.", nil),
	}
}

// reached is its network in brief; kwhy net has the rest.
func reached() []detailField {
	return []detailField{
		declare(doc{
			Key: "sockets", Unit: explain.Count,
			Source: inspect.PIDFd, Also: []inspect.Source{inspect.PIDNs},
			Gist:    "How many of its open files are sockets.",
			Concept: "file-descriptor",
		}, func(d detail) value {
			if d.Missing(inspect.PIDFd) != inspect.Present {
				return explain.None(d.Missing(inspect.PIDFd))
			}
			if d.Row.P.FDs > 0 && len(d.Files) == 0 {
				return explain.None(inspect.Denied) // they can be counted, and not looked at
			}
			return explain.I(countFiles(d)[0])
		}, func(d detail) string {
			for i := range d.Namespaces {
				switch n := &d.Namespaces[i]; {
				case n.Name != "net":
				case n.Init != 0 && n.Init == n.Inode:
					return "It is in PID 1's network namespace."
				case n.Init != 0:
					return "It is in a different network namespace than PID 1, with its own addresses, ports and limits."
				}
			}
			return ""
		}),
	}
}

// fileKinds are the kinds of open files, singular and plural.
func fileKinds() [5][2]string {
	return [...][2]string{
		{"socket", "sockets"},
		{"device", "devices"},
		{"end of a pipe", "ends of pipes"},
		{"file", "files"},
		{"descriptor of another kind", "descriptors of other kinds"},
	}
}

// countFiles counts the open files of each of these kinds.
func countFiles(d detail) (n [5]int) {
	for _, f := range d.Files {
		switch to := f.To; {
		case strings.HasPrefix(to, "socket:["):
			n[0]++
		case strings.HasPrefix(to, "/dev/"):
			n[1]++
		case strings.HasPrefix(to, "pipe:["):
			n[2]++
		case strings.HasPrefix(to, "/"):
			n[3]++
		default:
			n[4]++
		}
	}
	return n
}

func readFiles(d detail) string {
	var words []string
	for i, n := range countFiles(d) {
		if n > 0 {
			words = append(words, units.Plural(n, fileKinds()[i][0], fileKinds()[i][1]))
		}
	}
	var s string
	switch p, low := d.Row.P, d.Row.P.Below(); {
	case p.MaxFDs > 0 && low >= 0 && low < p.FDs:
		s = fmt.Sprintf("%s of the %s numbers below its limit are taken; %s above it, from before it was lowered. ",
			units.Percent(int64(low), int64(p.MaxFDs)), units.Number(int64(p.MaxFDs)), units.Plural(int(p.FDs-low), "is", "are"))
	case p.MaxFDs > 0 && low >= 0:
		s = units.Percent(int64(low), int64(p.MaxFDs)) + " of the " + units.Number(int64(p.MaxFDs)) + " that it may have. "
	case p.MaxFDs > 0 && p.FDs >= 0:
		s = "More than its limit of " + units.Number(int64(p.MaxFDs)) + ": some are above it, from before it was lowered. "
	}
	if words != nil {
		s += strings.Join(words, ", ") + "."
	}
	return strings.TrimSpace(s)
}

// cached explains the difference between what was requested and what disks did.
func cached(all, disk uint64, where, more string) string {
	switch {
	case all == 0 && disk == 0:
		return "None."
	case disk >= all:
		return more
	}
	return "At least " + units.Percent(all-disk, all) + " of what was requested " + where + "."
}
