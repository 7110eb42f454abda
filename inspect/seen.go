package inspect

// Seen is how much of a set was seen: of the processes of a host, of their descriptors, of
// its sockets or cgroups. What is said of a set (a count, a sum, the largest, none) holds
// for that part alone. The zero value is a set that was seen whole.
type Seen struct {
	Each      string // what its members are, in English: "process"
	Seen, All int    // members that were seen, of all that are known to be there
	Open      bool   // there may be more than All, and from here nobody can count them,
	Beyond    Reason // for this reason: Untold where they are not known to be there
	Source    Source // what did not give the rest,
	Reason    Reason // and why, of those that most were missed for
	Others    int    // how many of those missed were for other reasons than that
}

// Whole reports whether all of it was seen.
func (s Seen) Whole() bool { return s.Seen >= s.All && !s.Open }

// Nothing reports whether there is or may be something, and nothing of it was seen.
func (s Seen) Nothing() bool { return s.Seen == 0 && !s.Whole() }

// Missed returns how many members are known to be there and were not seen.
func (s Seen) Missed() int { return max(s.All-s.Seen, 0) }

// Unlisted returns the gap that a set of unknown size is: PIDs that are not listed, or the number
// of all that nobody wrote down. There is none where all members are known.
func (s Seen) Unlisted() (Gap, bool) {
	if s.Beyond == Untold {
		return Gap{Source: Loadavg, Reason: NotSaved, Count: 1, Of: 1}, s.Open
	}
	return Gap{Source: PIDEntry, Reason: s.Beyond, Count: 1, Of: 1}, s.Open
}

// SeenBy counts members by what became of their source: why returns that of one of n.
// Those that have no such thing, as a kernel thread has no descriptors, and those that ended
// are not of the set. A source that was not asked for is missed by nobody.
func SeenBy(each string, src Source, n int, why func(i int) Reason) Seen {
	s := Seen{Each: each, All: n, Source: src}
	var missed [NumReasons]int
	for i := range n {
		switch r := why(i); {
		case r == Inapplicable, r == Vanished:
			s.All--
		case r.IsGap() && r != Unread:
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
	s.Others = s.Missed() - most
	return s
}

// GapsBy returns a gap for each reason for which members of a set missed a source: why returns that of
// one of n, and those that SeenBy leaves out are left out.
func GapsBy(src Source, n int, why func(i int) Reason) (out []Gap) {
	var count [NumReasons]int
	for i := range n {
		count[why(i)]++
	}
	of := n - count[Inapplicable] - count[Vanished] - count[Unread]
	for _, r := range Reasons() {
		if count[r] > 0 && r.IsGap() && r != Unread && r != Vanished {
			out = append(out, Gap{Source: src, Reason: r, Count: count[r], Of: of})
		}
	}
	return out
}

// Within returns what was seen of a set whose members are found among those of another: where
// nobody can count these, it is open too.
func (s Seen) Within(outer Seen) Seen {
	if !outer.Open {
		return s
	}
	if s.Whole() {
		s.Source, s.Reason = outer.Source, outer.Reason
	}
	s.Open, s.Beyond = true, outer.Beyond
	return s
}

// surveyor is a snapshot of sets, such as the processes of a host: it says how much was seen
// of what a source is read of.
type surveyor interface{ SeenOf(Source) Seen }
