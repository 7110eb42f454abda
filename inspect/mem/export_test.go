package mem

import "kwhy/inspect"

var ParseZoneinfo = parseZoneinfo

var ParseSlabinfo = parseSlabinfo

var ParseNodeMeminfo = parseNodeMeminfo

var ParseSwaps = parseSwaps

var Reachable = reachable

func ParseZram(b []byte) (Zram, error) {
	var z Zram
	err := z.parse(b)
	return z, err
}

var ParseBuddyinfo = parseBuddyinfo

// BuddiesOf and SwapsOf are what procfs reads.
var (
	BuddiesOf = buddiesOf
	SwapsOf   = swapsOf
)

// ParseMaps reads the lines of maps.
func ParseMaps(b []byte) (out []Mapping, err error) {
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		var v Mapping
		if !v.Parse(line) {
			return nil, inspect.ErrMalformed
		}
		out = append(out, v)
	}
	return out, nil
}

// Perms are the permissions of a mapping, as maps spells them.
func (m *Mapping) Perms() string { return m.perms }
