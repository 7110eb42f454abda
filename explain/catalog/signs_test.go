package catalog_test

import (
	"testing"

	"kwhy/explain/catalog"
	"kwhy/inspect"
)

// The lines by which a copy without a version is told are declared too, with the versions that
// have them: both say the same.
func TestSignsOfAVersionAgreeWithWhatIsDeclared(t *testing.T) {
	declared := map[string][2]inspect.Version{}
	all := catalog.All()
	for i := range all.Entries {
		if d := &all.Entries[i].Doc; d.Kernel != "" && (d.Source == inspect.Meminfo || d.Source == inspect.Vmstat) {
			declared[d.Kernel] = [2]inspect.Version{d.Since, d.Until}
		}
	}
	held := 0
	for _, sign := range inspect.KernelSigns() {
		is, ok := declared[sign.Line]
		if !ok {
			continue // a file, or a line that stands in no literal by its name
		}
		held++
		if sign.Oldest != (inspect.Version{}) && is[0] != sign.Oldest {
			t.Errorf("%s: since %v by the sign, %v as declared", sign.Line, sign.Oldest, is[0])
		}
		if sign.Newest != (inspect.Version{}) && !sign.Newest.Before(is[1]) {
			t.Errorf("%s: until %v by the sign, first without it is %v as declared", sign.Line, sign.Newest, is[1])
		}
	}
	if held < 5 {
		t.Errorf("%d signs are declared", held)
	}
	for file, src := range map[string]inspect.Source{
		"pressure": inspect.PressureMemory, "sys/vm/watermark_scale_factor": inspect.VMWatermarkScaleFactor,
	} {
		for _, sign := range inspect.KernelSigns() {
			if sign.File == file && sign.Oldest != src.Since() {
				t.Errorf("%s: since %v by the sign, %v by the table of sources", file, sign.Oldest, src.Since())
			}
		}
	}
}
