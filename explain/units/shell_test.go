package units

import (
	"os/exec"
	"testing"
)

// A shell takes what Shell writes for the one word that it was.
func TestShell(t *testing.T) {
	for _, word := range []string{
		"", "/proc", "a b", "it's", `"$HOME"`, "`id`", "*", "~", "a\nb", "ü", "-n", "#x", "a;b", "{a,b}", "%1", "x=y",
	} {
		out, err := exec.Command("sh", "-c", "printf %s. "+Shell(word)).Output()
		if err != nil || string(out) != word+"." {
			t.Errorf("%q is %q: sh makes %q of it, %v", word, Shell(word), out, err)
		}
	}
	if got := Shell("/tmp/a-b_c.1"); got != "/tmp/a-b_c.1" {
		t.Errorf("%q", got)
	}
}
