package output

import (
	"strings"

	"github.com/mattn/go-runewidth"
)

// cells returns how many columns of a terminal s takes. Characters that kwhy itself writes
// are counted without the tables, which cost more than the rest of a report.
func cells(s string) int {
	n := 0
	for _, r := range s {
		if r >= 0x80 && !narrow(r) {
			c := runewidth.Condition{StrictEmojiNeutral: true}
			return c.StringWidth(s)
		}
		n++
	}
	return n
}

// narrow reports whether r is in kwhy's own text and takes one column: Latin-1, arrows,
// operators, and the blocks that bars are drawn with.
func narrow(r rune) bool {
	latin := r >= 0xa1 && r < 0x300 && r != 0xad // '×' among it
	return latin || r == '…' || r == '−' || r >= 0x2190 && r < 0x2194 || r >= 0x2580 && r < 0x25a0
}

// wrap breaks s at blanks into lines of at most width columns. A longer word, such as a
// path, is broken at the width.
func wrap(s string, width int) []string { return appendWrapped(nil, s, width) }

// appendWrapped adds the lines to list. They are pieces of s, or of s with runs of blanks
// made one.
func appendWrapped(list []string, s string, width int) []string {
	width = max(width, 8)
	if !singleBlanks(s) {
		s = strings.Join(strings.Fields(s), " ")
	} else if len(s) <= width && s != "" { // no character takes more columns than bytes
		return append(list, s)
	}
	from, end, used := 0, 0, 0 // of the line
	for at := 0; at < len(s); {
		next := endOfWord(s, at)
		w := cells(s[at:next])
		if used > 0 && used+1+w <= width {
			end, used = next, used+1+w
		} else {
			if used > 0 {
				list = append(list, s[from:end])
			}
			from, end, used = at, next, w
		}
		for used > width {
			line := head(s[from:end], width)
			list = append(list, line)
			from += len(line)
			if used -= cells(line); used <= 2*width { // what clusters take is known of the whole alone
				used = cells(s[from:end])
			}
		}
		at = next + 1
	}
	if used > 0 {
		list = append(list, s[from:end])
	}
	return list
}

// singleBlanks reports whether single blanks separate the words of s. It uses no tables:
// anything that may be another kind of space makes it false.
func singleBlanks(s string) bool {
	blank := true // a blank in front counts as a second one
	for i := range len(s) {
		c := s[i]
		if c == ' ' && blank || c >= '\t' && c <= '\r' || c == 0xc2 || c >= 0xe1 && c <= 0xe3 {
			return false
		}
		blank = c == ' '
	}
	return !blank || s == ""
}

// endOfWord returns where the word at a place in s ends. A number's unit belongs to it:
// the two must not be separated.
func endOfWord(s string, at int) int {
	end := nextBlank(s, at)
	for end < len(s) {
		next := nextBlank(s, end+1)
		if !isUnit(strings.TrimRight(s[end+1:next], ".,;:)")) {
			break
		}
		end = next
	}
	return end
}

func nextBlank(s string, at int) int {
	if i := strings.IndexByte(s[at:], ' '); i >= 0 {
		return at + i
	}
	return len(s)
}

// head is the part of s that fits into width columns, at least one character.
func head(s string, width int) string {
	used := 0
	for i, r := range s {
		w := cells(string(r))
		if used+w > width && i > 0 {
			return s[:i]
		}
		used += w
	}
	return s
}

func isUnit(word string) bool {
	switch word {
	case "%", "B", "KiB", "MiB", "GiB", "TiB", "PiB", "s":
		return true
	}
	return false
}

// truncate cuts s to width columns, with an ellipsis for what is gone. It keeps the
// "(deleted)" that the kernel puts at the end of a path, if there is room.
func truncate(s string, width int) string {
	const gone = " (deleted)"
	if cells(s) <= width {
		return s
	}
	tail := ""
	if strings.HasSuffix(s, gone) && width >= 2*len(gone) {
		tail = gone
	}
	return head(s, max(width-len(tail)-1, 1)) + "…" + tail
}

// blanks is enough for most paddings.
const blanks = "                                                                " +
	"                                                                "

func pad(n int) string {
	if n <= len(blanks) {
		return blanks[:max(n, 0)]
	}
	return strings.Repeat(" ", n)
}

// left and right pad s to width columns.
func left(s string, width int) string  { return s + pad(width-cells(s)) }
func right(s string, width int) string { return pad(width-cells(s)) + s }
