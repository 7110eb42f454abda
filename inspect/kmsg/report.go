package kmsg

import (
	"strconv"
	"strings"
)

// The lines of a report before its victim: who asked, and what bound the request.

// invoked reads "hog invoked oom-killer: gfp_mask=0x..., order=0, oom_score_adj=0".
func (p *parser) invoked(msg string, at Stamp) bool {
	comm, rest, ok := strings.Cut(msg, " invoked oom-killer: gfp_mask=0x")
	if !ok || len(comm) > maxEscaped {
		return false
	}
	manual := p.now != nil && p.now.Manual && !p.now.Invoked && len(p.now.Victims) == 0
	var first *report
	if p.now != nil && p.held == nil && p.now.mayGoOn() {
		first, p.now = p.now, nil
	}
	e := p.begin(at)
	p.held = first
	e.Invoked, e.Manual, e.Invoker.Comm = true, manual, comm
	n := len(rest) - len(strings.TrimLeft(rest, "0123456789abcdef"))
	if mask, err := strconv.ParseUint(rest[:n], 16, 64); err == nil && n < len(rest) {
		e.GFP, e.HasGFP = mask, true
	}
	if names, ok := strings.CutPrefix(rest[n:], "("); ok {
		e.GFPNames, _, _ = strings.Cut(names, ")")
	}
	if mask, ok := between(rest, " nodemask=", ", order="); ok { // 4.9 to 4.20
		e.NodeMask = mask
	}
	if n, ok := signed(rest, "order="); ok {
		e.Order = n
		e.Manual = e.Manual || n == -1
	}
	e.Invoker.Adj, e.Invoker.HasAdj = signed(rest, "oom_score_adj=")
	return true
}

// mayGoOn reports whether a report without a victim may still be printed while
// another begins: since 4.2 a lock keeps them apart (mm/oom_kill.c, oom_lock).
func (r *report) mayGoOn() bool {
	if !r.Invoked || len(r.Victims) > 0 || r.Summary {
		return false
	}
	if r.Stamp.caller != "" { // then each line names its report
		return true
	}
	major, rest, _ := strings.Cut(r.Release, ".")
	minor, _ := leading(rest)
	n, err := strconv.Atoi(major)
	return err != nil || n < 4 || n == 4 && minor < 2
}

// manual reads the line of sysrq f, which comes before the report.
func (p *parser) manual(msg string, at Stamp) bool {
	text := strings.ToLower(msg)
	if !strings.HasPrefix(text, "sysrq") || !strings.HasSuffix(text, "manual oom execution") {
		return false
	}
	p.begin(at).Manual = true
	return true
}

// headless takes the summary of a report whose first lines are lost.
func (p *parser) headless(msg string, at Stamp) bool {
	if p.torn || p.now != nil && p.now.body || !strings.HasPrefix(msg, "oom-kill:constraint=") {
		return false
	}
	p.begin(at).summary(msg)
	return true
}

// after returns what follows key in s.
func after(s, key string) (string, bool) {
	_, rest, ok := strings.Cut(s, key)
	return rest, ok
}

// signed reads the number after key.
func signed(s, key string) (int64, bool) {
	rest, ok := after(s, key)
	if !ok {
		return 0, false
	}
	return leading(rest)
}

// leading reads the number that s begins with.
func leading(s string) (int64, bool) {
	end := 0
	if strings.HasPrefix(s, "-") {
		end = 1
	}
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	return n, err == nil
}

// number is signed for what can't be negative; Unset where it is not there.
func number(s, key string) int64 {
	if n, ok := signed(s, key); ok && n >= 0 {
		return n
	}
	return Unset
}

// kB is number for a size, which its unit must follow: else it is cut.
func kB(s, key string) int64 {
	rest, ok := after(s, key)
	n, isNumber := leading(rest)
	if !ok || !isNumber || n < 0 || n > 1<<53 {
		return Unset
	}
	if unit := strings.TrimLeft(rest, "0123456789"); !strings.HasPrefix(unit, "kB") && !strings.HasPrefix(unit, "KB") {
		return Unset
	}
	return n
}

// between returns what is between from and the first of to.
func between(s, from string, to ...string) (string, bool) {
	_, rest, ok := strings.Cut(s, from)
	if !ok {
		return "", false
	}
	for _, t := range to {
		if i := strings.Index(rest, t); i >= 0 {
			return rest[:i], true
		}
	}
	return "", false
}

// again notes a line that a report has but once. Where two are open and it has
// come already, lines of both alternate.
func (p *parser) again(line once) {
	if p.held != nil && p.now.seen&line != 0 && !p.now.Interleaved && (p.now.Stamp.caller == "" || p.held.Stamp.caller == "") {
		p.mix()
	}
	p.now.seen |= line
}

// detail reads a line between the first of a report and its victim.
func (p *parser) detail(msg string) {
	r := p.now
	msg = strings.TrimLeft(msg, " ") // journalctl and dmesg indent the further lines of a message
	if r.stats {
		if r.stat(msg) {
			return
		}
		r.stats = false
	}
	switch {
	case strings.HasPrefix(msg, "Task in "):
		p.again(taskIn)
	case strings.HasPrefix(msg, "memory: usage "):
		p.again(usageLine)
	case strings.HasPrefix(msg, "[ pid ]"), strings.HasPrefix(msg, "[  pid  ]"):
		p.again(heading)
	}
	if r.Interleaved {
		return
	}
	switch {
	case strings.HasPrefix(msg, "["):
		r.tableLine(msg)
	case strings.HasPrefix(msg, "oom-kill:constraint="):
		r.summary(msg)
	case strings.HasPrefix(msg, "CPU: "), strings.HasPrefix(msg, "Pid: "):
		r.caller(msg)
	case strings.HasPrefix(msg, "Memory cgroup stats for "):
		r.stats = r.cgroupStats(strings.TrimPrefix(msg, "Memory cgroup stats for "))
	case strings.Contains(msg, " cpuset=") && strings.Contains(msg, " mems_allowed="):
		r.cpuset(msg)
	case !r.cgroup(msg):
		r.memory(msg)
	}
}

// cgroup reads which cgroup's limit was hit, and its counters.
func (e *Event) cgroup(msg string) bool {
	rest, ok := strings.CutPrefix(msg, "Task in ")
	if a, b, cut := strings.Cut(rest, " killed as a result of limit of "); ok && cut {
		e.TaskMemcg, e.OOMMemcg = a, b
		return true
	}
	for name, to := range map[string]*Usage{"memory": &e.Memory, "memory+swap": &e.MemSwap, "kmem": &e.Kmem, "swap": &e.Swap} {
		if rest, ok := strings.CutPrefix(msg, name+": usage "); ok {
			*to = Usage{kB("usage "+rest, "usage "), kB(rest, ", limit "), number(rest, ", failcnt ")}
			return true
		}
	}
	return false
}

// cpuset reads "hog cpuset=/ mems_allowed=0-1".
func (e *Event) cpuset(msg string) {
	rest, _ := after(msg, " cpuset=")
	at, nodes, _ := strings.Cut(rest, " mems_allowed=")
	if e.Cpuset != "" {
		return
	}
	e.Cpuset = at
	e.MemsAllowed, _, _ = strings.Cut(nodes, " ")
	e.bind()
}

// bind says which list of nodes bound the allocation: that of its memory policy
// before that of its cpuset.
func (e *Event) bind() {
	if e.Nodes = e.MemsAllowed; e.NodeMask != "" && e.NodeMask != "(null)" {
		e.Nodes = e.NodeMask
	}
}

// caller reads the line that says who asked: "CPU: 0 UID: 0 PID: 12 Comm: hog
// Not tainted 6.12.1 #1", and on old kernels "Pid: 12, comm: hog Not tainted
// 2.6.32 #1". Another CPU may have put a line of the same form in between.
func (e *Event) caller(msg string) {
	low := strings.ToLower(msg)
	at := strings.Index(low, "comm: ")
	if at < 0 || !strings.HasPrefix(msg[at+len("comm: "):], e.Invoker.Comm+" ") || e.Invoker.PID != Unset {
		return
	}
	e.Invoker.PID = number(low, "pid: ")
	if id := low[:at]; strings.Contains(id, "uid: ") {
		e.Invoker.UID = number(id, "uid: ")
	}
	_, rest, ok := strings.Cut(msg, "ainted")
	if !ok {
		return
	}
	for word := range strings.FieldsSeq(rest) {
		if word[0] >= '0' && word[0] <= '9' && strings.Contains(word, ".") {
			e.Release = word
			return
		}
	}
}

// summary reads "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,
// mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=hog,pid=12,uid=0". Paths and
// names may hold commas: the keys hold on to each other.
func (e *Event) summary(msg string) {
	rest := strings.TrimPrefix(msg, "oom-kill:constraint=")
	e.Summary = true
	e.Constraint, rest, _ = strings.Cut(rest, ",")
	e.Constraint = strings.TrimPrefix(e.Constraint, "CONSTRAINT_")
	if mask, ok := between(rest, "nodemask=", ",cpuset="); ok {
		e.NodeMask = mask
	}
	if allowed, ok := between(rest, ",mems_allowed=", ",oom_memcg=", ",global_oom", ",task_memcg="); ok {
		e.MemsAllowed = allowed
	}
	e.bind()
	if set, ok := between(rest, "cpuset=", ",mems_allowed="); ok {
		e.Cpuset = set
	}
	e.Global = strings.Contains(rest, ",global_oom,")
	if at, ok := between(rest, ",oom_memcg=", ",task_memcg="); ok {
		e.OOMMemcg = at
	}
	at, ok := between(rest, ",task_memcg=", ",task=")
	if !ok {
		return
	}
	e.TaskMemcg = at
	_, rest, _ = strings.Cut(rest, ",task_memcg="+at+",task=")
	if i, j := strings.LastIndex(rest, ",pid="), strings.LastIndex(rest, ",uid="); i >= 0 && j > i {
		e.Task.Comm, e.Task.PID, e.Task.UID = rest[:i], number(rest[i:], ",pid="), number(rest[j:], ",uid=")
	}
}
