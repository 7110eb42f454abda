package kernel_test

import (
	"testing"

	"kwhy/explain/kernel"
)

const page = 4096

// What five kernels said of themselves, in pages: the inputs from meminfo and
// zoneinfo, and the four figures that the kernel made of them. All had
// dirty_ratio 20, dirty_background_ratio 10, overcommit_ratio 50, no hugetlb.
func TestAsKernelsSay(t *testing.T) {
	for _, c := range []struct {
		host                                          string
		free, reserve, file, reclaimable, low         int64
		total, swap                                   int64
		available, commitLimit, threshold, background int64
	}{
		{"5.10-eased", 18568, 1482, 6357, 1948, 861, 121714, 32767, 23669, 93624, 4687, 2340},
		{"5.10-idle", 194117, 17847, 6530, 1900, 14078, 250546, 0, 180485, 125273, 36551, 18253},
		{"5.10-swap", 4841, 1482, 206, 1952, 861, 121714, 32767, 4553, 93624, 713, 356},
		{"6.1-eased", 19797, 1469, 6350, 2440, 1879, 120257, 32767, 24019, 92895, 4934, 2464},
		{"6.1-idle", 192862, 17841, 6532, 2382, 14078, 249089, 0, 179478, 124544, 36301, 18128},
		{"6.1-swap", 4848, 1469, 202, 2435, 855, 120257, 32767, 5060, 92895, 716, 357},
		{"6.12.117-eased", 18731, 1462, 6338, 319, 1857, 118935, 32767, 21910, 92234, 4720, 2357},
		{"6.12.117-idle", 188036, 17837, 6531, 268, 14110, 247767, 0, 173599, 123883, 35337, 17647},
		{"6.12.117-swap", 5541, 1462, 194, 317, 884, 118935, 32767, 4335, 92234, 854, 426},
		{"6.18.15-eased", 18850, 1464, 6348, 370, 1392, 118434, 32767, 22527, 91984, 4745, 2370},
		{"6.18.15-idle", 190283, 17843, 6531, 358, 14110, 247266, 0, 175885, 123633, 35785, 17870},
		{"6.18.15-swap", 5319, 1464, 274, 286, 1904, 118434, 32767, 4135, 91984, 825, 412},
		{"7.3.4-eased", 17864, 1456, 6342, 374, 877, 117444, 32767, 22060, 91489, 4549, 2271},
		{"7.3.4-idle", 187639, 17840, 6531, 383, 14110, 246275, 0, 173257, 123137, 35257, 17607},
		{"7.3.4-swap", 5377, 1456, 193, 318, 1389, 117444, 32767, 4177, 91489, 822, 410},
	} {
		t.Run(c.host, func(t *testing.T) {
			if got := kernel.Available(c.free, c.reserve, c.file, c.reclaimable, c.low); got != c.available {
				t.Errorf("MemAvailable: %d pages, the kernel says %d", got, c.available)
			}
			if got := kernel.CommitLimit(c.total, 0, 50, 0, c.swap); got != c.commitLimit {
				t.Errorf("CommitLimit: %d pages, the kernel says %d", got, c.commitLimit)
			}
			hard, soft := kernel.DirtyThresholds(kernel.Dirtyable(c.free, c.reserve, c.file), page, 20, 0, 10, 0)
			if hard != c.threshold || soft != c.background {
				t.Errorf("dirty thresholds: %d and %d pages, the kernel says %d and %d", hard, soft, c.threshold, c.background)
			}
		})
	}
}

func TestZoneReserve(t *testing.T) {
	for _, c := range []struct {
		managed, high int64
		protection    []uint64
		want          int64
	}{
		{3840, 105, []uint64{0, 3018, 3530, 3530}, 3635},
		{3840, 500, []uint64{0, 3018, 3530}, 3840}, // never more than there is
		{100000, 200, nil, 200},
	} {
		if got := kernel.ZoneReserve(c.managed, c.high, c.protection); got != c.want {
			t.Errorf("ZoneReserve(%d, %d, %v) = %d, want %d", c.managed, c.high, c.protection, got, c.want)
		}
	}
}

func TestCorners(t *testing.T) {
	for name, c := range map[string][2]int64{
		"MemAvailable is never negative":          {kernel.Available(100, 900, 0, 0, 50), 0},
		"half of a small cache counts":            {kernel.CacheBeyond(100, 1000), 50},
		"of a large cache all beyond low":         {kernel.CacheBeyond(10000, 1000), 9000},
		"before 4.5 low took the reserve's place": {kernel.AvailableBefore45(1000, 0, 0, 100), 900},
		"overcommit_kbytes wins over the ratio":   {kernel.CommitLimit(1000, 0, 50, 77, 10), 87},
		"hugetlb is not promised":                 {kernel.CommitLimit(1000, 400, 50, 0, 0), 300},
		"the reserve takes no more than is free":  {kernel.Dirtyable(10, 500, 7), 8},
		"no free page is wholly unusable":         {kernel.UnusableIndex(0, 0), 1000},
		"a quarter in blocks too small":           {kernel.UnusableIndex(100, 75), 250},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: got %d, want %d", name, c[0], c[1])
		}
	}
}

func TestDirtyThresholds(t *testing.T) {
	for _, c := range []struct {
		name                           string
		ratio, bytes, bgRatio, bgBytes int64
		wantHard, wantSoft             int64
	}{
		{"bytes round up to pages", 20, 4097, 10, 1, 2, 1},
		{"a background beyond the hard one is halved", 10, 0, 10, 0, 99, 49},
		{"a ratio of nought is nought", 0, 0, 0, 0, 0, 0},
		{"the ratio is a share of a page first", 33, 0, 10, 0, 329, 99},
	} {
		hard, soft := kernel.DirtyThresholds(1000, page, c.ratio, c.bytes, c.bgRatio, c.bgBytes)
		if hard != c.wantHard || soft != c.wantSoft {
			t.Errorf("%s: %d and %d, want %d and %d", c.name, hard, soft, c.wantHard, c.wantSoft)
		}
	}
}
