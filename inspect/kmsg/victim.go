package kmsg

import "strings"

// The lines that name a victim: who was chosen, who was killed, what the reaper
// made of it, and with which cgroup.

const (
	// maxComm is how long a name can be (TASK_COMM_LEN without its end), maxEscaped
	// with each of its bytes escaped.
	maxComm    = 15
	maxEscaped = maxComm * 4
)

// killed splits a victim's line into what is before "Killed process" and
// after it.
func killed(msg string) (lead, rest string, ok bool) {
	lead, rest, ok = strings.Cut(msg, "Killed process ")
	return lead, rest, ok && (lead == "" || isLead(lead))
}

// isLead reports whether a text is what the kernel begins a victim's line with, as a whole.
func isLead(lead string) bool {
	for _, what := range [...]string{"Out of memory", "Memory cgroup out of memory", "No available memory"} {
		rest, ok := strings.CutPrefix(lead, what)
		if ok && (rest == ": " || strings.HasPrefix(rest, " (") && strings.HasSuffix(rest, "): ") &&
			!strings.Contains(rest[2:len(rest)-3], ":")) {
			return true
		}
	}
	return false
}

// victim reads "Killed process 12 (hog) total-vm:1kB, anon-rss:1kB, ..." in all
// of its forms; vendors have the UID before or after the name.
func (p *parser) victim(msg string, at Stamp) bool {
	lead, rest, ok := killed(msg)
	if !ok {
		return false
	}
	v := newVictim()
	v.Stamp, v.Torn, v.Lead = at, p.torn, lead != ""
	v.Memcg = strings.HasPrefix(lead, "Memory cgroup")
	v.AllocatingTask = strings.Contains(lead, "allocating_task")
	if v.PID, ok = leading(rest); !ok || v.PID <= 0 {
		return false
	}
	comm, sizes, state := named(rest)
	if state == openName && p.torn {
		comm, state = tornName(rest)
	}
	switch state {
	case noName:
		return false
	case openName: // a newline in the name, or the end of the log
		if len(rest) > maxEscaped+40 || strings.Count(msg, "\n") > maxComm {
			return false
		}
		_, v.Comm, _ = strings.Cut(rest, "(")
		v.Comm, v.Cut = v.Comm[:min(len(v.Comm), maxComm)], true
		p.lead, p.cut = msg, v
		return true
	}
	v.Comm = comm
	v.sizes(rest, sizes, p.torn)
	p.add(v)
	return true
}

// sizes reads what a victim's line says of its memory. A size without its unit
// is cut, and so is a number that the log ends in.
func (v *Victim) sizes(rest, sizes string, torn bool) {
	v.UID = max(bounded(rest, ", UID ", torn), bounded(sizes, "UID:", torn))
	v.TotalVM = max(kB(sizes, "total-vm:"), kB(sizes, "vsz:"))
	v.Anon, v.File, v.Shmem = kB(sizes, "anon-rss:"), kB(sizes, "file-rss:"), kB(sizes, "shmem-rss:")
	v.Tables = kB(sizes, "pgtables:")
	if adj, ok := signed(sizes, "oom_score_adj:"); ok && (!torn || !strings.HasSuffix(sizes, trailing(sizes, "oom_score_adj:"))) {
		v.Adj, v.HasAdj = adj, true
	}
}

// bounded is number for one that nothing marks the end of: where the log ends
// in it, it may go on.
func bounded(s, key string, torn bool) int64 {
	if torn && strings.HasSuffix(s, trailing(s, key)) {
		return Unset
	}
	return number(s, key)
}

// trailing returns key and the number after it.
func trailing(s, key string) string {
	rest, ok := after(s, key)
	if !ok {
		return "\n" // nothing ends so
	}
	return key + rest[:len(rest)-len(strings.TrimLeft(rest, "-0123456789"))]
}

type nameState uint8

const (
	noName nameState = iota
	openName
	wholeName
)

// endings are what only the kernel writes after a name.
func endings() []string {
	return []string{") total-vm:", "), UID ", ") vsz:", ") score ", ") sharing same memory", "), now anon-rss:", ")"}
}

// named finds the name in parentheses after a PID. It may hold parentheses of
// its own: it ends before what only the kernel writes there.
func named(rest string) (comm, sizes string, state nameState) {
	tail, ok := opened(rest)
	if !ok {
		return "", "", noName
	}
	for _, end := range endings() {
		i := strings.LastIndex(tail, end)
		if i < 0 || end == ")" && i != len(tail)-1 {
			continue
		}
		if !isName(tail[1:i]) {
			return "", "", noName
		}
		return tail[1:i], tail[i+1:], wholeName
	}
	return "", "", openName
}

// opened returns what is after a PID from the parenthesis on that opens the name.
func opened(rest string) (tail string, ok bool) {
	if strings.HasPrefix(rest[digits(rest):], ", UID ") { // UID before the name
		_, tail, ok = strings.Cut(rest, ", (")
		return "(" + tail, ok
	}
	_, tail, ok = strings.Cut(rest, " ")
	return tail, ok && strings.HasPrefix(tail, "(")
}

// isName reports whether a text could be a process's name, escaped or not.
func isName(s string) bool {
	n := len(s)
	for i := 0; i+3 < len(s); i++ { // \x1b and #033 are a byte each
		if s[i] == '\\' && s[i+1] == 'x' || s[i] == '#' && s[i+1] == '0' {
			n -= 3
		}
	}
	return n <= maxComm
}

// tornName finds the name where the log ends in what follows it: ") total-v".
func tornName(rest string) (comm string, state nameState) {
	tail, ok := opened(rest)
	if !ok {
		return "", noName
	}
	i := strings.LastIndex(tail, ")")
	if i < 0 {
		return "", openName
	}
	for _, end := range endings() {
		if strings.HasPrefix(end, tail[i:]) && isName(tail[1:i]) {
			return tail[1:i], wholeName
		}
	}
	return "", openName
}

func digits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }

// add notes a victim: of the report that is open, or of one whose first lines
// are lost. The kernel prints the report before its victim, and the whole of a
// cgroup after it.
func (p *parser) add(v Victim) {
	p.took = true
	p.pick(&v)
	if p.now == nil || len(p.now.Victims) > 0 && !p.now.follows(&v) {
		p.begin(v.Stamp)
	}
	r := p.now
	r.body, r.stats = false, false
	for i := range r.Victims {
		if r.Victims[i].PID == v.PID { // printed again with the whole cgroup
			r.until = v.Stamp
			return
		}
	}
	if c := r.Chosen; c != nil && len(r.Victims) == 0 {
		v.Memcg, v.AllocatingTask = v.Memcg || c.Memcg, v.AllocatingTask || c.AllocatingTask
		if c.PID == v.PID {
			v.Score = c.Score
		}
	}
	r.complete(&v)
	r.until = v.Stamp
	if len(r.Victims) < maxVictims {
		r.Victims = append(r.Victims, v)
	}
}

// complete takes the name that a cut line has only the start of from elsewhere
// in the report.
func (e *Event) complete(v *Victim) {
	if !v.Cut {
		return
	}
	for _, known := range [...]*Victim{e.Chosen, &e.Task} {
		if known != nil && known.PID == v.PID {
			v.Comm, v.Cut = known.Comm, false
			return
		}
	}
	if t := e.Row(v.PID); t != nil {
		v.Comm, v.Cut = t.Comm, false
	}
}

// pick turns to the report that a victim belongs to, where two are open: the one
// that chose it, or whose table has it.
func (p *parser) pick(v *Victim) {
	if p.held == nil || p.now == nil || len(p.held.Victims) > 0 || v.Sharing {
		return
	}
	mine, its := p.now.knows(v), p.held.knows(v)
	if its > mine || len(p.now.Victims) > 0 && (its > 0 || p.held.Interleaved) {
		p.now, p.held = p.held, p.now
	}
}

// knows reports whether a report names a victim before its own line, and how surely.
func (e *Event) knows(v *Victim) int {
	switch {
	case len(e.Victims) > 0:
		return 0
	case e.Chosen != nil && e.Chosen.PID == v.PID:
		return 3
	case e.Chosen != nil && e.Chosen.Comm == v.Comm: // the number is a thread's
		return 2
	case e.Chosen != nil:
		return 0
	case e.Row(v.PID) != nil:
		return 1
	}
	return 0
}

// mix notes that lines of two reports alternate: what was read is either's.
func (p *parser) mix() {
	release := p.now.Release // it is one kernel that writes both
	if release == "" {
		release = p.held.Release
	}
	for _, r := range [...]*report{p.held, p.now} {
		r.Event = newEvent(r.Stamp)
		r.Interleaved, r.Release = true, release
	}
}

// maxGap is how long after each other the processes of a cgroup are killed: one
// right after the other.
const maxGap = 1.0

// follows reports whether a further victim belongs to the report that has one
// already: one that shares its memory, or one of a cgroup that is killed whole.
func (e *Event) follows(v *Victim) bool {
	if v.Sharing {
		return true
	}
	first := &e.Victims[0]
	if e.Whole == "" || v.Lead != first.Lead || v.Lead && v.Memcg != first.Memcg {
		return false
	}
	d, ok := v.Stamp.since(&e.until)
	return ok && d.Seconds() >= 0 && d.Seconds() <= maxGap || !ok && v.Stamp.Text == e.until.Text
}

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
		p.add(v)
		return true
	}
	if lead == "" || !strings.HasPrefix(tail, " score ") {
		return false
	}
	v.Score, v.Memcg = bounded(tail, " score ", p.torn), strings.HasPrefix(lead, "Memory")
	v.AllocatingTask = strings.Contains(lead, "allocating_task")
	p.choose(&v, lead)
	return true
}

// choose notes whom the points chose.
func (p *parser) choose(v *Victim, lead string) {
	p.took = true
	p.pick(v)
	if p.held != nil && p.now != nil && p.now.Chosen != nil && len(p.now.Victims) == 0 && p.held.Chosen == nil {
		p.now, p.held = p.held, p.now
	}
	if p.now == nil || len(p.now.Victims) > 0 {
		p.begin(v.Stamp)
	}
	p.now.Chosen = v
	if strings.Contains(lead, "MPOL_BIND") { // 2.6.32
		p.now.Constraint = "MEMORY_POLICY"
	}
}

// reaped reads what the reaper made of a victim: "oom_reaper: reaped process 12
// (hog), now anon-rss:0kB, ..." and "oom_reaper: unable to reap pid:12 (hog)".
func (p *parser) reaped(msg string) bool {
	rest, ok := strings.CutPrefix(msg, "oom_reaper: ")
	if !ok {
		return false
	}
	if done, ok := strings.CutPrefix(rest, "reaped process "); ok {
		if v := p.find(done); v != nil {
			_, sizes, _ := named(done)
			v.Reaped, v.Failed = true, false
			v.ReapedAnon, v.ReapedFile, v.ReapedShmem = kB(sizes, "anon-rss:"), kB(sizes, "file-rss:"), kB(sizes, "shmem-rss:")
		}
	} else if failed, ok := strings.CutPrefix(rest, "unable to reap pid:"); ok {
		if v := p.find(failed); v != nil {
			v.Failed = true
		}
	}
	return true
}

// find returns the latest victim whose PID a text begins with; nil if it is not known.
func (p *parser) find(text string) *Victim {
	pid, ok := leading(text)
	if !ok {
		return nil
	}
	list := p.waiting
	for _, r := range [...]*report{p.held, p.now} {
		if r != nil {
			list = append(list[:len(list):len(list)], r.Event)
		}
	}
	for n := len(list) - 1; n >= 0; n-- {
		for i := range list[n].Victims {
			if v := &list[n].Victims[i]; v.PID == pid {
				return v
			}
		}
	}
	return nil
}

// whole reads "Tasks in /app are going to be killed due to memory.oom.group set".
// A second such line is of the next kill, whose own report was dropped: the
// victim before it was that one's first.
func (p *parser) whole(msg string) bool {
	rest, ok := strings.CutPrefix(msg, "Tasks in ")
	if !ok || p.now == nil {
		return false
	}
	at, ok := strings.CutSuffix(rest, " are going to be killed due to memory.oom.group set")
	if !ok {
		return false
	}
	e := p.now
	if n := len(e.Victims); e.Whole != "" && n > 1 {
		first := e.Victims[n-1]
		e.Victims = e.Victims[:n-1]
		p.begin(first.Stamp)
		p.now.body = false
		p.now.Victims, p.now.until = append(p.now.Victims, first), first.Stamp
	}
	p.now.Whole = at
	return true
}
