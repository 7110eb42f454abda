package output

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// Safe returns s as it may reach a terminal, a log or a shell: on stdout, on stderr and in
// completion. kwhy's own sentences too, for they quote what others chose.
func Safe(s string) string { return string(appendEscaped(nil, s)) }

// Message does the same with what an error says, in one line. Errors quote names themselves,
// so a backslash stays what it is.
func Message(err error) string {
	parts := strings.Split(strings.Join(strings.Fields(err.Error()), " "), `\`)
	for i, s := range parts {
		parts[i] = Safe(s)
	}
	return strings.Join(parts, `\`)
}

// visible reports whether a character can be told from others by its look, and leaves those
// around it where they stand. Format characters do not (bidirectional overrides, zero-width
// joiners), nor does what a font leaves blank or draws on the character before: they could
// make one name look like another.
func visible(r rune) bool {
	const brailleBlank = 0x2800 // the one symbol of which nothing is drawn
	return unicode.IsPrint(r) && r != brailleBlank && (r < 0x300 || !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point,
		unicode.Variation_Selector))
}

// appendEscaped appends s as Safe returns it: visible characters as they are, and all others,
// whoever chose them, as an escape sequence of letters. A backslash before something that
// looks like one, or becomes one, could mislead too: it is doubled.
func appendEscaped(b []byte, s string) []byte {
	plain := 0
	for plain < len(s) && s[plain] >= 0x20 && s[plain] < 0x7f && s[plain] != '\\' {
		plain++
	}
	b = append(b, s[:plain]...)
	for i := plain; i < len(s); {
		if c := s[i]; c == '\\' {
			run := i
			for run < len(s) && s[run] == '\\' {
				run++
			}
			for range (run - i) * (1 + looksEscaped(s[run:])) {
				b = append(b, '\\')
			}
			i = run
			continue
		} else if c >= 0x20 && c < 0x7f {
			b = append(b, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < 0x20 && r != '\n' && r != '\t', r == 0x7f:
			b = appendHexByte(b, s[i])
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\t':
			b = append(b, `\t`...)
		case visible(r):
			b = append(b, s[i:i+n]...)
		default:
			b = appendHexRune(b, r)
		}
		i += n
	}
	return b
}

func appendHexByte(b []byte, c byte) []byte {
	return append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
}

func appendHexRune(b []byte, r rune) []byte {
	b = append(b, `\u{`...)
	for shift := 20; shift >= 0; shift -= 4 {
		if r>>shift > 0 || shift == 0 {
			b = append(b, hexDigits[r>>shift&15])
		}
	}
	return append(b, '}')
}

// appendJSON appends s as a JSON string. What text escapes is escaped here as JSON does it
// (\u202e), so that neither a terminal nor an editor that shows the document is misled. Bytes
// that are not UTF-8 become \xNN, as in text. Backslashes before such a byte, or before
// something that looks like one, are doubled: different names stay different.
func appendJSON(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\\':
			run := i
			for run < len(s) && s[run] == '\\' {
				run++
			}
			for range (run - i) * (1 + ambiguous(s[run:])) {
				b = append(b, `\\`...)
			}
			i = run
			continue
		case c == '"':
			b = append(b, `\"`...)
		case c >= 0x20 && c < 0x7f:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && n == 1:
				b = append(b, '\\', '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
			case visible(r):
				b = append(b, s[i:i+n]...)
			case r > 0xffff:
				high, low := utf16.EncodeRune(r)
				b = appendUnit(appendUnit(b, high), low)
			default:
				b = appendUnit(b, r)
			}
			i += n
			continue
		}
		i++
	}
	return append(b, '"')
}

// appendUnit appends one code unit as JSON spells it.
func appendUnit(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// looksEscaped returns 1 if what follows backslashes becomes an escape sequence in text,
// or looks like one that appendEscaped writes.
func looksEscaped(rest string) int {
	if rest == "" {
		return 0
	}
	switch c := rest[0]; {
	case c == 'n' || c == 't' || len(rest) > 1 && c == 'u' && rest[1] == '{':
		return 1
	case c == 'x' && len(rest) > 2 && isHex(rest[1]) && isHex(rest[2]):
		if rest[1] < '2' || rest[1] > '7' || rest[1] == '7' && rest[2] == 'f' {
			return 1 // the others are printable, and never escaped
		}
		return 0
	case c >= 0x20 && c < 0x7f:
		return 0
	}
	if r, n := utf8.DecodeRuneInString(rest); n == 1 || !visible(r) {
		return 1
	}
	return 0
}

// ambiguous returns 1 if what follows backslashes is an invalid byte, or the letters that
// such a byte becomes.
func ambiguous(rest string) int {
	if rest == "" {
		return 0
	}
	if r, n := utf8.DecodeRuneInString(rest); r == utf8.RuneError && n == 1 {
		return 1
	}
	if len(rest) >= 3 && rest[0] == 'x' && (rest[1] == '8' || rest[1] == '9' || rest[1] >= 'a' && rest[1] <= 'f') && isHex(rest[2]) {
		return 1
	}
	return 0
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }
