package inspecttest

import (
	"testing"

	"kwhy/inspect/proc"
)

// StatLine is what follows the name in a stat: state to exit code.
const StatLine = " S 7 1 1 0 -1 4194304 101 102 103 104 5 6 7 8 20 0 1 0 222 4096000 240 " +
	"18446744073709551615 1 2 3 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 1 2 3 4 5 6 7 0\n"

// ProcTree is a /proc of three processes: a shell, a kernel thread and one
// that is not there any more.
func ProcTree(t testing.TB) string {
	return UnpackText(t, `
-- proc/10/stat --
10 (sh)`+StatLine+`
-- proc/10/status --
Name:	sh
VmRSS:	     100 kB
-- proc/10/cmdline --
sh␀-c␀true␀
#nonl
-- proc/10/smaps_rollup --
00400000-7ffd4680e000 ---p 00000000 00:00 0                              [rollup]
Rss:  100 kB
Pss:   50 kB
Private_Clean: 10 kB
Private_Dirty: 30 kB
SwapPss: 4 kB
-- proc/2/stat --
2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 3 0 0 20 0 1 0 28 0 0 18446744073709551615 0 0
-- proc/2/status --
Name:	kthreadd
-- proc/2/cmdline --
#empty
-- proc/11/ --
-- proc/12abc/stat --
12 (no)`+StatLine+`
-- proc/meminfo --
MemTotal: 1 kB
`)
}

// All are the indices of all rows.
func All(ps *proc.Processes) (out []int32) {
	for i := range ps.Rows {
		out = append(out, int32(i))
	}
	return out
}
