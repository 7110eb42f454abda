package oom_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/oom"
)

func kills(t *testing.T, text string) (out []*oom.Kill) {
	t.Helper()
	if _, err := new(oom.Examiner).Walk(strings.NewReader(text), func(k *oom.Kill) bool { out = append(out, k); return true }); err != nil {
		t.Fatal(err)
	}
	return out
}

// row lowers a kill to its values.
func row(t *testing.T, k *oom.Kill) map[string]any {
	t.Helper()
	v, err := lower.NewView(oom.Kills(), nil, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	g, _ := v.Explain(one{k}, []int32{0}, nil)
	out := map[string]any{}
	for r := range g.Rows {
		for i, v := range r.Values {
			switch {
			case !v.Has():
				out[g.Docs[i].Key] = nil
			default:
				out[g.Docs[i].Key] = plain(v)
			}
		}
	}
	return out
}

func plain(v explain.Value) any {
	switch v.Kind() {
	case explain.List:
		list := []any{}
		for _, item := range v.List() {
			list = append(list, plain(item))
		}
		return list
	case explain.Str:
		return v.Text()
	case explain.Absent:
		return nil
	}
	return v.Int()
}

// only returns the one kill of a log.
func only(t *testing.T, text string) map[string]any {
	t.Helper()
	k := kills(t, text)
	if len(k) != 1 {
		t.Fatalf("%d kills in\n%s", len(k), text)
	}
	return row(t, k[0])
}

type one struct{ k *oom.Kill }

func (one) Len() int           { return 1 }
func (o one) At(int) *oom.Kill { return o.k }

const memcgReport = `b invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=ADJB
memory: usage 65536kB, limit 65536kB, failcnt 84
swap: usage 0kB, limit 0kB, failcnt 0
Tasks state (memory values in pages):
[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
[    100]     0   100    20000     8093    81920        0             0 a
[    101]     0   101    20000     RSSB    40960        0          ADJB b
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/m,task_memcg=/m,task=NAME,pid=PID,uid=0
Memory cgroup out of memory: Killed process PID (NAME) total-vm:80000kB, anon-rss:30000kB, file-rss:0kB, SHMEM
`

func memcg(rss, adj, pid, name string) string {
	const rest = "shmem-rss:0kB, UID:0 pgtables:80kB oom_score_adj:0"
	return strings.NewReplacer("RSSB", rss, "ADJB", adj, "PID", pid, "NAME", name, "SHMEM", rest).Replace(memcgReport)
}

// Two kills that were seen to happen: in a cgroup of 64 MiB an adjustment of 100
// is worth 1,600 pages, one of 600 9,600.
func TestPointsInASmallCgroup(t *testing.T) {
	for _, c := range []struct {
		text          string
		points, total int64
		rank          int64
	}{
		{memcg("1680", "100", "100", "a"), 8093 + 20, 16384, 1},
		{memcg("1690", "600", "101", "b"), 1690 + 10 + 600*16, 16384, 1},
		{memcg("1690", "600", "100", "a"), 8113, 16384, 2}, // not the first of the table
	} {
		k := kills(t, c.text)
		if len(k) != 1 {
			t.Fatalf("%d kills", len(k))
		}
		r := row(t, k[0])
		got := []any{r["points"], r["points_total"], r["rank"], r["candidates"], r["explained"] == int64(1)}
		if want := []any{c.points, c.total, c.rank, int64(2), c.rank == 1}; !slices.Equal(got, want) {
			t.Errorf("%v", r)
		}
	}
}

func TestWhatIsNotToldIsAbsent(t *testing.T) {
	k := kills(t, "Killed process 12 (hog)\n")
	r := row(t, k[0])
	for _, key := range strings.Fields("time logged_at uptime kernel invoker_comm invoker_pid gfp_mask gfp_flags order " +
		"constraint oom_memcg memcg_limit zone page_cache swap_free freed_at_most anon_rss file_rss shmem_rss pgtables " +
		"oom_score_adj score points points_total rank candidates role explained") {
		if r[key] != nil {
			t.Errorf("%s is %v", key, r[key])
		}
	}
	if r["victim_pid"] != int64(12) || r["victim_comm"] != "hog" {
		t.Errorf("%v", r)
	}
}

// Any page size: the victim's size in kB and in pages shows it, if the quotient is a page size.
func TestPageSize(t *testing.T) {
	r := only(t, strings.ReplaceAll(memcg("100", "0", "100", "a"), "total-vm:80000kB", "total-vm:1280000kB"))
	if r["points"] != int64(8093+1) || r["points_total"] != int64(1024) { // 81920 bytes are one page of 64 KiB
		t.Errorf("points %v of %v", r["points"], r["points_total"])
	}
	for _, size := range []string{"240000", "20000", "80004"} { // it grew by the factor 3, shrank, or grew a little
		r := only(t, strings.ReplaceAll(memcg("100", "0", "100", "a"), "total-vm:80000kB", "total-vm:"+size+"kB"))
		if r["points"] != int64(8093+20) || r["points_total"] != int64(16384) {
			t.Errorf("total-vm %s: points %v of %v", size, r["points"], r["points_total"])
		}
	}
}

// Masks of kernels that printed no names; the names are those of include/linux/gfp.h.
func TestMasksWithoutNames(t *testing.T) {
	for mask, want := range map[string]string{
		"0x201da":   "GFP_HIGHUSER_MOVABLE __GFP_COLD",
		"0x280da":   "GFP_HIGHUSER_MOVABLE __GFP_ZERO",
		"0xd0":      "GFP_KERNEL",
		"0x2000d0":  "GFP_KERNEL __GFP_NOTRACK",
		"0x50":      "GFP_NOFS",
		"0x24201ca": "GFP_HIGHUSER_MOVABLE __GFP_COLD",
		"0x24280ca": "GFP_HIGHUSER_MOVABLE __GFP_ZERO",
		"0x24000c0": "GFP_KERNEL",
		"0x2400040": "GFP_NOFS",
	} {
		var names []string
		k := kills(t, "a invoked oom-killer: gfp_mask="+mask+", order=0, oom_score_adj=0\nKilled process 12 (a) total-vm:1kB, "+
			"anon-rss:1kB, file-rss:0kB\n")
		for _, f := range oom.Kills().Fields {
			if f.Key == "gfp_flags" {
				for _, v := range f.Get(k[0]).List() {
					names = append(names, v.Text())
				}
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s is %q, want %q", mask, got, want)
		}
	}
}

// Kills on real kernels, where a parent saw each victim end by
// SIGKILL; the table must make each of them the first, where there is one.
func TestRealKills(t *testing.T) {
	for _, kernel := range []string{"5.10", "6.12", "7.3"} {
		t.Run(kernel, func(t *testing.T) {
			log, err := os.ReadFile("../../inspect/kmsg/testdata/debian-" + kernel + ".kmsg")
			if err != nil {
				t.Fatal(err)
			}
			truth, err := os.ReadFile("../../inspect/kmsg/testdata/debian-" + kernel + ".truth")
			if err != nil {
				t.Fatal(err)
			}
			found := map[string]map[string]any{}
			for _, k := range kills(t, string(log)) {
				r := row(t, k)
				found[fmt.Sprint(r["victim_pid"])] = r
				if r["victim_pid"] == int64(1) {
					t.Error("a line from user space passes for a kill")
				}
				if !strings.HasPrefix(r["kernel"].(string), kernel) || r["page_cache"] == nil && r["constraint"] != "memcg" {
					t.Errorf("%v", r)
				}
			}
			scores := map[string]string{}
			for line := range strings.Lines(string(truth)) {
				f := strings.Fields(line)
				if f[0] == "before" {
					scores[f[1]] = f[2]
					continue
				}
				r := found[f[1]]
				if f[2] != "137" || r == nil {
					t.Fatalf("%s: process %s ended by status %s; the log has %v", f[0], f[1], f[2], found)
				}
				if !asArranged(f[0], r) {
					t.Errorf("%s: %v", f[0], r)
				}
			}
			// Of the two in /batch the one with the lower oom_score died, and the table says why.
			if len(scores) != 2 {
				t.Fatalf("%v", scores)
			}
			for pid, score := range scores {
				if r := found[pid]; r != nil && (r["rank"] != int64(1) || r["victim_comm"] != "batch-a") {
					t.Errorf("process %s of score %s was killed: %v", pid, score, r)
				}
			}
		})
	}
}

// asArranged reports whether a kill is explained as the one that was arranged.
func asArranged(what string, r map[string]any) bool {
	first := r["rank"] == int64(1)
	switch what {
	case "memcg":
		return r["constraint"] == "memcg" && r["oom_memcg"] == "/batch" && first
	case "group":
		return r["constraint"] == "memcg" && r["oom_memcg"] == "/crew" && r["explained"] == int64(1)
	case "adj", "global", "allocating":
		return r["constraint"] == "none" && first && r["oom_memcg"] == nil
	case "nodump":
		return r["rank"] == nil && r["points"] == nil && r["constraint"] == "none"
	case "sysrq":
		return r["order"] == int64(-1) && first
	}
	return true
}

// Up to 2.6.35 points were made of more than the report has: nothing is made up.
func TestTableOfTheOldScore(t *testing.T) {
	r := row(t, kills(t, `httpd invoked oom-killer: gfp_mask=0x201da, order=0, oomkilladj=0
[ pid ]   uid  tgid total_vm      rss cpu oom_adj name
[  100]     0   100    20000     8093   0       0 a
[  101]     0   101    20000     1690   0       0 b
Out of memory: kill process 101 (b) score 9000 or a child
Killed process 101 (b)
`)[0])
	why := r["why"].(string)
	if r["points"] != nil || r["rank"] != nil || r["candidates"] != nil || r["score"] != int64(9000) || !strings.Contains(why, "2.6.35") {
		t.Errorf("%v", r)
	}
}
