package inspect_test

import (
	"bytes"
	"strings"
	"testing"

	"kwhy/inspect"
)

// seed adds what recorded hosts have, and what no kernel writes.
func seed(f *testing.F, file string, more ...string) {
	f.Helper()
	for _, s := range append(texts(f, named(file)), more...) {
		f.Add([]byte(s))
	}
	f.Add([]byte(nil))
	f.Add([]byte("\x00\xff: 18446744073709551616 kB\n"))
}

func FuzzCounters(f *testing.F) {
	seed(f, "meminfo", "a 1\nb: 2 kB\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := inspect.ParseCounters(b)
		if (err == nil) != (len(c) > 0) {
			t.Errorf("%d counters and error %v", len(c), err)
		}
		for name := range c {
			if !bytes.Contains(b, []byte(name)) {
				t.Errorf("%q is not in the file", name)
			}
		}
	})
}

func FuzzZoneinfo(f *testing.F) {
	seed(f, "zoneinfo", "Node 0, zone DMA\n  pages free 1\n protection: (1, 2)\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		zones, err := inspect.ParseZoneinfo(b)
		if err == nil && len(zones) != zoneLines(b) {
			t.Errorf("%d zones of %d", len(zones), zoneLines(b))
		}
	})
}

func zoneLines(b []byte) (n int) {
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		word := bytes.TrimLeft(line, " \t")
		if i := bytes.IndexAny(word, " \t"); i >= 0 {
			word = word[:i]
		}
		if string(word) == "Node" {
			n++
		}
	}
	return n
}

func FuzzSlabinfo(f *testing.F) {
	seed(f, "slabinfo")
	f.Fuzz(func(t *testing.T, b []byte) {
		slabs, err := inspect.ParseSlabinfo(b)
		if (err == nil) != (len(slabs) > 0) {
			t.Errorf("%d caches and error %v", len(slabs), err)
		}
	})
}

func FuzzStat(f *testing.F) {
	seed(f, "stat", "1 (a) R 1 (b) S 0 1", "1 ())", "1 (")
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := inspect.ParseStat(b)
		if err == nil && !bytes.Contains(b, []byte("("+p.Comm+")")) {
			t.Errorf("the name %q is not in the file", p.Comm)
		}
	})
}

func FuzzStatus(f *testing.F) {
	seed(f, "status")
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := inspect.ParseStatus(b); err == nil && p.VmRSS < inspect.Unset {
			t.Errorf("VmRSS %d", p.VmRSS)
		}
	})
}

func FuzzNodeMeminfo(f *testing.F) {
	f.Add([]byte("Node 0 MemTotal: 123 kB\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := inspect.ParseNodeMeminfo(b); err == nil && len(c) == 0 {
			t.Error("no counter, and no error")
		}
	})
}

func FuzzZram(f *testing.F) {
	f.Add([]byte("4096 74 12288 0 12288 0 0 0\n"))
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = inspect.ParseZram(b) })
}

func FuzzChoice(f *testing.F) {
	f.Add("always [madvise] never\n")
	f.Add("Y\n")
	f.Fuzz(func(t *testing.T, s string) {
		if word, ok := inspect.ParseChoice(s); ok && (word == "" || !strings.Contains(s, word)) {
			t.Errorf("%q offers %q", s, word)
		}
	})
}

func FuzzOctal(f *testing.F) {
	f.Add(`/mnt/a\040b`)
	f.Add(`\`)
	f.Fuzz(func(t *testing.T, s string) {
		got := inspect.UnescapeOctal(s)
		if len(got) > len(s) || !strings.Contains(s, `\`) && got != s {
			t.Errorf("%q became %q", s, got)
		}
	})
}
