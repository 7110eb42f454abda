package output

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscapeForTerminals(t *testing.T) {
	for in, want := range map[string]string{
		"nginx":                  "nginx",
		"größe 東京":               "größe 東京",
		"a\x1b[31mb":             `a\x1b[31mb`,
		"a\nb\tc\r\x00\x7f":      `a\nb\tc\x0d\x00\x7f`,
		"\xff\xfe":               `\xff\xfe`,
		"a\u202eb":               `a\u{202e}b`, // right-to-left override
		"a\u200bb":               `a\u{200b}b`, // zero-width space
		"\u009b31m":              `\u{9b}31m`,  // the one-byte CSI
		"a\u00a0b":               `a\u{a0}b`,
		"a\u00adb":               `a\u{ad}b`,  // a hyphen that only the end of a line shows
		"\U000e0041":             `\u{e0041}`, // an invisible tag letter
		"a\u3164b\u2800":         `a\u{3164}b\u{2800}`,
		"a\u034f\ufe0f":          `a\u{34f}\u{fe0f}`, // drawn on the a, with nothing to see
		"back\\slash":            `back\slash`,
		"truncated \xe2\x82":     `truncated \xe2\x82`,
		"surrogate \xed\xa0\x80": `surrogate \xed\xa0\x80`,
	} {
		if got := string(appendEscaped(nil, in)); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

// Two names are two in text as well, and a backslash that misleads nobody stays one.
func TestTextKeepsNamesApart(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"\xff", `\xff`, `\` + "\xff", `\\xff`, "a\n", `a\n`, `a\` + "\n", "\t", `\t`, "\x1b", `\x1b`, "\x7f",
		`\x7f`, "\u202e", `\u{202e}`, `\` + "\u202e", "\u009b", "\x9b", `\x9b`, `\u{9b}`, "\u3164", `\` + "\u3164", `\x2d`, `\\x2d`} {
		got := string(appendEscaped(nil, name))
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q both become %s", name, other, got)
		}
		seen[got] = name
	}
	for _, same := range []string{`dev\x2ddisk`, `C:\dir`, `a\`, `\é`} {
		if got := string(appendEscaped(nil, same)); got != same {
			t.Errorf("%s became %s", same, got)
		}
	}
}

func TestJSONStringsKeepNamesApart(t *testing.T) {
	names := []string{
		"\xff",
		`\xff`,
		`\` + "\xff",
		`\\xff`,
		`\\` + "\xff",
		`\x2d`,
		`\\x2d`,
		"a\\",
		"\x1b",
		`\x1b`,
		"é",
		"\xc3",
		`\xc3\xa9`,
		`"`,
		"\u0085",
		"\x00",
		"\u202e",
		`\u202e`,
		`\` + "\u202e",
		"\U000e0041",
		`\udb40\udc41`,
		"\u3164",
	}
	seen := map[string]string{}
	for _, name := range names {
		b := appendString(nil, name)
		var got string
		if err := json.Unmarshal(b, &got); err != nil {
			t.Errorf("%q becomes %s: %v", name, b, err)
			continue
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q both become %q", name, other, got)
		}
		seen[got] = name
	}
	if got := string(appendString(nil, `dev\x2ddisk`)); got != `"dev\\x2ddisk"` {
		t.Errorf("a systemd unit's name changed: %s", got)
	}
}

// What text escapes, JSON escapes in its own way.
func TestJSONEscapesWhatTextDoes(t *testing.T) {
	for in, want := range map[string]string{
		"a\u202eb":     `"a\u202eb"`,
		"a\u200bb":     `"a\u200bb"`,
		"\u00a0\u00ad": `"\u00a0\u00ad"`,
		"\U000e0041":   `"\udb40\udc41"`,
		"\ufeffa":      `"\ufeffa"`,
		"\u3164":       `"\u3164"`,
		"a\tb\x7f":     `"a\u0009b\u007f"`,
		"größe 東京 🚀":   `"größe 東京 🚀"`,
	} {
		if got := string(appendString(nil, in)); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

// An error is one line, and what it quotes is quoted once.
func TestMessage(t *testing.T) {
	err := fmt.Errorf("no process %q, \x1b[31m\u202e and\n  %s", "a\tb\u202e", "\u3164\xff")
	if got, want := Message(err), `no process "a\tb\u202e", \x1b[31m\u{202e} and \u{3164}\xff`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "nginx", "\x1b]0;x\a", "a\xff\\xff", "\u202e", "\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := string(appendEscaped(nil, s))
		for _, r := range out {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q lets %q through", s, r)
			}
		}
		b := appendString(nil, s)
		var back string
		if err := json.Unmarshal(b, &back); err != nil || !utf8.Valid(b) {
			t.Fatalf("%q becomes %q: %v", s, b, err)
		}
		for _, r := range string(b) {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q leaves %q raw: %q", s, r, b)
			}
		}
		if utf8.ValidString(s) && ambiguousAnywhere(s) == 0 && back != s {
			t.Fatalf("%q comes back as %q", s, back)
		}
	})
}

func ambiguousAnywhere(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] == '\\' {
			n += ambiguous(strings.TrimLeft(s[i:], `\`))
		}
	}
	return n
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"one two three", 8, "one two|three"},
		{"in all 470 MiB more", 10, "in all|470 MiB|more"},
		{"at 12 % of it", 8, "at 12 %|of it"},
		{"/a/very/long/path/name", 10, "/a/very/lo|ng/path/na|me"},
		{"東京都 大阪府", 8, "東京都|大阪府"},
		{"", 8, ""},
	} {
		if got := strings.Join(wrap(c.text, c.width), "|"); got != c.want {
			t.Errorf("wrap(%q, %d) = %q, want %q", c.text, c.width, got, c.want)
		}
	}
}
