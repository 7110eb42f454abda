package units

import (
	"cmp"
	"strings"

	"kwhy/inspect"
)

// NoneOf says that nothing was found in a set, in words that are true where it was seen
// whole: "none in D", or "none in D among the 7 processes that could be seen; 118 denied".
// It is the one way to say so.
func NoneOf(words string, s inspect.Seen) string {
	switch {
	case s.Whole():
		return words
	case s.Nothing() && ofEach(s):
		return "of none of the " + members(s.All, s.Each) + " could it be seen" + unseenPart(s)
	case s.Nothing():
		return "no " + s.Each + " could be seen" + unseenPart(s)
	}
	return words + " among the " + members(s.Seen, s.Each) + " that could be seen" + unseenPart(s)
}

// ofEach reports whether a set was not seen for lack of a file that each of its members has: these
// themselves were.
func ofEach(s inspect.Seen) bool {
	return s.All > 1 && s.Source.Scope() == inspect.OfProcess && s.Source != inspect.PIDEntry && s.Source != inspect.PIDStat
}

// Among says how much of a set a statement is about: "" where it was seen whole, or "of 7
// of 125 processes; 118 denied".
func Among(s inspect.Seen) string {
	switch {
	case s.Whole():
		return ""
	case s.All > s.Seen:
		return "of " + Number(s.Seen) + " of " + members(s.All, s.Each) + unseenPart(s)
	}
	return "of the " + members(s.Seen, s.Each) + " that could be seen" + unseenPart(s)
}

// Sentence makes a sentence of words: a capital letter, and a full stop.
func Sentence(s string) string {
	if s == "" {
		return ""
	}
	return Capital(s) + "."
}

// Capital begins words with a capital letter.
func Capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func unseenPart(s inspect.Seen) (part string) {
	switch n := s.Missed(); {
	case n > 0 && s.Seen > 0:
		part = "; " + missed(s)
	case n > 0 && s.Others > 0:
		part = ": " + missed(s)
	case n > 0:
		part = ": " + AbsentWord(s.Reason)
	}
	if !s.Open {
		return part
	}
	switch beyond := cmp.Or(s.Beyond, s.Reason); {
	case beyond == inspect.OtherNamespace && s.Each == "cgroup":
		return part + "; those outside of this container can't be"
	case beyond == inspect.OtherNamespace:
		return part + "; those outside this PID namespace are not shown"
	case beyond == inspect.NotMounted && s.Seen == 0 && s.All == 0:
		return part + ": nothing is mounted here"
	case beyond == inspect.NotMounted:
		return part + "; the others are not mounted here"
	case beyond == inspect.Hidden, beyond == inspect.Denied && s.Missed() > 0:
		return part + "; this /proc hides those of others"
	case beyond == inspect.Untold:
		return part + "; the copy may not have all of them"
	case beyond == inspect.NotSaved && s.All > 0:
		return part + "; the copy has not all of them"
	}
	return part + "; there may be more"
}

// missed says how many members were missed, and why: the reason of most of them, and how many had others.
func missed(s inspect.Seen) string {
	words := Number(s.Missed()-s.Others) + " " + AbsentWord(s.Reason)
	if s.Others > 0 {
		words += ", " + Number(s.Others) + " for other reasons"
	}
	return words
}

// members counts members of a set: "7 processes".
func members(n int, each string) string {
	many := each + "s"
	if strings.HasSuffix(each, "s") {
		many = each + "es"
	}
	return Plural(n, each, many)
}
