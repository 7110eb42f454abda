package mem_test

import (
	"cmp"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/mem"
)

// onZoneinfos runs do on the zoneinfo of this host and of every recorded one.
func onZoneinfos(t *testing.T, do func(t *testing.T, text string)) {
	t.Run("live", func(t *testing.T) { do(t, inspecttest.LiveFile(t, "/proc/zoneinfo")) })
	inspecttest.OnEach(t, func(t *testing.T, dir string) { do(t, inspecttest.Read(t, dir+"/proc/zoneinfo")) })
}

func parseZones(t *testing.T, text string) []mem.Zone {
	t.Helper()
	zones, _, err := mem.ParseZoneinfo([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return zones
}

// zoneSizes is what both readers give of a zone; -1 where it is not there.
type zoneSizes struct {
	Node, Name                                      string
	Free, Min, Low, High, Spanned, Present, Managed int64
	Protection                                      []int64
}

func TestZonesAreThoseOfProcfs(t *testing.T) {
	onZoneinfos(t, func(t *testing.T, text string) {
		list, err := inspecttest.Oracle(t, "zoneinfo", text).Zoneinfo()
		if err != nil {
			t.Fatal(err)
		}
		var want, got []zoneSizes
		for _, z := range list {
			want = append(want, procfsSizes(z, text))
		}
		for _, z := range parseZones(t, text) {
			got = append(got, ourSizes(z))
		}
		if diff := gocmp.Diff(want, got); diff != "" || len(got) == 0 {
			t.Errorf("%d zones, -procfs +ours:\n%s", len(got), diff)
		}
	})
}

func procfsSizes(z procfs.Zoneinfo, text string) zoneSizes {
	absent := int64(-1)
	of := func(p *int64) int64 { return *cmp.Or(p, &absent) }
	s := zoneSizes{Node: z.Node, Name: z.Zone, Min: of(z.Min), Low: of(z.Low), High: of(z.High),
		Spanned: of(z.Spanned), Present: of(z.Present), Managed: of(z.Managed)}
	s.Free = pagesFree(text, z.Zone) // procfs takes nr_free_pages instead, which is another counter
	for _, p := range z.Protection {
		s.Protection = append(s.Protection, *p)
	}
	return s
}

// pagesFree finds a zone's "pages free" another way; hosts with two nodes of
// equal zone names would need more.
func pagesFree(text, zone string) int64 {
	m := regexp.MustCompile(`(?s)zone +` + zone + `\n.*?pages free +(\d+)`).FindStringSubmatch(text)
	if m == nil {
		return -1
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	return n
}

func ourSizes(z mem.Zone) zoneSizes {
	of := func(name string) int64 {
		if n, ok := z.Pages[name]; ok {
			return int64(n)
		}
		return -1
	}
	s := zoneSizes{Node: strconv.Itoa(z.Node), Name: z.Name, Free: of("free"), Min: of("min"), Low: of("low"), High: of("high"),
		Spanned: of("spanned"), Present: of("present"), Managed: of("managed")}
	for _, p := range z.Protection {
		s.Protection = append(s.Protection, int64(p))
	}
	return s
}

func TestPerCPUListsAddUp(t *testing.T) {
	count := regexp.MustCompile(`(?m)^ +count: +(\d+)$`)
	onZoneinfos(t, func(t *testing.T, text string) {
		blocks := regexp.MustCompile(`(?m)^Node `).Split(text, -1)[1:]
		zones := parseZones(t, text)
		if len(zones) != len(blocks) {
			t.Fatalf("%d zones, want %d", len(zones), len(blocks))
		}
		some := uint64(0)
		for i, block := range blocks {
			var want uint64
			for _, m := range count.FindAllStringSubmatch(block, -1) {
				n, _ := strconv.ParseUint(m[1], 10, 64)
				want += n
			}
			if has := strings.Contains(block, "pagesets"); zones[i].PerCPU != want || zones[i].HasPerCPU != has {
				t.Errorf("zone %s: %d pages, has %v; want %d, %v", zones[i].Name, zones[i].PerCPU, zones[i].HasPerCPU, want, has)
			}
			some += want
		}
		if some == 0 {
			t.Error("no zone has a page on a per-CPU list: nothing was compared")
		}
	})
}

const (
	zoneNormal = `Node 1, zone   Normal
  per-node stats
      nr_inactive_anon 90157
  pages free     10
        boost    1
        min      2
        low      3
        high     4
        promo    5
        spanned  6
        present  7
        managed  8
        cma      9
        protection: (0, 11, 12)
      nr_free_pages 99
  pagesets
    cpu: 0
              count:    13
              high:     14
              batch:    15
              high_min: 16
  vm stats threshold: 17
    cpu: 1
              count:    20
              high:     14
              batch:    15
  node_unreclaimable:  0
  start_pfn:           1
`
	zoneEmpty = `Node 1, zone  Movable
  pages free     0
        min      32
        low      32
        high     32
        spanned  0
        present  0
        managed  0
        protection: (0, 0, 0)
`
)

func TestParseZoneinfoByHand(t *testing.T) {
	normal := mem.Zone{Node: 1, Name: "Normal", Protection: []uint64{0, 11, 12}, PerCPU: 33, HasPerCPU: true,
		Pages: inspect.Counters{
			"free":    10,
			"boost":   1,
			"min":     2,
			"low":     3,
			"high":    4,
			"promo":   5,
			"spanned": 6,
			"present": 7,
			"managed": 8,
			"cma":     9,
		}}
	empty := mem.Zone{Node: 1, Name: "Movable", Protection: []uint64{0, 0, 0},
		Pages: inspect.Counters{"free": 0, "min": 32, "low": 32, "high": 32, "spanned": 0, "present": 0, "managed": 0}}
	for name, c := range map[string]struct {
		text string
		want []mem.Zone
	}{
		"all there is":                    {zoneNormal, []mem.Zone{normal}},
		"no boost, no promo, no pagesets": {zoneEmpty, []mem.Zone{empty}},
		"pagesets end with their zone":    {zoneNormal + zoneEmpty, []mem.Zone{normal, empty}},
		"what is above the first zone":    {"min 5\npages free 3\n" + zoneEmpty, []mem.Zone{empty}},
		"cut after the name":              {"Node 0, zone DMA\n", []mem.Zone{{Name: "DMA", Pages: inspect.Counters{}}}},
		"half a name": {"Node 0, zone DMA\n  pages free 38\nNode 0, zone Nor",
			[]mem.Zone{{Name: "DMA", Pages: inspect.Counters{"free": 38}}}},
		"cut after the min watermark": {zoneNormal + zoneEmpty[:strings.Index(zoneEmpty, "        low")],
			[]mem.Zone{normal, {Node: 1, Name: "Movable", Pages: inspect.Counters{"free": 0, "min": 32}}}},
		"the largest number": {"Node 0, zone DMA\n  pages free 18446744073709551615\n",
			[]mem.Zone{{Name: "DMA", Pages: inspect.Counters{"free": 1<<64 - 1}}}},
		"a number too large is not there": {"Node 0, zone DMA\n  pages free 18446744073709551616\n min 1\n",
			[]mem.Zone{{Name: "DMA", Pages: inspect.Counters{"min": 1}}}},
		"garbage where a number belongs": {"Node 0, zone DMA\n  pages free x\n low\n min -1\n protection: (0, x)\n",
			[]mem.Zone{{Name: "DMA", Pages: inspect.Counters{}}}},
		"words of later kernels": {"Node 0, zone DMA\n  pages free 3\n        news 4\n  pages low 4\n",
			[]mem.Zone{{Name: "DMA", Pages: inspect.Counters{"free": 3}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := gocmp.Diff(c.want, parseZones(t, c.text)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A file is whole where each number that is wanted parsed, and its last line has an end.
func TestZoneinfoIsWhole(t *testing.T) {
	for text, want := range map[string]bool{
		zoneNormal + zoneEmpty: true, "Node 0, zone DMA\n  pages free 38": false, "Node 0, zone DMA\n  pages free x\n": false,
		"Node 0, zone DMA\n  protection: (0, x)\n": false, "Node 0, zone DMA\n  pagesets\n    cpu: 0\n  count: -1\n": false,
		"Node 0, zone DMA\n  pages free 3\n news x\n": true,
	} {
		if _, whole, err := mem.ParseZoneinfo([]byte(text)); whole != want || err != nil {
			t.Errorf("%q: whole %v, %v", text, whole, err)
		}
	}
}

func TestParseZoneinfoRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "no zone": "pages free 3\n", "a header without its zone": "Node 0,", "a node without a number": "Node x, zone DMA\n",
		"garbage": "\x00\xff\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			if zones, _, err := mem.ParseZoneinfo([]byte(text)); !errors.Is(err, inspect.ErrMalformed) {
				t.Errorf("got %v, %v; want malformed", zones, err)
			}
		})
	}
}

func TestFreeInBlocks(t *testing.T) {
	z := mem.Zone{Blocks: []uint64{5, 3, 0, 1}}
	for order, want := range []uint64{5 + 6 + 8, 6 + 8, 8, 8, 0, 0} {
		if got := z.FreeInBlocks(order); got != want {
			t.Errorf("blocks of order %d and more hold %d pages, want %d", order, got, want)
		}
	}
}

// TestBuddiesAreTheFreePages takes recorded hosts, where both files were read
// while nothing else ran.
func TestBuddiesAreTheFreePages(t *testing.T) {
	inspecttest.OnEach(t, func(t *testing.T, dir string) {
		for _, z := range take(t, dir).Zones {
			free, inBlocks := z.Pages["free"], z.FreeInBlocks(0)
			if z.Pages["managed"] > 0 && (free < inBlocks*9/10 || free > inBlocks*11/10) {
				t.Errorf("zone %s: %d pages free, %d in blocks", z.Name, free, inBlocks)
			}
		}
	})
}
