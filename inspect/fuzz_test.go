package inspect_test

import (
	"bytes"
	"errors"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kwhy/inspect"
)

// seed adds the recorded files of a name, cut down: mutating 20 kB finds
// nothing that 2 kB don't.
func seed(f *testing.F, match func(string) bool, more ...string) {
	for _, text := range slices.Concat(texts(f, match), more) {
		f.Add([]byte(text[:min(len(text), 2000)]))
	}
}

// someOrMalformed is what every reader owes: either values or errMalformed.
func someOrMalformed(t *testing.T, n int, err error) {
	t.Helper()
	if (n == 0) != (err != nil) || err != nil && !errors.Is(err, inspect.ErrMalformed) {
		t.Fatalf("%d values and %v", n, err)
	}
}

// mutate hands f's input on as a copy and checks that the reader left it alone:
// it works on a lent buffer.
func mutate(t *testing.T, b []byte, read func([]byte)) {
	t.Helper()
	lent := bytes.Clone(b)
	read(lent)
	if !bytes.Equal(lent, b) {
		t.Fatal("the reader changed what it read")
	}
}

func FuzzCounters(f *testing.F) {
	seed(f, func(name string) bool {
		return slices.Contains([]string{"meminfo", "vmstat", "status", "smaps_rollup", "memory.stat"}, path.Base(name))
	}, "a 18014398509481984 kB\n", "a 1\r\nb 2")
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			got, err := inspect.ParseCounters(b)
			someOrMalformed(t, len(got), err)
			for name := range got {
				if !bytes.Contains(b, []byte(name)) {
					t.Fatalf("%q is not in the file", name)
				}
			}
			before, err := inspect.ParseCounters(slices.Concat(b, []byte("\n\xff bad\n"))) // one bad line costs itself alone
			if diff := cmp.Diff(got, before); err == nil && diff != "" {
				t.Fatalf("with a bad line at the end:\n%s", diff)
			}
		})
	})
}

func FuzzZoneinfo(f *testing.F) {
	headers := regexp.MustCompile(`(?m)^[ \t]*Node([ \t]|$)`)
	seed(f, named("zoneinfo"), zoneNormal+zoneEmpty, "Node 0, zone", "Node 0, zone DMA\nNode x")
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			zones, err := inspect.ParseZoneinfo(b)
			someOrMalformed(t, len(zones), err)
			if want := len(headers.FindAll(b, -1)); err == nil && len(zones) != want {
				t.Fatalf("%d zones of %d", len(zones), want)
			}
			for _, z := range zones {
				if z.Name == "" || z.Pages == nil || z.PerCPU > 0 && !z.HasPerCPU || len(z.Pages) > 10 {
					t.Fatalf("zone %+v", z)
				}
			}
		})
	})
}

func FuzzSlabinfo(f *testing.F) {
	seed(f, named("slabinfo"), slabHead, "a 1 2 3 4 5 : tunables 0 0 0 : slabdata 1 2 3")
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			slabs, err := inspect.ParseSlabinfo(b)
			someOrMalformed(t, len(slabs), err)
			for _, s := range slabs {
				if s.Name == "" || strings.ContainsAny(s.Name, " \t\n") {
					t.Fatalf("slab %+v", s)
				}
			}
		})
	})
}

func FuzzStat(f *testing.F) {
	seed(f, func(name string) bool { return path.Base(name) == "stat" && name != "proc/stat" },
		"12 (a) R 1 (b)"+statLine, "12 ()"+statLine, "12 )(", "12 (a)\n", "12 (a\nb)"+statLine)
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			p, err := inspect.ParseStat(b)
			if err != nil && !errors.Is(err, inspect.ErrMalformed) {
				t.Fatal(err)
			}
			if err == nil && !bytes.Contains(b, []byte("("+p.Comm+")")) {
				t.Fatalf("name %q is not in parentheses", p.Comm)
			}
			if err != nil {
				return
			}
			again, err := inspect.ParseStat(bytes.Replace(b, []byte("("+p.Comm+")"), []byte("(x) Z 9 (y)"), 1)) // whatever the name is
			if again.Comm = p.Comm; err != nil || !cmp.Equal(p, again, ignoreGot) {
				t.Fatalf("another name gave %+v, %v; want %+v", again, err, p)
			}
		})
	})
}

func FuzzStatus(f *testing.F) {
	seed(f, named("status"), "VmRSS:\t9007199254740992 kB\n", "VmSwap:")
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			p, err := inspect.ParseStatus(b)
			if err != nil && !errors.Is(err, inspect.ErrMalformed) {
				t.Fatal(err)
			}
			for _, n := range []inspect.Num{p.VmRSS, p.RssAnon, p.RssFile, p.RssShmem, p.VmSwap} {
				if n < inspect.Unset || n > 0 && n%1024 != 0 {
					t.Fatalf("%d is neither unset nor whole kB", n)
				}
			}
		})
	})
}

func FuzzNodeMeminfo(f *testing.F) {
	seed(f, named("node0/meminfo"), "Node 0 MemTotal: 1 kB", "Node\nNode 0\nNode 0 a: 1\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			got, err := inspect.ParseNodeMeminfo(b)
			someOrMalformed(t, len(got), err)
		})
	})
}

func FuzzZram(f *testing.F) {
	seed(f, named("mm_stat"), "1 2 3 4 5", "1 2 3 4\n5\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			if z, err := inspect.ParseZram(b); err != nil && !errors.Is(err, inspect.ErrMalformed) || err == nil && len(bytes.Fields(b)) < 5 {
				t.Fatalf("%+v, %v", z, err)
			}
		})
	})
}

func FuzzPressure(f *testing.F) {
	seed(f, named("pressure/memory"), "some avg10=NaN avg60=0 avg300=0 total=0\n", "full avg10=1 avg60=0 avg300=0 total=18446744073709551616\nsome\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			p, err := inspect.ParsePressure(b)
			n := 0
			for _, s := range []*inspect.Stall{p.Some, p.Full} {
				if s != nil {
					n++
					if !(s.Avg10 >= 0 && s.Avg60 >= 0 && s.Avg300 >= 0) {
						t.Fatalf("%+v", s)
					}
				}
			}
			someOrMalformed(t, n, err)
		})
	})
}

func FuzzBuddyinfo(f *testing.F) {
	seed(f, named("proc/buddyinfo"), "Node 0, zone DMA 1\nNode 0, zone DMA 2 3", "Node x, zone DMA 1", "Node 0, zone DMA")
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			zones, err := inspect.ParseBuddyinfo(b)
			if err != nil && !errors.Is(err, inspect.ErrMalformed) || err == nil && len(zones) == 0 {
				t.Fatalf("%d zones and %v", len(zones), err)
			}
			for _, z := range zones {
				if z.Name == "" || len(z.Blocks) == 0 {
					t.Fatalf("%+v", z)
				}
			}
		})
	})
}

func FuzzMountinfo(f *testing.F) {
	seed(f, named("mountinfo"), mountV1, mountV2, "1 2 3 4 5 6 -  \n", " - a\n", "36 35 98:0 /a\\040b /c\\134 rw - t s o\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			mounts, err := inspect.ParseMountinfo(b)
			someOrMalformed(t, len(mounts), err)
			if len(mounts) > bytes.Count(b, []byte(" - ")) {
				t.Fatalf("%d mounts", len(mounts))
			}
		})
	})
}

func FuzzMaps(f *testing.F) {
	seed(f, named("maps"), "1000-2000 r-xp 00000000 08:01 7   /a  b\n", "2000-1000 r-xp 0 0 0\n", "1-2 r-xp 0 0 0", "-1-2 rwxp 0 0 0 [heap]")
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			maps, err := inspect.ParseMaps(b)
			if err != nil && !errors.Is(err, inspect.ErrMalformed) {
				t.Fatal(err)
			}
			for _, m := range maps {
				if m.Start >= m.End || len(m.Perms) != 4 || strings.ContainsAny(m.Path, "\n") {
					t.Fatalf("%+v", m)
				}
			}
		})
	})
}

// FuzzCgroupFiles makes the files that a container's inside can shape: where
// it is, what is mounted, and a limit.
func FuzzCgroupFiles(f *testing.F) {
	for _, cgroup := range append(texts(f, named("cgroup")), "2:memory:/m\n0::/u\n", "0::/../x\n", "0::/a/../../..\n", "0:::\n") {
		for _, mount := range []string{mountV2, mountV1, "24 21 0:21 /m /sys/fs/cgroup ro - cgroup2 c rw\n", "24 21 0:21 / /../.. ro - cgroup2 c rw\n"} {
			for _, limit := range []string{"max\n", "1000\n", "9223372036854771712\n", ""} {
				f.Add(cgroup, mount, limit)
			}
		}
	}
	dir := f.TempDir()
	write(f, dir+"/proc/meminfo", "MemTotal: 1 kB\n")
	for _, d := range []string{"fs/cgroup", "fs/cgroup/app/web", "fs/cgroup/memory", "fs/cgroup/memory/m"} {
		for _, file := range []string{"memory.current", "memory.usage_in_bytes"} {
			write(f, filepath.Join(dir, "sys", d, file), "500\n")
		}
	}
	h := open(f, dir)
	f.Fuzz(func(t *testing.T, cgroup, mount, limit string) {
		write(t, dir+"/proc/self/cgroup", cgroup)
		write(t, dir+"/proc/self/mountinfo", mount)
		for _, d := range []string{"fs/cgroup/memory.max", "fs/cgroup/memory/m/memory.limit_in_bytes"} {
			write(t, filepath.Join(dir, "sys", d), limit)
		}
		m, err := h.Mem(inspect.Of(inspect.Meminfo, inspect.CgroupMemory))
		if err != nil {
			t.Fatal(err)
		}
		if m.Missing(inspect.CgroupMemory) == inspect.Present && len(m.Cgroups) == 0 || len(m.Cgroups) > strings.Count(cgroup, "/")+1 {
			t.Fatalf("%d cgroups from %q, %q", len(m.Cgroups), cgroup, m.Missing(inspect.CgroupMemory))
		}
		for _, i := range []int{inspect.Lowest(m.Cgroups), inspect.Closest(m.Cgroups)} {
			if i >= 0 {
				if _, r := m.Cgroups[i].Limit(); r != inspect.Present {
					t.Fatalf("cgroup %d is the one to mind, and its limit %q", i, r)
				}
			}
		}
		if n, ok := inspect.HiddenLimit(m.Cgroups); ok && n == 0 {
			t.Fatal("a hidden limit of nothing")
		}
	})
}

func FuzzChoice(f *testing.F) {
	for _, s := range []string{"always [madvise] never\n", "Y\n", "[", "]", "[]", "a [b", "[a] [b]", "a\tb", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		word, ok := inspect.ParseChoice(s)
		if ok && (word == "" || !strings.Contains(s, word)) {
			t.Fatalf("chose %q", word)
		}
		if ok && strings.Contains(s, "[") && !strings.Contains(s, "["+word+"]") {
			t.Fatalf("chose %q, which is not in brackets", word)
		}
	})
}

func FuzzOctal(f *testing.F) {
	for _, s := range []string{`/swap\040file`, `\`, `\0`, `\04`, `\377\400`, `\\040`, `\134040`, "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := inspect.UnescapeOctal(s); len(got) > len(s) || !strings.Contains(s, `\`) && got != s {
			t.Fatalf("%q became %q", s, got)
		}
		if got := inspect.UnescapeOctal(mangle(s)); got != s {
			t.Fatalf("%q, mangled as %q, came back as %q", s, mangle(s), got)
		}
	})
}

// mangle does what the kernel's mangle_path does (fs/seq_file.c), for the
// characters that it is asked to here.
func mangle(s string) string {
	return strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`, "#", `\043`).Replace(s)
}

func FuzzSyscall(f *testing.F) {
	for _, s := range []string{"running\n", "-1 0x7ffd1 0x7f44\n", "230 0x0 0x0 0x7ffd 0x0 0x0 0x0 0x7ffc 0x7f44\n", "0 0x\n", "99999999999999999999 0x0\n", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			c, err := inspect.ParseSyscall(b)
			if err != nil && !errors.Is(err, inspect.ErrMalformed) {
				t.Fatal(err)
			}
			if err == nil && c.Number < inspect.NoCall || c.Running && c.Number != inspect.NoCall {
				t.Fatalf("%+v", c)
			}
		})
	})
}

func FuzzLimits(f *testing.F) {
	f.Add([]byte("Limit Soft Hard Units\nMax open files            1024                 524288               files     \n"))
	f.Add([]byte("Max open files unlimited unlimited files\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			n, err := inspect.ParseLimits(b)
			if err != nil && !errors.Is(err, inspect.ErrMalformed) || n < inspect.Unset {
				t.Fatalf("%d, %v", n, err)
			}
		})
	})
}

func FuzzTaskSched(f *testing.F) {
	seed(f, named("sched"), "x (1, #threads: 1)\n---\nse.vruntime : -0.000001\nprio : 99999999999999999999\n", "a\nprio : 1\nprio : 2\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			s, err := inspect.ParseTaskSched(b)
			if (s == nil) != (err != nil) || err != nil && !errors.Is(err, inspect.ErrMalformed) {
				t.Fatalf("%+v and %v", s, err)
			}
			if s != nil && (s.Prio < inspect.Unset || s.Weight < inspect.Unset || s.Slice < inspect.Unset) {
				t.Fatalf("%+v", s)
			}
		})
	})
}

func FuzzCPUStat(f *testing.F) {
	seed(f, func(name string) bool { return name == "proc/stat" }, "cpu  1 2 3 4\ncpu0 1 2 3 4 5 6 7 8 9 10 11\nctxt 5\n", "cpu\n", "cpu99999999999 1 2 3 4\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			s, err := inspect.ParseCPUStat(b)
			if err != nil && !errors.Is(err, inspect.ErrMalformed) {
				t.Fatal(err)
			}
			for _, c := range s.CPUs {
				if c.ID < 0 {
					t.Fatalf("CPU %d", c.ID)
				}
			}
		})
	})
}

func FuzzLag(f *testing.F) {
	f.Add([]byte(schedDebug), int32(131))
	f.Add([]byte("eligible deadline\n R a 1 1.000000 E 2.000000 /\n"), int32(1))
	f.Fuzz(func(t *testing.T, b []byte, pid int32) {
		mutate(t, b, func(b []byte) {
			if l, ok := inspect.ParseLag(b, pid); ok && pid <= 0 || !ok && l != (inspect.Lag{}) {
				t.Fatalf("%d: %+v, %v", pid, l, ok)
			}
		})
	})
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte("CONFIG_PREEMPT_NONE=y\n# CONFIG_PREEMPT is not set\nCONFIG_HZ=250\n"), true)
	f.Add([]byte("CONFIG_PREEMPT=\n=\n#  is not set\nCONFIG_X"), false)
	f.Fuzz(func(t *testing.T, b []byte, hz bool) {
		mutate(t, b, func(b []byte) {
			got, err := inspect.ParseConfig(bytes.NewReader(b), hz)
			if err != nil && (!errors.Is(err, inspect.ErrMalformed) || got != nil) || err == nil && len(got) == 0 {
				t.Fatalf("%v, %v", got, err)
			}
		})
	})
}
