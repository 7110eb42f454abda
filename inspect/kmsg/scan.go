package kmsg

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"time"
)

const (
	// maxLine is how much of a line is looked at; what is after it is lost.
	maxLine = 64 << 10
	// maxTasks and maxVictims bound what one report keeps.
	maxTasks   = 1 << 17
	maxVictims = 1 << 12
	// maxWaiting bounds the reports that wait for a line of the reaper.
	maxWaiting = 4
)

// Tally is what a scan has to say besides its reports.
type Tally struct {
	Refused int // lines that look like a kill, and are not the kernel's or not whole
}

// Scan reads a log to its end and hands each report that has a victim to yield,
// until that returns false. The event is valid until yield returns. A log that may be
// packed goes through Unpack first.
func Scan(r io.Reader, yield func(*Event) bool) (Tally, error) {
	in := bufio.NewReaderSize(r, maxLine)
	p := parser{yield: yield, at: Stamp{Uptime: -1}, fields: isFields(in), entry: newEntry()}
	for {
		line, err := in.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		p.torn = !long && err != nil
		if len(line) > 0 && !p.line(line) {
			return p.tally, nil
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if long && err == nil {
			continue
		}
		if err != nil {
			p.end()
		}
		if errors.Is(err, io.EOF) {
			return p.tally, nil
		}
		if err != nil {
			return p.tally, err
		}
	}
}

// parser goes through a log. Up to 4.1 two reports could be printed at once:
// then the one that began first is held until its victim is named.
type parser struct {
	yield   func(*Event) bool
	done    bool
	now     *report  // that lines belong to; nil if none
	held    *report  // begun before it, and without a victim yet
	waiting []*Event // whole, but a line of the reaper on their victims may follow

	lead   string // the start of a victim's line that a newline in a name, or the log's end, has cut
	cut    Victim // what is known of that one
	at     Stamp
	last   []byte    // the line that was read last
	minute time.Time // where dmesg -H has got to
	torn   bool      // the line that is read ends with the log, not with a newline
	took   bool      // it named a victim
	fields bool      // the log is a journal's, a field a line
	entry  entry
	tally  Tally
}

// report is an event that is still being printed.
type report struct {
	*Event
	body  bool // between its first line and its victim
	stats bool // in the list of a cgroup's statistics
	seen  once // of what a report has once
}

// once is a set of lines that a report has only once: if one comes again, there are
// two reports at a time.
type once uint8

const (
	taskIn once = 1 << iota
	usageLine
	heading
)

// interesting reports whether a line may be of use where no report is open: each
// message that opens or follows one has one of these.
func interesting(line []byte) bool {
	for _, mark := range [...]string{"oom", "OOM", "illed process", "ill process", `"MESSAGE":[`} {
		if bytes.Contains(line, []byte(mark)) {
			return true
		}
	}
	return false
}

// line takes one line; false ends the scan.
func (p *parser) line(raw []byte) bool {
	p.last = append(p.last[:0], raw[:min(len(raw), 200)]...)
	p.clock(raw)
	if p.fields {
		p.field(string(raw))
		return !p.done
	}
	if !p.open() && p.lead == "" && !interesting(raw) {
		return !p.done
	}
	p.took = false
	if msg, at, ok := p.prefix(raw); ok {
		p.text(msg, at)
	}
	if !p.took && p.lead == "" && looksLikeAKill(raw) {
		p.tally.Refused++
	}
	return !p.done
}

// open reports whether any report wants the lines that come.
func (p *parser) open() bool {
	return p.now != nil && p.now.body || p.held != nil
}

func (p *parser) prefix(raw []byte) (msg string, at Stamp, ok bool) {
	if msg, at, ok = fromJSON(raw); ok {
		return msg, at, true
	}
	if msg, at, ok = prefix(string(raw)); !ok {
		return "", at, false
	}
	if at.Text != "" && strings.HasPrefix(at.Text, "+") && !p.minute.IsZero() {
		at.Text = p.minute.Format("Jan_2 15:04")
	}
	if at.clock.IsZero() {
		at.clock = p.minute
	}
	return msg, at, true
}

// text takes what the kernel said, once what others put before it is off.
func (p *parser) text(msg string, at Stamp) {
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
}

func (p *parser) message(msg string, at Stamp) {
	p.route(at.caller)
	if p.lead != "" {
		whole := p.lead + "\n" + msg
		p.lead = ""
		if p.victim(whole, at) && p.lead == "" {
			return
		}
		p.lead = ""
		p.add(p.cut)
	}
	switch {
	case strings.HasPrefix(msg, "Out of memory and no killable processes"),
		strings.HasSuffix(msg, " is already exiting. Skip killing the task"):
		p.now = nil
	case p.invoked(msg, at), p.victim(msg, at), p.chosen(msg, at), p.reaped(msg), p.whole(msg), p.manual(msg, at), p.headless(msg, at):
	case p.now != nil && p.now.body && !p.torn:
		p.detail(msg)
	}
}

// route turns to the report that a line's caller has begun, where two are open.
func (p *parser) route(caller string) {
	if p.held != nil && p.now != nil && caller != "" && caller == p.held.Stamp.caller && caller != p.now.Stamp.caller {
		p.now, p.held = p.held, p.now
	}
}

// begin begins a report, and ends the one before.
func (p *parser) begin(at Stamp) *report {
	p.close()
	p.now = &report{Event: newEvent(at), body: true}
	return p.now
}

// close ends the reports that are open.
func (p *parser) close() {
	for _, r := range [...]*report{p.held, p.now} {
		if r != nil && (len(r.Victims) > 0 || r.announced(p.at)) {
			p.waiting = append(p.waiting, r.Event)
		}
	}
	p.now, p.held = nil, nil
	p.flush(maxWaiting)
}

// reapDelay is longer than the reaper takes: it waits 2 s since 5.18, and tries
// for another (mm/oom_kill.c, OOM_REAPER_DELAY and oom_reap_task).
const reapDelay = 10 * time.Second

// flush passes on the reports that wait, the oldest first, down to a number.
func (p *parser) flush(keep int) {
	for len(p.waiting) > 0 {
		e := p.waiting[0]
		if !e.past(&p.at) && len(p.waiting) <= keep {
			return
		}
		p.waiting = p.waiting[1:]
		if !p.done {
			p.done = !p.yield(e)
		}
	}
}

// past reports whether the reaper had its time with all victims, and notes for which
// of them its line would be there by now.
func (e *Event) past(now *Stamp) bool {
	all := true
	for i := range e.Victims {
		v := &e.Victims[i]
		d, ok := now.since(&v.Stamp)
		v.Unreaped = ok && d >= reapDelay && !v.Reaped
		all = all && ok && d >= reapDelay
	}
	return all
}

// end finishes a log.
func (p *parser) end() {
	if p.fields {
		p.entryEnds()
	}
	if p.lead != "" {
		p.cut.Torn = true
		p.add(p.cut)
		p.lead = ""
	}
	if _, at, ok := p.prefix(p.last); ok && at.Text != "" {
		p.at = at
	}
	p.close()
	p.flush(0)
}

// announced makes a victim of the process that a report names if it ends before it says
// who was killed.
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

// looksLikeAKill reports whether a line has "Killed process 12 (" somewhere.
func looksLikeAKill(raw []byte) bool {
	const mark = "Killed process "
	i := bytes.Index(raw, []byte(mark))
	if i < 0 {
		return false
	}
	rest := raw[i+len(mark):]
	n := len(rest) - len(bytes.TrimLeft(rest, "0123456789"))
	return n > 0 && (bytes.HasPrefix(rest[n:], []byte(" (")) || bytes.HasPrefix(rest[n:], []byte(", UID ")))
}
