package units

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
)

// Any number that a file can hold is written, and as what it is: math/big knows how many
// digits it has, and that it is not below 0.
func TestNumbersOfAnySize(t *testing.T) {
	for _, n := range []uint64{0, 1, 999, 1000, 1<<31 - 1, 1 << 31, 1<<63 - 1, 1 << 63, 1<<63 + 1, math.MaxUint64} {
		want := new(big.Int).SetUint64(n).String()
		if got := Number(n); strings.ReplaceAll(got, ",", "") != want {
			t.Errorf("%s is written as %s", want, got)
		}
		if got := Size(n); strings.ContainsAny(got, "-−") {
			t.Errorf("%d bytes are %s", n, got)
		}
	}
	for _, n := range []int64{-1, -1000, math.MinInt32, math.MinInt64 + 1, math.MinInt64} {
		want := "−" + strings.TrimPrefix(big.NewInt(n).String(), "-")
		if got := Number(n); strings.ReplaceAll(got, ",", "") != want {
			t.Errorf("%s is written as %s", want, got)
		}
		if got := string(AppendSize(nil, n)); !strings.HasPrefix(got, "−") || strings.Count(got, "−") != 1 {
			t.Errorf("%d bytes are %s", n, got)
		}
	}
}

// A real number of any size has one sign, and a length of time is never turned around.
func FuzzReals(f *testing.F) {
	for _, n := range []float64{
		0, 1e-7, 0.5, 59.999, 86399.9, 86400, 1 << 31, 1 << 63, 1.8e19, 1e308, math.MaxFloat64, math.SmallestNonzeroFloat64,
	} {
		f.Add(n)
		f.Add(-n)
	}
	f.Fuzz(func(t *testing.T, n float64) {
		if math.IsNaN(n) || math.IsInf(n, 0) { // no value holds one: explain.F
			return
		}
		for name, s := range map[string]string{
			"decimal": string(AppendDecimal(nil, n)), "span": Span(n), "percent": string(AppendPercent(nil, n)),
		} {
			signs := strings.Count(strings.ReplaceAll(s, "e-", "e"), "-") + strings.Count(s, "−")
			if below := n < 0 && !strings.HasPrefix(s, "0") && !strings.HasPrefix(s, "<"); (signs == 1) != below || signs > 1 {
				t.Errorf("%s of %g is %q", name, n, s)
			}
		}
	})
}

func TestDecimals(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", 1.526: "1.53", 1526.4: "1,526", 0.00012345: "0.000123", 2.5e-5: "0.000025", 1.23456e-7: "0.000000123", -3e-6: "−0.000003",
		999.4: "999", 999.6: "1,000", 123456.7: "123,457",
	} {
		if got := string(AppendDecimal(nil, f)); got != want {
			t.Errorf("%g is %s, not %s", f, got, want)
		}
	}
}

func TestSpans(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "0 s", 2.5e-5: "25 µs", 0.036: "36 ms", 1.4: "1.4 s", 200: "3m20s", 12*86400 + 7*3600 + 59: "12d7h",
		86399: "23h59m59s", 86400: "1d0h", -200: "−3m20s", 1e12: "11574074d1h",
	} {
		if got := Span(seconds); got != want {
			t.Errorf("%g s is %s, not %s", seconds, got, want)
		}
	}
	if got, want := Span(1<<62), fmt.Sprintf("%dd", uint64(1<<62)/86400); !strings.HasPrefix(got, want) {
		t.Errorf("%s, not %s…", got, want)
	}
}
