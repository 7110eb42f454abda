package kmsg

import (
	"strconv"
	"strings"
	"time"
)

// What syslog daemons and journalctl put before a message: a date, a host, and
// who said it.

// wall reads a date and time before the host's name.
func wall(line string, s *Stamp) (rest string, ok bool) {
	if len(line) < 15 {
		return line, false
	}
	if rest, ok := traditional(line, s); ok {
		return rest, true
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

// traditional reads "Nov 24 10:20:42", with a fraction (short-precise), with a
// weekday before it and a year after it, and with the names of any locale.
func traditional(line string, s *Stamp) (rest string, ok bool) {
	at, word, left := 0, "", line
	var words []string
	for len(words) < 4 {
		left = strings.TrimLeft(left, " ")
		word, left, _ = strings.Cut(left, " ")
		words, at = append(words, word), len(line)-len(left)
		if isClock(word) {
			break
		}
		if word == "" || len(word) > 16 || strings.ContainsAny(word, ":[]<>=,") {
			return line, false
		}
	}
	n := len(words) - 1
	if n < 2 || !isClock(words[n]) || !isDay(words[n-1]) || isNumber(words[n-2]) || n == 3 && isNumber(words[0]) {
		return line, false
	}
	text := strings.TrimRight(line[:at], " ")
	if year, more, _ := strings.Cut(left, " "); isYear(year) {
		left = more
		if t, err := time.Parse("Jan 2 15:04:05 2006", strings.Join(words[n-2:], " ")+" "+year); err == nil {
			s.Wall = t
			text += " " + year
		}
	}
	if t, err := time.Parse("Jan 2 15:04:05", strings.Join(words[n-2:], " ")); err == nil {
		s.clock = t
	}
	s.note(text)
	return strings.TrimLeft(left, " "), true
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

func isDay(s string) bool {
	n, err := strconv.ParseUint(strings.TrimSuffix(s, "."), 10, 8)
	return err == nil && n >= 1 && n <= 31
}

func isYear(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && len(s) == 4 && n > 1990
}

// isClock reports whether a text is a time of day, with or without a fraction.
func isClock(s string) bool {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(whole) != 8 || whole[2] != ':' || whole[5] != ':' {
		return false
	}
	_, err := time.Parse("15:04:05", whole)
	return err == nil && (fraction == "" || isNumber(fraction))
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

// tag takes off "host kernel: " and the like. Behind a date, where a program
// names itself, it must be the kernel.
func tag(line string, hosted bool) (string, bool) {
	first, rest, _ := strings.Cut(line, " ")
	second, more, _ := strings.Cut(rest, " ")
	switch {
	case isKernel(first):
		return rest, true
	case isKernel(second):
		return more, true
	case second == "kernel":
		if text, ok := structured(more); ok {
			return text, true
		}
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

// isKernel reports whether a tag is the kernel's; some daemons add a number to it.
func isKernel(word string) bool {
	rest, ok := strings.CutPrefix(word, "kernel")
	if rest == ":" || !ok {
		return ok
	}
	number, ok := strings.CutSuffix(rest, "]:")
	return ok && strings.HasPrefix(number, "[") && isNumber(number[1:])
}

// structured takes off what RFC 5424 has after the program's name: its PID, the
// message's ID, and structured data.
func structured(line string) (text string, ok bool) {
	for range 2 {
		word, rest, ok := strings.Cut(line, " ")
		if !ok || word == "" || word != "-" && strings.ContainsAny(word, "[]:=\"") {
			return line, false
		}
		line = rest
	}
	if rest, ok := strings.CutPrefix(line, "- "); ok {
		return strings.TrimPrefix(rest, "\ufeff"), true
	}
	for strings.HasPrefix(line, "[") {
		end := element(line)
		if end < 0 {
			return line, false
		}
		line = line[end:]
	}
	rest, ok := strings.CutPrefix(line, " ")
	return strings.TrimPrefix(rest, "\ufeff"), ok
}

// element returns where an element of structured data ends: "[id name=\"value\"]".
func element(line string) int {
	quoted := false
	for i := 1; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ']' && !quoted:
			return i + 1
		}
	}
	return -1
}
