package kernel_test

import (
	"testing"

	"kwhy/explain/kernel"
)

// Numbers of real kernels: 6.18.44 with 23.5 GiB and 2 CPUs, and an older one
// whose tcp_mem was published.
func TestNetDefaults(t *testing.T) {
	for _, m := range [][3]int64{{287898, 383867, 575796}, {575799, 767734, 1151598}, {57396, 76529, 114792}} {
		if low, high := kernel.TCPMemLow(m[1]), kernel.TCPMemHigh(m[1]); low != m[0] || high != m[2] {
			t.Errorf("%v: %d and %d", m, low, high)
		}
	}
	if got := kernel.TCPMemPressureOfUDP(767734); got != 383867 {
		t.Error(got)
	}
	for _, free := range []int64{0, 1000, 2047, 2048, 6141888, 6141895, 6141903, 6141904} { // both roundings of the same pages
		if a, b := kernel.TCPMemPressure(free), kernel.TCPMemPressureOfUDP(max(128, free/8)); a != b {
			t.Errorf("%d pages: %d, by udp_mem %d", free, a, b)
		}
	}
	if a, b := kernel.TCPMaxOrphans(262144), kernel.TCPMaxSynBacklog(262144); a != 131072 || b != 2048 {
		t.Error(a, b)
	}
	if got := kernel.TCPMaxSynBacklog(4096); got != 128 {
		t.Error(got)
	}
	if a, b := kernel.ConntrackMax(262144, 1), kernel.ConntrackMax(65536, 4); a != 262144 || b != 262144 {
		t.Error(a, b)
	}
}
