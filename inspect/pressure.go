package inspect

import (
	"math"
	"strconv"
	"strings"
)

// Pressure is a pressure file, the host's or a cgroup's; a line that the kernel
// does not have is nil (Documentation/accounting/psi.rst).
type Pressure struct{ Some, Full *Stall }

// Stall is one line of it.
type Stall struct {
	Avg10, Avg60, Avg300 float64 // percent
	Total                uint64  // microseconds since boot
}

// ParsePressure reads lines of "some avg10=0.00 avg60=0.00 avg300=0.00 total=0".
// A line that does not parse is passed over; a file without a good one is malformed.
func ParsePressure(b []byte) (p Pressure, err error) {
	for len(b) > 0 {
		var line []byte
		line, b = CutLine(b)
		kind, rest := CutField(line)
		s, ok := parseStall(string(rest))
		switch {
		case ok && string(kind) == "some":
			p.Some = s
		case ok && string(kind) == "full":
			p.Full = s
		}
	}
	if p.Some == nil && p.Full == nil {
		return p, ErrMalformed
	}
	return p, nil
}

func parseStall(s string) (*Stall, bool) {
	f := strings.Fields(s)
	if len(f) < 4 {
		return nil, false
	}
	var out Stall
	for i, name := range [...]string{"avg10=", "avg60=", "avg300="} {
		text, ok := strings.CutPrefix(f[i], name)
		x, err := strconv.ParseFloat(text, 64)
		if !ok || err != nil || math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
			return nil, false
		}
		*[...]*float64{&out.Avg10, &out.Avg60, &out.Avg300}[i] = x
	}
	text, ok := strings.CutPrefix(f[3], "total=")
	total, ok2 := ParseUint([]byte(text))
	out.Total = total
	return &out, ok && ok2
}
