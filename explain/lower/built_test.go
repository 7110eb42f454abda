package lower

import (
	"testing"

	"kwhy/inspect"
)

// What the kernel's own configuration says it was built with is no longer said to be missing
// from it, and what it says of none, or of a part of what it takes, is.
func TestBuiltOptions(t *testing.T) {
	has := func(option string) inspect.Answer {
		switch option {
		case "CONFIG_KSM", "CONFIG_A":
			return inspect.Yes
		case "CONFIG_B":
			return inspect.No
		}
		return inspect.Unknown
	}
	gap := func(why inspect.Reason, hint string) Gap {
		return Gap{Source: inspect.KSM.String(), Reason: why, Count: 1, Of: 1, Hint: hint}
	}
	r := Report{Gaps: []Gap{
		gap(inspect.Unsupported, "needs CONFIG_KSM"), gap(inspect.Unsupported, "needs CONFIG_A and CONFIG_B"),
		gap(inspect.Unsupported, "needs CONFIG_C"), gap(inspect.Unsupported, "needs Linux 6.2 or later"),
		gap(inspect.Disabled, "needs CONFIG_KSM"),
	}}
	r.Built(has)
	want := []string{
		"the kernel is built with CONFIG_KSM: it is switched off, not loaded, or not given to kwhy here",
		"needs CONFIG_A and CONFIG_B", "needs CONFIG_C", "needs Linux 6.2 or later", "needs CONFIG_KSM",
	}
	for i := range r.Gaps {
		if r.Gaps[i].Hint != want[i] {
			t.Errorf("%q, want %q", r.Gaps[i].Hint, want[i])
		}
	}
}
