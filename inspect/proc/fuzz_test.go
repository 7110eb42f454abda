package proc_test

import (
	"bytes"
	"errors"
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/proc"
)

func FuzzStat(f *testing.F) {
	inspecttest.Seed(f, func(name string) bool { return path.Base(name) == "stat" && name != "proc/stat" },
		"12 (a) R 1 (b)"+inspecttest.StatLine, "12 ()"+inspecttest.StatLine, "12 )(", "12 (a)\n", "12 (a\nb)"+inspecttest.StatLine, "0   0 ")
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			p, err := proc.ParseStat(b)
			if err != nil && !errors.Is(err, inspect.ErrMalformed) {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			if p.Spoilt(proc.StatFields(2)) { // there is no name that could be another
				if p.Comm != "" {
					t.Fatalf("name %q of a line without one", p.Comm)
				}
				return
			}
			if !bytes.Contains(b, []byte("("+p.Comm+")")) {
				t.Fatalf("name %q is not in parentheses", p.Comm)
			}
			again, err := proc.ParseStat(bytes.Replace(b, []byte("("+p.Comm+")"), []byte("(x) Z 9 (y)"), 1)) // whatever the name is
			if again.Comm = p.Comm; err != nil || !cmp.Equal(p, again, ignoreGot) {
				t.Fatalf("another name gave %+v, %v; want %+v", again, err, p)
			}
		})
	})
}

func FuzzStatus(f *testing.F) {
	inspecttest.Seed(f, inspecttest.Named("status"), "VmRSS:\t9007199254740992 kB\n", "VmSwap:")
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			p, err := proc.ParseStatus(b)
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

func FuzzSyscall(f *testing.F) {
	for _, s := range []string{"running\n", "-1 0x7ffd1 0x7f44\n", "230 0x0 0x0 0x7ffd 0x0 0x0 0x0 0x7ffc 0x7f44\n", "0 0x\n",
		"99999999999999999999 0x0\n", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			c, err := proc.ParseSyscall(b)
			if err != nil && !errors.Is(err, inspect.ErrMalformed) {
				t.Fatal(err)
			}
			if err == nil && c.Number < proc.NoCall || c.Running && c.Number != proc.NoCall {
				t.Fatalf("%+v", c)
			}
		})
	})
}

func FuzzLimits(f *testing.F) {
	f.Add([]byte("Limit Soft Hard Units\nMax open files            1024                 524288               files     \n"))
	f.Add([]byte("Max open files unlimited unlimited files\n"))
	f.Add([]byte("Max open filesd s\n")) // which is garbled, and no limit
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			n, err := proc.ParseLimits(b)
			if err != nil && !errors.Is(err, inspect.ErrMalformed) || n < inspect.Garbled {
				t.Fatalf("%d, %v", n, err)
			}
		})
	})
}

func FuzzTaskSched(f *testing.F) {
	inspecttest.Seed(
		f,
		inspecttest.Named("sched"),
		"x (1, #threads: 1)\n---\nse.vruntime : -0.000001\nprio : 99999999999999999999\n",
		"a\nprio : 1\nprio : 2\n",
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			s, err := proc.ParseTaskSched(b)
			if (s == nil) != (err != nil) || err != nil && !errors.Is(err, inspect.ErrMalformed) {
				t.Fatalf("%+v and %v", s, err)
			}
			if s != nil && (s.Prio < inspect.Unset || s.Weight < inspect.Unset || s.Slice < inspect.Unset) {
				t.Fatalf("%+v", s)
			}
		})
	})
}
