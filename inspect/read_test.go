package inspect_test

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

type counters = inspect.Counters

func TestParseChoice(t *testing.T) {
	for text, want := range map[string]string{
		"always [madvise] never\n":                                  "madvise",
		"[always] madvise never\n":                                  "always",
		"always within_size advise [never] deny force":              "never",
		"always defer defer+madvise [defer+madvise] madvise never ": "defer+madvise",
		"Y\n": "Y",
		"N":   "N",
		"":    "", "\n": "", "[]": "", "[": "", "always madvise never\n": "", "always [madvise": "", "Y\nN\n": "",
	} {
		t.Run(text, func(t *testing.T) {
			got, ok := inspect.ParseChoice(text)
			if ok != (want != "") || ok && got != want {
				t.Errorf("parseChoice(%q) = %q, %v; want %q", text, got, ok, want)
			}
		})
	}
}

func TestParseUint(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "007": 7, "18446744073709551615": 1<<64 - 1, "9223372036854775808": 1 << 63} {
		if got, ok := inspect.ParseUint([]byte(text)); !ok || got != want {
			t.Errorf("parseUint(%q) = %d, %v; want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "-1", "+1", " 1", "1 ", "1.5", "0x1", "18446744073709551616", "99999999999999999999",
		"000000000000000000001", "1_000"} {
		if got, ok := inspect.ParseUint([]byte(text)); ok {
			t.Errorf("parseUint(%q) = %d, want a refusal", text, got)
		}
	}
}

func TestParseCounters(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want counters // nil: malformed
	}{
		"kB are bytes":                    {"MemTotal:  469776 kB\n", counters{"MemTotal": 469776 << 10}},
		"counts stay":                     {"HugePages_Total:  3\nnr_free_pages 5\n", counters{"HugePages_Total": 3, "nr_free_pages": 5}},
		"parentheses belong to a name":    {"Active(file): 4 kB\n", counters{"Active(file)": 4096}},
		"tabs are blanks":                 {"VmRSS:\t    12 kB\nThreads:\t2\n", counters{"VmRSS": 12 << 10, "Threads": 2}},
		"half a line is none":             {"a 1\nb 2", counters{"a": 1}},
		"a garbage line costs itself":     {"a 1\n\x00\xff:::\n\nb\nc d\ne -1\nf 1 2 3\ng 1 MB\nh 2\n", counters{"a": 1, "h": 2}},
		"a line with two numbers is none": {"pages 1 2\nUid:\t0\t0\t0\t0\na 1\n", counters{"a": 1}},
		"the largest number":              {"a 18446744073709551615\n", counters{"a": 1<<64 - 1}},
		"a number too large":              {"a 18446744073709551616\nb 1\n", counters{"b": 1}},
		"the most kB":                     {"a 18014398509481983 kB\n", counters{"a": 1<<64 - 1<<10}},
		"one kB too many":                 {"a 18014398509481984 kB\nb 1\n", counters{"b": 1}},
		"far too many kB":                 {"a 18446744073709551615 kB\nb 1\n", counters{"b": 1}},
		"the last of a name's lines wins": {"a 1\na 2\n", counters{"a": 2}},
		"empty":                           {"", nil},
		"blank":                           {"\n\n \n", nil},
		"garbage alone":                   {"\x7fELF\x02\x01\x01", nil},
		"cut inside the first line":       {"MemTot", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := inspect.ParseCounters([]byte(c.text), 0)
			if c.want == nil {
				if !errors.Is(err, inspect.ErrMalformed) {
					t.Errorf("got %v, %v; want malformed", got, err)
				}
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
}

// A sysctl is read whatever was read before: the kernel refuses to fill a buffer of 4 MiB.
func TestSysctlAfterALargeFile(t *testing.T) {
	h := inspecttest.LiveHost(t)
	big := make([]byte, 0, 8<<20)
	for _, end := range []inspect.Ending{inspect.UntilShort, inspect.UntilEmpty} {
		b, err := h.Proc.Read("sys/vm/max_map_count", big, end)
		want, werr := os.ReadFile("/proc/sys/vm/max_map_count")
		if err != nil || werr != nil || string(b) != string(want) {
			t.Errorf("%q, %v; want %q, %v", b, err, want, werr)
		}
	}
}
