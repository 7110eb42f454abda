package explain

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// At is where a rule's measure becomes worth a level. Zero is never.
type At struct{ Notice, Warning, Critical float64 }

// Words returns thresholds by level: "notice 15 %, warning 8.0 %"; "off" where none is set.
func (a At) Words(u Unit) string {
	var words []string
	for i, n := range [...]float64{a.Notice, a.Warning, a.Critical} {
		if n != 0 {
			words = append(words, Levels()[i+1]+" "+Threshold(n, u))
		}
	}
	return cmp.Or(strings.Join(words, ", "), "off")
}

// Change changes thresholds to what a user writes: "notice=0.2,critical=0.05" changes
// those two, "0.2,0.1" the first two, and "off" switches all off.
func (a At) Change(text string) (At, error) {
	if text == "off" {
		return At{}, nil
	}
	for i, part := range strings.Split(text, ",") {
		name, number, named := strings.Cut(strings.TrimSpace(part), "=")
		if !named {
			if i >= 3 {
				return a, errThresholds()
			}
			name, number = Levels()[i+1], name
		}
		n, err := parseThreshold(strings.TrimSpace(number))
		to := map[string]*float64{"notice": &a.Notice, "warning": &a.Warning, "critical": &a.Critical}[strings.TrimSpace(name)]
		if err != nil || to == nil {
			return a, errThresholds()
		}
		*to = n
	}
	return a, nil
}

func errThresholds() error {
	return errors.New("it takes thresholds such as notice=0.2,warning=0.1,critical=0.05, the same three without names, or off")
}

// parseThreshold reads a number or a percentage; "-" and "off" are no threshold.
func parseThreshold(text string) (float64, error) {
	if text == "-" || text == "off" {
		return 0, nil
	}
	digits, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err == nil && (n < 0 || math.IsNaN(n) || math.IsInf(n, 0)) {
		err = strconv.ErrRange
	}
	if percent {
		n /= 100
	}
	return n, err
}

// InOrder checks that a worse level has a worse threshold: a smaller one if below.
func (a At) InOrder(below bool) error {
	last, good := math.NaN(), true
	var words []string
	for i, n := range [...]float64{a.Notice, a.Warning, a.Critical} {
		if n == 0 {
			continue
		}
		good = good && !(below && n > last || !below && n < last)
		last = n
		words = append(words, Levels()[i+1]+" "+strconv.FormatFloat(n, 'f', -1, 64))
	}
	if good {
		return nil
	}
	return fmt.Errorf("%s are out of order", strings.Join(words, ", "))
}
