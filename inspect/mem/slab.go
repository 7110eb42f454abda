package mem

import "kwhy/inspect"

// Slab is one cache of /proc/slabinfo.
type Slab struct {
	Name         string
	Active       uint64 // objects in use
	Objects      uint64 // objects there is room for
	ObjectSize   uint64 // bytes
	PagesPerSlab uint64
	Slabs        uint64
}

// Pages returns how many pages the cache holds.
func (s *Slab) Pages() uint64 { return s.Slabs * s.PagesPerSlab }

// parseSlabinfo reads /proc/slabinfo, version 2.1. procfs reads it with a
// regular expression a line, which takes longer than the rest of a run.
func parseSlabinfo(b []byte) ([]Slab, error) {
	var out []Slab
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		if s, ok := parseSlab(line); ok {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, inspect.ErrMalformed
	}
	return out, nil
}

// parseSlab reads
//
//	name active num size per_slab pages_per_slab : tunables a b c : slabdata active num shared
//
// and refuses headers and lines of another form.
func parseSlab(line []byte) (s Slab, ok bool) {
	name, rest := inspect.CutField(line)
	var n [15]uint64
	for i := range n {
		var field []byte
		field, rest = inspect.CutField(rest)
		switch i {
		case 5, 10: // colons
			ok = string(field) == ":"
		case 6:
			ok = string(field) == "tunables"
		case 11:
			ok = string(field) == "slabdata"
		default:
			n[i], ok = inspect.ParseUint(field)
		}
		if !ok {
			return Slab{}, false
		}
	}
	return Slab{
		Name: string(name), Active: n[0], Objects: n[1], ObjectSize: n[2],
		PagesPerSlab: n[4], Slabs: n[13],
	}, true
}
