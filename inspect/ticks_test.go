package inspect_test

import (
	"path/filepath"
	"testing"

	"kwhy/inspect/inspecttest"
)

// A second has 100 clock ticks, but for alpha and ia64 (their asm/param.h, USER_HZ): CPU times
// that seem to have more do not fit the uptime beside them.
func TestTicksOfACopy(t *testing.T) {
	for arch, want := range map[string]uint64{"x86_64": 100, "": 100, "alpha": 1024} {
		dir := t.TempDir()
		inspecttest.Write(t, filepath.Join(dir, "proc/uptime"), "90000.00 180000.00\n")
		inspecttest.Write(t, filepath.Join(dir, "proc/stat"), "cpu  5912232 0 0 86225475 0 0 0 0 0 0\ncpu0 5912232 0 0 86225475 0 0 0 0 0 0\n")
		if arch != "" {
			inspecttest.Write(t, filepath.Join(dir, "proc/sys/kernel/arch"), arch+"\n")
		}
		if h := inspecttest.Open(t, dir); h.Ticks != want {
			t.Errorf("of %q: %d ticks", arch, h.Ticks)
		}
	}
}
