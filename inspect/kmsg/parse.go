package kmsg

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
)

const (
	// maxLine is how much of a line is looked at; what is behind it is lost.
	maxLine = 64 << 10
	// maxTasks and maxVictims bound what one report keeps.
	maxTasks   = 1 << 17
	maxVictims = 1 << 12
)

// Scan reads a log to its end and hands each report that has a victim to yield,
// until that returns false. The event is valid until yield returns.
func Scan(r io.Reader, yield func(*Event) bool) error {
	in := bufio.NewReaderSize(r, maxLine)
	p := parser{yield: yield, at: Stamp{Uptime: -1}}
	for {
		line, err := in.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		if len(line) > 0 && !p.line(line) {
			return nil
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if long && err == nil {
			continue
		}
		if err == io.EOF {
			if p.lead != "" {
				p.add(p.cut, p.cut.Stamp)
			}
			p.close()
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// parser goes through a log with at most one event open.
type parser struct {
	yield func(*Event) bool
	done  bool
	e     *Event
	body  bool   // between the first line of a report and its victim
	stats bool   // in the list of a cgroup's statistics
	lead  string // the start of a victim's line that a newline in a name, or the log's end, has cut
	cut   Victim // what is known of that one
	at    Stamp
}

// interesting tells whether a line may be of use where no report is open: each
// message that opens or follows one has one of these.
func interesting(line []byte) bool {
	for _, mark := range [...]string{"oom", "OOM", "illed process", "ill process"} {
		if bytes.Contains(line, []byte(mark)) {
			return true
		}
	}
	return false
}

// line takes one line; false ends the scan.
func (p *parser) line(raw []byte) bool {
	if !p.body && p.lead == "" && !interesting(raw) {
		return !p.done
	}
	msg, at, ok := prefix(string(raw))
	if !ok {
		return !p.done
	}
	if at.Text == "" {
		at = p.at // a further line of a message
	}
	p.at = at
	msg = strings.ReplaceAll(msg, "#012", "\n") // as rsyslog writes a newline within a message
	for m := range strings.SplitSeq(msg, "\n") {
		if m != "" || p.lead != "" {
			p.message(m, at)
		}
	}
	return !p.done
}

func (p *parser) message(msg string, at Stamp) {
	if p.lead != "" {
		whole := p.lead + "\n" + msg
		p.lead = ""
		if p.victim(whole, at) && p.lead == "" {
			return
		}
		p.lead = ""
		p.add(p.cut, p.cut.Stamp)
	}
	switch {
	case strings.HasPrefix(msg, "Out of memory and no killable processes"), strings.HasSuffix(msg, " is already exiting. Skip killing the task"):
		p.e, p.body, p.stats = nil, false, false
	case p.invoked(msg, at), p.victim(msg, at), p.chosen(msg, at), p.reaped(msg), p.whole(msg), p.manual(msg, at):
	case p.e != nil && p.body:
		p.detail(msg)
	}
}

// open begins a report, and ends the one before.
func (p *parser) open(at Stamp) {
	p.close()
	p.e, p.body, p.stats = newEvent(at), true, false
}

// close hands on the report that is open, if somebody died.
func (p *parser) close() {
	e := p.e
	p.e, p.body, p.stats = nil, false, false
	if e == nil || p.done {
		return
	}
	if len(e.Victims) == 0 && !e.announced(p.at) {
		return
	}
	p.done = !p.yield(e)
}

// announced makes a victim of whom a report names that ends before it says who
// was killed.
func (e *Event) announced(at Stamp) bool {
	v := e.Task
	if e.Chosen != nil {
		v = *e.Chosen
	}
	if v.PID <= 0 {
		return false
	}
	v.Stamp, v.Named = at, true
	v.Memcg = v.Memcg || e.Constraint == "MEMCG"
	e.Victims = append(e.Victims, v)
	return true
}

// maxComm is how long a name can be, each byte escaped.
const maxComm = 15 * 4

// invoked reads "hog invoked oom-killer: gfp_mask=0x..., order=0, oom_score_adj=0".
func (p *parser) invoked(msg string, at Stamp) bool {
	comm, rest, ok := strings.Cut(msg, " invoked oom-killer: gfp_mask=0x")
	if !ok || len(comm) > maxComm {
		return false
	}
	manual := p.e != nil && p.e.Manual && !p.e.Invoked && len(p.e.Victims) == 0
	p.open(at)
	e := p.e
	e.Invoked, e.Manual, e.Invoker.Comm = true, manual, comm
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789abcdef"))
	if n, err := strconv.ParseUint(rest[:digits], 16, 64); err == nil {
		e.GFP, e.HasGFP = n, true
	}
	if names, ok := strings.CutPrefix(rest[digits:], "("); ok {
		e.GFPNames, _, _ = strings.Cut(names, ")")
	}
	if n, ok := signed(rest, "order="); ok {
		e.Order = n
		e.Manual = e.Manual || n == -1
	}
	e.Invoker.Adj, e.Invoker.HasAdj = signed(rest, "oom_score_adj=")
	return true
}

// manual reads the line of sysrq f, which comes before the report.
func (p *parser) manual(msg string, at Stamp) bool {
	text := strings.ToLower(msg)
	if !strings.HasPrefix(text, "sysrq") || !strings.HasSuffix(text, "manual oom execution") {
		return false
	}
	p.open(at)
	p.e.Manual = true
	return true
}

// after returns what follows key in s.
func after(s, key string) (string, bool) {
	_, rest, ok := strings.Cut(s, key)
	return rest, ok
}

// signed reads the number behind key.
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

// killed splits a victim's line into what stands before "Killed process" and
// behind it.
func killed(msg string) (lead, rest string, ok bool) {
	lead, rest, ok = strings.Cut(msg, "Killed process ")
	return lead, rest, ok && (lead == "" || isLead(lead))
}

// isLead tells what the kernel begins a victim's line with, as a whole.
func isLead(lead string) bool {
	for _, what := range [...]string{"Out of memory", "Memory cgroup out of memory", "No available memory"} {
		rest, ok := strings.CutPrefix(lead, what)
		if ok && (rest == ": " || strings.HasPrefix(rest, " (") && strings.HasSuffix(rest, "): ") && !strings.Contains(rest[2:len(rest)-3], ":")) {
			return true
		}
	}
	return false
}

// victim reads "Killed process 12 (hog) total-vm:1kB, anon-rss:1kB, ..." in all
// of its forms; vendors have the UID before or behind the name.
func (p *parser) victim(msg string, at Stamp) bool {
	lead, rest, ok := killed(msg)
	if !ok {
		return false
	}
	v := newVictim()
	v.Stamp = at
	if v.PID, ok = leading(rest); !ok || v.PID <= 0 {
		return false
	}
	comm, sizes, state := named(rest)
	switch state {
	case noName:
		return false
	case openName: // a newline in the name, or the end of the log
		if len(rest) > maxComm+40 || strings.Count(msg, "\n") > 15 {
			return false
		}
		_, v.Comm, _ = strings.Cut(rest, "(")
		p.lead, p.cut = msg, v
		return true
	}
	v.Comm = comm
	v.UID = max(number(rest, ", UID "), number(sizes, "UID:"))
	v.TotalVM = max(number(sizes, "total-vm:"), number(sizes, "vsz:"))
	v.Anon, v.File, v.Shmem = number(sizes, "anon-rss:"), number(sizes, "file-rss:"), number(sizes, "shmem-rss:")
	v.Tables = number(sizes, "pgtables:")
	v.Adj, v.HasAdj = signed(sizes, "oom_score_adj:")
	v.Memcg = strings.HasPrefix(lead, "Memory cgroup")
	v.AllocatingTask = strings.Contains(lead, "allocating_task")
	p.add(v, at)
	return true
}

type nameState uint8

const (
	noName nameState = iota
	openName
	wholeName
)

// named finds the name in parentheses behind a PID. It may hold parentheses of
// its own: it ends before what only the kernel writes there.
func named(rest string) (comm, sizes string, state nameState) {
	_, tail, ok := strings.Cut(rest, " ")
	if strings.HasPrefix(rest[digits(rest):], ", UID ") { // UID before the name
		_, tail, ok = strings.Cut(rest, ", (")
		tail = "(" + tail
	}
	if !ok || !strings.HasPrefix(tail, "(") {
		return "", "", noName
	}
	for _, end := range [...]string{") total-vm:", "), UID ", ") vsz:", ") score ", ") sharing same memory", "), now anon-rss:", ")"} {
		i := strings.LastIndex(tail, end)
		if i < 0 || end == ")" && i != len(tail)-1 {
			continue
		}
		return tail[1:i], tail[i+1:], wholeName
	}
	return "", "", openName
}

func digits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }

// add notes a victim: of the report that is open, or of one whose first lines
// are lost. The kernel prints the report before its victim, and the whole of a
// cgroup after it.
func (p *parser) add(v Victim, at Stamp) {
	if p.e == nil || len(p.e.Victims) > 0 && p.e.Whole == "" && !p.follows(&v) {
		p.open(at)
	}
	p.body, p.stats = false, false
	e := p.e
	for i := range e.Victims {
		if e.Victims[i].PID == v.PID {
			return // told again with the whole cgroup
		}
	}
	if c := e.Chosen; c != nil {
		v.Memcg, v.AllocatingTask = v.Memcg || c.Memcg, v.AllocatingTask || c.AllocatingTask
		if c.PID == v.PID {
			v.Score = c.Score
		}
	}
	if len(e.Victims) < maxVictims {
		e.Victims = append(e.Victims, v)
	}
}

// follows tells whether a further victim belongs to the report that has one
// already: one that shares its memory.
func (p *parser) follows(v *Victim) bool { return v.Sharing }

// chosen reads "Out of memory: Kill process 12 (hog) score 900 or sacrifice
// child", and the line of those who share the victim's memory.
func (p *parser) chosen(msg string, at Stamp) bool {
	lead, rest, ok := strings.Cut(msg, "ill process ")
	if !ok || !strings.HasSuffix(lead, "K") && !strings.HasSuffix(lead, "k") {
		return false
	}
	lead = lead[:len(lead)-1]
	if lead != "" && !isLead(lead) {
		return false
	}
	v := newVictim()
	v.Stamp = at
	if v.PID, ok = leading(rest); !ok || v.PID <= 0 {
		return false
	}
	comm, tail, state := named(rest)
	if state != wholeName {
		return false
	}
	v.Comm = comm
	if strings.HasPrefix(tail, " sharing same memory") && lead == "" {
		v.Sharing = true
		p.add(v, at)
		return true
	}
	if lead == "" || !strings.HasPrefix(tail, " score ") {
		return false
	}
	v.Score, v.Memcg = number(tail, " score "), strings.HasPrefix(lead, "Memory")
	v.AllocatingTask = strings.Contains(lead, "allocating_task")
	if p.e == nil || len(p.e.Victims) > 0 {
		p.open(at)
	}
	p.e.Chosen = &v
	if strings.Contains(lead, "MPOL_BIND") { // 2.6.32
		p.e.Constraint = "MEMORY_POLICY"
	}
	return true
}

// reaped reads "oom_reaper: reaped process 12 (hog), now anon-rss:0kB, ...".
func (p *parser) reaped(msg string) bool {
	rest, ok := strings.CutPrefix(msg, "oom_reaper: reaped process ")
	if !ok || p.e == nil {
		return ok
	}
	pid, _ := leading(rest)
	for i := range p.e.Victims {
		if v := &p.e.Victims[i]; v.PID == pid {
			_, sizes, _ := named(rest)
			v.Reaped = true
			v.ReapedAnon, v.ReapedFile, v.ReapedShmem = number(sizes, "anon-rss:"), number(sizes, "file-rss:"), number(sizes, "shmem-rss:")
		}
	}
	return true
}

// whole reads "Tasks in /app are going to be killed due to memory.oom.group set".
func (p *parser) whole(msg string) bool {
	rest, ok := strings.CutPrefix(msg, "Tasks in ")
	if !ok || p.e == nil {
		return false
	}
	at, ok := strings.CutSuffix(rest, " are going to be killed due to memory.oom.group set")
	if ok {
		p.e.Whole = at
	}
	return ok
}

// detail reads a line between the first of a report and its victim.
func (p *parser) detail(msg string) {
	e := p.e
	msg = strings.TrimLeft(msg, " ") // journalctl and dmesg indent the further lines of a message
	if p.stats {
		if e.stat(msg) {
			return
		}
		p.stats = false
	}
	switch {
	case strings.HasPrefix(msg, "["):
		e.tableLine(msg)
	case strings.HasPrefix(msg, "oom-kill:constraint="):
		e.summary(msg)
	case strings.HasPrefix(msg, "CPU: "), strings.HasPrefix(msg, "Pid: "):
		e.caller(msg)
	case strings.HasPrefix(msg, "Task in ") && strings.Contains(msg, " killed as a result of limit of "):
		a, b, _ := strings.Cut(strings.TrimPrefix(msg, "Task in "), " killed as a result of limit of ")
		e.TaskMemcg, e.OOMMemcg = a, b
	case strings.HasPrefix(msg, "Memory cgroup stats for "):
		p.stats = e.stats(strings.TrimPrefix(msg, "Memory cgroup stats for "))
	case strings.HasPrefix(msg, "memory: usage "):
		e.Memory = usage(msg)
	case strings.HasPrefix(msg, "memory+swap: usage "):
		e.MemSwap = usage(msg)
	case strings.HasPrefix(msg, "swap: usage "):
		e.Swap = usage(msg)
	case strings.Contains(msg, " cpuset=") && strings.Contains(msg, " mems_allowed="):
		e.cpuset(msg)
	default:
		e.memory(msg)
	}
}

func usage(msg string) Usage {
	return Usage{number(msg, "usage "), number(msg, "limit "), number(msg, "failcnt ")}
}

// cpuset reads "hog cpuset=/ mems_allowed=0-1".
func (e *Event) cpuset(msg string) {
	rest, _ := after(msg, " cpuset=")
	at, nodes, _ := strings.Cut(rest, " mems_allowed=")
	if e.Cpuset == "" {
		e.Cpuset = at
	}
	if e.Nodes == "" {
		e.Nodes, _, _ = strings.Cut(nodes, " ")
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
	if mask, ok := between(rest, "nodemask=", ",cpuset="); ok && mask != "(null)" {
		e.Nodes = mask
	} else if allowed, ok := between(rest, ",mems_allowed=", ",oom_memcg=", ",global_oom", ",task_memcg="); ok {
		e.Nodes = allowed
	}
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

// between returns what stands between from and the first of to.
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
