package kmsg

import (
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
	return caller(line), s, true
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

// priority takes off "<4>", and RFC 5424's version behind it. Facilities other
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

// bracket reads what stands in them. A number without a point is a PID of the
// task table, or a caller.
func bracket(text string, s *Stamp) bool {
	number, more, _ := strings.Cut(text, " ")
	if sec, err := strconv.ParseFloat(number, 64); err == nil && strings.Contains(number, ".") && (more == "" || strings.HasPrefix(strings.TrimSpace(more), "<")) {
		if sec >= 0 && sec < 1e9 && number[0] != '+' {
			s.Uptime = time.Duration(sec * float64(time.Second)).Round(time.Microsecond)
		}
		s.note(text)
		return true
	}
	for _, layout := range [...]string{"Mon Jan _2 15:04:05 2006", "Mon Jan 2 15:04:05 2006"} {
		if t, err := time.Parse(layout, strings.Join(strings.Fields(text), " ")); err == nil {
			s.Wall = t
			s.note(text)
			return true
		}
	}
	if len(text) >= 5 && len(text) <= 12 && text[0] >= 'A' && text[0] <= 'Z' { // [Nov24 10:20]
		if _, err := time.Parse("Jan_2 15:04", text); err == nil {
			s.note(text)
			return true
		}
		if _, err := time.Parse("Jan2 15:04", text); err == nil {
			s.note(text)
			return true
		}
	}
	return false
}

func (s *Stamp) note(text string) {
	if s.Text == "" {
		s.Text = text
	}
}

// wall reads a date and time before the host's name.
func wall(line string, s *Stamp) (rest string, ok bool) {
	if len(line) < 15 {
		return line, false
	}
	if _, err := time.Parse("Jan _2 15:04:05", line[:15]); err == nil { // syslog; the year is not told
		end := 15
		for end < len(line) && (line[end] == '.' || line[end] >= '0' && line[end] <= '9') {
			end++ // short-precise
		}
		s.note(line[:end])
		if y, err := strconv.Atoi(strings.TrimSpace(line[end:min(end+5, len(line))])); err == nil && y > 1990 {
			end += 5
		}
		return strings.TrimLeft(line[end:], " "), true
	}
	word, rest, _ := strings.Cut(line, " ")
	if weekday(word) { // short-full: Tue 2026-11-24 10:20:42 UTC
		if w, more, _ := strings.Cut(rest, " "); iso(w+"T00:00:00", &Stamp{}) {
			clock, more, _ := strings.Cut(more, " ")
			zone, more, _ := strings.Cut(more, " ")
			var at Stamp
			if iso(w+"T"+clock, &at) {
				if zone == "UTC" {
					at.Zone = true
				}
				s.Wall, s.Zone = at.Wall, at.Zone
				s.note(word + " " + w + " " + clock + " " + zone)
				return more, true
			}
		}
	}
	if iso(word, s) {
		return rest, true
	}
	if clock, more, _ := strings.Cut(rest, " "); len(word) == 10 && iso(word+"T"+clock, s) {
		return more, true
	}
	if sec, err := strconv.ParseFloat(word, 64); err == nil && sec > 1e8 && sec < 1e11 && strings.Contains(word, ".") { // short-unix
		s.Wall, s.Zone = time.UnixMicro(int64(sec*1e6)).UTC(), true
		s.note(word)
		return rest, true
	}
	return line, false
}

func weekday(w string) bool {
	switch w {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}

// iso reads 2026-11-24T10:20:42, with or without a fraction and a zone.
func iso(word string, s *Stamp) bool {
	if len(word) < 19 || word[4] != '-' || word[10] != 'T' {
		return false
	}
	plain := strings.Replace(word, ",", ".", 1)
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02T15:04:05.999999999-07"} {
		if t, err := time.Parse(layout, plain); err == nil {
			s.Wall, s.Zone = t, true
			s.note(word)
			return true
		}
	}
	if t, err := time.Parse("2006-01-02T15:04:05.999999999", plain); err == nil {
		s.Wall = t
		s.note(word)
		return true
	}
	return false
}

// tag takes off "host kernel: " and its like. Behind a date, where a program
// names itself, it must be the kernel.
func tag(line string, hosted bool) (string, bool) {
	first, rest, _ := strings.Cut(line, " ")
	second, more, _ := strings.Cut(rest, " ")
	switch {
	case first == "kernel:":
		return rest, true
	case second == "kernel:":
		return more, true
	case second == "kernel" && strings.HasPrefix(more, "- "): // RFC 5424: host kernel - - - text
		for range 3 {
			more = strings.TrimPrefix(more, "- ")
		}
		return more, true
	case strings.Contains(second, ".") && strings.HasPrefix(more, "kernel: "): // busybox: host kern.warn kernel: text
		return strings.TrimPrefix(more, "kernel: "), true
	}
	if hosted { // a hypervisor's log of its guest's console: Guest: <6>[ 12.5] text
		if _, guest, ok := strings.Cut(line, "Guest: <"); ok {
			return priority("<" + guest)
		}
	}
	return line, !hosted
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
func caller(line string) string {
	if !strings.HasPrefix(line, "[") {
		return line
	}
	inside, rest, ok := strings.Cut(line[1:], "]")
	inside = strings.TrimSpace(inside)
	if !ok || len(inside) < 2 || inside[0] != 'T' && inside[0] != 'C' {
		return line
	}
	if _, err := strconv.ParseUint(inside[1:], 10, 32); err != nil {
		return line
	}
	return strings.TrimPrefix(rest, " ")
}
