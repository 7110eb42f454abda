package inspect_test

import (
	"testing"

	"kwhy/inspect"
)

func TestUnescapeOctal(t *testing.T) {
	for text, want := range map[string]string{
		`/swapfile`: "/swapfile", `/a\040b`: "/a b", `\011\012\134`: "\t\n\\", `\040`: " ", `\377`: "\xff",
		`\`: `\`, `\0`: `\0`, `\04`: `\04`, `\04x`: `\04x`, `\999`: `\999`, `\777`: `\777`, `\400`: `\400`, `\+40`: `\+40`, `\\040`: `\ `, ``: ``,
	} {
		if got := inspect.UnescapeOctal(text); got != want {
			t.Errorf("unescapeOctal(%q) = %q, want %q", text, got, want)
		}
	}
}
