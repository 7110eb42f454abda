package inspect_test

import (
	"regexp"
	"testing"

	"kwhy/inspect/inspecttest"
)

// A copy is opened whatever its counters say: the page size is found by arithmetic on them.
func TestACopyOfAbsurdCountersIsOpened(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-6.12-oom")
	text := inspecttest.Read(t, dir+"/proc/vmstat")
	for _, n := range []string{"0", "4611686018427387904", "9223372036854775807", "9223372036854775808", "18446744073709551615",
		"-9223372036854775808", "1e308", "9999999999999999999999999999999999999999"} {
		inspecttest.Write(t, dir+"/proc/vmstat", regexp.MustCompile(`(?m) \d+$`).ReplaceAllString(text, " "+n))
		if h := inspecttest.Open(t, dir); h.PageSize < 4096 || h.PageSize > 1<<16 {
			t.Errorf("with %s: pages of %d", n, h.PageSize)
		}
	}
}
