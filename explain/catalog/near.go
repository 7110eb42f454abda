package catalog

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// maxNear is how many near misses are offered.
const maxNear = 5

// Near returns the known names that are closest to an unknown one, the closest first. A
// name is near if it contains the unknown one, or is at most two edits away, or one edit
// for each three letters. Case does not matter. Everything is two edits away from two
// letters, so some letters must stay.
func Near(known []string, name string) (out []string) {
	type scored struct {
		name string
		far  int
	}
	var list []scored
	name = strings.ToLower(name)
	letters := utf8.RuneCountInString(name)
	for _, k := range known {
		lower := strings.ToLower(k)
		far := levenshtein.ComputeDistance(lower, name)
		switch {
		case letters > 0 && strings.Contains(lower, name):
			far = min(far, 2)
		case far > max(2, letters/3) || far >= letters:
			continue
		}
		list = append(list, scored{k, far})
	}
	slices.SortStableFunc(list, func(a, b scored) int { return a.far - b.far })
	for _, s := range list[:min(len(list), maxNear)] {
		out = append(out, s.name)
	}
	return out
}
