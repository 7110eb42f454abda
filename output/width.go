package output

import (
	"iter"
	"strings"

	"github.com/mattn/go-runewidth"
)

// cells returns how many columns of a terminal s takes. What kwhy itself writes
// is counted without the tables, which cost more than the rest of a report.
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

// narrow tells the characters of kwhy's own text that take one column: those
// of Latin-1, arrows, operators, and the blocks that bars are drawn with.
func narrow(r rune) bool {
	return r >= 0xa1 && r < 0x300 && r != 0xad || r == '…' || r >= 0x2190 && r < 0x2194 || r == '−' || r == '×' || r >= 0x2580 && r < 0x25a0
}

// wrap breaks s at blanks into lines of at most width columns. A word that is
// longer is broken where it must be: paths can be.
func wrap(s string, width int) []string {
	width = max(width, 8)
	var lines []string
	line, used := "", 0
	for word := range words(s) {
		w := cells(word)
		switch {
		case used == 0:
			line, used = word, w
		case used+1+w <= width:
			line, used = line+" "+word, used+1+w
		default:
			lines = append(lines, line)
			line, used = word, w
		}
		for used > width {
			head, rest := split(line, width)
			lines = append(lines, head)
			line, used = rest, cells(rest)
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// words yields what must not be parted: words, and numbers with their unit.
func words(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		held := ""
		for word := range strings.FieldsSeq(s) {
			switch {
			case held == "":
				held = word
			case isUnit(strings.TrimRight(word, ".,;:)")):
				held += " " + word
			default:
				if !yield(held) {
					return
				}
				held = word
			}
		}
		if held != "" {
			yield(held)
		}
	}
}

// split cuts s where it passes width columns.
func split(s string, width int) (head, rest string) {
	used := 0
	for i, r := range s {
		w := cells(string(r))
		if used+w > width && i > 0 {
			return s[:i], s[i:]
		}
		used += w
	}
	return s, ""
}

func isUnit(word string) bool {
	switch word {
	case "%", "B", "KiB", "MiB", "GiB", "TiB", "PiB", "s":
		return true
	}
	return false
}

// truncate cuts s to width columns, with an ellipsis where something is gone. That
// a file is gone from its directory stays where there is room: the kernel says it at
// the end of a path.
func truncate(s string, width int) string {
	const gone = " (deleted)"
	if cells(s) <= width {
		return s
	}
	tail := ""
	if strings.HasSuffix(s, gone) && width >= 2*len(gone) {
		tail = gone
	}
	head, _ := split(s, max(width-len(tail)-1, 1))
	return head + "…" + tail
}

func pad(n int) string { return strings.Repeat(" ", max(n, 0)) }

// left and right pad s to width columns.
func left(s string, width int) string  { return s + pad(width-cells(s)) }
func right(s string, width int) string { return pad(width-cells(s)) + s }
