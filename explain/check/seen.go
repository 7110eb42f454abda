package check

import (
	"fmt"
	"strings"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/units"
)

// Coverage is how much of the domains was seen: what is not found in the rest is not known.
type Coverage struct {
	Domains int // that were looked at
	Unseen  int // of these, those of which no rule could measure anything
	Partly  int // those of which some rule saw less than all
}

func coverageOf(verdicts Verdicts) (c Coverage) {
	for _, v := range verdicts {
		c.Domains++
		switch {
		case v.blind():
			c.Unseen++
		case v.of(lower.Partly)+v.of(lower.Blind) > 0:
			c.Partly++
		}
	}
	return c
}

// Whole reports whether every rule saw all that it is about.
func (c Coverage) Whole() bool { return c.Unseen+c.Partly == 0 }

// Nothing reports whether no domain could be seen.
func (c Coverage) Nothing() bool { return c.Unseen == c.Domains }

// words says what could not be seen: "4 of 6 domains unseen, 1 in part".
func (c Coverage) words() string {
	var words []string
	if c.Unseen > 0 {
		words = append(words, fmt.Sprintf("%d of %s unseen", c.Unseen, units.Plural(c.Domains, "domain", "domains")))
	}
	if c.Partly > 0 && c.Unseen > 0 {
		words = append(words, fmt.Sprintf("%d in part", c.Partly))
	} else if c.Partly > 0 {
		words = append(words, fmt.Sprintf("%d of %s seen in part", c.Partly, units.Plural(c.Domains, "domain", "domains")))
	}
	return strings.Join(words, ", ")
}

// Summary counts findings by level, and says how much was not seen.
func (c Coverage) Summary(list []lower.Finding) string {
	var words []string
	for l := explain.Critical; l > explain.OK; l-- {
		n := 0
		for i := range list {
			if list[i].Level == l {
				n++
			}
		}
		switch {
		case n > 0 && l == explain.Critical:
			words = append(words, fmt.Sprintf("%d critical", n))
		case n > 0:
			words = append(words, units.Plural(n, l.String(), l.String()+"s"))
		}
	}
	found := strings.Join(words, ", ")
	switch {
	case c.Nothing():
		return "nothing could be seen"
	case found == "" && c.Whole():
		return "nothing found"
	case found == "":
		found = "nothing found in what could be seen"
	}
	if !c.Whole() {
		found += "; " + c.words()
	}
	return found
}
