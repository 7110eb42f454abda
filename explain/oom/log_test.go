package oom_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kwhy/explain/oom"
)

const (
	unbounded = "9007199254740988kB"
	usage     = "memory: usage 320000kB, limit 320000kB, failcnt 7"
)

// A cgroup may use its limit and, of the host's swap, what its own limit of swap
// allows: how much the host has is not in its report. What is first at the limit
// alone need not be with swap. The victims are those of mem_cgroup_get_max.
func TestTotalOfACgroup(t *testing.T) {
	v1 := func(memsw string) []string {
		return []string{
			usage,
			"memory+swap: usage 320000kB, limit " + memsw + ", failcnt 0",
			"kmem: usage 0kB, limit " + unbounded + ", failcnt 0",
		}
	}
	v2 := func(max string) []string { return []string{usage, "swap: usage 0kB, limit " + max + ", failcnt 0"} }
	adj0 := machine()
	adj0[4].adj = 0
	for name, c := range map[string]struct {
		m               made
		before          string // what the log has of the same host
		total, rank     any
		explained, cond any
	}{
		"v2, no swap allowed": {
			m: made{major: 5, minor: 15, victim: 812, limits: v2("0kB")}, total: int64(80000),
			rank: int64(1), explained: int64(1),
		},
		"v2, the host's swap decides":  {m: made{major: 5, minor: 15, victim: 813, limits: v2(unbounded)}, cond: "swap"},
		"v2, it must have had little":  {m: made{major: 5, minor: 15, victim: 812, limits: v2(unbounded)}, cond: "no_swap"},
		"v2, 4 GiB allowed, who knows": {m: made{major: 5, minor: 15, victim: 812, limits: v2("4194304kB")}, cond: "no_swap"},
		"v2, known from another report": {
			m:      made{major: 5, minor: 15, victim: 813, limits: v2(unbounded)},
			before: made{major: 5, minor: 15, victim: 812, swap: "4194304"}.String(),
			total:  int64(80000 + 1048576), rank: int64(1), explained: int64(1),
		},
		"v2, known that there is none": {
			m:      made{major: 5, minor: 15, victim: 813, limits: v2(unbounded)},
			before: made{major: 5, minor: 15, victim: 812}.String(), total: int64(80000), rank: int64(2),
			explained: int64(0),
		},
		"v2, a report of another kernel": {
			m:      made{major: 5, minor: 15, victim: 813, limits: v2(unbounded)},
			before: made{major: 5, minor: 14, victim: 812}.String(), cond: "swap",
		},
		"v2, no adjustments": {
			m:    made{major: 5, minor: 15, victim: 812, limits: v2(unbounded), procs: adj0},
			rank: int64(1), explained: int64(1),
		},
		"v2, nothing makes it the first": {m: made{major: 5, minor: 15, victim: 700, limits: v2(unbounded)}, explained: int64(0)},
		"v2, its swap line is lost":      {m: made{major: 5, minor: 15, victim: 813, limits: []string{usage}}, cond: "swap"},
		"v1, memory and swap limited alike": {
			m: made{major: 5, minor: 15, victim: 812, limits: v1("320000kB")}, total: int64(80000),
			rank: int64(1), explained: int64(1),
		},
		"v1, no limit of both": {m: made{major: 5, minor: 15, victim: 813, limits: v1(unbounded)}, cond: "swap"},
		"v1, from the score: no swap": {
			m:     made{major: 4, minor: 15, victim: 812, score: 60490 * 1000 / 80000, limits: v1(unbounded)},
			total: int64(80000), rank: int64(1), explained: int64(1),
		},
		"v1, from the score: 4 GiB": {
			m:    made{major: 4, minor: 15, victim: 813, score: (12170 + 300*1128) * 1000 / 1128576, limits: v1(unbounded)},
			rank: int64(1), explained: int64(1),
		},
		"v1, half a GiB allowed and there": {
			m:     made{major: 4, minor: 15, victim: 813, score: (12170 + 300*211) * 1000 / 211072, limits: v1("844288kB")},
			total: int64(211072), rank: int64(1), explained: int64(1),
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.m.constraint = "memcg"
			all := kills(t, c.before+c.m.String())
			r := row(t, all[len(all)-1])
			want := map[string]any{"points_total": c.total, "rank": c.rank, "explained": c.explained, "explained_if": c.cond}
			got := map[string]any{}
			for key := range want {
				got[key] = r[key]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s%v", diff, r["why"])
			}
			why := r["why"].(string)
			if c.cond != nil && (!strings.Contains(why, "of swap") || strings.Contains(why, "exiting already")) {
				t.Errorf("%v", why)
			}
		})
	}
}

// The log of the machine itself: its swap can be looked up.
func TestTotalOfACgroupHere(t *testing.T) {
	text := made{
		major: 5, minor: 15, victim: 812, constraint: "memcg",
		limits: []string{usage, "swap: usage 0kB, limit " + unbounded + ", failcnt 0"},
	}.String()
	for swap, total := range map[int64]int64{0: 80000, 4 << 20: 80000 + 1<<20} {
		var list []*oom.Kill
		x := oom.Examiner{Here: true, Swap: swap}
		if _, err := x.Walk(strings.NewReader(text), func(k *oom.Kill) bool { list = append(list, k); return true }); err != nil {
			t.Fatal(err)
		}
		if r := row(t, list[0]); r["points_total"] != total {
			t.Errorf("with %d kB of swap: %v, want %d", swap, r["points_total"], total)
		}
	}
}

// Up to 5.8 no candidate had less than one point, and there were ties at 1. Late
// 5.4 kernels may compare them as they are, so that nothing is said of those.
func TestPointsBelowOne(t *testing.T) {
	list := append(machine(),
		proc{pid: 950, comm: "pg", anon: 30000, tables: 50, adj: -500},
		proc{pid: 951, comm: "pg2", anon: 90, tables: 50, adj: -400})
	r := only(t, made{major: 4, minor: 19, victim: 812, procs: list}.String())
	if diff := cmp.Diff([]any{int64(60490), int64(12170 + 300*125), int64(309), int64(1), int64(1)}, r["ranked_points"]); diff != "" {
		t.Error(diff)
	}
	r = only(t, made{major: 5, minor: 15, victim: 812, procs: list}.String())
	if diff := cmp.Diff([]any{int64(60490), int64(12170 + 300*125), int64(309), int64(140 - 400*125), int64(30050 - 500*125)},
		r["ranked_points"].([]any)); diff == "" {
		t.Error("5.15 ranks as 4.19 does")
	}
	for _, minor := range []int{19, 4} {
		m := made{major: 4, minor: minor, victim: 951, procs: list[5:]}
		if minor == 4 {
			m.major = 5
		}
		r := only(t, m.String())
		if r["rank"] != int64(1) || r["explained"] != int64(1) || !strings.Contains(r["why"].(string), "tied with pg") {
			t.Errorf("%d.%d: %v", m.major, m.minor, r)
		}
		if known := m.major == 4; (r["points"] != nil) != known {
			t.Errorf("%d.%d: points %v", m.major, m.minor, r["points"])
		}
	}
}

// PIDs of a report are the host's: 1 is its init, which is never killed.
func TestInitIsNoCandidate(t *testing.T) {
	list := machine()
	list[0].anon = 70000
	for _, constraint := range []string{"", "memcg"} {
		m := made{
			major: 6, minor: 1, victim: 812, procs: list, constraint: constraint,
			limits: []string{usage, "swap: usage 0kB, limit 0kB, failcnt 0"},
		}
		if r := only(t, m.String()); r["rank"] != int64(1) || r["candidates"] != int64(3) {
			t.Errorf("%q: rank %v of %v", constraint, r["rank"], r["candidates"])
		}
	}
}

// twoNodes are all of RAM, or nearly.
func twoNodes() []string {
	return []string{
		"Node 0 Normal free:2580kB min:2704kB low:3380kB high:4056kB present:261880kB managed:242264kB", "Node 0 Normal: 1*4kB (U) = 4kB",
		"Node 1 Normal free:2400kB min:2704kB low:3380kB high:4056kB present:261880kB managed:242264kB", "Node 1 Normal: 1*4kB (U) = 4kB",
	}
}

// Before 5.0 the kernel does not write what bound the request.
func TestConstraintBefore50(t *testing.T) {
	one := twoNodes()[2:]
	for name, c := range map[string]struct {
		m    made
		want any
	}{
		"one node":                        {made{cpuset: "/"}, "none"},
		"a container that may use all":    {made{cpuset: "4f1c99aa", mems: "0-1", zones: twoNodes()}, "none"},
		"a container on one of two":       {made{cpuset: "4f1c99aa", mems: "1", zones: twoNodes()}, "cpuset"},
		"and only its node is shown":      {made{cpuset: "4f1c99aa", mems: "1", zones: one}, "cpuset"},
		"kernel memory leaves the cpuset": {made{cpuset: "4f1c99aa", mems: "1", zones: twoNodes(), gfp: "0x14000c0(GFP_KERNEL)"}, nil},
		"a memory policy":                 {made{cpuset: "/", mems: "0-1", zones: twoNodes(), head: ", nodemask=1"}, "mempolicy"},
		"and only its node is shown, too": {made{cpuset: "/", mems: "0-1", zones: one, head: ", nodemask=1"}, "mempolicy"},
		"a policy of all nodes":           {made{cpuset: "/", mems: "0-1", zones: twoNodes(), head: ", nodemask=0-1"}, "none"},
		"no policy":                       {made{cpuset: "/", mems: "0-1", zones: twoNodes(), head: ", nodemask=(null)"}, "none"},
	} {
		c.m.major, c.m.minor, c.m.victim, c.m.score = 4, 15, 812, 483
		r := only(t, c.m.String())
		if r["constraint"] != c.want {
			t.Errorf("%s: %v, want %v", name, r["constraint"], c.want)
		}
		if lacks := cmp.Equal(r["missing"], []any{"constraint"}); lacks != (c.want == nil) {
			t.Errorf("%s: missing %v", name, r["missing"])
		}
	}
	// Up to 5.3 nodes counted with their holes, which no report has.
	for _, c := range []struct {
		minor int
		total any
	}{{15, int64(65470)}, {1, nil}} {
		m := made{major: 5, minor: c.minor, victim: 812, constraint: "cpuset", cpuset: "/job", mems: "1", zones: twoNodes()}
		if r := only(t, m.String()); r["points_total"] != c.total || r["constraint"] != "cpuset" {
			t.Errorf("5.%d: total %v", c.minor, r["points_total"])
		}
	}
}

// Which limit was hit: version 1 has three.
func TestLimitHit(t *testing.T) {
	lines := func(memory, memsw, kmem string) []string {
		return []string{"memory: usage " + memory, "memory+swap: usage " + memsw, "kmem: usage " + kmem}
	}
	const open = ", limit " + unbounded + ", failcnt 0"
	for _, c := range []struct {
		limits    []string
		hit       any
		role, why string
	}{
		{
			lines("320000kB, limit 320000kB, failcnt 9", "330000kB"+open, "0kB"+open),
			"memory", "culprit", "69 % of the limit:",
		},
		{
			lines("250000kB, limit 320000kB, failcnt 0", "400000kB, limit 400000kB, failcnt 55", "0kB"+open),
			"memory+swap", "culprit", "55 % of the limit, swap included",
		},
		{
			lines("250000kB, limit 320000kB, failcnt 0", "250000kB"+open, "4096kB, limit 4096kB, failcnt 3"),
			nil, "culprit", "", // at that limit nobody is killed
		},
		{lines("250000kB, limit 320000kB, failcnt 0", "250000kB"+open, "0kB"+open), nil, "culprit", ""},
	} {
		r := only(t, made{major: 4, minor: 15, victim: 812, score: 1, constraint: "memcg", limits: c.limits}.String())
		if r["limit_hit"] != c.hit || r["role"] != c.role || !strings.Contains(r["why"].(string), c.why) {
			t.Errorf("%v: %v, %v: %v", c.limits, r["limit_hit"], r["role"], r["why"])
		}
	}
}

// Why a zone with free pages could not serve a request.
func TestZoneThatKeepsItsPages(t *testing.T) {
	zone := func(free, rest, reserve, blocks string) []string {
		return []string{
			"Node 0 DMA32 free:" + free + "kB min:2704kB low:3380kB high:4056kB present:523760kB managed:484528kB" + rest,
			"lowmem_reserve[]: " + reserve,
			"Node 0 DMA32: " + blocks + " = 1kB",
		}
	}
	const kernel, user = "0xdc0(GFP_KERNEL|__GFP_ZERO)", "0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO)"
	for name, c := range map[string]struct {
		m      made
		says   string
		blocks any
		advice string
	}{
		"below min": {made{
			gfp: kernel, zones: zone("2580", " free_cma:0kB", "0 0 0 0", "1*4kB (U)"),
		}, "at or below its min watermark", int64(1), ""},
		"CMA": {made{
			gfp: kernel, zones: zone("190000", " free_cma:188000kB", "0 0 0 0", "1*4kB (U)"),
		}, "184 MiB in CMA", int64(1), "cma="},
		"CMA, a movable page": {made{
			gfp: user, zones: zone("190000", " free_cma:188000kB", "0 0 0 0", "1*4kB (U)"),
		}, "freed after", int64(1), ""},
		"urgent requests": {made{
			gfp: kernel, zones: zone("3000", " reserved_highatomic:2048KB", "0 0 0 0", "1*4kB (U)"),
		}, "2.0 MiB reserved for atomic requests", int64(1), ""},
		"a reserve": {made{
			gfp: kernel, zones: zone("9000", "", "0 0 2000 2000", "1*4kB (U)"),
		}, "7.8 MiB reserved for requests that can't use a higher zone", int64(1), ""},
		"no block": {made{
			gfp: kernel, order: 3,
			zones: zone("25800", "", "0 0 0 0", "9*4kB (U) 0*8kB 0*16kB 0*32kB 0*64kB"),
		}, "no free block of order 3", int64(0), "Contiguous"},
		"blocks of others": {made{
			gfp: kernel, order: 3,
			zones: zone("25800", "", "0 0 0 0", "9*4kB (U) 0*8kB 0*16kB 300*32kB (C) 20*64kB (HI)"),
		}, "320 blocks, none usable", int64(0), "Contiguous"},
		"blocks again": {made{
			gfp: kernel, order: 3,
			zones: zone("25800", "", "0 0 0 0", "9*4kB (U) 0*8kB 0*16kB 300*32kB (C) 20*64kB (M)"),
		}, "it had 20 blocks", int64(20), "Contiguous"},
	} {
		c.m.major, c.m.minor, c.m.victim = 5, 15, 812
		k := kills(t, c.m.String())[0]
		r := row(t, k)
		var says string
		for _, f := range oom.Kills().Fields {
			if f.Key == "zone" {
				says = f.Reading(k)
			}
		}
		if !strings.Contains(says, c.says) || r["zone_blocks"] != c.blocks || !strings.Contains(r["advice"].(string), c.advice) {
			t.Errorf("%s: %q, %v blocks, %v", name, says, r["zone_blocks"], r["advice"])
		}
	}
}

func TestRoles(t *testing.T) {
	cgroup := func(stats ...string) made {
		return made{
			major: 4, minor: 15, victim: 700, score: 1, constraint: "memcg", procs: machine()[2:3],
			limits: []string{usage, "memory+swap: usage 320000kB, limit 320000kB, failcnt 0"},
			stats:  stats,
		}
	}
	large := machine()
	large[3].anon = 80000
	shielded := machine()
	shielded[3].adj = -900
	for name, c := range map[string]struct {
		m            made
		role         any
		says, advice string
	}{
		"it held most":     {made{victim: 812, procs: large}, "culprit", "It used 332 MiB, 68 % of RAM", "limit"},
		"more than others": {made{victim: 812}, "largest", "It used 44 % of RAM, more than any other", "too little memory"},
		"its own adjustment": {
			made{victim: 813, swap: "262144"}, "bystander",
			"its oom_score_adj of 300 counted like another 223 MiB", "oom_score_adj",
		},
		"another's": {
			made{victim: 813, procs: shielded}, "bystander",
			"Web Content (812) had 235 MiB: its oom_score_adj of 300 counted", "larger one",
		},
		"huge pages": {made{
			victim: 700, procs: machine()[2:3],
			more: []string{"Node 0 hugepages_total=200 hugepages_free=200 hugepages_surp=0 hugepages_size=2048kB"},
		}, "bystander", "400 MiB in huge page pools, 400 MiB of it unused", "vm.nr_hugepages"},
		"slab": {made{victim: 700, procs: machine()[2:3]}, "bystander", "84.0 MiB of unreclaimable slab; 38.7 MiB of tmpfs", "slabtop"},
		"tmpfs of a child": {
			cgroup("Memory cgroup stats for /a: cache:0KB rss:0KB shmem:0KB",
				"Memory cgroup stats for /a/b: cache:310000KB rss:2000KB shmem:300000KB"),
			"bystander", "293 MiB of tmpfs and shared memory", "df -t tmpfs",
		},
		"tmpfs as cache": {
			cgroup("Memory cgroup stats for /a: cache:310000KB rss:2000KB inactive_file:6000KB active_file:4000KB"),
			"bystander", "293 MiB of tmpfs and shared memory", "df -t tmpfs",
		},
		"an operator's": {made{victim: 812, order: -1}, "asked", "An operator requested", "nothing to fix"},
		"adjacent pages": {made{
			victim: 812, order: 3, gfp: "0x40dc0(GFP_KERNEL|__GFP_ZERO)",
			zones: []string{"Node 0 DMA32 free:25800kB min:2704kB low:3380kB high:4056kB present:523760kB managed:484528kB"},
		}, "largest", "44 %", "Contiguous pages"},
		"in a cgroup, largest": {made{
			major: 5, victim: 813, constraint: "memcg", procs: machine()[4:5],
			limits: []string{"memory: usage 100000kB, limit 100000kB, failcnt 1", "swap: usage 0kB, limit 0kB, failcnt 0"},
		}, "bystander", "all processes of the table together 48 %", "Kills won't help"},
	} {
		if c.m.major == 0 {
			c.m.major, c.m.minor = 5, 15
		}
		r := only(t, c.m.String())
		if r["role"] != c.role || !strings.Contains(r["why"].(string), c.says) || !strings.Contains(r["advice"].(string), c.advice) {
			t.Errorf("%s: %v: %v\n%v", name, r["role"], r["why"], r["advice"])
		}
	}
	// A line that says nothing else gives no advice.
	for _, lead := range []string{"", "Memory cgroup out of memory: "} {
		r := only(t, lead+"Killed process 12 (hog) total-vm:10kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB\n")
		if r["advice"] != nil || r["role"] != nil {
			t.Errorf("%q: %v, %v", lead, r["role"], r["advice"])
		}
	}
}

// Up to 4.16 privilege took 3 % off, which the table does not tell.
func TestPrivilege(t *testing.T) {
	list := []proc{{pid: 940, comm: "rootd", anon: 50000, tables: 100}, {pid: 941, comm: "user", anon: 49500, tables: 100}}
	const total = 130940 - 5831
	for name, c := range map[string]struct {
		m      made
		points int64
		rank   int64
		cond   any
	}{
		"no bonus":          {made{major: 4, minor: 9, victim: 940, score: 50100 * 1000 / total}, 50100, 1, nil},
		"3 % of the points": {made{major: 4, minor: 9, victim: 940, procs: list[:1], score: (50100 - 1503) * 1000 / total}, 48597, 1, nil},
		"3 % of the total": {made{
			major: 3, minor: 10, victim: 940, procs: list[:1], score: (50100 - 30*125) * 1000 / total,
		}, 50100 - 30*125, 1, nil},
		"the other's bonus":  {made{major: 4, minor: 9, victim: 941, score: 49600 * 1000 / total}, 49600, 2, "privilege"},
		"none left for this": {made{major: 4, minor: 19, victim: 941, score: 49600 * 1000 / total}, 49600, 2, nil},
	} {
		if c.m.procs == nil {
			c.m.procs = list
		}
		r := only(t, c.m.String())
		if r["points"] != c.points || r["rank"] != c.rank || r["explained_if"] != c.cond {
			t.Errorf("%s: points %v, rank %v, if %v: %v", name, r["points"], r["rank"], r["explained_if"], r["why"])
		}
	}
}

// The kernel's line may be lost: the format shows its age, and nothing is blamed
// on what only old kernels counted.
func TestKernelByItsFormat(t *testing.T) {
	r := only(t, made{major: 5, minor: 15, release: "-", victim: 813}.String())
	if r["kernel"] != nil || r["rank"] != int64(2) || strings.Contains(r["why"].(string), "privilege") {
		t.Errorf("%v", r)
	}
	r = only(t, made{major: 4, minor: 9, release: "-", victim: 813, score: 396}.String())
	if !strings.Contains(r["why"].(string), "privilege") {
		t.Errorf("%v", r["why"])
	}
}

// What a log of a cut lacks is null, never another value: neither where it ends,
// nor where it begins, nor where a line is dropped.
func TestNothingIsMadeUp(t *testing.T) {
	logs := map[string]string{
		"5.15": made{major: 5, minor: 15, victim: 812, swap: "262144", head: ""}.String(),
		"5.15 of a cgroup": made{
			major: 5, minor: 15, victim: 812, constraint: "memcg",
			limits: []string{usage, "swap: usage 0kB, limit 0kB, failcnt 0"},
			stats:  []string{"Memory cgroup stats for /a:", "anon 300000000", "shmem 20480000", "slab 1000000"},
		}.String(),
		"6.12 of a policy": made{major: 6, minor: 12, victim: 812, constraint: "mempolicy", mems: "1", zones: twoNodes()}.String(),
		"4.15":             made{major: 4, minor: 15, victim: 812, score: 317, swap: "262144", head: ", nodemask=(null)"}.String(),
		"3.10 of a cgroup": made{
			major: 3, minor: 10, victim: 812, score: 756, constraint: "memcg",
			limits: []string{usage, "memory+swap: usage 320000kB, limit 320000kB, failcnt 0"},
		}.String(),
	}
	for _, name := range []string{"mainline-4.9-global.log", "el6-2.6.32.log", "el7-3.10-memcg.log", "mainline-5.10-group.log"} {
		b, err := os.ReadFile("../../inspect/kmsg/testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		logs[name] = string(b)
	}
	for name, log := range logs {
		t.Run(name, func(t *testing.T) {
			whole := map[any]map[string]any{}
			for _, k := range kills(t, log) {
				r := row(t, k)
				whole[r["victim_pid"]] = r
			}
			lines := strings.SplitAfter(log, "\n")
			for i := range lines {
				atMost(t, log, whole, strings.Join(lines[:i], ""))
				atMost(t, log, whole, strings.Join(lines[i:], ""))
				atMost(t, log, whole, strings.Join(lines[:i], "")+strings.Join(lines[min(i+1, len(lines)):], ""))
			}
			for i := len(log) - min(len(log), 400); i < len(log); i++ {
				atMost(t, log, whole, log[:i])
			}
		})
	}
}

// atMost asserts that a part of a log says nothing that the whole does not.
func atMost(t *testing.T, log string, whole map[any]map[string]any, part string) {
	t.Helper()
	judged := strings.Fields("kill missing why advice explained explained_if role rank members " +
		"candidates ranked_pids ranked_comms ranked_points reaped reap_failed")
	for _, k := range kills(t, part) {
		r := row(t, k)
		all, ok := whole[r["victim_pid"]]
		if !ok && whole[r["victim_pid"]] == nil && k.V.Named { // the one with the most points
			continue
		}
		if !ok {
			t.Fatalf("process %v is no victim of the whole log, but of ...%q", r["victim_pid"], part[max(0, len(part)-100):])
		}
		for key, v := range r {
			if slices.Contains(judged, key) || v == nil || cmp.Equal(v, all[key]) {
				continue
			}
			if n, ok := v.(int64); ok && key == "freed_at_most" && n <= all[key].(int64) && r["pgtables"] == nil {
				continue // without page tables, which it says
			}
			twice := strings.Count(log, fmt.Sprintf("Killed process %d ", k.V.PID)) > 1 // once more with its whole cgroup
			if (k.V.Named || twice) && (key == "logged_at" || key == "uptime") {
				continue
			}
			t.Errorf("%s is %v of ...%q, and %v of the whole", key, v, part[max(0, len(part)-100):], all[key])
		}
	}
}

// The memory of a log of any size: a report is freed once it is explained.
func TestWalkHandsOnInOrder(t *testing.T) {
	var log strings.Builder
	for range 50 {
		log.WriteString(made{major: 5, minor: 15, victim: 812}.String())
	}
	n := 0
	if _, err := new(oom.Examiner).Walk(strings.NewReader(log.String()), func(k *oom.Kill) bool {
		if n++; k.Number != n {
			t.Errorf("kill %d comes as number %d", k.Number, n)
		}
		return n < 40
	}); err != nil || n != 40 {
		t.Errorf("%d kills, %v", n, err)
	}
}

// shortLog is a log of n kills, 10 s apart.
func shortLog(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[%5d.1] hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n", 10*(i+1))
		fmt.Fprintf(&b, "[%5d.2] Out of memory: Killed process %d (hog) total-vm:100kB, anon-rss:40kB, file-rss:0kB, shmem-rss:0kB\n",
			10*(i+1), 100+i)
	}
	return b.String()
}

func TestLogReport(t *testing.T) {
	for _, c := range []struct {
		kills, limit int
		text         bool
		tables       string // their names and rows
	}{
		{0, -1, true, "kills 0"},
		{1, -1, true, "kills 1"},
		{5, -1, true, "overview 5, kills 3"},
		{5, 2, true, "overview 5, kills 2"},
		{5, 0, true, "kills 5"},
		{1200, -1, true, "overview 1000, kills 3"},
		{5, -1, false, "kills 5"},
		{5, 2, false, "kills 2"},
		{5, 0, false, "kills 5"},
		{0, 0, false, "kills 0"},
	} {
		told := 0
		l := oom.Log{In: strings.NewReader(shortLog(c.kills)), Name: "kern.log", Empty: "none", Limit: c.limit, Text: c.text}
		rep := l.Report(func() { told++ })
		var tables []string
		for _, g := range rep.Grids {
			n := 0
			for range g.Rows {
				n++
			}
			tables = append(tables, fmt.Sprint(g.Name, " ", n))
		}
		if got := strings.Join(tables, ", "); got != c.tables || told == 0 || l.Err() != nil || len(rep.Gaps) > 0 {
			t.Errorf("%d kills, limit %d, text %v: %q, want %q; told %d times, %v, %v",
				c.kills, c.limit, c.text, got, c.tables, told, l.Err(), rep.Gaps)
		}
		if e := rep.Grids[len(rep.Grids)-1].Empty; e != "none" {
			t.Errorf("empty: %q", e)
		}
	}
}

// broken is a log that fails when it has been read to its end.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errors.New("input/output error")
	}
	return n, err
}

// What could not be seen of a log is known when it has been read: records that were
// overwritten, lines that only look like kills, and an error.
func TestLogGaps(t *testing.T) {
	text := shortLog(1) + "Nov 24 10:20:42 web-1 app[7]: Out of memory: Killed process 7 (a) total-vm:1kB, anon-rss:1kB\n"
	for _, limit := range []int{0, 1} {
		l := oom.Log{In: broken{strings.NewReader(text)}, Name: "the ring", Limit: limit, Text: true, Lost: func() bool { return true }}
		rep := l.Report(func() {})
		n := 0
		for range rep.Grids[0].Rows {
			n++
		}
		var gaps []string
		for _, g := range rep.Gaps {
			gaps = append(gaps, fmt.Sprint(g.Source, " ", g.Reason, " ", g.Count))
		}
		if want := []string{"the ring vanished 1", "the ring malformed 1"}; n != 1 || !slices.Equal(gaps, want) {
			t.Errorf("limit %d: %d kills, %q", limit, n, gaps)
		}
		if err := l.Err(); err == nil || err.Error() != "read the ring: input/output error" {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}
