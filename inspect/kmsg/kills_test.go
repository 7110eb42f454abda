package kmsg_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kwhy/inspect/kmsg"
)

const sizes = " total-vm:100kB, anon-rss:40kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:40kB oom_score_adj:0\n"

// The kernel limits how often it writes a report, but each kill has its line: a
// group that is killed whole ends where another lead, another second or another
// group begins.
func TestKillsBehindAGroupWithoutReports(t *testing.T) {
	events := scan(t, "[   10.1] Memory cgroup out of memory: Killed process 50 (w)"+sizes+
		"[   10.1] Tasks in /app/a are going to be killed due to memory.oom.group set\n"+
		"[   10.1] Memory cgroup out of memory: Killed process 51 (w2)"+sizes+
		"[   99.1] Memory cgroup out of memory: Killed process 90 (other)"+sizes+
		"[   99.1] Tasks in /app/b are going to be killed due to memory.oom.group set\n"+
		"[   99.1] Memory cgroup out of memory: Killed process 91 (other2)"+sizes+
		"[   99.2] Memory cgroup out of memory: Killed process 92 (third)"+sizes+
		"[   99.2] Tasks in /app/c are going to be killed due to memory.oom.group set\n"+
		"[   99.2] Out of memory: Killed process 95 (glob)"+sizes)
	want := [][]victim{{{50, "w"}, {51, "w2"}}, {{90, "other"}, {91, "other2"}}, {{92, "third"}}, {{95, "glob"}}}
	if diff := cmp.Diff(want, victims(events)); diff != "" {
		t.Fatal(diff)
	}
	for i, whole := range []string{"/app/a", "/app/b", "/app/c", ""} {
		if events[i].Whole != whole {
			t.Errorf("kill %d is of %q, want %q", i+1, events[i].Whole, whole)
		}
	}
	// The time of a syslog daemon has no year, but has the seconds between lines.
	events = scan(t, strings.NewReplacer("[   10.1]", "Nov 24 10:20:42 h kernel:", "[   99.1]", "Nov 24 10:22:11 h kernel:").Replace(
		"[   10.1] Memory cgroup out of memory: Killed process 50 (w)"+sizes+
			"[   10.1] Tasks in /app/a are going to be killed due to memory.oom.group set\n"+
			"[   99.1] Memory cgroup out of memory: Killed process 90 (other)"+sizes))
	if len(events) != 2 {
		t.Errorf("%v", victims(events))
	}
}

// two are reports of 3.10 that were printed at once: /a/b killed 812, /z killed 813.
func two(caller bool) string {
	report := func(who, at, pid, comm, rows string) []string {
		return strings.Split(who+` invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0
`+who+` cpuset=/ mems_allowed=0
CPU: 1 PID: 700 Comm: `+who+` Not tainted 3.10.0-1160.el7.x86_64 #1
Task in `+at+` killed as a result of limit of `+at+`
memory: usage 4000kB, limit 4000kB, failcnt 7
memory+swap: usage 4000kB, limit 4000kB, failcnt 0
[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name
`+rows+`Memory cgroup out of memory: Kill process `+pid+` (`+comm+`) score 900 or sacrifice child
Killed process `+pid+` (`+comm+`) total-vm:100kB, anon-rss:40kB, file-rss:0kB`, "\n")
	}
	a := report("nginx", "/a/b", "812", "java", "[  812]     0   812     1000      900       3        0             0 java\n")
	b := report("sshd", "/z", "813", "java", "[  813]     0   813     1000      900       3        0             0 java\n")
	var out strings.Builder
	for i := range a {
		for n, line := range []string{a[i], b[i]} {
			out.WriteString("[   10.5]")
			if caller {
				out.WriteString([]string{"[ T100]", "[ T200]"}[n])
			}
			out.WriteString(" " + line + "\n")
		}
	}
	return out.String()
}

// Up to 4.1 nothing kept two reports apart. The caller of a line decides, where it is
// printed; else only the victims' own lines can be trusted.
func TestTwoReportsAtOnce(t *testing.T) {
	events := scan(t, two(true))
	if len(events) != 2 {
		t.Fatalf("%v", victims(events))
	}
	for _, e := range events {
		want := map[int64][2]string{812: {"/a/b", "nginx"}, 813: {"/z", "sshd"}}[e.Victims[0].PID]
		if e.Interleaved || e.OOMMemcg != want[0] || e.Invoker.Comm != want[1] || len(e.Tasks) != 1 || e.Victims[0].Score != 900 {
			t.Errorf("%+v", e)
		}
	}
	events = scan(t, two(false))
	if diff := cmp.Diff([][]victim{{{812, "java"}}, {{813, "java"}}}, victims(events)); diff != "" {
		t.Fatal(diff)
	}
	for _, e := range events {
		if !e.Interleaved || e.Invoked || e.OOMMemcg != "" || e.Memory.Limit != kmsg.Unset || e.Tasks != nil ||
			e.Release != "3.10.0-1160.el7.x86_64" ||
			e.Victims[0].Score != 900 ||
			e.Victims[0].Anon != 40 {
			t.Errorf("%+v", e)
		}
	}
	// One after the other, and the first lost its victim: the second is whole.
	text := two(false)
	var one, other strings.Builder
	for i, line := range strings.SplitAfter(text, "\n") {
		switch {
		case i%2 == 1:
			other.WriteString(line)
		case !strings.Contains(line, "Kill"):
			one.WriteString(line)
		}
	}
	events = scan(t, one.String()+other.String())
	if len(events) != 1 || events[0].Interleaved || events[0].OOMMemcg != "/z" || events[0].Invoker.Comm != "sshd" ||
		events[0].Victims[0].PID != 813 {
		t.Errorf("%v %+v", victims(events), events[0])
	}
}

// What the reaper did comes late: another report may have begun.
func TestReaper(t *testing.T) {
	kill := func(at, pid string) string {
		return at + " a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n" + at + " Out of memory: Killed process " +
			pid + " (a)" + sizes
	}
	events := scan(t, kill("[   10.1]", "12")+kill("[   11.1]", "13")+kill("[   11.2]", "14")+
		"[   12.1] oom_reaper: reaped process 12 (a), now anon-rss:0kB, file-rss:0kB, shmem-rss:8kB\n"+
		"[   13.2] oom_reaper: unable to reap pid:13 (a)\n[   90.0] usb 1-1: new device\n"+kill("[   95.1]", "15"))
	if len(events) != 4 {
		t.Fatalf("%v", victims(events))
	}
	got := map[int64][3]bool{}
	for _, e := range events {
		v := e.Victims[0]
		got[v.PID] = [3]bool{v.Reaped, v.Failed, v.Unreaped}
	}
	want := map[int64][3]bool{
		12: {true, false, false},
		13: {false, true, true},
		14: {false, false, true},
		15: {},
	} // of 15 the log is not long enough
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A line that the log ends in may be cut anywhere: what is not whole is left out.
func TestCutVictimLine(t *testing.T) {
	const line = "Out of memory: Killed process 12 (Web Content) total-vm:3604kB, anon-rss:2008kB, file-rss:20kB, shmem-rss:24kB, " +
		"UID:1000 pgtables:680kB oom_score_adj:-30"
	whole := scan(t, line+"\n")[0].Victims[0]
	for n := range len(line) {
		for _, e := range scan(t, line[:n]) {
			v := e.Victims[0]
			for name, is := range map[string][2]int64{"PID": {v.PID, whole.PID}, "UID": {v.UID, whole.UID}, "total-vm": {v.TotalVM, whole.TotalVM},
				"anon": {v.Anon, whole.Anon},
				"file": {v.File, whole.File}, "shmem": {v.Shmem, whole.Shmem}, "tables": {v.Tables, whole.Tables}} {
				if is[0] != kmsg.Unset && is[0] != is[1] {
					t.Errorf("%q: %s is %d", line[:n], name, is[0])
				}
			}
			if v.HasAdj || v.Comm != whole.Comm && (!v.Cut || !strings.HasPrefix(whole.Comm, v.Comm)) || v.Cut && n >= strings.Index(line, ") ")+1 ||
				!v.Torn {
				t.Errorf("%q: %+v", line[:n], v)
			}
		}
	}
	if v := scan(t, line+"\n")[0].Victims[0]; v.Adj != -30 || !v.HasAdj || v.Torn || v.Tables != 680 || v.UID != 1000 {
		t.Errorf("%+v", v)
	}
	// The rest of the name is elsewhere in the report.
	e := scan(t, "Out of memory: Kill process 12 (Web Content) score 9 or sacrifice child\nKilled process 12 (Web Co")[0]
	if v := e.Victims[0]; v.Comm != "Web Content" || v.Cut {
		t.Errorf("%+v", v)
	}
}

// The victim grows between the table and its own line: not every ratio is a page.
func TestPageSizeOfOddRatios(t *testing.T) {
	table := "a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n" +
		"ZONES[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n" +
		"[     12]     0    12     1000      500    45056        0             0 a\n" +
		"Out of memory: Killed process 12 (a) total-vm:SIZEkB, anon-rss:40kB, file-rss:0kB, shmem-rss:0kB\n"
	zones := "Mem-Info:\nNode 0 DMA free:1900kB min:88kB low:108kB high:128kB present:15992kB managed:15908kB\n" +
		"Node 0 DMA: 3*16kB (UE) 2*32kB (U) = 1900kB\n"
	for _, c := range []struct {
		zones, size string
		want        int64
	}{
		{"", "4000", 4096}, {"", "64000", 65536}, {"", "12000", 0}, {"", "1000", 0}, {"", "128000", 0}, {"", "4001", 0}, {zones, "4000", 16384},
		{zones, "12000", 16384},
	} {
		e := scan(t, strings.NewReplacer("ZONES", c.zones, "SIZE", c.size).Replace(table))[0]
		if got := e.PageSize(); got != c.want {
			t.Errorf("%s kB of 1,000 pages, %d zones: pages of %d bytes, want %d", c.size, len(e.Zones), got, c.want)
		}
	}
}

// v1 has a line of statistics for each cgroup up to 5.2, with its own figures.
func TestStatisticsOfChildren(t *testing.T) {
	e := scan(t, `a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
Task in /pod/one killed as a result of limit of /pod
memory: usage 250000kB, limit 320000kB, failcnt 0
memory+swap: usage 400000kB, limit 400000kB, failcnt 55
kmem: usage 1000kB, limit 9007199254740988kB, failcnt 0
Memory cgroup stats for /pod: cache:0KB rss:0KB shmem:0KB
Memory cgroup stats for /pod/one: cache:310000KB rss:2000KB shmem:309000KB
Memory cgroup out of memory: Kill process 12 (a) score 9 or sacrifice child
Killed process 12 (a) total-vm:100kB, anon-rss:40kB, file-rss:0kB, shmem-rss:0kB
`)[0]
	if e.Stats["shmem"] != 309000<<10 || e.Stats["rss"] != 2000<<10 || e.Kmem.Use != 1000 ||
		e.MemSwap != (kmsg.Usage{Use: 400000, Limit: 400000, Failed: 55}) ||
		e.OOMMemcg != "/pod" {
		t.Errorf("%+v", e)
	}
}

func TestHugePagesAndReserves(t *testing.T) {
	e := scan(t, `a invoked oom-killer: gfp_mask=0xdc0(GFP_KERNEL|__GFP_ZERO), order=3, oom_score_adj=0
Mem-Info:
Node 0 DMA32 free:190000kB boost:0kB min:2704kB low:3380kB high:4056kB reserved_highatomic:512KB present:507768kB `+
		`managed:484528kB free_cma:188000kB
lowmem_reserve[]: 0 0 7 7
Node 0 DMA32: 1*4kB (U) 2*32kB (C) 3*64kB (MC) = 190000kB
Node 1 Normal: 1*4kB (U) = 4kB
Node 0 hugepages_total=200 hugepages_free=150 hugepages_surp=0 hugepages_size=2048kB
Node 1 hugepages_total=1 hugepages_free=0 hugepages_surp=0 hugepages_size=1048576kB
Out of memory: Killed process 12 (a)`+sizes)[0]
	z := e.Zones[0]
	if z.CMA != 188000 || z.HighAtomic != 512 || e.HugePages != 400<<10+1<<20 || e.HugeFree != 300<<10 || e.Orphans != 1 {
		t.Errorf("%+v, huge pages %d, %d", z, e.HugePages, e.HugeFree)
	}
	if diff := cmp.Diff([]string{"U", "C", "MC"}, z.Types); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{0, 0, 7, 7}, z.Reserve); diff != "" {
		t.Error(diff)
	}
}
