package output

import (
	"math"
	"strings"

	"kwhy/explain/lower"
)

// bar draws how the parts make up the whole: each gets columns by its share, and the
// largest remainders are rounded up. A part too small for a column gets none: its row
// says how much it is.
func (t *Text) bar(p *lower.Part, whole *lower.Cell) {
	if whole == nil || !whole.Value.Has() || whole.Shown().Float() <= 0 {
		return
	}
	width := t.width - 2*margin
	var b strings.Builder
	used, sum := 0, 0.0
	for i := range p.Cells {
		c := &p.Cells[i]
		if c.Doc.Part == 0 || !c.Value.Has() || c.Shown().Float() <= 0 {
			continue
		}
		sum += c.Shown().Float()
		upTo := min(int(math.Round(sum/whole.Shown().Float()*float64(width))), width)
		if upTo > used {
			b.WriteString(strings.Repeat(string(c.Doc.Part), upTo-used))
			used = upTo
		}
	}
	t.line(pad(margin-1) + "[" + b.String() + pad(width-used) + "]")
}

// meter draws a number against the largest of its column in n columns, by
// eighths of a column; logarithmically where the numbers lie far apart.
func meter(v, most float64, log bool, n int) string {
	if v <= 0 || most <= 0 {
		return pad(n)
	}
	share := v / most
	if log {
		share = math.Log2(1+v/4096) / math.Log2(1+most/4096)
	}
	eighths := int(math.Ceil(share * float64(n) * 8))
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return left(s, n)
}
