package kmsg

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// prefix takes off what was put before the kernel's message, and says when that
// was. ok is false for lines that are not the kernel's.
//
// The forms: records of /dev/kmsg; dmesg as it is, with -x, -r, -T, -e, -d and
// --time-format iso; journalctl in its short forms; syslog daemons, with a time
// of their own before the kernel's; consoles, with the caller's ID.
func prefix(line string) (msg string, s Stamp, ok bool) {
	s.Uptime = -1
	line = plain(strings.TrimRight(line, "\r\n"))
	if msg, s, ok := record(line); ok {
		return msg, s, s.Text != ""
	}
	if line, ok = priority(line); !ok {
		return "", s, false
	}
	if line, ok = facility(line); !ok {
		return "", s, false
	}
	line = brackets(line, &s)
	rest, dated := wall(line, &s)
	if line, ok = tag(rest, dated && !strings.Contains(s.Text, ",")); !ok {
		return "", s, false
	}
	line = brackets(line, &s)
	line, s.caller = caller(line)
	return line, s, true
}

// record reads "6,1234,5678901,-;text" (Documentation/ABI/testing/dev-kmsg).
// Other facilities than the kernel's give no stamp.
func record(line string) (msg string, s Stamp, ok bool) {
	head, msg, ok := strings.Cut(line, ";")
	f := strings.SplitN(head, ",", 5)
	if !ok || len(f) < 4 || len(head) > 100 {
		return "", s, false
	}
	level, err1 := strconv.ParseUint(f[0], 10, 32)
	_, err2 := strconv.ParseUint(f[1], 10, 64)
	usec, err3 := strconv.ParseInt(f[2], 10, 62)
	if err1 != nil || err2 != nil || err3 != nil {
		return "", s, false
	}
	s.Uptime = -1
	if level>>3 == 0 && usec < 1<<53 {
		s.Uptime = time.Duration(usec) * time.Microsecond
		s.Text = strconv.FormatFloat(s.Uptime.Seconds(), 'f', 6, 64)
		if len(f) == 5 {
			_, s.caller, _ = strings.Cut(f[4], "caller=")
		}
	}
	return unescape(msg), s, true
}

// unescape undoes \xNN, by which the kernel keeps records one line each.
func unescape(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				out = append(out, byte(n))
				i += 3
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// priority takes off "<4>", and RFC 5424's version after it. Facilities other
// than the kernel's are others' lines.
func priority(line string) (string, bool) {
	rest, ok := strings.CutPrefix(line, "<")
	if !ok {
		return line, true
	}
	number, rest, ok := strings.Cut(rest, ">")
	n, err := strconv.ParseUint(number, 10, 16)
	if !ok || err != nil {
		return line, true
	}
	return strings.TrimPrefix(rest, "1 "), n>>3 == 0
}

// facility takes off what dmesg -x writes: "kern  :warn  : ".
func facility(line string) (string, bool) {
	name, rest, ok := strings.Cut(line, ":")
	if !ok || len(name) > 8 {
		return line, true
	}
	level, rest, ok := strings.Cut(rest, ":")
	if !ok || len(level) != 6 {
		return line, true
	}
	switch strings.TrimRight(level, " ") {
	case "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug":
		return strings.TrimPrefix(rest, " "), strings.TrimRight(name, " ") == "kern"
	}
	return line, true
}

// brackets takes off "[12345.678901] " and dmesg's other times in brackets.
func brackets(line string, s *Stamp) string {
	for strings.HasPrefix(line, "[") {
		inside, rest, ok := strings.Cut(line[1:], "]")
		if !ok || !bracket(strings.TrimSpace(inside), s) {
			return line
		}
		line = strings.TrimPrefix(rest, " ")
	}
	return line
}

// bracket reads what is in them. A number without a point is a PID of the
// task table, or a caller.
func bracket(text string, s *Stamp) bool {
	number, more, _ := strings.Cut(text, " ")
	if sec, err := strconv.ParseFloat(number, 64); err == nil && strings.Contains(number, ".") &&
		(more == "" || strings.HasPrefix(strings.TrimSpace(more), "<")) {
		if sec >= 0 && sec < 1e9 && number[0] != '+' {
			s.Uptime = time.Duration(sec * float64(time.Second)).Round(time.Microsecond)
		}
		s.note(text)
		return true
	}
	words := strings.Fields(text)
	if t, err := time.Parse("Mon Jan 2 15:04:05 2006", strings.Join(words, " ")); err == nil {
		s.Wall = t
		s.note(text)
		return true
	}
	// dmesg -T names days and months as the locale does.
	if n := len(words); n == 5 && isDay(words[2]) && isClock(words[3]) && isYear(words[4]) {
		s.note(text)
		return true
	}
	if _, ok := minuteOf(text); ok {
		s.note(text)
		return true
	}
	return false
}

// minuteOf reads "Nov24 10:20" of dmesg -H.
func minuteOf(text string) (time.Time, bool) {
	if len(text) < 10 || len(text) > 12 || text[0] < 'A' || text[0] > 'Z' {
		return time.Time{}, false
	}
	for _, layout := range [...]string{"Jan_2 15:04", "Jan2 15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// clock follows dmesg -H, which gives the minute once and then how much later
// than the line before each one is: lines that are useless count as well.
func (p *parser) clock(raw []byte) {
	if len(raw) < 8 || raw[0] != '[' {
		return
	}
	end := bytes.IndexByte(raw[:min(len(raw), 20)], ']')
	if end < 0 {
		return
	}
	inside := bytes.TrimSpace(raw[1:end])
	if len(inside) == 0 || inside[0] != '+' && (inside[0] < 'A' || inside[0] > 'Z') {
		return
	}
	if t, ok := minuteOf(string(inside)); ok {
		p.minute = t
	} else if sec, err := strconv.ParseFloat(string(inside), 64); err == nil && !p.minute.IsZero() && sec < 1e6 {
		p.minute = p.minute.Add(time.Duration(sec * float64(time.Second)))
	}
}

func (s *Stamp) note(text string) {
	if s.Text == "" {
		s.Text = text
	}
}

// plain takes off the colours that dmesg -L paints.
func plain(line string) string {
	if !strings.Contains(line, "\x1b[") {
		return line
	}
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(line, "\x1b[")
		b.WriteString(before)
		end := strings.IndexFunc(after, func(r rune) bool { return r != ';' && (r < '0' || r > '9') })
		if !ok {
			return b.String()
		}
		if end < 0 || after[end] != 'm' {
			b.WriteString("\x1b[") // none of dmesg's
			line = after
			continue
		}
		line = after[end+1:]
	}
}

// caller takes off who printed it, under CONFIG_PRINTK_CALLER: [ T123] or [ C0].
func caller(line string) (rest, who string) {
	if !strings.HasPrefix(line, "[") {
		return line, ""
	}
	inside, rest, ok := strings.Cut(line[1:], "]")
	inside = strings.TrimSpace(inside)
	if !ok || len(inside) < 2 || inside[0] != 'T' && inside[0] != 'C' {
		return line, ""
	}
	if _, err := strconv.ParseUint(inside[1:], 10, 32); err != nil {
		return line, ""
	}
	return strings.TrimPrefix(rest, " "), inside
}
