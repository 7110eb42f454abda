package inspect_test

import (
	"testing"

	"kwhy/inspect/inspecttest"
)

// A part of the kernel that is neither loaded nor built in is not asked: the question would load it.
// Where there is no list of modules the kernel can load none.
func TestAPartOfTheKernelThatIsNotLoaded(t *testing.T) {
	const list = "nf_tables_set 16384 1 - Live 0x0\nnfnetlink 20480 2 nf_tables, Live 0x0\n"
	for text, want := range map[string]bool{
		"": true, list: false, list + "nf_tables 303104 1 - Live 0x0\n": true, "nf_tables 303104 1 - Live 0x0\n" + list: true,
	} {
		dir := t.TempDir()
		if text != "" {
			inspecttest.Write(t, dir+"/modules", text)
		}
		if got := inspecttest.OpenRoots(t, dir, dir, inspecttest.AtNoon).HasModule("nf_tables"); got != want {
			t.Errorf("of %q: %v", text, got)
		}
	}
}
