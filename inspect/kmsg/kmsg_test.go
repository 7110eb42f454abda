package kmsg_test

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kwhy/inspect/kmsg"
)

// scan returns the reports of a log.
func scan(t testing.TB, text string) (out []*kmsg.Event) {
	t.Helper()
	if _, err := kmsg.Scan(strings.NewReader(text), func(e *kmsg.Event) bool { out = append(out, e); return true }); err != nil {
		t.Fatal(err)
	}
	return out
}

func file(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

type victim struct {
	PID  int64
	Comm string
}

func victims(events []*kmsg.Event) (out [][]victim) {
	for _, e := range events {
		var list []victim
		for _, v := range e.Victims {
			list = append(list, victim{v.PID, v.Comm})
		}
		out = append(out, list)
	}
	return out
}

func TestReportsOfEachAge(t *testing.T) {
	for name, want := range map[string][][]victim{
		"el6-2.6.32.log":          {{{11726, "mysqld"}}},
		"el7-3.10-memcg.log":      {{{88196, "java"}}},
		"mainline-4.9-global.log": {{{940, "Web Content"}}},
		"mainline-5.10-group.log": {{{402, "worker"}, {401, "master"}, {403, "worker"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, victims(scan(t, file(t, name)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatAReportSays(t *testing.T) {
	e := scan(t, file(t, "mainline-4.9-global.log"))[0]
	if e.Release != "4.9.0-8-amd64" || e.Invoker.Comm != "sshd" || e.Invoker.PID != 700 || e.GFP != 0x24280ca ||
		e.GFPNames != "GFP_HIGHUSER_MOVABLE|__GFP_ZERO" ||
		e.Order != 0 {
		t.Errorf("%+v", e)
	}
	if e.Mem["slab_unreclaimable"] != 21500 || e.Mem["free"] != 1120 || e.PageCache != 9964 || e.RAM != 130940 || e.Reserved != 5831 ||
		e.SwapTotal != 0 ||
		e.SwapFree != 0 {
		t.Errorf("%v, page cache %d, RAM %d of which %d reserved, swap %d", e.Mem, e.PageCache, e.RAM, e.Reserved, e.SwapTotal)
	}
	want := []kmsg.Zone{
		{
			Name:       "DMA",
			Free:       1900,
			Min:        88,
			Low:        108,
			High:       128,
			Present:    15992,
			Managed:    15908,
			HighAtomic: -1,
			Reserve:    []int64{0, 460, 460, 460, 460},
			Blocks:     []int64{3, 2, 1, 0, 1, 0, 1, 1, 1, 0, 0},
			Types:      []string{"UE", "U", "U", "", "E", "", "M", "E", "M", "", ""},
			Smallest:   4,
		},
		{
			Name:         "DMA32",
			Free:         2580,
			Min:          2704,
			Low:          3380,
			High:         4056,
			Present:      507768,
			Managed:      484528,
			HighAtomic:   -1,
			Reserve:      []int64{0, 0, 0, 0, 0},
			ActiveFile:   80,
			InactiveFile: 176,
			Blocks:       []int64{345, 100, 25, 0, 0, 0, 0, 0, 0, 0, 0},
			Types:        []string{"UME", "UE", "UE", "", "", "", "", "", "", "", ""},
			Smallest:     4,
		},
	}
	if diff := cmp.Diff(want, e.Zones); diff != "" {
		t.Error(diff)
	}
	if len(e.Tasks) != 6 || e.Tasks[3].Comm != "Web Content" || e.Tasks[4].Comm != "tab (idle)" || e.Tasks[5].Comm != "x] 9 [   1] 0 1" {
		t.Errorf("%+v", e.Tasks)
	}
	if w := e.Tasks[3]; w.RSS != 60200 || w.Tables != 173 || w.Swap != 0 || w.Adj != 0 || !w.HasAdj || w.UID != 1000 {
		t.Errorf("%+v", w)
	}
	if e.Chosen == nil || e.Chosen.PID != 812 || e.Chosen.Score != 482 || !e.Victims[0].Reaped || e.Victims[0].ReapedShmem != 8800 {
		t.Errorf("chosen %+v, victim %+v", e.Chosen, e.Victims[0])
	}
	e = scan(t, file(t, "mainline-5.10-group.log"))[0]
	if e.Constraint != "MEMCG" || e.OOMMemcg != "/app/web" || e.TaskMemcg != "/app/web" || e.Whole != "/app/web" ||
		e.Memory != (kmsg.Usage{Use: 49152, Limit: 49152, Failed: 71}) ||
		e.Swap.Limit != 0 ||
		e.Stats["anon"] != 47000000 ||
		e.Stats["slab"] != 700000 {
		t.Errorf("%+v", e)
	}
	e = scan(t, file(t, "el7-3.10-memcg.log"))[0]
	if e.OOMMemcg != "/kubepods/burstable/pod7" || e.TaskMemcg != "/kubepods/burstable/pod7/4f1c" || e.Victims[0].Score != kmsg.Unset ||
		!e.Victims[0].Memcg {
		t.Errorf("%+v, %+v", e, e.Victims[0])
	}
}

// Each is one whole line, and the victim that it names; "" for none.
func TestVictimLines(t *testing.T) {
	for line, want := range map[string]string{
		"Killed process 12 (hog)":                                                         "hog",
		"Killed process 12 (hog) vsz:10kB, anon-rss:4kB, file-rss:0kB":                    "hog",
		"Killed process 12, UID 48, (hog) total-vm:10kB, anon-rss:4kB, file-rss:0kB":      "hog",
		"Killed process 12 (hog), UID 48, total-vm:10kB, anon-rss:4kB, file-rss:0kB":      "hog",
		"Out of memory: Killed process 12 (hog) total-vm:10kB, anon-rss:4kB":              "hog",
		"Memory cgroup out of memory: Killed process 12 (hog) total-vm:10kB":              "hog",
		"Out of memory (oom_kill_allocating_task): Killed process 12 (hog) total-vm:10kB": "hog",
		"No available memory (MPOL_BIND): kill process 12 (hog) score 4 or a child":       "hog",
		"Memory cgroup out of memory (oom_kill_allocating_task): Killed process 12 (hog)": "hog",
		"Out of memory (a): b: Killed process 12 (hog)":                                   "none",
		"Killed process 12 (a) b (c) total-vm:10kB, anon-rss:4kB":                         "a) b (c",
		"Killed process 12 () total-vm:10kB, anon-rss:4kB":                                "",
		"Killed process 12 (sixteen letters!) total-vm:10kB, anon-rss:4kB":                "none", // a name has 15
		"Killed process 12 (#033#033#033#033#033) total-vm:10kB, anon-rss:4kB":            "#033#033#033#033#033",
		"Killed process 12 () total-vm:9) total-vm:10kB, anon-rss:4kB":                    ") total-vm:9",
		"Killed process 12 (ho":                                               "ho",
		"Killed process twelve (hog) total-vm:10kB":                           "none",
		"Killed process 0 (hog) total-vm:10kB":                                "none",
		"Killed process 12":                                                   "none",
		"app: Killed process 12 (hog) total-vm:10kB":                          "none",
		"said: Out of memory: Killed process 12 (hog) total-vm:10kB":          "none",
		"audit: comm=\"Killed process 12 (hog) total-vm:10kB\"":               "none",
		"Out of memory: Kill process 12 (hog) score 900 or sacrifice child":   "hog", // and who died is cut off
		"Out of memory and no killable processes...":                          "none",
		"hog: page allocation failure: order:4, mode:0xc0d0":                  "none",
		"oom_reaper: reaped process 12 (hog), now anon-rss:0kB, file-rss:0kB": "none",
	} {
		got := "none"
		if events := scan(t, line+"\n"); len(events) > 0 {
			got = events[0].Victims[0].Comm
			if events[0].Victims[0].PID != 12 {
				t.Errorf("%q: PID %d", line, events[0].Victims[0].PID)
			}
		}
		if got != want {
			t.Errorf("%q names %q, want %q", line, got, want)
		}
	}
}

// A name can hold newlines. /dev/kmsg escapes them, dmesg and consoles do not.
func TestNamesWithNewlines(t *testing.T) {
	for how, text := range map[string]string{
		"record": "4,1,100,-;Out of memory: Killed process 12 (a\\x0ab) total-vm:10kB, anon-rss:4kB\n",
		"dmesg":  "[    1.5] Out of memory: Killed process 12 (a\n[    1.5] b) total-vm:10kB, anon-rss:4kB\n",
		"raw":    "[    1.5] Out of memory: Killed process 12 (a\nb) total-vm:10kB, anon-rss:4kB\n",
		"syslog": "Nov 24 10:20:42 h kernel: Out of memory: Killed process 12 (a#012b) total-vm:10kB, anon-rss:4kB\n",
	} {
		events := scan(t, text)
		if len(events) != 1 || events[0].Victims[0].Comm != "a\nb" || events[0].Victims[0].Anon != 4 {
			t.Errorf("%s: %+v", how, victims(events))
		}
	}
	fake := "[    1.5] hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n" +
		"[    1.5] [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n" +
		"[    1.5] [     12]     0    12     2000     1000    45056        0             0 \n" +
		"Killed process\n" +
		"[    1.5] [     13]     0    13     2000     1000    45056        0             0 Out of memory: \n" +
		"[    1.5] Out of memory: Killed process 13 (Out of memory: ) total-vm:8000kB, anon-rss:4000kB\n"
	if diff := cmp.Diff([][]victim{{{13, "Out of memory: "}}}, victims(scan(t, fake))); diff != "" {
		t.Error(diff)
	}
}

func TestPathsAndNamesWithCommas(t *testing.T) {
	e := scan(t, "a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n"+
		"oom-kill:constraint=CONSTRAINT_CPUSET,nodemask=0,2-3,cpuset=a,b,mems_allowed=0,2-3,"+
		"oom_memcg=/x,task=y,task_memcg=/x,task=y/z,task=,pid=1,uid=0,pid=12,uid=0\n"+
		"Memory cgroup out of memory: Killed process 12 (,pid=1,uid=0) total-vm:8kB, anon-rss:4kB\n")[0]
	if e.Nodes != "0,2-3" || e.Cpuset != "a,b" || e.OOMMemcg != "/x,task=y" {
		t.Errorf("nodes %q, cpuset %q, oom_memcg %q", e.Nodes, e.Cpuset, e.OOMMemcg)
	}
}

// Reports without a victim are no kills, and don't lend their lines to others.
func TestReportWithoutAVictim(t *testing.T) {
	events := scan(t, "a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n"+
		"memory: usage 4kB, limit 4kB, failcnt 1\n"+
		"Out of memory and no killable processes...\n"+
		"Out of memory: Killed process 12 (hog) total-vm:8kB, anon-rss:4kB\n")
	if len(events) != 1 || events[0].Invoked || events[0].Memory.Limit != kmsg.Unset {
		t.Errorf("%+v", events)
	}
	if events := scan(t, "sysrq: Manual OOM execution\na invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=-1, oom_score_adj=0\n"+
		"Out of memory: Killed process 12 (hog) total-vm:8kB\n"); len(
		events,
	) != 1 ||
		!events[0].Manual {
		t.Errorf("%+v", events)
	}
}

// many is a log of a size, made of one text again and again.
type many struct {
	text string
	left int
	at   int
}

func (m *many) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p, m.text[m.at:])
	m.at = (m.at + n) % len(m.text)
	m.left -= n
	return n, nil
}

func TestLogsOfAnySizeTakeTheSameMemory(t *testing.T) {
	const size = 200 << 20
	noise := strings.Repeat("[   12.500000] usb 1-1: new high-speed USB device number 2 using xhci_hcd\n", 500)
	in := &many{text: file(t, "mainline-4.9-global.log") + noise, left: size}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kills, most := 0, uint64(0)
	_, err := kmsg.Scan(in, func(*kmsg.Event) bool {
		if kills++; kills%500 == 0 {
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapInuse)
		}
		return true
	})
	if want := size / len(in.text); err != nil || kills < want || kills > want+1 {
		t.Fatalf("%d kills, want %d; %v", kills, want, err)
	}
	if most > before.HeapInuse+16<<20 {
		t.Errorf("%d MiB more at the end", (most-before.HeapInuse)>>20)
	}
}

func BenchmarkScan(b *testing.B) {
	text := file(
		b,
		"mainline-4.9-global.log",
	) + strings.Repeat(
		"[   12.500000] usb 1-1: new high-speed USB device number 2 using xhci_hcd\n",
		500,
	)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		_, _ = kmsg.Scan(strings.NewReader(text), func(*kmsg.Event) bool { return true })
	}
}
