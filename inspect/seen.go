package inspect

// Seen is how much of a set was seen: of the processes of a host, of their descriptors, of
// its sockets or cgroups. What is said of a set (a count, a sum, the largest, none) holds
// for that part alone. The zero value is a set that was seen whole.
type Seen struct {
	Each      string // what its members are, in English: "process"
	Seen, All int    // members that were seen, of all that are known to be there
	Open      bool   // there may be more than All, and from here nobody can count them
	Source    Source // what did not give the rest,
	Reason    Reason // and why
}

// Whole reports whether all of it was seen.
func (s Seen) Whole() bool { return s.Seen >= s.All && !s.Open }

// Nothing reports whether there is or may be something, and nothing of it was seen.
func (s Seen) Nothing() bool { return s.Seen == 0 && !s.Whole() }

// Missed returns how many members are known to be there and were not seen.
func (s Seen) Missed() int { return max(s.All-s.Seen, 0) }

// SeenBy counts members by what became of their source: why returns that of one of n.
// Those that have no such thing, as a kernel thread has no descriptors, are not of the set.
func SeenBy(each string, src Source, n int, why func(i int) Reason) Seen {
	s := Seen{Each: each, All: n, Source: src}
	var missed [NumReasons]int
	for i := range n {
		switch r := why(i); {
		case r == Inapplicable:
			s.All--
		case r.IsGap() && r != Vanished && r != Unread:
			missed[r]++
		default:
			s.Seen++
		}
	}
	most := 0
	for r, n := range missed {
		if n > most {
			s.Reason, most = Reason(r), n
		}
	}
	return s
}

// Within returns what was seen of a set whose members are found among those of another: it
// is whole only where that is.
func (s Seen) Within(outer Seen) Seen {
	if outer.Whole() || s.Nothing() {
		return s
	}
	if s.Whole() {
		s.Source, s.Reason = outer.Source, outer.Reason
	}
	s.Open = s.Open || outer.Open
	if missed := outer.Missed(); missed > 0 && s.Each == outer.Each {
		s.All = s.Seen + max(s.Missed(), missed)
	}
	return s
}
