package catalog

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/concepts"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/inspect"
)

// Known returns the names that kwhy explains, each once with its gist: concepts, values,
// words and rules.
func Known(t lower.Catalogue) (out []explain.Word) {
	seen := map[string]bool{}
	add := func(name, gist string) {
		if !seen[name] {
			out = append(out, explain.Word{Name: name, Gist: gist})
		}
		seen[name] = true
	}
	for _, name := range concepts.Names() {
		if e, err := concepts.Read(name); err == nil {
			add(name, e.Gist)
			for _, also := range e.Also {
				add(also, e.Gist)
			}
		}
	}
	for i := range t.Entries {
		d := &t.Entries[i].Doc
		add(cmp.Or(d.Kernel, d.Key), d.Gist)
	}
	for _, w := range Words(t) {
		add(w.Name, w.Gist)
	}
	for _, d := range t.Rules {
		add(d.ID, "The rule on "+d.What)
	}
	return out
}

// elsewhere has the names that other tools and cgroup files use for a value.
func elsewhere() map[string][]string {
	return map[string][]string{
		"vm_size": {"VSZ", "VIRT"}, "vm_rss": {"RES"}, "nice": {"ni"},
		"cpu_user": {
			"us",
		},
		"cpu_system":  {"sy"},
		"cpu_nice":    {"ni"},
		"cpu_idle":    {"id"},
		"cpu_iowait":  {"wa"},
		"cpu_irq":     {"hi"},
		"cpu_softirq": {"si"},
		"cpu_steal":   {"st"},
		"ctxt":        {"cs"}, "load_1": {"loadavg"}, "recv_q": {"Recv-Q"}, "send_q": {"Send-Q"},
		"cgroup_limit": {
			"memory.max",
			"memory.limit_in_bytes",
		}, "cgroup_high": {"memory.high"}, "cgroup_use": {"memory.current", "memory.usage_in_bytes"}, "cgroup_oom_kill": {"memory.events"},
		"cpu_quota": {"cpu.max", "cpu.cfs_quota_us"}, "nr_throttled": {"cpu.stat"}, "shares": {"cpu.shares", "cpu.weight"},
	}
}

// snmp has the groups of /proc/net/snmp and the like. ss and nstat put them before a
// counter's name, the files do not.
func snmp() []string {
	return []string{"Tcp", "Udp6", "Udp", "Ip6", "Ip", "Icmp", "TcpExt", "IpExt"}
}

// grouped is a counter's name without its group: RetransSegs of TcpRetransSegs.
func grouped(kernel string) string {
	for _, group := range snmp() {
		if rest, ok := strings.CutPrefix(kernel, group); ok && rest != "" && 'A' <= rest[0] && rest[0] <= 'Z' {
			return rest
		}
	}
	return ""
}

// own has kwhy's own words: the reasons why a value is absent.
func own() (out []explain.Word) {
	gists := map[inspect.Reason]string{
		inspect.Unread:      "It was not read, because nothing needed it.",
		inspect.Denied:      "kwhy lacks the right to see it; the gap says what it takes.",
		inspect.Unsupported: "This kernel, by its version or build, does not have it.", inspect.Disabled: "This kernel has it, switched off.",
		inspect.Masked:    "The kernel shows a placeholder, mostly 0, to those who may not see it.",
		inspect.Vanished:  "The process ended while kwhy looked at it.",
		inspect.Malformed: "The file could not be parsed.",
		inspect.Failed:    "The read failed: an I/O error, or no memory or descriptors.",
		inspect.TimedOut:  "It did not answer in time.", inspect.NoInterval: "A rate needs two samples: --interval.",
		inspect.NoUpdate: "The kernel did not update it in the interval.", inspect.Reset: "The counter went backwards between two samples.",
		inspect.Inapplicable: "It makes no sense here: a kernel thread has no RSS.", inspect.Unlimited: "No limit is set.",
		inspect.Untold:     "The kernel log does not say.",
		inspect.Hidden:     "This /proc is mounted with hidepid and does not show the processes of others.",
		inspect.NotMounted: "What holds it is not mounted where kwhy looks: /proc with subset=pid, or no /sys.",
		inspect.Outside:    "It is of another namespace: this /proc shows one below the host's.",
		inspect.NotSaved:   "It is not in the copy that kwhy reads: it was not saved, or that kernel did not have it.",
	}
	concept := map[inspect.Reason]explain.Concept{
		inspect.Denied:    "proc-permissions",
		inspect.Hidden:    "proc-permissions",
		inspect.Masked:    "proc-permissions",
		inspect.Unlimited: "resource-limits",
		inspect.Untold:    "kernel-log",
	}
	for _, r := range inspect.Reasons() {
		w := explain.Word{Name: r.String(), Gist: gists[r], Concept: concept[r]}
		if w.Concept == "" {
			w.Concept = "procfs"
		}
		out = append(out, w)
	}
	return out
}

// rest returns meanings that no value declares as its words: reasons, and the names of
// system calls, because there are hundreds.
func rest(t lower.Catalogue, is func(string) bool, name string) (out []Meaning) {
	for _, w := range own() {
		if is(w.Name) {
			out = append(out, Meaning{Word: w})
		}
	}
	if w, ok := proc.CallWord(strings.ToLower(name)); ok && is(w.Name) {
		of := slices.DeleteFunc(slices.Clone(t.Entries), func(e lower.Entry) bool { return e.Doc.Key != "syscall" })
		out = append(out, Meaning{Word: w, Of: of})
	}
	return out
}

// Spelled turns a name as the kernel or its files spell it into kwhy's: [heap],
// CONSTRAINT_MEMCG, RLIMIT_NOFILE, Max open files.
func Spelled(name string) string {
	name = strings.Trim(name, "[]")
	upper := strings.ToUpper(name)
	if of, ok := strings.CutPrefix(upper, "CONSTRAINT_"); ok {
		return map[string]string{"MEMORY_POLICY": "mempolicy"}[of] + strings.ToLower(strings.TrimPrefix(of, "MEMORY_POLICY"))
	}
	if of, ok := strings.CutPrefix(upper, "RLIMIT_"); ok {
		if long, known := rlimits()[of]; known {
			return long
		}
	}
	if strings.HasPrefix(upper, "MAX ") {
		return name[len("MAX "):]
	}
	return name
}

// rlimits maps names of getrlimit(2) to resource limits.
func rlimits() map[string]string {
	return map[string]string{
		"CPU":        "cpu time",
		"FSIZE":      "file size",
		"DATA":       "data size",
		"STACK":      "stack size",
		"CORE":       "core file size",
		"RSS":        "resident set",
		"NPROC":      "processes",
		"NOFILE":     "open files",
		"MEMLOCK":    "locked memory",
		"AS":         "address space",
		"LOCKS":      "file locks",
		"SIGPENDING": "pending signals",
		"MSGQUEUE":   "msgqueue size",
		"NICE":       "nice priority", "RTPRIO": "realtime priority", "RTTIME": "realtime timeout",
	}
}

// Mentions returns the essays that have a name in their text that is no value's, such as
// EMFILE: as a whole word, in that case.
func Mentions(name string) (out []string) {
	if len(name) < 3 {
		return nil
	}
	word, err := regexp.Compile(`(?:^|[^\w])` + regexp.QuoteMeta(name) + `(?:[^\w]|$)`)
	if err != nil {
		return nil
	}
	for _, c := range concepts.Names() {
		if e, err := concepts.Read(c); err == nil && word.MatchString(e.Body) {
			out = append(out, c)
		}
	}
	return out
}
