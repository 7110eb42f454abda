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
			hard, soft := kernel.DirtyThresholds(kernel.Dirtyable(c.free, c.reserve, c.file, 0), page, 20, 0, 10, 0)
			if hard != c.threshold || soft != c.background {
				t.Errorf("dirty thresholds: %d and %d pages, the kernel says %d and %d", hard, soft, c.threshold, c.background)
			}
		})
	}
}

// TestReserveOfTheZones sums what zoneinfo said on the same hosts: reserve and
// low are what MemAvailable came out exact with. On five, fragmentation had
// boosted DMA32's watermarks; the kernel's reserve knows nothing of that.
func TestReserveOfTheZones(t *testing.T) {
	type zone struct{ managed, high, boost, low, protection int64 } // protection: from each higher zone
	movable := zone{high: 32, low: 32}                              // empty, and with watermarks since 6.12
	for _, c := range []struct {
		host         string
		zones        []zone
		reserve, low int64
	}{
		{"5.10-eased and swap", []zone{{3977, 33, 0, 28, 450}, {117737, 999, 0, 833, 0}, {}}, 1482, 861},
		{"5.10-idle", []zone{{3977, 270, 0, 225, 954}, {246569, 16623, 0, 13853, 0}, {}}, 17847, 14078},
		{"6.1-eased", []zone{{3840, 32, 0, 27, 444}, {116417, 2017, 1024, 1852, 0}, {}}, 1469, 1879},
		{"6.1-idle", []zone{{3840, 261, 0, 218, 948}, {245249, 16632, 0, 13860, 0}, {}}, 17841, 14078},
		{"6.1-swap", []zone{{3840, 32, 0, 27, 444}, {116417, 993, 0, 828, 0}, {}}, 1469, 855},
		{"6.12.117-eased", []zone{{3840, 32, 0, 27, 440}, {115095, 1963, 973, 1798, 0}, {}, movable}, 1462, 1857},
		{"6.12.117-idle", []zone{{3840, 264, 0, 220, 944}, {243927, 16629, 0, 13858, 0}, {}, movable}, 17837, 14110},
		{"6.12.117-swap", []zone{{3840, 32, 0, 27, 440}, {115095, 990, 0, 825, 0}, {}, movable}, 1462, 884},
		{"6.18.15-eased", []zone{{3840, 32, 0, 27, 447}, {114594, 1497, 512, 1333, 0}, {}, movable}, 1464, 1392},
		{"6.18.15-idle", []zone{{3840, 264, 0, 220, 950}, {243426, 16629, 0, 13858, 0}, {}, movable}, 17843, 14110},
		{"6.18.15-swap", []zone{{3840, 32, 0, 27, 447}, {114594, 2009, 1024, 1845, 0}, {}, movable}, 1464, 1904},
		{"7.3.4-eased", []zone{{3840, 32, 0, 27, 443}, {113604, 981, 0, 818, 0}, {}, movable}, 1456, 877},
		{"7.3.4-idle", []zone{{3840, 265, 0, 221, 947}, {242435, 16628, 0, 13857, 0}, {}, movable}, 17840, 14110},
		{"7.3.4-swap", []zone{{3840, 32, 0, 27, 443}, {113604, 1493, 512, 1330, 0}, {}, movable}, 1456, 1389},
	} {
		t.Run(c.host, func(t *testing.T) {
			var reserve, low int64
			for _, z := range c.zones {
				p := uint64(z.protection)
				reserve += kernel.ZoneReserve(z.managed, z.high-z.boost, []uint64{0, p, p, p, p})
				low += z.low
			}
			if reserve != c.reserve || low != c.low {
				t.Errorf("reserve %d and low %d pages, want %d and %d", reserve, low, c.reserve, c.low)
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
		{0, 32, []uint64{0, 0}, 0},                   // an empty zone has watermarks too
		{100000, 200, []uint64{0, 700, 500, 0}, 900}, // the largest, wherever it stands
	} {
		if got := kernel.ZoneReserve(c.managed, c.high, c.protection); got != c.want {
			t.Errorf("ZoneReserve(%d, %d, %v) = %d, want %d", c.managed, c.high, c.protection, got, c.want)
		}
	}
}

func TestCorners(t *testing.T) {
	for name, c := range map[string][2]int64{
		"MemAvailable is never negative":          {kernel.Available(100, 900, 0, 0, 50), 0},
		"MemAvailable of nothing":                 {kernel.Available(0, 0, 0, 0, 0), 0},
		"before 4.5 it was not negative either":   {kernel.AvailableBefore45(10, 0, 0, 100), 0},
		"half of a small cache counts":            {kernel.CacheBeyond(100, 1000), 50},
		"the half is rounded in its favour":       {kernel.CacheBeyond(101, 1000), 51},
		"of a large cache all beyond low":         {kernel.CacheBeyond(10000, 1000), 9000},
		"before 4.5 low took the reserve's place": {kernel.AvailableBefore45(1000, 0, 0, 100), 900},
		"overcommit_kbytes wins over the ratio":   {kernel.CommitLimit(1000, 0, 50, 77, 10), 87},
		"hugetlb is not promised":                 {kernel.CommitLimit(1000, 400, 50, 0, 0), 300},
		"a ratio of zero leaves swap":             {kernel.CommitLimit(1000, 0, 0, 0, 10), 10},
		"a ratio above 100 promises more":         {kernel.CommitLimit(1000, 0, 150, 0, 10), 1510},
		"pages are promised whole":                {kernel.CommitLimit(199, 0, 1, 0, 0), 1},
		"one page is always dirtyable":            {kernel.Dirtyable(0, 0, 0, 0), 1},
		"the reserve takes no more than is free":  {kernel.Dirtyable(10, 500, 7, 0), 8},
		"highmem is left out":                     {kernel.Dirtyable(100, 10, 7, 50), 48},
		"highmem is no more than all":             {kernel.Dirtyable(100, 10, 7, 500), 1},
		"no free page is wholly unusable":         {kernel.UnusableIndex(0, 0), 1000},
		"a quarter in blocks too small":           {kernel.UnusableIndex(100, 75), 250},
		"all in suitable blocks":                  {kernel.UnusableIndex(100, 100), 0},
		"thousandths are cut, not rounded":        {kernel.UnusableIndex(3, 1), 666},
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
		{"a background far beyond the hard one too", 10, 0, 90, 0, 99, 49},
		{"bytes win over the ratio, each by itself", 20, 0, 90, 4096, 199, 1},
		{"a background of more bytes than the ratio", 10, 0, 10, 1 << 30, 99, 49},
		{"whole pages stay what they are", 20, 40960, 10, 8192, 10, 2},
		{"a ratio of zero is zero", 0, 0, 0, 0, 0, 0},
		{"the ratio is a share of a page first", 33, 0, 10, 0, 329, 99},
	} {
		hard, soft := kernel.DirtyThresholds(1000, page, c.ratio, c.bytes, c.bgRatio, c.bgBytes)
		if hard != c.wantHard || soft != c.wantSoft {
			t.Errorf("%s: %d and %d, want %d and %d", c.name, hard, soft, c.wantHard, c.wantSoft)
		}
	}
}

// The first two are what zones of 6.18.44 say of themselves, in pages; the others the
// cases that these do not have, by hand.
func TestWatermarks(t *testing.T) {
	for _, c := range []struct {
		zone                            string
		minPages, managed, lowmem       int64
		capped                          bool
		wantMin, wantLow, wantHigh, pro int64
	}{
		{"DMA32 of 6.18.44", 16896, 772915, 3103283, false, 4208, 5260, 6312, 7364},
		{"Normal of 6.18.44", 16896, 2326528, 3103283, false, 12666, 15832, 18998, 22164},
		{"movable, capped below", 16896, 20480, 1640000, true, 32, 84, 136, 188},
		{"movable, capped above", 16896, 800000, 1640000, true, 128, 2188, 4248, 6308},
		{"scale above a quarter", 16896, 1000000, 1640000, false, 10302, 110302, 210302, 310302},
		{"nothing managed", 16896, 0, 0, false, 0, 0, 0, 0},
	} {
		scale := int64(10)
		if c.zone == "scale above a quarter" {
			scale = 1000
		}
		least, low, high, promo := kernel.Watermarks(c.minPages, c.managed, c.lowmem, scale, c.capped)
		if least != c.wantMin || low != c.wantLow || high != c.wantHigh || promo != c.pro {
			t.Errorf("%s: %d %d %d %d, want %d %d %d %d", c.zone, least, low, high, promo, c.wantMin, c.wantLow, c.wantHigh, c.pro)
		}
	}
}
