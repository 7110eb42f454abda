package inspect_test

import (
	"bytes"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

func FuzzCounters(f *testing.F) {
	inspecttest.Seed(f, func(name string) bool {
		return slices.Contains([]string{"meminfo", "vmstat", "status", "smaps_rollup", "memory.stat"}, path.Base(name))
	}, "a 18014398509481984 kB\n", "a 1\r\nb 2")
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			got, err := inspect.ParseCounters(b, 0)
			inspecttest.SomeOrMalformed(t, len(got), err)
			for name := range got {
				if !bytes.Contains(b, []byte(name)) {
					t.Fatalf("%q is not in the file", name)
				}
			}
			worse := slices.Concat(b[:bytes.LastIndexByte(b, '\n')+1], []byte("\xff bad\n"))
			before, err := inspect.ParseCounters(worse, 0) // one bad line costs itself alone
			if diff := cmp.Diff(got, before); err == nil && diff != "" {
				t.Fatalf("with a bad line at the end:\n%s", diff)
			}
		})
	})
}

func FuzzPressure(f *testing.F) {
	inspecttest.Seed(
		f,
		inspecttest.Named("pressure/memory"),
		"some avg10=NaN avg60=0 avg300=0 total=0\n",
		"full avg10=1 avg60=0 avg300=0 total=18446744073709551616\nsome\n",
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
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
			inspecttest.SomeOrMalformed(t, n, err)
		})
	})
}

func FuzzMountinfo(f *testing.F) {
	inspecttest.Seed(
		f,
		inspecttest.Named("mountinfo"),
		"31 21 0:28 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n",
		"24 21 0:21 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n",
		"1 2 3 4 5 6 -  \n",
		" - a\n",
		"36 35 98:0 /a\\040b /c\\134 rw - t s o\n",
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			var mounts []inspect.Mount
			err := inspect.ParseMountinfo(b, "", func(m inspect.Mount) { mounts = append(mounts, m) })
			inspecttest.SomeOrMalformed(t, len(mounts), err)
			if len(mounts) > bytes.Count(b, []byte(" - ")) {
				t.Fatalf("%d mounts", len(mounts))
			}
		})
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
		if got := inspect.UnescapeOctal(inspecttest.Mangle(s)); got != s {
			t.Fatalf("%q, mangled as %q, came back as %q", s, inspecttest.Mangle(s), got)
		}
	})
}
